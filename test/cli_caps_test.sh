#!/bin/sh
# cli_caps_test.sh - pageworks caps as people use it: all, by name, as JSON, as another user.  Prints TAP.

. "$(dirname "$0")/points.sh"

"$pageworks" caps --help >out 2>err && grep -q 'Examples:' out; point $? "--help has examples"
"$pageworks" caps --list >out 2>err && [ "$(wc -l <out)" -ge 30 ] && [ ! -s err ]; point $? "--list names them all"
names=$(awk '{ print $1 }' out)

"$pageworks" caps >all 2>err && [ ! -s err ] &&
	tail -1 all | grep -qE '^[0-9]+ yes, [0-9]+ no, [0-9]+ silently broken, [0-9]+ could not be tried$'
point $? "all of them are tried"
missing=$(grep -cE '^(no|broken|\?) ' all)
[ "$(grep -c ' found  ' all)" -eq "$missing" ] && [ "$(grep -c ' lost  ' all)" -eq "$missing" ] &&
	[ "$(grep -c ' needs  ' all)" -eq "$missing" ]
point $? "what is missing says what is lost and what is needed"
"$pageworks" caps --missing | grep -q '^yes'; [ $? -eq 1 ]; point $? "--missing: only those"

# --- the exit status answers
ok=0
for name in $names; do
	"$pageworks" caps "$name" >one 2>err; status=$?
	want=1
	grep -q '^yes ' one && want=0
	[ $status -eq $want ] && [ ! -s err ] || ok=1
done
point $ok "with a name: 0 is yes, 1 is anything else"
"$pageworks" caps pagemap smaps_rollup | grep -c . >out; [ "$(cat out)" -ge 2 ]; point $? "several names"
refused 125 'did you mean' caps pagemapp
refused 125 'no such option' caps --nothing

# --- JSON
"$pageworks" caps --json - >json 2>err && [ ! -s err ] && grep -q '"kind": "caps"' json
point $? "--json -"
[ "$(grep -c '"answer": "\(yes\|no\|broken\|unknown\)"' json)" -eq "$(echo "$names" | wc -l)" ]; point $? "as many answers as names"
"$pageworks" caps --json j.json -o report pagemap; [ -s j.json ] && grep -q pagemap report; point $? "--json FILE and -o FILE"
if [ -w /dev/full ]; then
	refused 125 'could not be written' caps -o /dev/full pagemap
else
	skip "no /dev/full"
fi

# --- another user
if [ "$(id -u)" -eq 0 ] && have setpriv && cp "$pageworks" "$dir/pw" 2>/dev/null && chmod 755 "$dir" "$dir/pw"; then
	setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/pw" caps >other 2>err; status=$?
	[ $status -eq 0 ] && [ ! -s err ] && grep -q '^no  *pagemap_pfn' other && grep -q '^yes  *pagemap ' other
	point $? "an ordinary user: frames are hidden, pages are not"
else
	skip "another user: only root can try it"
fi
plan
