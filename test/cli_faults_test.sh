#!/bin/sh
# cli_faults_test.sh - pageworks faults as people use it: commands, processes, traces, wrong words, closed pipes.  Prints TAP.

. "$(dirname "$0")/points.sh"

"$pageworks" faults --help >out 2>err && grep -q 'Examples:' out; point $? "--help has examples"
refused 125 'whose faults' faults
refused 125 'not a process number' faults nobody
refused 125 'did you mean --summary' faults --sumary -- true
refused 125 'no process' faults 2147483647
refused 125 'not a number of seconds' faults --for x 1
refused 125 'one process at a time' faults 1 2
refused 125 'rows' faults --top 0 -- true

if ! "$pageworks" caps perf_faults >out 2>err; then
	"$pageworks" faults -- sh -c 'exit 7' >out 2>err; [ $? -eq 7 ] && grep -q 'getrusage' err; point $? "without them: totals"
	skip "page faults cannot be watched here"
	plan
	exit 0
fi
refused 127 'no such program' faults -- /nonexistent/program
refused 126 'cannot be executed' faults -- /
refused 127 'no such program' faults -o left.pwt -- /nonexistent/program
[ ! -e left.pwt ]; point $? "no trace is left of a command that was not there"

# --- the program is as it is natively
"$pageworks" faults -- sh -c 'echo out; echo err >&2; exit 7' >out 2>err; status=$?
[ $status -eq 7 ] && [ "$(cat out)" = out ] && grep -qx err err && grep -q 'checked: classes and tables add up' err
point $? "a command: its output, its status"
"$pageworks" faults --quiet -- sh -c 'kill -TERM $$' >out 2>err; [ $? -eq 143 ]; point $? "a command that a signal ends"
"$pageworks" faults --summary -- cat <"$source/LICENSE" >out 2>err; cmp -s out "$source/LICENSE"; point $? "standard input is the command's"
grep -qE '^ *[0-9.]+ +[0-9]+/[0-9]+ ' err; [ $? -eq 1 ]; point $? "--summary: no lines"
"$pageworks" faults -- true 2>err; grep -qE '^ *[0-9.]+ +[0-9]+/[0-9]+ +minor +file_cached +(load|fetch|\?) +0x[0-9a-f]+  ' err
point $? "a line for each fault"

# --- what is counted agrees
"$pageworks" faults --quiet --json f.json -- sh -c 'true; sh -c true' && [ "$(figure f.json failed)" = '[]' ]
point $? "the checks hold"
counted=$(($(figure f.json counted_minor) + $(figure f.json counted_major)))
[ "$(figure f.json total)" -eq $counted ] && [ "$(figure f.json lost)" -eq 0 ]
point $? "as many records as the kernel counted: $counted"
if [ "$(figure f.json system_calls)" = true ]; then
	more=$(($(figure f.json minor_faults) + $(figure f.json major_faults) - $(figure f.json total)))
	[ $more -ge 0 ] && [ $more -lt 200 ]; point $? "getrusage has $more more, those before the program began"
else
	skip "faults in system calls are hidden here"
fi

# --- a trace
seq 20000 >numbers
"$pageworks" faults --quiet -o t.pwt --json f.json -- sh -c 'sort -r numbers | tail -1' >out 2>err; [ $? -eq 0 ] && [ ! -s err ]
point $? "-o writes a trace"
"$pageworks" run --quiet --json run.json t.pwt && [ "$(figure run.json total)" -eq "$(figure f.json total)" ] &&
	grep -q '"failed": \[\]' run.json && grep -q '"protection": 0' run.json
point $? "run takes it, every fault and none refused"
"$pageworks" info --json - t.pwt | grep -q '"process": 3'; point $? "with its processes"
"$pageworks" curve --quiet --json c.json t.pwt && grep -q '"kind": "curve"' c.json; point $? "curve takes it"
refused 125 'exists' faults -o t.pwt -- true
"$pageworks" faults --quiet -f -o t.pwt -- true; point $? "-f overwrites"
"$pageworks" faults --quiet -o - -- sh -c : 2>err | "$pageworks" info - >out; grep -q 'pwt' out; point $? "-o -: a pipe"

# --- a process that runs already
sh -c 'i=0; while [ ! -e stop ]; do i=$((i + 1)); x=$(echo $i); done' &
child=$!
"$pageworks" faults --summary --for 2 --json f.json $child >out 2>err; status=$?
: >stop
wait $child
[ $status -eq 0 ] && grep -q "Page faults of process $child" out && [ "$(figure f.json total)" -gt 0 ] && grep -q copy_on_write out
ok=$?
point $ok "a process and the children it forks meanwhile"
[ $ok -eq 0 ] || { echo "# status $status"; explain out err; }
counted=$(($(figure f.json counted_minor) + $(figure f.json counted_major)))
[ "$(($(figure f.json total) + $(figure f.json lost)))" -eq $counted ]; point $? "as many as the kernel counted meanwhile"
sleep 30 &
child=$!
"$pageworks" faults --summary $child >out 2>err &
watcher=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	sleep 0.5
	ls -l /proc/$watcher/fd 2>/dev/null | grep -q perf_event && break
done
kill $child
wait $child 2>/dev/null
wait $watcher; [ $? -eq 0 ] && grep -q 'Page faults of process' out; ok=$?
point $ok "watching ends with the process"
[ $ok -eq 0 ] || explain out err

# --- what goes wrong
if [ -w /dev/full ]; then
	"$pageworks" faults --quiet --json /dev/full -- true 2>err; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]
	point $? "a full disk: JSON"
	"$pageworks" faults --quiet -f -o /dev/full -- true 2>err; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]
	point $? "a full disk: a trace"
else
	skip "no /dev/full"
fi
{ "$pageworks" faults -- sh -c 'sort -r numbers >sorted; exit 5' 2>&1; echo $? >status; } | head -1 >out
[ "$(cat status)" = 5 ] && [ "$(wc -l <sorted)" -eq 20000 ]; point $? "a closed pipe: the command goes on to its end"

plan
