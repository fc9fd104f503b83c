#!/bin/sh
# cli_nested_test.sh - guests on the command line: what walks of both stages cost, a host that is short of memory, wrong words.
# Prints TAP.

. "$(dirname "$0")/points.sh"

trace=zipf:pages=2K,s=0.6,refs=30K,seed=3

# Without TLB for the second stage and without walk caches every walk reads all there is to read.
costs() { # FORMAT NESTED ENTRIES
	"$pageworks" run --quiet --json r.json --cpu textbook --format "$1" --nested "$2:0" $trace &&
		[ "$(figure r.json combined_references_most)" = "$3" ] && grep -q '"failed": \[\]' r.json &&
		walks=$(sed -n '/"walks": {/,/}/p' r.json | sed -n 's/.*"count": \([0-9]*\).*/\1/p') &&
		[ "$(figure r.json combined_references)" = $((walks * $3)) ]
	point $? "$1 over $2: $3 entries a walk"
}
costs x86-64 ept 24
costs sv39 sv39x4 15
costs x86-64-la57 ept 29

"$pageworks" run --nested ept $trace >out 2>err && grep -q 'nested translations' err && grep -q 'laws hold' err
point $? "the report tells of both stages"

# A host with less memory than its guest uses: the same faults in the guest, and the host swaps.
"$pageworks" run --quiet --json plain.json $trace && "$pageworks" run --quiet --json r.json --nested ept --hostram 4M $trace &&
	[ "$(figure r.json total)" = "$(figure plain.json total)" ] && [ "$(figure r.json host_faults_major)" -gt 100 ] &&
	[ "$(figure r.json host_evicted)" -gt 1000 ] && grep -q '"failed": \[\]' r.json
point $? "a short host evicts its guest's memory"
"$pageworks" run --quiet --json r.json --nested sv39x4 --format sv39 --warmup 10K --cpus 2 $trace && grep -q '"failed": \[\]' r.json
point $? "warm-up and two CPUs"

# Huge pages of a guest: its kernel fills them whole, so the host has to back them whole, and to keep what it evicts.  The guest
# sees none of it.
huge() { # FORMAT NESTED MORE...
	format=$1 nested=$2
	shift 2
	"$pageworks" run --quiet --json plain.json --format "$format" --ram 64M --huge always "$@" $trace &&
		"$pageworks" run --quiet --json r.json --format "$format" --nested "$nested" --hostram 6M --ram 64M --swap ram \
			--huge always "$@" $trace && grep -q '"failed": \[\]' r.json &&
		[ "$(figure r.json total)" = "$(figure plain.json total)" ] &&
		[ "$(figure r.json filled_pages)" = "$(figure plain.json filled_pages)" ] && [ "$(figure r.json filled_pages)" -gt 1500 ] &&
		[ "$(figure r.json host_faults)" -gt 2048 ] && [ "$(figure r.json host_written_back)" -gt 500 ]
	point $? "huge pages of $format over $nested $*"
}
huge x86-64 ept
huge x86-64 ept --fragment 30 --scan 5K
huge sv39 sv39x4 --personality linux
huge arm64-4k x86-64 --cpus 2

refused 125 "did you mean" run --nested epT $trace
refused 125 "number of TLB entries" run --nested ept:many $trace
refused 125 "--nested" run --hostram 4M $trace
refused 125 "at least" run --nested ept --hostram 64K $trace
refused 125 "must be equal" run --nested ept --format arm64-16k $trace
refused 125 "more with --hostram" run --quiet --nested ept --hostram 4M --swap none $trace
plan
