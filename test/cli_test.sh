#!/bin/sh
# cli_test.sh - the command as people use it: real programs, statuses, messages, files.  Prints TAP.
# check: timeout 300

. "$(dirname "$0")/points.sh"

awk 'BEGIN { x = 7; for (i = 0; i < 20000; i++) { x = (x * 69069 + 1) % 4294967296; print x, "line", i } }' >numbers
printf '%s\n' 7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1 >silberschatz
printf '%s\n' 1 2 3 4 1 2 5 1 2 3 4 5 >belady

# --- help and verbs
"$pageworks" --version >out 2>err; point $? "--version"
"$pageworks" --help >out 2>err && grep -q 'pageworks run' out; point $? "--help"
for verb in run record diff; do
	"$pageworks" $verb --help >out 2>err && grep -q 'Examples:' out; point $? "$verb --help has examples"
	grep -q -- "pageworks $verb" out; point $? "$verb --help names itself"
done
for list in policy cpu format swap cost; do
	"$pageworks" run --$list help >out 2>err && [ "$(wc -l <out)" -ge 3 ] && [ ! -s err ]; point $? "--$list help lists"
done
refused 125 "did you mean 'run'" rnu
refused 125 "known: run" ''
"$pageworks" >out 2>err; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]; point $? "no verb at all"

if have bash; then
	cat >complete.bash <<'BASH'
source "$1"
COMP_WORDS=("$2" run --pol); COMP_CWORD=2; _pageworks; echo "${COMPREPLY[@]}"
COMP_WORDS=("$2" run --policy lr); COMP_CWORD=3; _pageworks; echo "${COMPREPLY[@]}"
COMP_WORDS=("$2" re); COMP_CWORD=1; _pageworks; echo "${COMPREPLY[@]}"
BASH
	bash complete.bash "$source/completions/pageworks.bash" "$pageworks" 2>&1 | tr '\n' ' ' | grep -q '^--policy lru record $'
	point $? "completion of options, names and verbs"
else
	skip "bash is not installed"
fi

# --- words that make no sense
refused 125 "cannot be empty" run --ram 0 silberschatz
refused 125 "at least 5 frames" run --ram 4K silberschatz
refused 125 "--ram: '8Q'" run --ram 8Q silberschatz
refused 125 "at least one frame" run --frames 0 silberschatz
refused 125 "exclude each other" run --frames 3 --ram 1M silberschatz
refused 125 "did you mean 'lru'" run --policy lur silberschatz
refused 125 "skylake" run --cpu z80 silberschatz
refused 125 "did you mean 'sv39'" run --format sv93 silberschatz
refused 125 "ways" run --tlb l1d=64/5 silberschatz
refused 125 "power of two" run --page 3000 silberschatz
refused 125 "--format flat" run --page 8K silberschatz
refused 125 "did you mean --policy" run --polcy lru silberschatz
refused 125 "needs a value" run --policy
refused 125 "takes no value" run --quiet=1 silberschatz
refused 125 "-z" run -z silberschatz
refused 125 "none" run --swap tape silberschatz
refused 125 "expected" run --fail-on 'faults.total >' silberschatz
refused 125 "--limit" run --limit 5 --warmup 5 silberschatz
refused 125 "give a trace" run
refused 125 "put -- before" run sort numbers
refused 125 "--ram SIZE" run --dump image silberschatz
refused 125 "record" run --policy opt -- true

# --- inputs that cannot be read
refused 125 "no such file" run /no/such/trace
refused 125 "directory" run .
refused 125 "no/such/place" run --json no/such/place silberschatz
refused 125 "no/such/place" run -o no/such/place silberschatz
: >empty
refused 125 "empty" run empty
head -c 3000 /dev/zero | tr '\0' '\377' >garbage
refused 125 "garbage" run garbage
if [ "$(id -u)" -ne 0 ]; then
	: >locked && chmod 0 locked
	refused 125 "locked" run locked
else
	skip "root may read every file"
fi

# --- the books
books() { # books POLICY FRAMES STRING FAULTS
	"$pageworks" run --quiet --json - --policy "$1" --frames "$2" "$3" >out 2>err &&
		[ "$(figure out total | head -1)" = "$(wc -l <"$3")" ] && grep -A1 '"faults": {' out | grep -q "\"total\": $4,"
	point $? "$3: $1 with $2 frames has $4 faults"
}
books fifo 3 silberschatz 15
books lru 3 silberschatz 12
books opt 3 silberschatz 9
books fifo 3 belady 9
books fifo 4 belady 10
"$pageworks" run --frames 3 --quiet --json result.json - <belady && grep -q '"rejected": 0' result.json
point $? "a trace on standard input"

# --- the report
"$pageworks" run --frames 3 --policy fifo silberschatz >out 2>err
point $? "a report is printed"
[ ! -s out ]; point $? "nothing of it goes to standard output"
tail -1 err | grep -q 'checked:'; point $? "its last line says that the sums were checked"
grep -q '15  faults' err; point $? "it counts the faults"
"$pageworks" run --frames 3 -o report silberschatz >out 2>err; [ ! -s out ] && [ ! -s err ] && [ -s report ]
point $? "-o takes the report"
printf '7\n0\nnonsense\n1\n' >bad
"$pageworks" run bad >out 2>err && grep -q '1 records' err && grep -q 'number 3' err
point $? "rejected records are counted and located"

# --- conditions
"$pageworks" run --quiet --fail-on 'faults.total > 14' --frames 3 --policy fifo silberschatz 2>err; [ $? -eq 124 ] && grep -q holds err
point $? "--fail-on that holds gives 124"
"$pageworks" run --quiet --frames 3 --policy fifo --fail-on 'faults.total > 15 || tlb.l1d.misses / references.total > 200%' silberschatz
point $? "--fail-on that does not hold"
"$pageworks" run --quiet --frames 3 --policy fifo --fail-status 3 --fail-on 'faults.total == 15 && (reclaim.evicted == 12)' \
	silberschatz 2>err
[ $? -eq 3 ]; point $? "--fail-status"
refused 125 "did you mean 'faults.total'" run --quiet --fail-on 'faults.totl>1' silberschatz

# --- places that cannot be written
if [ -w /dev/full ]; then
	refused 125 "No space left" run -o /dev/full silberschatz
	refused 125 "No space left" run --quiet --json /dev/full silberschatz
	"$pageworks" diff a b >/dev/full 2>err; [ $? -eq 125 ]; point $? "diff into a full disk"
else
	skip "there is no /dev/full"; skip "there is no /dev/full"; skip "there is no /dev/full"
fi
mkfifo pipe
(: <pipe) &
"$pageworks" run --quiet --json pipe random:pages=100,refs=4M 2>err; [ $? -eq 125 ] && grep -q 'Broken pipe' err
point $? "a closed pipe is an error in words"
wait

# --- programs
if ! have qemu-x86_64; then
	echo "1..$n"
	echo "# qemu-x86_64 is not installed: programs were not tested"
	exit 0
fi
for with in "" "--ram 1M --policy clock" "--personality linux --ram 4M"; do
	same "true $with" true
	same "gzip $with" gzip -c numbers
	same "sort $with" sort numbers
done
with="--ram 3M --policy lru --refbits hardware"
same "exit 37" sh -c 'exit 37'
same "a pipeline" sh -c 'sort numbers | cut -c1-3 | uniq -c | head -5'
same "output on both" sh -c 'echo to stdout; echo to stderr >&2; exit 3'
same "children" sh -c 'for i in 1 2 3; do (cat numbers | wc -l); done'
printf '#!/bin/sh\nhead -3 "$1"\nexit 9\n' >script && chmod +x script
same "a script" ./script numbers
same "a script through env" env sh ./script numbers
for p in "python3 -S -c 'print(sum(i * i for i in range(5000)))'" "sqlite3 :memory: 'select sum(x) from (select 1 as x union select 2);'" \
	"node -e 'console.log([3, 1, 2].sort().join())'" "perl -e 'print join(\",\", sort map { \$_ * 7 % 31 } 1 .. 30), \"\\n\"'"; do
	if ! have "${p%% *}"; then
		skip "${p%% *} is not installed"
	elif [ "${p%% *}" = python3 ] && [ -x /usr/bin/python3 ]; then
		same "$p" sh -c "/usr/bin/$p"
	else
		same "$p" sh -c "$p"
	fi
done
if have gcc && cc1=$(gcc -print-prog-name=cc1) && [ -x "$cc1" ]; then
	printf 'int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\nint main(void) { return f(10); }\n' >a.c
	same "the C compiler proper" "$cc1" -quiet -O2 a.c -o -
else
	skip "gcc is not installed"
fi
cat >t.c <<'C'
#include <pthread.h>
#include <stdio.h>
static void *f(void *p) { long s = 0; for (long i = 0; i < 9999; i++) s += i; *(long *)p = s; return 0; }
int main(void)
{
	pthread_t t[4];
	long r[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], 0, f, &r[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], 0);
		printf("%ld\n", r[i]);
	}
}
C
if have gcc && gcc -pthread -o threads t.c 2>err; then
	with="--cpus 4 --ram 2M"
	same "threads on 4 CPUs" ./threads
else
	skip "gcc cannot build a threaded program"
fi

# --- the faults of Linux: minor and major within a tenth of what getrusage reports natively, the least of five runs
natively=${BUILD:-$(dirname "$pageworks")}/test/prog/natively
case $natively in /*) ;; *) natively=$OLDPWD/$natively ;; esac
faults() { # faults NAME ARG...
	name=$1
	shift
	if ! have "$1" || [ ! -x "$natively" ]; then
		skip "faults of $name: $1 or $natively is not there"
		return
	fi
	: >counts
	for i in 1 2 3 4 5; do
		"$natively" count "$@" >/dev/null 2>&1 </dev/null && cat count >>counts
	done
	native=$(awk '{ print $1 + $2 }' counts | sort -n | head -1)
	"$pageworks" run --quiet --personality linux --json result.json -- "$@" >/dev/null 2>&1 </dev/null
	own=$(awk '/"faults": {/ { if (!seen++) getline; else exit; gsub(/[^0-9]/, ""); print; exit }' result.json)
	[ "${native:-0}" -gt 0 ] && [ $((own * 10)) -ge $((native * 9)) ] && [ $((own * 10)) -le $((native * 11)) ]
	point $? "faults of $name: $own simulated, $native natively"
}
python=python3
[ ! -x /usr/bin/python3 ] || python=/usr/bin/python3
faults gzip gzip -c numbers
faults sort sort --parallel=1 numbers
faults python3 "$python" -S -c 'print(sum(i * i for i in range(5000)))'
faults sqlite3 sqlite3 :memory: 'create table t(a, b); insert into t values(1, 2); select * from t;'

# --- endings
with=
"$pageworks" run --quiet -- no-such-program 2>err; [ $? -eq 127 ] && [ "$(wc -l <err)" -eq 1 ]; point $? "not found: 127"
"$pageworks" run --quiet -- ./numbers 2>err; [ $? -eq 126 ] && [ "$(wc -l <err)" -eq 1 ]; point $? "not executable: 126"
for signal in 2 9 11 15; do
	"$pageworks" run --quiet -- sh -c "kill -$signal \$\$" 2>err
	[ $? -eq $((128 + signal)) ]; point $? "a program killed by signal $signal"
done
if have perl; then
	perl -e 'system(@ARGV); exit(($? & 127) != 11)' "$pageworks" run --quiet -- sh -c 'kill -11 $$' 2>err
	point $? "the same signal ends pageworks, not a status that looks like it"
	cat >interrupt.pl <<'PERL'
my $pid = fork; if (!$pid) { setpgrp; open STDERR, ">", "err"; exec @ARGV; }
select undef, undef, undef, 1;
kill "INT", -$pid; waitpid $pid, 0; exit(($? & 127) != 2);
PERL
	perl interrupt.pl "$pageworks" run -o report -- sleep 100 && grep -q 'checked:' report
	point $? "Ctrl-C ends the program, and the report of what ran is there"
else
	skip "perl is not installed"
	skip "perl is not installed"
fi
"$pageworks" run -o report -- sleep 100 2>err &
child=$!
tries=0
until grep -qs sleep "/proc/$child/task/$child/children" /dev/null || [ -n "$(cat /proc/$child/task/$child/children 2>/dev/null)" ] ||
	[ $tries -gt 200 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
sleep 0.3
kill -TERM $child
wait $child
status=$?
[ $status -eq 143 ] && grep -q 'checked:' report
point $? "ended from outside: status 143 and a report"
"$pageworks" run --limit 100000 -o report random:pages=100,refs=1T 2>err; point $? "--limit"
"$pageworks" run -o report random:pages=100,refs=1T 2>err &
child=$!
sleep 0.5
kill -TERM $child
wait $child
[ $? -eq 143 ] && grep -q interrupted report; point $? "a trace that is stopped still has its report"
"$pageworks" run --quiet --json result.json --ram 64K --swap none -- sort numbers >out 2>err
status=$?
sort numbers | cmp -s - out && [ $status -eq 0 ] && grep -q '"killed_for_memory": true' result.json
point $? "out of simulated memory: the program's output is whole, the result says what happened"

# --- twice the same
for spec in "zipf:pages=4K,s=0.9,refs=300K,writes=0.2" "-- gzip -c numbers" "-- sh -c 'exit 5'"; do
	eval "\"$pageworks\" run --quiet --ram 2M --policy random --json a.json $spec" >/dev/null 2>&1
	eval "\"$pageworks\" run --quiet --ram 2M --policy random --json b.json $spec" >/dev/null 2>&1
	timeless a.json >a && timeless b.json >b && cmp a b >err 2>&1
	ok=$?
	point $ok "two runs, one result: $spec"
	[ $ok -eq 0 ] || diff a b | head | explain
done

# --- record, and run the recording
"$pageworks" record --quiet -o gzip.pwt -- gzip -c numbers >out 2>err; status=$?
gzip -c numbers | cmp -s - out && [ $status -eq 0 ] && [ ! -s err ]; point $? "record does not disturb the program"
refused 125 "-f overwrites" record -o gzip.pwt -- true
"$pageworks" record -f -o gzip.pwt -- gzip -c numbers >/dev/null 2>err && grep -q references err; point $? "record -f"
"$pageworks" run --quiet --ram 1M --json live.json -- gzip -c numbers >/dev/null 2>&1
"$pageworks" run --quiet --ram 1M --json replay.json gzip.pwt >err 2>&1
for f in live replay; do
	# What the input is called, and how the program ended on this host, is not part of what was simulated.
	sed -e '/"command": \[/,/\]/d' -e '/"source"/d' -e '/"format": "\(qemu\|pwt\)"/d' -e '/"records"/d' \
		-e '/"program": {/,/}/d' $f.json >$f
done
cmp -s live replay; ok=$?
point $ok "a recording gives what the live run gave"
[ $ok -eq 0 ] || diff live replay | head | explain
"$pageworks" run --quiet --policy opt --frames 100 gzip.pwt 2>err; point $? "a recording can be read ahead by opt"
"$pageworks" record --quiet -o converted.pwt silberschatz 2>err &&
	"$pageworks" run --quiet --frames 3 --policy lru --json out converted.pwt &&
	grep -A1 '"faults": {' out | grep -q '"total": 12,'
point $? "a trace is converted"
"$pageworks" record --quiet -o sh.pwt -- sh -c 'exit 4'; [ $? -eq 4 ]; point $? "record gives the program's status"
bytes=$(wc -c <gzip.pwt)
head -c $((bytes / 2)) gzip.pwt >cut.pwt
"$pageworks" run -o report cut.pwt 2>err; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q 'ended early' report &&
	grep -q 'checked:' report
point $? "a recording cut in half: what is whole is reported, and the status is 125"

# --- diff
"$pageworks" run --quiet --frames 3 --policy fifo --json a.json silberschatz
"$pageworks" run --quiet --frames 3 --json b.json silberschatz
"$pageworks" diff a.json b.json >out 2>err && grep -q 'policy .*fifo -> lru' out &&
	grep -Eq 'faults +15 +12 +-3 +0.800x' out
point $? "diff of two results"
"$pageworks" diff >named 2>err && sed 1,2d named >x && sed 1,2d out >y && cmp -s x y; point $? "diff of the last two runs"
"$pageworks" diff a.json >named 2>err && sed 1,2d named >x && cmp -s x y; point $? "diff with the last run"
"$pageworks" diff --json --all a.json b.json >out 2>err && grep -q '"path": "faults.total"' out; point $? "diff --json --all"
refused 125 "not JSON" diff silberschatz silberschatz
refused 125 "no/such" diff no/such a.json
echo '{"a": 1}' >other.json
refused 125 "not a result" diff other.json a.json

# --- the image of memory
"$pageworks" run --quiet --ram 1M --dump image seq:pages=20 2>err && [ "$(wc -c <image)" -eq 1048576 ] &&
	grep -q 'root 0x' image.roots
point $? "--dump writes memory and its roots"

plan
