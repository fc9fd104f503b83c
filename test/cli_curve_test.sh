#!/bin/sh
# cli_curve_test.sh - pageworks curve as people use it: outputs, refusals, signals.  Prints TAP.
# check: timeout 300

. "$(dirname "$0")/points.sh"

"$pageworks" curve --help >out 2>err && grep -q 'Examples:' out && grep -q -- 'pageworks curve' out
point $? "curve --help has examples"
z=zipf:pages=2000,refs=100K,writes=0.3
"$pageworks" curve $z >out 2>err && grep -q 'holds 99 %' out && grep -q 'laws hold' out && [ ! -s err ]
point $? "the report goes to standard output"
LC_ALL=C "$pageworks" curve $z >out && ! grep -q "$(printf '\342')" out; point $? "ASCII where nobody can read more"
"$pageworks" curve --quiet --json - --csv c.csv --svg c.svg -o r.txt --frames 10,100,50% $z >j 2>err &&
	[ ! -s err ]
ok=$?
grep -q '"kind": "curve"' j && [ "$(grep -c '"frames"' j)" -ge 3 ] &&
	[ "$(wc -l <c.csv)" -eq 4 ] && grep -q '</svg>' c.svg && grep -q holds r.txt
point $((ok + $?)) "JSON, CSV, SVG and report in one go"
for frames in 10 100 1000; do
	"$pageworks" run --quiet --frames $frames --json run.json $z
	run=$(figure run.json total | tail -1)
	faults=$(sed -n '/"faults"/,/}/s/^ *"total": *\([0-9]*\),*$/\1/p' run.json | head -1)
	grep -q "^lru,$frames,[0-9]*,$faults," c.csv
	ok=$?
	point $ok "as many faults as run --frames $frames"
	[ $ok -eq 0 ] || { echo "# run has $faults of $run"; explain c.csv; }
done
"$pageworks" curve --quiet --all --csv - $z >all.csv && [ "$(wc -l <all.csv)" -gt 1000 ]; point $? "--all has every size"

refused 125 "did you mean --frames" curve --frame5 1 $z
refused 125 "no number of frames" curve --frames 10,x $z
refused 125 "power of two" curve --page 3000 $z
refused 125 "unknown" curve --policy lruu $z
refused 125 "exclude" curve --all --frames 3 $z
refused 125 "nothing would be counted" curve --warmup 10 --limit 10 $z
refused 125 "a curve of what" curve
refused 125 "nosuchfile" curve nosuchfile
refused 125 "one trace at a time" curve $z $z

# Ctrl-C prints the curve of what was seen so far, and ends by the signal.
"$pageworks" curve --quiet -o r.txt zipf:pages=1M,refs=100G >out 2>err &
child=$!
sleep 1
kill -INT $child
wait $child
status=$?
[ $status -eq 130 ] && grep -q interrupted r.txt; ok=$?
point $ok "interrupted: the curve so far"
[ $ok -eq 0 ] || { echo "# status $status"; explain err; }

if [ -w /dev/full ]; then
	"$pageworks" curve -o /dev/full $z 2>err; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]; point $? "a full disk is one line"
else
	skip "no /dev/full"
fi
# Programs: processes, copies on write, files.
if have qemu-x86_64; then
	"$pageworks" record --quiet -f -o prog.pwt -- sh -c 'echo a | cat; (read x; echo "$x") </dev/null' >out 2>err
	"$pageworks" curve --quiet --csv c.csv --frames 2,8,30,100,1000 prog.pwt 2>err; ok=$?
	for frames in 2 8 30 100 1000; do
		"$pageworks" run --quiet --frames $frames --json run.json prog.pwt 2>>err
		faults=$(sed -n '/"faults"/,/}/s/^ *"total": *\([0-9]*\),*$/\1/p' run.json | head -1)
		written=$(figure run.json written_back)
		grep -q "^lru,$frames,[0-9]*,$faults,$written," c.csv || { ok=1; echo "# $frames: a run has $faults, $written written"; }
	done
	point $ok "a program's curve is that of its runs"
	[ $ok -eq 0 ] || explain c.csv
	"$pageworks" curve --frames 10,100 -- sh -c 'echo hello; exit 3' >out 2>err
	[ $? -eq 3 ] && [ "$(cat out)" = hello ] && grep -q 'holds 99 %' err; point $? "a command keeps its output and status"
	# What the recommendations promise is what a run at that size has, within a percentage point.
	awk 'BEGIN { x = 7; for (i = 0; i < 3000; i++) { x = (x * 69069 + 1) % 4294967296; print x, "line", i } }' >numbers
	promised() { # promised NAME COMMAND...
		name=$1
		shift
		"$pageworks" record --quiet -f -o real.pwt -- "$@" >/dev/null 2>err &&
			"$pageworks" curve --quiet --json curve.json real.pwt 2>>err
		frames=$(sed -n '/"name": "holds_99"/,/}/s/^ *"frames": \([0-9]*\),*$/\1/p' curve.json)
		want=$(sed -n '/"name": "holds_99"/,/}/s/^ *"miss_ratio": \([^,]*\),*$/\1/p' curve.json)
		"$pageworks" run --quiet --frames "$frames" --json run.json real.pwt 2>>err
		faults=$(sed -n '/"faults"/,/}/s/^ *"total": *\([0-9]*\),*$/\1/p' run.json | head -1)
		total=$(sed -n '/"references"/,/}/s/^ *"total": *\([0-9]*\),*$/\1/p' run.json | head -1)
		awk -v f="$faults" -v t="$total" -v w="$want" \
			'BEGIN { d = f / t - w; exit !(t > 0 && f / t < 0.02 && d < 0.01 && d > -0.01) }'
		ok=$?
		point $ok "the recommendation for $name is right"
		[ $ok -eq 0 ] || { echo "# in $frames frames $faults of $total, promised $want"; explain err; }
	}
	for program in gzip sort python3; do
		case $program in
		gzip) set -- gzip -c numbers ;;
		sort) set -- sort numbers ;;
		python3) set -- python3 -S -c 'print(sum(i * i for i in range(3000)))' ;;
		esac
		if have $program; then promised $program "$@"; else skip "$program is not installed"; fi
	done
else
	for missing in 1 2 3 4 5; do skip "qemu-x86_64 is not installed"; done
fi

# A sample: the same memory whatever the length, and an error beside each figure.
"$pageworks" curve --quiet --sample=1K --json a.json zipf:pages=40K,refs=300K && "$pageworks" curve --quiet --sample=1K --json b.json \
	zipf:pages=2M,refs=2M && grep -q faults_error a.json &&
	[ "$(figure b.json host_bytes)" -lt $((2 * 1024 * 1024 + 400 * 1024)) ]
point $? "--sample needs as little memory as it says"
"$pageworks" curve --policy lru,opt,clock,2q:in=25%,out=50% --frames 100,10% $z >out 2>err && [ "$(grep -c '2q:in=25%' out)" -ge 2 ]
point $? "policies with parameters"
refused 125 "share of all pages" curve --sample=x $z
refused 125 "only the curve of lru" curve --sample --policy opt $z
plan
