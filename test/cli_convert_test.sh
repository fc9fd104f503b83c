#!/bin/sh
# cli_convert_test.sh - pageworks convert, info and record as people use them: formats, pipes, full disks, kills.  Prints TAP.
# check: timeout 300

. "$(dirname "$0")/points.sh"
data=$source/test/data

# quietly ARG...: into out and err.
quietly() {
	"$pageworks" "$@" >out 2>err </dev/null
}
# lines FILE N: that many, no more.
lines() {
	[ "$(wc -l <"$1")" -eq "$2" ]
}

for verb in convert info; do
	quietly $verb --help && grep -q 'Examples:' out; point $? "$verb --help has examples"
done
quietly convert --to help && lines out 6; point $? "--to help lists"

# --- there and back: whatever a format holds comes back from .pwt the same
for format in lackey din course pages perf; do
	quietly convert "$data/small.$format" -o "$format.pwt" && [ ! -s out ] && lines err 1 &&
		quietly convert "$format.pwt" --to csv -o a.csv -f && quietly convert "$data/small.$format" --to csv -o b.csv -f &&
		cmp -s a.csv b.csv
	point $? "$format through .pwt"
done
for format in lackey din csv; do
	quietly convert lackey.pwt --to $format -o "text.$format" && [ "$(grep -c lost err)" -eq 0 ] &&
		quietly convert "text.$format" -o again.pwt -f && quietly convert again.pwt --to csv -o a.csv -f &&
		quietly convert lackey.pwt --to csv -o b.csv -f && cmp -s a.csv b.csv
	point $? "out to $format and in again"
done
quietly convert lackey.pwt --to course && lines err 1 && grep -q 'lost.*kinds' err && grep -q '^04001020 R$' out
point $? "what is lost is said; text goes to standard output"
quietly convert perf.pwt --to din && grep -q 'lost.*which thread' err; point $? "threads that are lost are said"
"$pageworks" convert lackey.pwt --to lackey 2>err | "$pageworks" convert - 2>>err | "$pageworks" convert - --to csv >a.csv 2>>err
quietly convert lackey.pwt --to csv -o b.csv -f && cmp -s a.csv b.csv; point $? "pipes"
quietly convert zipf:pages=100,refs=10K,writes=0.5 -o zipf.pwt && quietly run --quiet --json a.json --frames 20 zipf.pwt &&
	quietly run --quiet --json b.json --frames 20 zipf:pages=100,refs=10K,writes=0.5 &&
	[ "$(grep -A3 '"faults": {' a.json)" = "$(grep -A3 '"faults": {' b.json)" ]
point $? "a generator, converted, runs the same"
quietly convert zipf:pages=100,refs=10K --limit 1234 -o limited.pwt && quietly info limited.pwt && grep -q 'references *1,234' out
point $? "--limit"
quietly convert lackey.pwt --granule 4K -o granule.pwt && quietly info --full granule.pwt && grep -q 'granule *4 KiB' out &&
	grep -q 'addresses *0x4000000 to' out
point $? "--granule"
printf 'when;who;where\n1;3;0x10000\n2;4;8192\n' >table
quietly convert csv:table,address=where,pid=who --to csv && grep -q '^3,3,r,0x10000$' out; point $? "a table whose columns are said"

# --- refusals: one line, no file
refused 125 "no such option; did you mean --granule" convert "$data/small.din" --granulle 4K
refused 125 "give a trace" convert
refused 125 "one trace" convert "$data/small.din" "$data/small.din"
refused 125 "pageworks record" convert -- true
refused 125 "did you mean 'lackey'" convert "$data/small.din" --to lacky
refused 125 "power of two" convert "$data/small.din" --granule 3
refused 125 "only .pwt" convert "$data/small.din" --granule 4K --to din
refused 125 "exists; -f" convert "$data/small.din" -o lackey.pwt
cp lackey.pwt same.pwt
refused 125 "read and written at once" convert same.pwt -f -o same.pwt
cmp -s lackey.pwt same.pwt; point $? "the input is as it was"
refused 125 "no such file" convert nothing -o never.pwt
refused 125 "read and written at once" record -f -o same.pwt same.pwt
[ ! -e never.pwt ]; point $? "nothing is created for an input that is not there"

# --- input that is cut off: nothing, or what there is with --partial
head -c 50000 /dev/zero | tr '\0' '7' | fold -w 7 | gzip >pages.gz
head -c 60 pages.gz >cut.gz
refused 125 "ends early" convert cut.gz -o cut.pwt
[ ! -e cut.pwt ]; point $? "a conversion that fails leaves no file"
quietly convert cut.gz --partial -o cut.pwt; [ $? -eq 125 ] && grep -q 'ends early' err && quietly info --full cut.pwt &&
	grep -q 'it is whole' out && ! grep -q 'references *0' out
point $? "--partial keeps what was read"
quietly convert cut.gz --to pages -o cut.text; [ $? -eq 125 ] && [ ! -e cut.text ]; point $? "the same for text"
head -c $(($(wc -c <zipf.pwt) - 10)) zipf.pwt >cut2.pwt
quietly info cut2.pwt; [ $? -eq 125 ] && lines err 1 && grep -q 'references *10,240' out; point $? "info of a file without its end"

# --- places that cannot be written
if [ -w /dev/full ]; then
	for format in pwt lackey; do
		refused 125 "No space left" convert zipf:pages=100,refs=1M --to $format -f -o /dev/full
	done
	refused 125 "No space left" record -f -o /dev/full zipf:pages=100,refs=1M
	[ -c /dev/full ]; point $? "the device is still there"
	quietly info --json /dev/full lackey.pwt; [ $? -eq 125 ] && lines err 1; point $? "info into a full disk"
else
	for i in 1 2 3 4 5; do skip "there is no /dev/full"; done
fi
(ulimit -f 8; trap '' XFSZ; "$pageworks" convert random:pages=1M,refs=4M -o toolarge.pwt) >out 2>err
[ $? -eq 125 ] && lines err 1 && [ ! -e toolarge.pwt ]; point $? "a limit on the size of files: one line, no file"
for format in pwt lackey; do
	{ "$pageworks" convert random:pages=1M,refs=4M --to $format 2>err; echo $? >status; } | head -c 1000 >/dev/null
	[ "$(cat status)" -eq 125 ] && lines err 1 && grep -q 'Broken pipe' err; point $? "$format into a pipe that closes"
done
"$pageworks" convert random:pages=1M,refs=4G -o killed.pwt 2>err &
sleep 0.3
kill -INT $!
wait $!
[ $? -eq 130 ] && lines err 1 && [ ! -e killed.pwt ]; point $? "an interrupt: its status, one line, no file"

# --- what info says
quietly info zipf.pwt && [ ! -s err ] && grep -q 'frames *1, with an index' out && ! grep -q footprint out
point $? "info of a .pwt is quick"
quietly info --full zipf.pwt && grep -q 'footprint *100 pages of 4 KiB, 400 KiB' out; point $? "info --full counts pages"
quietly info --json - "$data/small.perf" && grep -q '"format": "perf"' out && [ "$(figure out total)" = 4 ] &&
	[ "$(grep -c '"pid"' out)" -eq 2 ]
point $? "info --json"
printf '7\n0\nnonsense\n1\n' >bad
quietly info bad && grep -q '3 read, 1 rejected' out && grep -q 'number 3' out; point $? "rejected records are counted and located"
head -c 640 /dev/zero >zeros
refused 125 "no known kind" info zeros
quietly info "champsim:zeros"; [ $? -eq 125 ] && lines err 1 && grep -q 'not one of its 10 records' err
point $? "a format that is said wrongly"
if [ -r /proc/self/mem ]; then
	refused 125 "Input/output error" info /proc/self/mem
	refused 125 "Input/output error" convert /proc/self/mem -o never.pwt
else
	skip "no file whose reading fails"; skip "no file whose reading fails"
fi
quietly info lackey.pwt --limit 3 --full && grep -q 'references *3 looked at' out; point $? "info --limit"

# --- recordings that end badly
if ! have qemu-x86_64; then
	skip "qemu-x86_64 is not installed"
	plan
	exit 0
fi
if [ -w /dev/full ]; then
	"$pageworks" record -f -o /dev/full -- sh -c 'exit 3' >out 2>err
	[ $? -eq 125 ] && lines err 1 && grep -q 'No space left' err; point $? "record into a full disk: said once"
else
	skip "there is no /dev/full"
fi
{ "$pageworks" record -o - -- sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done; echo hello >hello' 2>err; echo $? >status; } |
	head -c 100 >/dev/null
[ "$(cat status)" -eq 125 ] && lines err 1 && grep -q 'Broken pipe' err && grep -q hello hello
point $? "record into a pipe that closes: the program runs on"
"$pageworks" record -o interrupted.pwt -- sh -c 'while :; do :; done' >out 2>err &
sleep 1
kill -TERM $!
wait $!
[ $? -eq 143 ] && quietly info interrupted.pwt && grep -q 'it is whole' out; point $? "record, interrupted, is whole"
"$pageworks" record -o killed.pwt -- sh -c 'echo $$ >pid; while :; do :; done' >out 2>err &
sleep 1.5
kill -KILL $!
wait $! 2>/dev/null
quietly info --full killed.pwt; [ $? -eq 125 ] && lines err 1 && grep -q 'without its end mark\|middle of a frame' err &&
	! grep -q 'references *0' out
point $? "record, killed, is good up to its last frame"
plan
