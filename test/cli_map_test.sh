#!/bin/sh
# cli_map_test.sh - pageworks map: a program whose pages are known, seen every way there is; generated computers.  Prints TAP.
# check: timeout 120

. "$(dirname "$0")/points.sh"
pages=${pageworks%/*}/test/prog/pages

"$pageworks" map --help >out 2>err && grep -q 'Examples:' out && [ ! -s err ]; point $? "--help has examples"

mkfifo go
"$pages" >said <go &
pid=$!
exec 3>go
until grep -q READY said; do sleep 0.05; done
area=$(sed 's/ .*//' said)
page=$(getconf PAGESIZE)
inside=$(printf %x $((0x$area + page)))
end=$(printf %x $((0x$area + 63 * page)))
range=$inside-$end

# --- the table
"$pageworks" map $pid >out 2>err && [ ! -s err ] && grep -q "^ *$inside  *$((62 * page / 1024)) KiB  *$((10 * page / 1024)) KiB .* rw-p" out
point $? "size and resident memory of a mapping"
[ "$(grep -c '^ *[0-9a-f]* .* [-r][-w][-x][ps]' out)" -eq "$(wc -l </proc/$pid/maps)" ]; point $? "a line for each of /proc/PID/maps"
"$pageworks" map --json j $pid >out && awk -v want="$(awk '/^Rss:/ { n += $2 } END { print n * 1024 }' /proc/$pid/smaps)" \
	'/"rss":/ { n += $2 } END { exit n != want }' j
point $? "the resident memory is that of smaps"
grep -q '"VmFlags": "rd ' j && grep -q '"KernelPageSize": ' j; point $? "figures pass through under the kernel's names"
"$pageworks" map --sort rss -n 2 $pid >out && grep -q 'more (--top)' out; point $? "--sort, --top"

# --- the grid, by every source
want='.........AAAAAAAAAA..........zz...............................'
"$pageworks" map --grid=$range $pid >out && grep -qF "$inside  $want" out; point $? "the grid"
"$pageworks" map --grid=0x$inside $pid >out && grep -qF "$inside  $want" out; point $? "the grid of the mapping of an address"
"$pageworks" map --grid=$range --zoom 4 $pid >out && grep -qF "$inside  ..AAA..z........" out; point $? "--zoom"
for way in scan words frames; do
	if "$pageworks" map --source $way --grid=$range --json $way.json $pid >out 2>err; then
		[ $way = words ] && want='.........AAAAAAAAAA..........AA...............................'
		[ $way = frames ] && want='.........AAAAAAAAAA..........zz...............................'
		grep -qF "$inside  $want" out
		point $? "by $way: what is there"
	else
		skip "$(cat err)"
	fi
done
# Present and swapped pages are the same by every source; zeros and huge pages are not told by words.
timeless_runs() {
	sed -n '/"pages": \[/,$p' "$1" | tr -d ' \n' | sed 's/,"zero"//g; s/,"huge"//g'
}
if [ -s scan.json ]; then
	"$pageworks" map --source scan --grid=heap --json scan.json $pid >out &&
		"$pageworks" map --source words --grid=heap --json words.json $pid >out &&
		[ "$(timeless_runs scan.json)" = "$(timeless_runs words.json)" ]
	point $? "scan and words say the same of the heap"
else
	skip "PAGEMAP_SCAN does not work here"
fi
"$pageworks" map --grid $pid >out && grep -q '\[stack\]' out && grep -q '[fF]' out; point $? "the grid of all that is resident"

# --- what changes
"$pageworks" map --watch 0.1 --json j $pid >out && grep -q '^watched for' out; point $? "a process that stands still"
"$pageworks" map --watch 30 --json watched.json $pid >watched.out 2>watched.err &
watcher=$!
# The first look is the last thing done with the pages: then the program goes on, and we interrupt.
for _ in 1 2 3 4 5 6 7 8 9 10; do find "/proc/$watcher/fd" -lname '*pagemap' 2>/dev/null | grep -q . && break || sleep 0.2; done
sleep 0.7
echo go >&3
until grep -q MORE said; do sleep 0.05; done
sleep 0.1
kill -INT $watcher
wait $watcher
status=$?
[ $status -eq 0 ] && grep -q "^ *$inside .* 5  *3 .*anonymous" watched.out; point $? "--watch: 5 pages arrived, 3 left"
grep -q '(new) anonymous' watched.out; point $? "--watch: a mapping is new"
[ "$(grep -c '"pages_arrived": 5,' watched.json)" -eq 1 ] && grep -q '"mapping": "new"' watched.json; point $? "--watch: the same in JSON"

if grep -q 'where it faulted is not known' watched.out; then
	skip "$(grep 'where it faulted' watched.out)"
else
	grep -q "^ *$inside .* 5  *\.  *anonymous" watched.out; point $? "--watch: and 5 minor faults happened there"
fi

# --- a process that ends while it is watched
"$pageworks" map --watch 30 $pid >out 2>err &
watcher=$!
sleep 0.3
kill $pid
wait $pid 2>/dev/null
kill -INT $watcher
wait $watcher
status=$?
[ $status -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q 'no such process' err; point $? "the process ends while it is watched"
exec 3>&-

# --- generated computers
for kernel in 4.19 6.18; do
	sh "$source/test/hosttree.sh" $kernel "tree$kernel"
	PAGEWORKS_HOST_ROOT=$PWD/tree$kernel
	export PAGEWORKS_HOST_ROOT
	"$pageworks" map 17 >out 2>err && [ ! -s err ] &&
		grep -q '^ *5500020000  *4 MiB  *3.9 MiB  *3.9 MiB  *80 KiB  *\.  *rw-p  \[heap\]' out &&
		grep -q '/usr/bin/a name$' out
	point $? "Linux $kernel"
	"$pageworks" map 2 >out 2>err && grep -q 'a thread of the kernel' out; point $? "Linux $kernel: no mappings"
	refused 125 "no such process" map 20
	if [ "$(id -u)" -ne 0 ]; then
		refused 125 "only root may read" map 21
	else
		skip "root may read every file"
	fi
	rm "tree$kernel/proc/17/smaps"
	"$pageworks" map 17 >out 2>err && grep -q 'has no smaps' out && grep -q '^ *5500020000  *4 MiB  *-  *-' out
	point $? "Linux $kernel: without smaps the mappings are still told"
done
"$pageworks" map --json j 17 >out && ! grep -q '"rss"' j; point $? "what is not known is not in the JSON"
unset PAGEWORKS_HOST_ROOT

# --- what makes no sense
refused 125 "which process" map
refused 125 "is no process" map abc
refused 125 "no such process" map 2147483647
refused 125 "one process at a time" map 1 2
refused 125 "add --grid" map --zoom 2 $$
refused 125 "no mapping is called" map --grid=no-such-name $$
refused 125 "ends before it begins" map --grid=2000-1000 $$
refused 125 "is no time" map --watch 0 $$
refused 125 "is unknown" map --source guess $$
refused 125 "is unknown" map --sort colour $$
refused 125 "did you mean --grid" map --gird $$
if [ -w /dev/full ]; then
	refused 125 "could not be written" map -o /dev/full $$
else
	skip "there is no /dev/full"
fi
plan
