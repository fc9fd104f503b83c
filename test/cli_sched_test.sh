#!/bin/sh
# cli_sched_test.sh - pageworks run with several CPUs and several processes: shootdowns.
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
plan
