#!/bin/sh
# cli_live_test.sh - programs that are really paged do what they do natively: same output, same status, nothing left behind.
#
# Each has about an eighth of the memory it uses.  Where userfaultfd is forbidden everything but the messages is skipped, and says why.
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
if have python3; then
	cat >big.py <<-'END'
	import hashlib
	words = {i: str(i * 7919 % 1000003) * 3 for i in range(20000)}
	digest = hashlib.sha256()
	for word in sorted(words.values()):
	    digest.update(word.encode())
	print(digest.hexdigest())
	raise SystemExit(3)
	END
	paged "python3" 1M python3 big.py
	was_paged 500 python3
else
	skip "python3 is not installed"
fi
if have sqlite3; then
	paged "sqlite3 :memory:" 1M sqlite3 :memory: "create table t(a, b);
		with recursive c(x) as (values(1) union all select x + 1 from c where x < 20000)
		insert into t select x, hex(x * 7919 % 60013) from c;
		create index i on t(b); select count(*), max(b) from t where b > '35'; select a from t order by b desc limit 3;"
	was_paged 200 sqlite3
else
	skip "sqlite3 is not installed"
fi
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
with="--swap file:$dir/swap"
paged "a child's pages in a file of its own" 2M perl -e 'my @a = map { $_ * 3 } 1 .. 20000; $| = 1; my $pid = fork; $_++ for @a;
	my $s = 0; $s += $_ for @a; waitpid $pid, 0 if $pid; print "$s ", $pid ? $? : 0, "\n"'
[ ! -e swap ]
point $? "the swap file left no name"
with=
paged "threads that multiply matrices" 1M "$prog/matrix" 400 4
"$pageworks" live --ram 1M --swap fault:flip=1000,after=2000,ram --quiet -- "$prog/verify" 6 2 >out 2>err
[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q checksum err && [ ! -s out ]
point $? "a flipped bit stops the program with one line"
if have gcc; then
	awk 'BEGIN { for (i = 0; i < 30; i++)
		printf "int f%d(int a, int b) { int s = 0; for (int i = 0; i < a; i++) { s += i * b ^ s << 3;" \
		" switch (s & 3) { case 0: s++; break; case 1: s *= 3; break; default: s += %d; } } return s; }\n", i, i }' >big.c
	cc1=$(gcc -print-prog-name=cc1)
	paged "the compiler proper" 1M "$cc1" -quiet -O2 big.c -o -
else
	skip "gcc is not installed"
fi
if have memtester; then
	paged "memtester" 1M timeout 60 memtester 1M 1
else
	skip "memtester is not installed"
fi
if have stress-ng; then
	"$pageworks" live --ram 2M --quiet -- stress-ng --vm 1 --vm-bytes 4M --verify --vm-ops 20 --vm-method rand-set -q >out 2>err
	point $? "stress-ng finds nothing wrong"
else
	skip "stress-ng is not installed"
fi
# redis_told COMMAND...: a server with many keys, asked for a digest of them all
redis_told() {
	rm -f sock
	"$@" redis-server --port 0 --unixsocket sock --save '' --enable-debug-command yes >redis.log 2>&1 &
	server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		redis-cli -s sock ping >/dev/null 2>&1 && break
		sleep 0.5
	done
	redis-cli -s sock debug populate 8000 key 100
	for key in 0 7 777 7999; do redis-cli -s sock get "key:$key"; done
	redis-cli -s sock debug digest
	redis-cli -s sock shutdown nosave
	wait $server
	echo "status $?"
}
if have redis-server && have redis-cli; then
	redis_told env >native.out
	redis_told "$pageworks" live --ram 1M --json result.json --quiet -- >out
	cmp -s native.out out && grep -q "status 0" out
	ok=$?
	point $ok "redis has every key"
	[ $ok -eq 0 ] || diff native.out out | explain
	was_paged 1000 redis-server
else
	skip "redis is not installed"
fi
# shellcheck disable=SC2016
paged "exec goes on being paged" 1M sh -c 'exec sort -S 16M --parallel=1 lines'
was_paged 1000 "the program after exec"
paged "a program that dies of a signal" 2M sh -c 'kill -SEGV $$'
paged "environment and descriptors" 2M sh -c 'env | grep -v "^_=" | sort; ls /proc/self/fd'
paged "processors" 1M sh -c 'nproc; exec nproc'
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
