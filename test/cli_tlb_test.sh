#!/bin/sh
# cli_tlb_test.sh - pageworks tlb as people use it: programs, tables, wrong words, full disks.  Prints TAP.
# check: timeout 300

. "$(dirname "$0")/points.sh"

awk 'BEGIN { x = 7; for (i = 0; i < 3000; i++) { x = (x * 69069 + 1) % 4294967296; print x, "line", i } }' >numbers

# point_of FILE PAGE_BYTES ENTRIES WAYS NAME: a member of one point of a table.
point_of() {
	awk -v page="$2" -v entries="$3" -v ways="$4" -v name="\"$5\":" '
		$1 == name { value = $2 }
		/"page_bytes":/ { is_page = $2 == page "," }
		/"entries":/ { is_entries = $2 == entries "," }
		/"ways":/ { is_ways = $2 == ways "," }
		/^ *}/ { if (is_page && is_entries && is_ways) print value; is_page = 0 }
	' "$1" | tr -d , | head -1
}

# equals SPEC ENTRIES WAYS [OPTION...]: the table's misses and table reads are those of a run with that TLB.
equals() {
	spec=$1 entries=$2 ways=$3
	shift 3
	"$pageworks" run --quiet --json run.json --tlb "l1=$entries/$ways" "$@" "$spec" || return 1
	misses=$(sed -n '/"walks": {/,/}/p' run.json | sed -n 's/.*"count": \([0-9]*\).*/\1/p')
	reads=$(figure run.json memory_references)
	[ -n "$misses" ] && [ "$misses" = "$(point_of table.json 4096 "$entries" "$ways" walks)" ] &&
		[ "$reads" = "$(point_of table.json 4096 "$entries" "$ways" memory_references)" ]
}

"$pageworks" tlb --help >out 2>err && grep -q 'Examples:' out && grep -q -- 'pageworks tlb' out; point $? "--help has examples"
"$pageworks" tlb --cpu help >out 2>err && [ "$(wc -l <out)" -ge 3 ] && [ ! -s err ]; point $? "--cpu help lists"

# --- the table
"$pageworks" tlb zipf:pages=3k,refs=100k >out 2>err && [ ! -s err ] && grep -q 'by page size' out && grep -q 'laws hold' out
point $? "a trace: the report on standard output"
"$pageworks" tlb --json table.json --quiet zipf:pages=3k,refs=100k >out 2>err && [ ! -s out ] && [ ! -s err ]
point $? "--quiet says nothing"
for shape in "16 4" "64 64" "512 2" "1024 8"; do
	# shellcheck disable=SC2086
	equals zipf:pages=3k,refs=100k $shape; point $? "equal to a run: zipf, $shape"
done
"$pageworks" tlb --json - zipf:pages=3k,refs=100k 2>err >out && grep -q '"kind": "tlb"' out && grep -q 'by page size' err
point $? "--json -: the report goes aside"
timeless out >one
"$pageworks" tlb --json - --quiet --jobs 1 zipf:pages=3k,refs=100k | timeless /dev/stdin | cmp -s - one
point $? "the same with one thread"
"$pageworks" tlb --quiet --csv - --page 4K,2M --entries 64,1536 --ways 4,12 --all zipf:pages=3k,refs=100k >out &&
	grep -q '^4096,1536,12,' out && grep -q '^2097152,64,64,' out && [ "$(wc -l <out)" -gt 100 ]
point $? "--csv, --all"

# --- a program, and its recording
"$pageworks" tlb --json live.json --page 4K,2M -- sort numbers >out 2>err; status=$?
sort numbers | cmp -s - out && [ $status -eq 0 ] && grep -q 'by page size' err && grep -q '"failed": \[\]' live.json
point $? "a program: its output is its own, the report goes to standard error"
"$pageworks" tlb -- sh -c 'exit 7' >out 2>err; [ $? -eq 7 ]; point $? "the program's status"
"$pageworks" tlb -- /nonexistent >out 2>err; [ $? -eq 127 ] && [ "$(wc -l <err)" -eq 1 ]; point $? "a command that is not there"
"$pageworks" record --quiet -o shell.pwt -- sh -c 'sort numbers | tail -1; (echo a; echo b) | wc -l; ls >list' >out 2>err
"$pageworks" tlb --quiet --json table.json shell.pwt
point $? "a recording of several processes"
for shape in "16 4" "64 64" "512 2"; do
	# shellcheck disable=SC2086
	equals shell.pwt $shape; point $? "equal to a run: processes that fork, exec and unmap, $shape"
done
"$pageworks" tlb --quiet --json table.json --personality linux shell.pwt
equals shell.pwt 64 4 --personality linux; point $? "equal to a run: as Linux does"
"$pageworks" tlb --quiet --json table.json --limit 200k --warmup 50k shell.pwt
equals shell.pwt 64 4 --limit 200k --warmup 50k; point $? "equal to a run: --limit, --warmup"

# --- real CPUs and large pages
cpu_walks() { # FILE NAME: the walks of one CPU of a table
	awk -v name="\"$2\"," '
		/"cpus":/ { in_cpus = 1 }
		$1 == "\"cpu\":" { here = in_cpus && $2 == name }
		here && $1 == "\"walks\":" { print $2 + 0; exit }
	' "$1"
}
"$pageworks" tlb --quiet --json table.json --page 4K --entries 64 --ways fa shell.pwt; point $? "real CPUs side by side"
for cpu in skylake zen3 cortex-a76; do
	"$pageworks" run --quiet --json run.json --cpu $cpu shell.pwt
	[ "$(cpu_walks table.json $cpu)" = "$(sed -n '/"walks": {/,/}/p' run.json | sed -n 's/.*"count": \([0-9]*\).*/\1/p')" ]
	point $? "equal to a run: $cpu"
done
"$pageworks" tlb --tlb l1=64/4,l2=1536/12 --json table.json zipf:pages=4k,s=0.6,refs=100k >out && grep -q 'Pages of 2M would pay' out
point $? "a verdict: large pages pay"
"$pageworks" run --quiet --json run.json --format flat --page 2M --tlb l1=64/4,l2=1536/12 zipf:pages=4k,s=0.6,refs=100k
[ "$(figure table.json walks_with_large_pages)" = "$(sed -n '/"walks": {/,/}/p' run.json | sed -n 's/.*"count": \([0-9]*\).*/\1/p')" ]
point $? "and a run with such pages confirms it"
"$pageworks" tlb loop:pages=40,refs=1M >out && grep -q 'Pages of 2M would not pay' out; point $? "a verdict: they do not"
"$pageworks" tlb --tables-only loop:pages=40,refs=100k >out && ! grep -q 'Pages of 2M' out && ! grep -q zen3 out; point $? "--tables-only"

# --- words that make no sense
refused 125 "give a trace" tlb
refused 125 "power of two" tlb --page 3000 shell.pwt
refused 125 "stands twice" tlb --page 4K,4096 shell.pwt
refused 125 "--format flat" tlb --page 1K shell.pwt
refused 125 "--entries" tlb --entries 0 shell.pwt
refused 125 "--entries" tlb --entries 64,x shell.pwt
refused 125 "--ways" tlb --ways 4,none shell.pwt
refused 125 "--jobs" tlb --jobs 0 shell.pwt
refused 125 "skylake" tlb --cpu z80 shell.pwt
refused 125 "no such option" tlb --frames 3 shell.pwt
refused 125 "put -- before" tlb sort numbers
refused 125 "nonexistent" tlb nonexistent.pwt

# --- input and output that fail
head -c 60000 shell.pwt >cut.pwt
"$pageworks" tlb cut.pwt >out 2>err; [ $? -eq 125 ] && grep -q 'ended early' out && [ "$(wc -l <err)" -eq 1 ]
point $? "a truncated trace: its table, then what was wrong"
if [ -w /dev/full ]; then
	"$pageworks" tlb loop:pages=9,refs=1k >/dev/full 2>err; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]
	point $? "a full disk"
else
	skip "no /dev/full"
fi
{ "$pageworks" tlb loop:pages=9,refs=100k 2>err; echo $? >status; } | true
[ "$(cat status)" -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]; point $? "a closed pipe"
"$pageworks" tlb --progress never zipf:pages=100k,refs=4G >out 2>err &
pid=$!
sleep 1
kill -INT $pid
wait $pid
[ $? -eq 130 ] && grep -q interrupted out && grep -q 'laws hold' out
point $? "interrupted: the table of what was seen"

plan
