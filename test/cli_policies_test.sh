#!/bin/sh
# cli_policies_test.sh - pageworks policies, and policies with parameters and on real programs.  Prints TAP.
# check: timeout 300

. "$(dirname "$0")/points.sh"

"$pageworks" policies --help >out 2>err && grep -q 'Examples:' out && [ ! -s err ]; point $? "--help has examples"
"$pageworks" policies >out 2>err && [ ! -s err ] && grep -q '^arc  *recency ' out && grep -q '^opt .* needed ' out &&
	grep -q '^ws .* its own ' out
point $? "the table"
names=$("$pageworks" policies | awk 'NF == 0 { exit } NR > 1 { print $1 }')
[ "$(echo "$names" | wc -l)" -ge 24 ]; point $? "two dozen policies"
"$pageworks" policies 2q sieve >out 2>err && grep -q 'in=25%' out && grep -q '^sieve' out; point $? "details of two"
"$pageworks" policies --json - >out 2>err && grep -q '"kind": "policies"' out && grep -q '"name": "lirs"' out &&
	[ "$(grep -c '"bytes_per_frame"' out)" -eq "$(echo "$names" | wc -l)" ]
point $? "JSON has them all"
"$pageworks" policies -o table.txt && "$pageworks" policies >out && cmp -s table.txt out; point $? "-o FILE"
refused 125 "did you mean 'lru'" policies lur
refused 125 "did you mean --json" policies --jsno
if [ -w /dev/full ]; then
	refused 125 "could not be written" policies -o /dev/full
else
	skip "there is no /dev/full"
fi

# --- parameters
zipf=zipf:pages=300,s=0.8,refs=30K,seed=3
refused 125 "the keys are in, out" run --policy 2q:on=3 "$zipf"
refused 125 "from 0% to 100%" run --policy 2q:in=200% "$zipf"
refused 125 "'2p' is unknown" run --policy 2p:in=1 "$zipf"
refused 125 "a whole number" run --policy ws:tau=half "$zipf"
"$pageworks" run --quiet --json a.json --frames 40 --policy 2q "$zipf" && "$pageworks" run --quiet --json b.json --frames 40 \
	--policy 2q:in=90%,out=10% "$zipf" && grep -q '"policy": "2q:in=90%,out=10%"' b.json && grep -q '"policy": "2q"' a.json &&
	[ "$(figure a.json total)" = "$(figure b.json total)" ] && ! cmp -s a.json b.json
point $? "parameters change the run, and are in its result"
"$pageworks" run --quiet --json a.json --policy ws:tau=500 "$zipf" &&
	"$pageworks" run --quiet --json b.json --policy vmin:tau=500 "$zipf" &&
	[ "$(grep -A3 '"faults": {' a.json | figure /dev/stdin total)" = "$(grep -A3 '"faults": {' b.json | figure /dev/stdin total)" ]
point $? "the working set and vmin fault alike"

# --- real programs, in little memory, with both kinds of reference bits
if "$pageworks" --version | grep -q 'captures programs: yes'; then
	awk 'BEGIN { for (i = 0; i < 6000; i++) print (i * 7919) % 6007, "line", i }' >lines.txt
	for policy in $names; do
		case $policy in opt | vmin) continue ;; esac
		with="--ram 1M --policy $policy"
		same "$policy in 1M" sort lines.txt
	done
	for policy in sieve lirs ws:tau=10K; do
		with="--ram 1M --policy $policy --refbits hardware --personality linux"
		same "$policy, accessed bits, linux" sort lines.txt
	done
else
	skip "programs cannot be captured here"
fi
plan
