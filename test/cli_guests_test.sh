#!/bin/sh
# cli_guests_test.sh - pageworks guests: traces beside each other on one host, with memory that moves and with memory that does not.
# Prints TAP.

. "$(dirname "$0")/points.sh"

a=zipf:pages=1K,s=0.6,refs=100K,seed=1 b=zipf:pages=1K,s=0.6,refs=100K,seed=4
sizes="--ram 3M --hostram 5M --every 20K --step 256K"

"$pageworks" guests --help >out 2>err && grep -q 'Examples:' out && [ ! -s err ]
point $? "--help has examples"

# Enough for all: each guest is as if it were alone, and the host reads nothing.
"$pageworks" guests --quiet --json r.json --ram 8M $a $b && ! grep -q flaw r.json &&
	sed -n '/"host": {/,/}/p' r.json | grep -q '"faults_major": 0,' && grep -q '"moved_frames": 0,' r.json
point $? "room for all"
first=$(sed -n 's/.*"faults": \([0-9]*\),.*/\1/p' r.json | head -1)
"$pageworks" run --quiet --json alone.json --ram 8M $a &&
	[ "$(sed -n '/"faults": {/,/}/p' alone.json | sed -n 's/.*"total": \([0-9]*\).*/\1/p' | head -1)" = "$first" ]
point $? "a guest that has room faults as a machine alone"

# Too little: moving memory takes most of its faults from the host.
# shellcheck disable=SC2086
"$pageworks" guests --quiet --json r.json --compare $sizes $a $b && ! grep -q flaw r.json &&
	host=$(sed -n '/"moving"/,/"fixed"/p' r.json | sed -n '/"host": {/,/}/s/.*"faults": \([0-9]*\).*/\1/p') &&
	fixed=$(sed -n '/"fixed"/,$p' r.json | sed -n '/"host": {/,/}/s/.*"faults": \([0-9]*\).*/\1/p') && [ "$host" -gt 0 ] &&
	[ $((host * 3)) -lt "$fixed" ]
point $? "moving memory spares the host two thirds of its faults, or more"
moved=$(sed -n '/"moving"/,/"fixed"/p' r.json | sed -n 's/.*"modelled_ns": \([0-9]*\).*/\1/p')
never=$(sed -n '/"fixed"/,$p' r.json | sed -n 's/.*"modelled_ns": \([0-9]*\).*/\1/p')
[ "$moved" -lt "$never" ]
point $? "and takes less time by the model"

# The limits fit into the host.
sum=0
for limit in $(sed -n '/"moving"/,/"fixed"/p' r.json | sed -n 's/.*"limit_frames": \([0-9]*\).*/\1/p'); do sum=$((sum + limit)); done
[ $sum -le $((5 * 256)) ] && [ $sum -gt 1000 ]
point $? "what guests may have is what the host has"

# shellcheck disable=SC2086
"$pageworks" guests $sizes --compare -o table.txt $a $b >out 2>err && [ ! -s out ] && [ ! -s err ] &&
	grep -q 'memory does not move' table.txt && grep -q 'add up' table.txt
point $? "the report goes to a file"
# shellcheck disable=SC2086
"$pageworks" guests $sizes --json - $a $b >one && "$pageworks" guests $sizes --json - $a $b >two && cmp -s one two &&
	grep -q '"kind": "guests"' one
point $? "the same twice"
"$pageworks" guests --quiet --json r.json --ram 4M --hostram 5M --format sv48 --nested sv39x4 --policy clock --personality linux \
	--huge always --cpus 2 --every 10K $a $b $a && ! grep -q flaw r.json
point $? "three guests, Linux, huge pages, two CPUs each"

refused 125 "give a trace" guests --ram 4M
refused 125 "--ram 64M" guests $a
refused 125 "no such file" guests --ram 4M nothing.pwt
refused 125 "--nested sv39x4" guests --ram 4M --format sv39 $a
refused 125 "did you mean --every" guests --evry 4 $a
refused 125 "at most 16" guests --ram 4M $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a
refused 125 "at least 4096" guests --ram 4M --step 1 $a
refused 125 "the future" guests --ram 4M --policy opt $a
refused 125 "more with --hostram" guests --quiet --ram 4M --hostram 1M --swap none $a
if [ -w /dev/full ]; then
	refused 125 "could not be written" guests --ram 8M -o /dev/full zipf:pages=10,refs=100
else
	skip "there is no /dev/full"
fi
printf '1\n2\n3\n' | "$pageworks" guests --quiet --ram 4M --json r.json - &&
	[ "$(sed -n 's/.*"references": \([0-9]*\).*/\1/p' r.json)" = 3 ]
point $? "a trace from standard input"
printf '1\n2\n3\n' | "$pageworks" guests --quiet --compare --ram 4M - 2>err
[ $? -eq 125 ] && grep -q 'twice' err
point $? "which can be read only once"
plan
