#!/bin/sh
# cli_live_matrix_test.sh - real programs in about an eighth of the memory they use, under every policy: same output, same status.
#
# A sample by default: each program with one policy, the next program with the next.  PAGEWORKS_LONG=1: each program twice with every
# policy that `pageworks live` offers, and killed half way, which takes the better part of an hour.
# check: timeout 300
. "$(dirname "$0")/points.sh"
prog=$(dirname "$pageworks")/test/prog
long=${PAGEWORKS_LONG:-}
patience=${long:+1500}
patience=${patience:-200}
TMPDIR=$dir
export TMPDIR

if ! "$pageworks" live --ram 1M --quiet -- true >out 2>err; then
	skip "programs cannot be paged here: $(cat err)"
	plan
	exit 0
fi

# ---- the programs: each a function whose arguments are put before its command ----

awk 'BEGIN { srand(7); for (i = 0; i < 90000; i++) printf "%d %d\n", rand() * 1e9, i }' >lines
the_sort() { "$@" sort -S 32M --parallel=1 lines; }

cat >big.py <<'END'
import hashlib
words = {i: str(i * 7919 % 1000003) * 3 for i in range(30000)}
digest = hashlib.sha256()
for word in sorted(words.values()):
    digest.update(word.encode())
print(digest.hexdigest())
raise SystemExit(3)
END
the_python3() { "$@" "$(python3 -c 'import sys; print(sys.executable)')" big.py; }

the_sqlite3() {
	"$@" sqlite3 :memory: "create table t(a, b);
		with recursive c(x) as (values(1) union all select x + 1 from c where x < 30000)
		insert into t select x, hex(x * 7919 % 60013) from c;
		create index i on t(b); select count(*), max(b) from t where b > '35'; select a from t order by b desc limit 3;
		delete from t where a % 3 = 0; vacuum; select count(*), sum(a) from t; pragma integrity_check;"
}

# A server under a benchmark, with many keys of its own, each of which is looked at afterwards.
the_redis_server() {
	rm -f sock
	"$@" redis-server --port 0 --unixsocket sock --save '' --enable-debug-command yes >redis.log &
	server=$!
	for _ in $(seq 1 100); do
		redis-cli -s sock ping >/dev/null 2>&1 && break
		sleep 0.1
	done
	redis-cli -s sock debug populate 30000 key 150
	redis-benchmark -s sock -q -c 8 -P 16 -n 20000 -r 400 -d 300 -t set,get,lpush,sadd >benchmark 2>&1
	echo "benchmark $?"
	redis-cli -s sock eval "for i = 0, 29999 do local v, w = redis.call('get', 'key:' .. i), 'value:' .. i
		if not v or #v ~= 150 or v:sub(1, #w) ~= w then return 'wrong: ' .. i end end return 'all right'" 0
	for key in 0 7 777 7999; do redis-cli -s sock get "key:$key"; done
	redis-cli -s sock dbsize
	redis-cli -s sock shutdown nosave
	wait $server
}

awk 'BEGIN { for (i = 0; i < 60; i++)
	printf "int f%d(int a, int b) { int s = 0; for (int i = 0; i < a; i++) { s += i * b ^ s << 3;" \
	" switch (s & 3) { case 0: s++; break; case 1: s *= 3; break; default: s += %d; } } return s; }\n", i, i }' >big.c
the_cc1() { "$@" "$(gcc -print-prog-name=cc1)" -quiet -O2 big.c -o -; }

the_matrix() { "$@" "$prog/matrix" 600 4; }

# shellcheck disable=SC2016
the_pipeline() {
	"$@" bash -c 'a=(); for i in {1..20000}; do a[i]=$((i * 7919 % 20011)); done
		for n in 1 2 3 4; do
			( s=0; for x in "${a[@]}"; do ((s += x * n)); done; echo "$n $s"; exit $n )
			echo "status $?"
		done
		printf "%s\n" "${a[@]}" | sort -n | while read -r x; do ((++k % 5000)) || echo "$x $(echo $x | tr 0-9 a-j)"; done | cat -n
		x=$(for i in 1 2 3; do (echo $i | tr 1-3 x-z &); done | sort); echo $x ${#a[@]}; exit 7'
}

the_stress_ng() {
	"$@" stress-ng --vm 2 --vm-bytes 12M --verify --vm-ops 300 --vm-method "${method:-rand-set}" --no-rand-seed -q
	echo "status $?"
}

the_memtester() {
	{ MEMTESTER_TEST_MASK=0x7 "$@" memtester 8M 1; echo "status $?"; } | tr -d '\b' | sed 's/^pagesizemask.*//'
}

the_verifier() { "$@" "$prog/verify" 8 3 "${seconds:-0}"; }

# program, RAM, evictions that show that it was paged, what must be installed
programs="sort 1M 1000 sort
python3 2M 1000 python3
sqlite3 1M 500 sqlite3
redis_server 1M 1000 redis-benchmark
cc1 1M 500 gcc
matrix 1M 500 $prog/matrix
pipeline 1M 100 bash
stress_ng 2M 1000 stress-ng
memtester 2M 1000 memtester
verifier 1M 2000 $prog/verify"

# ---- one run ----

natively() { # NAME
	"the_$1" env >"$1.native" 2>"$1.native.err" </dev/null
	echo "status $?" >>"$1.native"
}

# as_natively NAME RAM EVICTIONS OPTION...
as_natively() {
	name=$1 ram=$2 least=$3
	shift 3
	"the_$name" timeout -k 5 $patience "$pageworks" live --ram "$ram" "$@" -o report --json result.json -- >out 2>err </dev/null
	echo "status $?" >>out
	evicted=$(sed -n 's/^ *"evicted": *\([0-9]*\).*/\1/p' result.json | awk '{ n += $1 } END { print n }') # its own, and its children's
	cmp -s out "$name.native" && cmp -s err "$name.native.err" && grep -q 'checks: all passed' report &&
		[ "${evicted:-0}" -ge "$least" ]
	ok=$?
	point $ok "$name in $ram, $*: as natively, with ${evicted:-no} evictions"
	[ $ok -eq 0 ] && return
	diff "$name.native" out | head -5 | explain
	explain err report
}

# The first figure of that name: those of children come later.
figure() { grep -o "\"$1\": [0-9]*" now.json | head -n 1 | cut -d' ' -f2; }

# killed NAME RAM: when it has evicted pages, its command dies; nothing of it remains.
killed() {
	rm -f control swap
	: >out
	( "the_$1" setsid "$pageworks" live --ram "$2" --swap "file:$dir/swap" --control control --quiet -- >out 2>&1 </dev/null ) &
	whole=$!
	command=
	for _ in $(seq 1 3000); do
		"$pageworks" live --control control --json now.json 2>/dev/null || { sleep 0.01; continue; }
		pid=$(figure pid) evicted=$(figure evicted) processes=$(figure processes)
		[ "$evicted" -gt 100 ] || [ "$processes" -gt 2 ] || continue
		command=$(ps -o ppid= -p "$pid") session=$(ps -o sid= -p "$pid")
		break
	done
	[ -n "$command" ] && kill -KILL $command
	ok=$?
	wait $whole
	if [ $ok -ne 0 ]; then
		point 1 "$1 was to be killed half way, but had ended"
		return
	fi
	for _ in $(seq 1 50); do
		[ -z "$(ps -o pid= -s $session)" ] && [ ! -e control ] && break
		sleep 0.1
	done
	[ -z "$(ps -o pid= -s $session)" ] && [ ! -e swap ] && [ ! -e control ]
	point $? "$1 killed half way: no process, no file, no socket"
}

# The policies that need not know the future.
policies=$("$pageworks" policies | awk 'NR > 1 && !NF { exit } NR > 1 && !/  needed/ { print $1 }')
[ "$(echo "$policies" | wc -w)" -ge 20 ]
point $? "policies on offer: $(echo "$policies" | wc -w)"

# ---- all of them ----

sample="clock lru arc 2q sieve mglru wsclock linux lfu second-chance"
stores="ram lz4 zstd file:$dir/swap tier:lz4=1M,file:$dir/swap"
i=0
while read -r name ram least needs <&3; do
	if ! have "$needs"; then
		skip "$needs is not installed"
		continue
	fi
	natively "$name"
	if [ -z "$long" ]; then
		i=$((i + 1))
		as_natively "$name" "$ram" "$least" --policy "$(echo "$sample" | cut -d' ' -f$i)" --swap "$(echo "$stores" | cut -d' ' -f$((i % 5 + 1)))"
		continue
	fi
	for policy in $policies; do
		as_natively "$name" "$ram" "$least" --policy "$policy"
		i=$((i + 1))
		store=$(echo "$stores" | cut -d' ' -f$((i % 5 + 1)))
		as_natively "$name" "$ram" "$least" --policy "$policy" --personality textbook --swap "$store"
	done
	killed "$name" "$ram"
done 3<<END
$programs
END
seconds=60
[ -n "$long" ] || killed verifier 1M
plan
