#!/bin/sh
# cli_live_test.sh - programs that are really paged do what they do natively: same output, same status, nothing left behind.
#
# Each has about an eighth of the memory it uses; cli_live_matrix_test.sh has more of them.  Where userfaultfd is forbidden everything
# but the messages is skipped, and says why.
# check: timeout 900
. "$(dirname "$0")/points.sh"
prog=$(dirname "$pageworks")/test/prog
TMPDIR=$dir
export TMPDIR

# paged NAME RAM COMMAND...: natively and paged; $with holds more options.
paged() {
	name=$1 ram=$2
	shift 2
	"$@" >native.out 2>native.err </dev/null
	native=$?
	# shellcheck disable=SC2086
	timeout -k 5 300 "$pageworks" live --ram "$ram" $with -o report --json result.json -- "$@" >out 2>err </dev/null
	status=$?
	[ $status -eq $native ] && cmp -s out native.out && cmp -s err native.err && grep -q 'checks: all passed' report
	ok=$?
	point $ok "as natively in $ram: $name${with:+ ($with)}"
	[ $ok -eq 0 ] || { echo "# status $status, natively $native"; diff native.out out | head -5 | explain; explain err report; }
}
# was_paged LEAST NAME: the last one evicted at least so many pages
was_paged() {
	evicted=$(figure result.json evicted)
	[ "${evicted:-0}" -ge "$1" ]
	point $? "$2 really was paged: ${evicted:-no} evictions"
}

refused 125 "--ram" live -- true
refused 125 "which program" live --ram 1M
refused 125 "not a size" live --ram lots -- true
refused 125 "did you mean --policy" live --polcy fifo -- true
refused 125 "know the future" live --ram 1M --policy opt -- true
refused 125 "1 to 100 bytes" live --ram 1M --protect "" -- true
refused 125 "keeps no bytes" live --ram 1M --swap ssd -- true
"$pageworks" live --attach-hint >hint 2>err && grep -q unprivileged_userfaultfd hint
point $? "--attach-hint says what there is"

if ! "$pageworks" live --ram 1M --quiet -- true >out 2>err; then
	[ "$(wc -l <err)" -eq 1 ] && grep -q userfaultfd err
	point $? "without userfaultfd: one line"
	skip "programs cannot be paged here: $(cat err)"
	plan
	exit 0
fi
refused 127 "no such program" live --ram 1M -- no-such-program-here
refused 126 "not an executable" live --ram 1M -- ./err

with=
awk 'BEGIN { srand(7); for (i = 0; i < 60000; i++) printf "%d %d\n", rand() * 1e9, i }' >lines
for with in "--policy fifo" "--policy clock" "--policy sieve --personality textbook" "--policy lru --swap file:$dir/swap"; do
	paged "sort" 1M sort -S 16M --parallel=1 lines
	was_paged 1000 sort
done
with=
[ ! -s swap ] || rm -f swap
paged "a fork sees what its parent had" 1M perl -e 'my @a = map { $_ * 3 } 1 .. 40000; $| = 1;
	for my $n (1 .. 3) { my $pid = fork; if (!$pid) { my $s = 0; $s += $_ for @a; print "child $s\n"; $_ = 0 for @a; exit 3 }
	waitpid $pid, 0; print $? >> 8, "\n"; $a[$_] += $n for 0 .. $#a } my $s = 0; $s += $_ for @a; print "parent $s\n";'
paged "a shell and its children" 2M sh -c 'for i in 1 2 3; do (echo $i; seq 1 2000 | sort -n | tail -1); done; x=$(echo hi | tr a-z A-Z)
	echo $x; exit 7'
for with in "--policy fifo" "--policy sieve" "--policy 2q --swap lz4" \
	"--swap fault:read_eio=300,write_eio=300,short=400,nospace=300,slow=3000,slow_ns=1000000,ram"; do
	paged "every byte of pages that threads and forks share" 1M "$prog/verify" 6 2
	was_paged 2000 "the verifying program"
done
for with in "--personality textbook" "--personality textbook --protect heap --protect anon:c[a-d]*"; do
	paged "mappings with names" 6M "$prog/named" 8
	faults=$(sed -n '/"name": "anon:cache"/,/"total"/s/.*"total": *\([0-9]*\).*/\1/p' result.json)
	case $with in
	*protect*) [ "$faults" -eq 4097 ] && grep -q "refused *16.0 MiB" report && grep -q "heap .*protected" report ;;
	*) [ "$faults" -gt 7000 ] && ! grep -q protected report ;;
	esac
	point $? "each page of it faulted ${faults:-no} times in all"
done
with="--protect=*"
paged "everything protected that can be" 1M sort -S 16M --parallel=1 lines
was_paged 1000 "what was too much"
with="--swap file:$dir/swap"
paged "a child's pages in a file of its own" 2M perl -e 'my @a = map { $_ * 3 } 1 .. 20000; $| = 1; my $pid = fork; $_++ for @a;
	my $s = 0; $s += $_ for @a; waitpid $pid, 0 if $pid; print "$s ", $pid ? $? : 0, "\n"'
[ ! -e swap ]
point $? "the swap file left no name"
: >swap
paged "children whose parent has a file that was there" 1M "$prog/verify" 4 2
rm -f swap
with=
"$pageworks" live --ram 1M --swap fault:flip=1000,after=2000,ram --quiet -- "$prog/verify" 6 2 >out 2>err
[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q checksum err && [ ! -s out ]
point $? "a flipped bit stops the program with one line"
# shellcheck disable=SC2016
paged "exec goes on being paged" 1M sh -c 'exec sort -S 16M --parallel=1 lines'
was_paged 1000 "the program after exec"
paged "a program that dies of a signal" 2M sh -c 'kill -SEGV $$'
paged "environment and descriptors" 2M sh -c 'env | grep -v "^_=" | sort; ls /proc/self/fd'
paged "processors" 1M sh -c 'nproc; exec nproc'
if [ "$(nproc)" -gt 1 ]; then
	paged "threads that compute are on several processors" 8M "$prog/procs" 2 30
	"$pageworks" live --ram 8M --quiet -- perl -e 'for (1 .. 2) { if (!fork) { open my $f, "<", "/proc/self/status";
		print grep /Cpus_allowed_list/, <$f>; exit } } wait; wait' | sort -u >out
	[ "$(wc -l <out)" -eq 2 ]
	point $? "children are dealt to the processors"
else
	skip "there is one processor"
fi
LD_PRELOAD='' paged "an empty LD_PRELOAD" 2M sh -c 'env | grep PRELOAD'

if have qemu-x86_64; then
	"$pageworks" live --ram 8M --policy fifo --personality textbook --quiet --json live.json -- "$prog/scatter" 8192 60000 >out 2>err
	"$pageworks" run --frames 2048 --policy fifo --quiet --json run.json -- "$prog/scatter" 8192 60000 >native.out 2>>err
	lived=$(sed -n '/"faults"/,$p' live.json | sed -n 's/.*"total": *\([0-9]*\).*/\1/p' | head -1)
	simulated=$(sed -n '/"faults"/,$p' run.json | sed -n 's/.*"total": *\([0-9]*\).*/\1/p' | head -1)
	awk "BEGIN { off = ($lived - $simulated) / $simulated; exit !(off < 0.02 && off > -0.02) }" && cmp -s out native.out
	point $? "a simulated run of the same program in as many frames has as many faults: $simulated, really $lived"
else
	skip "qemu-x86_64 is not installed: no simulated run to compare with"
fi
"$pageworks" live --ram 1M --swap-size 1M --quiet -- sort -S 16M --parallel=1 lines >out 2>err
[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q memory err
point $? "swap that is full stops the program with one line"

"$pageworks" live --ram 1M --quiet -- sort -S 64M --parallel=1 lines lines lines lines lines lines lines lines lines >out 2>err &
whole=$!
sleep 1
child=$(pgrep -P $whole)
kill -KILL $whole
wait $whole 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -n "$child" ] && kill -0 "$child" 2>/dev/null || break
	sleep 0.3
done
! kill -0 "${child:-1000000000}" 2>/dev/null
point $? "killed half way: nothing is left running"
plan
