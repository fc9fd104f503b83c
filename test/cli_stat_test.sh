#!/bin/sh
# cli_stat_test.sh - pageworks stat: computers of eight kernels, this one, and everything that can be wrong.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"

for kernel in 4.19 5.4 5.10 5.15 6.1 6.6 6.12 6.18; do
	"$source/test/hosttree.sh" $kernel "$dir/$kernel"
	PAGEWORKS_HOST_ROOT=$dir/$kernel "$pageworks" stat --since-boot --json - >json 2>err && [ ! -s err ]
	point $? "$kernel: JSON"
	# Every field of the two files is there under its own name with its own number; numbers that do not fit are text.
	sed -n 's/^\([^: ]*\):\{0,1\} *\([0-9]\{1,20\}\)\( kB\)\{0,1\}$/"\1":\2/p' "$kernel/proc/meminfo" "$kernel/proc/vmstat" |
		grep -v 18446744073709551616 >wanted
	tr -d ' ' <json | tr ',{}' '\n\n\n' | sort -u >members
	sort -u wanted | comm -23 - members >lost
	[ -s wanted ] && [ ! -s lost ]
	point $? "$kernel: every field passes through ($(grep -c . wanted))"
	explain lost
done
grep -q '"FutureHuge": *"99999999999999999999999 kB"' json && grep -q '"future_counter": *18446744073709551615' json &&
	grep -q '"FutureWord": *"a few words"' json
point $? "6.18: huge and unknown fields"
[ "$(wc -l <json)" -eq 1 ]
point $? 'an object is one line'

PAGEWORKS_HOST_ROOT=$dir/4.19
export PAGEWORKS_HOST_ROOT
"$pageworks" stat --since-boot >out 2>err
grep -q '^  used  *2.9 GiB   total - available$' out && grep -q '^  /swap of mine: 97.7 MiB of 977 MiB used, file, priority 5$' out
point $? 'used has its definition, each swap area its line'
[ "$(grep -n '^  available' out | cut -d: -f1)" -lt "$(grep -n '^  used' out | cut -d: -f1)" ]
point $? 'available stands before used'
grep -q '^not known here: time lost for want of memory (/proc/pressure/memory: this kernel has no such file)$' out
point $? 'what this kernel does not tell is said'
"$pageworks" stat --since-boot --explain >out 2>err
grep -qF '= MemTotal - MemAvailable = 8000000 kB - 5000000 kB' out && grep -qF '(50000 + 4000) / 5000.250 s' out
point $? 'formulas with their numbers'
"$pageworks" stat 0.02 3 >out 2>err
[ "$(wc -l <out)" -eq 6 ] && ! grep -q boot out && [ "$(sed -n '4p' out | awk '{ print $6, $14 }')" = '0 -' ]
point $? 'the first line is the first interval: nothing happened in it, and nothing divided by nothing is a dash'
"$pageworks" stat --since-boot 0.02 2 >out 2>err
[ "$(wc -l <out)" -eq 5 ] && sed -n '4p' out | grep -q '18.0k.*since boot$' && ! sed -n '5p' out | grep -q boot
point $? '--since-boot is a line before it'
"$pageworks" stat 0.02 2 --json lines >out 2>err && [ "$(wc -l <lines)" -eq 2 ] && [ "$(wc -l <out)" -eq 5 ]
point $? 'JSON beside the lines, options behind the words'
unset PAGEWORKS_HOST_ROOT

# This computer: a field is what it was just before, what it is just after, or between, in one of a few rounds.  Levels may differ by
# 4 MiB, with sanitizers 64, for the command itself takes memory while it looks; that no two are mixed up is seen in the trees above.
slack=4096
! grep -q __asan_init "$pageworks" || slack=65536
round=0
: >right
while [ $round -lt 10 ]; do
	cat /proc/meminfo /proc/vmstat >before
	"$pageworks" stat --since-boot --json json
	cat /proc/meminfo /proc/vmstat >after
	sed -n 's/.*"meminfo": *{\([^}]*\)}.*"vmstat": *{\([^}]*\)}.*/\1,\2/p' json | tr ',' '\n' | tr -d '" ' | sed 's/:/ /' >shown
	sed 's/://' before >before.plain
	sed 's/://' after >after.plain
	awk -v most=$slack 'FILENAME == "before.plain" { b[$1] = $2; next } FILENAME == "after.plain" { a[$1] = $2; next }
		{ slack = $1 ~ /^[A-Z]/ ? most : $1 ~ /^nr_/ ? most / 4 : 0 }
		{ low = b[$1] < a[$1] ? b[$1] : a[$1]; high = b[$1] + a[$1] - low }
		($1 in a) && $2 >= low - slack && $2 <= high + slack { print $1 }' \
		before.plain after.plain shown >>right
	sort -u right >right.sorted
	awk '{ print $1 }' before.plain | sort -u | comm -23 - right.sorted >wrong
	[ -s wrong ] || break
	round=$((round + 1))
done >out 2>err
[ ! -s wrong ] && [ -s right.sorted ]
point $? "every field equals its source ($(grep -c . right.sorted) fields)"
explain wrong

refuse() { # refuse WORD ARG...: status 125, one line, WORD in it
	word=$1
	shift
	"$pageworks" stat "$@" >out 2>err
	[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -qF -- "$word" err && [ ! -s out ]
	ok=$?
	point $ok "refuses: $*"
	[ $ok -eq 0 ] || explain err
}
refuse 'is not an interval' soon
refuse 'is not an interval' 0
refuse 'is not an interval' nan
refuse 'is not an interval' 1e9
refuse 'is not a count' 1 0
refuse 'is not a count' 1 many
refuse 'no more' 1 2 3
refuse 'did you mean --explain' --explian
refuse 'did you mean --explain' 1 --explian
refuse 'leave one out' --explain --lines 1
refuse 'only one of them' -o - --json -
refuse 'No such file' --json nowhere/x 1 1
PAGEWORKS_HOST_ROOT=$dir/nothing
export PAGEWORKS_HOST_ROOT
refuse 'must be a folder' 1 1
mkdir empty
PAGEWORKS_HOST_ROOT=$dir/empty
refuse 'no such file' 1 1
PAGEWORKS_HOST_ROOT=$dir/6.6
if [ -w /dev/full ]; then
	"$pageworks" stat --since-boot >/dev/full 2>err
	[ $? -eq 125 ] && grep -q 'could not be written' err
	point $? 'a full disk is said'
	"$pageworks" stat --since-boot --json /dev/full -o /dev/null 2>err
	[ $? -eq 125 ] && grep -q 'JSON could not be written' err
	point $? 'a full disk of the JSON is said'
else
	skip 'a full disk: there is no /dev/full'
fi
if have script; then # a terminal: the live screen, which q ends
	(sleep 1; printf q) |
		TERM=xterm LC_ALL=C timeout 30 script -qec "stty rows 30 cols 100; '$pageworks' stat 0.1" typed >/dev/null 2>&1
	ok=$?
	tr '\033\r' '\n ' <typed >screen
	[ $ok -eq 0 ] && grep -qF '[?1049h' screen && grep -qF '[?1049l' screen && grep -q '^.*used = total - available' screen &&
		grep -q 'major faults  *0 /s  *\.\.* 0 /s' screen
	point $? 'a live screen with the history of each figure, given back at the end'
else
	skip 'a live screen: there is no script(1)'
fi
"$pageworks" stat 0.02 | head -1 >out
[ "$(wc -l <out)" -eq 1 ]
point $? 'a closed pipe ends it'
"$pageworks" stat 0.02 >out 2>err &
sleep 0.3
kill -TERM $!
wait $!
[ $? -eq 143 ] && [ "$(wc -l <out)" -ge 4 ] && [ ! -s err ]
point $? 'a signal ends it, and its lines are there'
plan
