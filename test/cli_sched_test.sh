#!/bin/sh
# cli_sched_test.sh - pageworks run with several CPUs and several processes: shootdowns, turns, ASIDs, shares of memory,
# load control, and who is killed when there is none left.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"

# finds NAME EXPR ARG...: a run in which EXPR holds; its report is left in "report"
finds() {
	name=$1 expr=$2
	shift 2
	"$pageworks" run --json r.json --fail-status 99 --fail-on "$expr" "$@" 2>report
	status=$?
	[ $status -eq 99 ]
	point $? "$name"
	[ $status -eq 99 ] || { echo "# status $status, wanted 99: $expr"; explain report; }
}

# Two threads on two CPUs know both pages.  The third page takes the frame of the first, and so CPU 1 is interrupted once.
printf 'address,pid,tid\n0x0,1,1\n0x1000,1,1\n0x0,1,2\n0x1000,1,2\n0x2000,1,1\n' >threads.csv
threads=csv:threads.csv,address=1,pid=2,tid=3
finds "an eviction interrupts the other CPU that knows the page" \
	'shootdowns.count == 1 && shootdowns.interrupts == 1 && shootdowns.entries == 1 && modelled.shootdown_cycles == 6000' \
	--cpus 2 --frames 2 --policy fifo --tlb l1=8 $threads
grep -q '1  TLB shootdowns  *1 CPUs interrupted' report
point $? "and the report says so"

"$pageworks" run --frames 2 --policy fifo --json r.json --quiet $threads 2>err
[ $? -eq 0 ] && ! grep -q shootdown_cycles r.json
point $? "one CPU has nobody to interrupt"

refused 125 "4 CPUs run as many address spaces" run --cpus 4 --asids 1 seq:pages=4

# Two processes that each go round 64 pages, 640 references a turn: 205 turns, in each of which all 64 pages must be walked for again,
# unless tags keep them apart in a TLB that holds both.
two="loop:pages=64,refs=64K loop:pages=64,refs=64K"
# shellcheck disable=SC2086
finds "without tags each turn begins with an empty TLB" \
	'tlb.l1.misses == 206 * 64 && walks.context_switches == 205 && scheduler.turns == 206' \
	--quantum 640 --asids 0 --tlb l1=256/fa $two
# shellcheck disable=SC2086
finds "with tags only the first does: a hundredth of the misses" 'tlb.l1.misses == 128 && walks.context_switches == 205' \
	--quantum 640 --asids 8 --tlb l1=256/fa $two
# shellcheck disable=SC2086
finds "several traces take turns of 10,000 by themselves" 'machine.quantum == 10000 && references.total == 131072' $two
# A cycle of 128 pages in 100 frames: lru never finds one, opt misses 28 of 127 once the frames are full.
finds "optimal replacement knows the turns" 'faults.total == 100 + 3612' --policy opt --frames 100 --quantum 64 \
	loop:pages=64,refs=8K loop:pages=64,refs=8K
finds "and lru does not" 'faults.total == 16384' --frames 100 --quantum 64 loop:pages=64,refs=8K loop:pages=64,refs=8K
finds "a CPU for each: no turn ends" 'scheduler.preemptions == 0 && walks.context_switches == 0' --cpus 2 --quantum 640 \
	loop:pages=64,refs=8K loop:pages=64,refs=8K
# The table of TLB sizes says the same of the same turns.
for asids in 0 8; do
	# shellcheck disable=SC2086
	"$pageworks" tlb --quantum 640 --asids $asids --page 4K --entries 256 --ways fa --tables-only --quiet --csv tlb.csv $two 2>err
	grep -q "^4096,256,256,131072,$([ $asids -eq 0 ] && echo $((206 * 64)) || echo 128)," tlb.csv
	point $? "a table of TLBs with $asids bits of tags"
	explain err
done
# A loop that fits beside a scan that never does: under lru the scan takes everything, in shares the loop keeps its own.
finds "globally a scan takes the frames of a loop" 'faults.total == 10000 + 100 * 40' --frames 100 --quantum 100 \
	loop:pages=40,refs=10000 seq:pages=10000
finds "locally it does not" 'faults.total == 10000 + 40' \
	--frames 100 --quantum 100 --replacement local loop:pages=40,refs=10000 seq:pages=10000
grep -q 'each process in its share, all equal' report
point $? "and the report says so"
# Four loops of 50 pages in 128 frames: each turn of 500 brings back all 50.  Two of them fit.
four="loop:pages=50,refs=50K loop:pages=50,refs=50K loop:pages=50,refs=50K loop:pages=50,refs=50K"
# shellcheck disable=SC2086
finds "four processes thrash" 'faults.total == 20522' --frames 128 --quantum 500 $four
# shellcheck disable=SC2086
finds "with load control they take turns at it, and fault a sixteenth as often" \
	'faults.total < 20600 / 16 && load_control.detections == 1 && load_control.suspensions == 3 && load_control.resumptions == 3' \
	--frames 128 --quantum 500 --loadcontrol thrashing $four
grep -q 'memory thrashed: processes were suspended 3 times' report && grep -q 'process 4 runs again' report &&
	grep -q '4 processes use 200 pages by turns, and there is room for 128' report
point $? "and the report tells it in words"
# shellcheck disable=SC2086
finds "in enough memory nobody is suspended" 'load_control.suspensions == 0 && faults.total == 200' \
	--frames 200 --loadcontrol thrashing $four
grep -q 'memory did not thrash' report
point $? "and the report says so, too"
refused 125 "cannot know the future" run --policy opt --loadcontrol thrashing --frames 9 seq:pages=4
refused 125 "did you mean 'thrashing'" run --loadcontrol trashing seq:pages=4

# Out of memory: who is killed, and why, in words.
finds "a process is killed for want of memory" 'references.skipped == 54' --ram 160K --swap none --quantum 1000 --personality linux \
	seq:pages=20,writes=1 seq:pages=90,writes=1
grep -q 'process 2 was killed' report && grep -q 'no page can leave because there is no swap; of 1 process this one held most' report &&
	grep -q '"killed_why": "out of memory: ' r.json
point $? "and the report says why"
refused 125 "did you mean 'local'" run --replacement locl seq:pages=4
refused 125 "knows no huge pages" run --replacement local --huge always seq:pages=4
refused 125 "at least one reference" run --quantum 0 seq:pages=4
refused 125 "is not a number" run --quantum ten seq:pages=4
refused 125 "no such file" run seq:pages=4 nothing.pwt
refused 125 "--frames: options come before the traces" run seq:pages=4 --frames 3
plan
