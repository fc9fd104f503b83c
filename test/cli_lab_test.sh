#!/bin/sh
# cli_lab_test.sh - pageworks lab: every scenario, scripts that fail, lines from everywhere.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"
PAGEWORKS_SCENARIOS=$source/scenarios
export PAGEWORKS_SCENARIOS

# Every scenario holds, is told, ends in expectations, and is in the list.
"$pageworks" lab --list >list
point $? "lists the scenarios"
for script in "$source"/scenarios/*.lab; do
	name=$(basename "$script" .lab)
	timeout 60 "$pageworks" lab "$name" >told 2>err </dev/null
	status=$?
	title=$(sed -n '1s/^# //p' "$script")
	expects=$(grep -c '^expect ' "$script")
	[ $status -eq 0 ] && [ ! -s err ] && [ "$(grep -c '^holds: ' told)" -eq "$expects" ] && [ "$expects" -ge 2 ] &&
		[ -n "$title" ] && head -1 told | grep -qxF "$title" && grep -q "^  $name " list
	ok=$?
	point $ok "scenario $name"
	[ $ok -eq 0 ] || { echo "# status $status"; cat err; grep -A4 'does not hold' told; } | explain
done

# A changed expectation is noticed, and the script goes on to its end.
printf 'process p\nmap 0 4K rw\nread 0\nexpect faults.total == 2\nread 0\nexpect faults.total == 1\n' >wrong.lab
"$pageworks" lab --quiet wrong.lab >out 2>err
[ $? -eq 124 ] && grep -q 'does not hold: faults.total == 2' out && grep -q 'faults.total is 1' out && grep -q '1 of 2' err
point $? "an expectation that does not hold: 124, the figure, and the rest of the script"

printf '\n# text\nprocess p\nraed 0\n' >bad.lab
"$pageworks" lab --quiet bad.lab >out 2>err
[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "bad.lab:4: 'raed' is no command; did you mean 'read'" err
point $? "a line that makes no sense: 125, file and line, the nearest command"

printf 'process p\nmap 0 4K rw\nwrite 0 7\nread 0' | "$pageworks" lab >out 2>err
[ $? -eq 0 ] && grep -q '= 7 (0x7)' out
point $? "lines from standard input, the last without its newline"

"$pageworks" lab -e 'process p' -e 'map 0 4K rw' -e 'write 0 7' -e 'walk 0' >out 2>err
[ $? -eq 0 ] && grep -q 'physical address 0x0' out
point $? "lines from the command line"

printf 'quiz 5 2\nno\nno\nsay done\n' >quiz.lab
"$pageworks" lab quiz.lab >out 2>err
[ $? -eq 124 ] && grep -q '0 of 2 right' out && grep -q '^done$' out
point $? "a quiz in a script takes the lines that follow as answers"

printf 'machine ram=1M swap=ram\nprocess p\nmap 0x10000 8K rw\nwrite 0x10000 "the bytes"\ndump image\n' >dump.lab
"$pageworks" lab --quiet dump.lab >out 2>err
[ $? -eq 0 ] && [ "$(wc -c <image)" -eq 1048576 ] && grep -q '^pid 1 format x86-64 root 0x' image.roots &&
	grep -q 'the bytes' image
point $? "a dump holds memory and the roots"
(
	ulimit -f 64
	trap '' XFSZ
	"$pageworks" lab --quiet dump.lab >out 2>err
)
[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && [ ! -e image ] && [ ! -e image.roots ]
point $? "a dump that does not fit says so, and leaves no half of it"

printf '\n\n\n' | "$pageworks" lab --step "$source/scenarios/belady.lab" >out 2>err
[ $? -eq 0 ] && [ "$(grep -c '^lab> ' out)" -eq 4 ]
point $? "--step waits for each command, and ends with its input"

"$pageworks" lab "$source/scenarios/swap.lab" 2>err | head -1 >out
grep -q Swap out
point $? "a reader that goes away does no harm"

printf 'process p\nmap 0 64M rw\ntouch 0 64M times 4000\n' >long.lab
"$pageworks" lab long.lab >out 2>err &
pid=$!
sleep 0.5
kill -INT $pid 2>/dev/null
wait $pid
[ $? -ge 125 ]
point $? "an interrupt ends a long command"

# With a terminal there is a prompt; completion and history are the library's.
if have python3; then
	cat >terminal.py <<-'END'
	import os, pty, sys, time, select
	pid, fd = pty.fork()
	if pid == 0:
	    os.environ["TERM"] = "dumb"
	    os.execv(sys.argv[1], [sys.argv[1], "lab"])
	said = b""
	def until(word):
	    global said
	    end = time.time() + 20
	    while word not in said and time.time() < end:
	        if select.select([fd], [], [], 0.2)[0]:
	            try:
	                more = os.read(fd, 4096)
	            except OSError:
	                break
	            if not more:
	                break
	            said += more
	    return word in said
	ok = until(b"lab> ")
	os.write(fd, b"proc\tp\n")
	ok = until(b"process p is number 1") and ok
	os.write(fd, b"map 0 4K rw\nnonsense\nread 0\nexpect faults.total == 9\nquit\n")
	ok = until(b"is no command") and ok
	ok = until(b"does not hold") and ok
	_, status = os.waitpid(pid, 0)
	sys.exit(0 if ok and status == 0 else 1)
	END
	# What libedit never gives back, the names of a function that was added to it, is not ours.
	echo 'leak:wcsdup' >leaks
	LSAN_OPTIONS=suppressions=$dir/leaks timeout 60 python3 terminal.py "$pageworks"
	point $? "at a prompt: completion, errors that end nothing, quit"
else
	skip "at a prompt: there is no python3 to make a terminal"
fi

refused 125 "did you mean 'belady'" lab beladi
refused 125 "No such file" lab no/such.lab
refused 125 "either lines or scripts" lab -e help belady
refused 125 "--seed" lab --seed x
PAGEWORKS_SCENARIOS=/no/such/folder refused 125 "/no/such/folder" lab --list
plan
