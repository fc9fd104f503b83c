#!/bin/sh
# cli_huge_test.sh - pageworks run with huge pages, and processes with words of their own.  Prints TAP.
# check: timeout 120

. "$(dirname "$0")/points.sh"

refused 125 "did you mean 'always'" run --huge allways seq:pages=1K
refused 125 "needs --huge" run --fragment 50 --ram 64M seq:pages=1K
refused 125 "needs --huge" run --scan 1M seq:pages=1K
refused 125 "Say --ram SIZE" run --huge always --fragment 50 seq:pages=1K
refused 125 "0 to 100 percent" run --huge always --ram 64M --fragment 101 seq:pages=1K
refused 125 "0 to 100 percent" run --huge always --ram 64M --fragment half seq:pages=1K
refused 125 "has no huge pages" run --huge always --format flat --page 4K seq:pages=1K

trace=random:pages=8K,refs=300K,writes=0.5
"$pageworks" run --quiet --json never.json --personality linux "$trace" &&
	"$pageworks" run --quiet --json always.json --personality linux --huge always "$trace" &&
	! grep -q '"huge"' never.json && grep -q '"huge": "always"' always.json && grep -q '"huge_page_bytes": 2097152' always.json &&
	[ "$(grep -A2 '"walks"' always.json | figure /dev/stdin count)" -eq 16 ] &&
	[ "$(grep -A2 '"walks"' never.json | figure /dev/stdin count)" -gt 100000 ] &&
	[ "$(grep -A12 '"huge": {' always.json | figure /dev/stdin filled_pages)" -eq $((16 * 511)) ]
point $? "huge pages are given, counted, and save walks"
"$pageworks" run --quiet --json f.json --huge always --ram 48M --fragment 100% "$trace" &&
	[ "$(grep -A12 '"huge": {' f.json | figure /dev/stdin compactions)" -eq 16 ] && grep -q '"failed": \[\]' f.json
point $? "fragmented memory is compacted"
"$pageworks" run --quiet --json p.json --huge always --ram 12M --policy clock "$trace" && grep -q '"failed": \[\]' p.json &&
	[ "$(grep -A2 '"reclaim"' p.json | figure /dev/stdin evicted)" -gt 1000 ]
point $? "huge pages under pressure: the checks hold"
"$pageworks" run --huge always "$trace" 2>err; grep -q 'huge pages at peak' err && grep -q 'bloat' err
point $? "the report says so"
for format in x86-32 sv39 sv48; do
	"$pageworks" run --quiet --json o.json --huge always --format $format "$trace" && grep -q '"failed": \[\]' o.json &&
		[ "$(grep -A12 '"huge": {' o.json | figure /dev/stdin faults)" -gt 0 ]
	point $? "huge pages of $format"
done

plan
