#!/bin/sh
# cli_ps_test.sh - pageworks ps: on this computer against /proc itself, on generated ones against what is in them.  Prints TAP.
# check: timeout 120

. "$(dirname "$0")/points.sh"

"$pageworks" ps --help >out 2>err && grep -q 'Examples:' out && [ ! -s err ]; point $? "--help has examples"
"$pageworks" ps --fields help >out 2>err && grep -q '^pss ' out && grep -q '^command ' out; point $? "--fields help lists them"

# --- our own process
"$pageworks" ps --fields pid,vms,name $$ >out 2>err && awk -v pid=$$ 'NR == 2 && $1 == pid { ok = 1 } END { exit !ok }' out
point $? "one process"
"$pageworks" ps --json j $$ >out && [ "$(figure j pid)" = $$ ] && [ "$(figure j vms)" = "$(cut -d' ' -f23 /proc/$$/stat)" ]
point $? "vms is that of /proc/PID/stat"
"$pageworks" ps >out 2>err && awk -v pid=$$ '$1 == pid { n++ } END { exit n != 1 }' out; point $? "we are among all"
"$pageworks" ps -n 3 >out && [ "$(awk 'NF == 0 { exit } NR > 1' out | wc -l)" -eq 3 ] && grep -q 'more row' out
point $? "--top cuts, and says so"
"$pageworks" ps --json j -n 20 >out && grep '"rss":' j | tr -dc '0-9\n' >sizes && sort -nr sizes | cmp -s - sizes; point $? "largest first"
"$pageworks" ps --json j -n 20 --reverse --sort vms >out && grep '"vms"' j | tr -dc '0-9\n' >sizes && sort -n sizes | cmp -s - sizes
point $? "--reverse"
"$pageworks" ps --user "$(id -u)" >out && awk -v pid=$$ '$1 == pid { n++ } END { exit n != 1 }' out; point $? "--user"
"$pageworks" ps --full --json - $$ >out 2>err && grep -q '"pss"' out && grep -q '"peak_rss"' out && grep -q '"hidden": \[\]' out
point $? "--full asks for the dear figures"
"$pageworks" ps --tree --user "$(id -u)" >out && awk -v pid=$$ '$1 == pid && /  (sh|bash|dash|cli_ps)/ { ok = 1 } END { exit !ok }' out
point $? "--tree"
"$pageworks" ps --interval 0.05 --json - $$ >out && grep -q '"minflt_s": [0-9]' out && grep -q '"interval_s": 0.' out
point $? "--interval gives rates"
"$pageworks" ps --by name --json - >out && grep -q '"processes": [1-9]' out; point $? "--by name"

# The working set of a program of ours, and of nobody else; what was done is said.
sleep 60 &
sleeper=$!
"$pageworks" ps --wss 0.05 $sleeper >out 2>err && grep -q 'reference bits of 1 process were cleared' out; point $? "--wss says what it did"
kill $sleeper
wait $sleeper 2>/dev/null

# A name of blanks, parentheses, a newline and an escape sequence stays on one line.
if have perl; then
	# shellcheck disable=SC2016
	perl -e 'open my $f, ">", "/proc/self/comm" or exit 1; print $f "a) b (\n\e[2J"; close $f;
		print "x\n"; close STDOUT; sleep 60' >ready &
	odd=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s ready ] || sleep 0.1; done
	"$pageworks" ps --fields pid,name $odd >out && grep -qF 'a) b (\n\x1b[2J' out && [ "$(wc -l <out)" -eq 2 ]
	point $? "an odd name is made visible"
	"$pageworks" ps --json - $odd | grep -qF 'a) b (\n\u001b[2J'; point $? "and exact in JSON"
	kill $odd
	wait $odd 2>/dev/null
else
	skip "perl is not installed"
	skip "perl is not installed"
fi

# --- generated computers
for kernel in 4.19 6.18; do
	sh "$source/test/hosttree.sh" $kernel "tree$kernel"
	PAGEWORKS_HOST_ROOT=$PWD/tree$kernel
	export PAGEWORKS_HOST_ROOT
	"$pageworks" ps --full --all >out 2>err && [ ! -s err ] && grep -q '^ *17 .* 4.2 MiB .*80 KiB .*a name' out &&
		grep -qF 'new\nline' out && grep -qF 'a) S 1 (b' out && grep -q '^ *22 .*18,446,744,073,709,551,615' out &&
		! grep -q '^ *20 ' out && grep -q 'another computer' out
	point $? "Linux $kernel"
	"$pageworks" ps --json - >out && grep -q '"ended": 1$' out; point $? "Linux $kernel: one ended meanwhile"
	refused 125 "on this computer only" ps --wss 1
	if [ "$(id -u)" -ne 0 ]; then
		"$pageworks" ps --full >out && grep -q '^ *21 .*?' out && grep -q 'hidden for 1 row' out
		point $? "what is hidden is said"
	else
		skip "root may read every file"
	fi
	unset PAGEWORKS_HOST_ROOT
done

# --- what makes no sense
refused 125 "did you mean --fields" ps --field2 x
refused 125 "is unknown" ps --fields pid,rsss,x
refused 125 "did you mean 'rss'" ps --sort rsss
refused 125 "add --interval" ps --sort minflt_s
refused 125 "add --wss" ps --fields wss
refused 125 "is no process" ps abc
refused 125 "no such process" ps 2147483647
refused 125 "is no time" ps --interval x
refused 125 "there is no user" ps --user no-such-user-here
refused 125 "give one of them" ps --tree --by user
refused 125 "is unknown" ps --by colour
if [ -w /dev/full ]; then
	refused 125 "could not be written" ps -o /dev/full
else
	skip "there is no /dev/full"
fi
plan
