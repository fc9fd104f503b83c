#!/bin/sh
# cli_sweep_test.sh - pageworks sweep as people use it: grids, kills, continuation, clusters, tables.  Prints TAP.
# check: timeout 300

. "$(dirname "$0")/points.sh"
seed=${SEED:-20261121}
trace=zipf:pages=600,s=0.9,refs=20K

# sweep ARG...: quietly, into out and err.
sweep() {
	"$pageworks" sweep "$@" >out 2>err </dev/null
}
# cells DIR: name, inode and time of every finished cell.
cells() {
	for f in "$1"/cells/*.json; do
		[ -e "$f" ] && stat -c '%n %i %Y.%y' "$f"
	done
}

# --- help, grids from options
sweep --help && grep -q 'Examples:' out; point $? "--help has examples"
sweep --policy help && grep -q '^clock' out; point $? "--policy help lists"
sweep --policy lru,clock --frames 100,200 $trace && [ "$(grep -c '^[12]00 ' out)" -eq 4 ] && grep -q '4 cells: 4 done' out
point $? "two policies, two sizes: four cells"
[ -s zipf.sweep/sweep.json ] && [ "$(cells zipf.sweep | wc -l)" -eq 4 ]; point $? "the directory has the trace's name"
before=$(cells zipf.sweep)
mv out first
sweep --policy lru,clock --frames 100,200 $trace && cmp -s out first && [ "$before" = "$(cells zipf.sweep)" ]
point $? "again: the same table, and nothing is run"
sweep --policy lru,clock,fifo --frames 100,200 $trace && [ "$(cells zipf.sweep | wc -l)" -eq 6 ] &&
	cells zipf.sweep >now && echo "$before" | grep -vxFf now >gone; [ ! -s gone ]
point $? "a larger grid runs only what is new"
sweep --ram 1M..8M:x2 --policy lru $trace && grep -q '^1M ' out && grep -q '^8M ' out && [ "$(grep -c '^[1248]M' out)" -eq 4 ]
point $? "a range of sizes"
sweep --frames 10%,50% --dir percent $trace && grep -q '(10%)' out && grep -q '(50%)' out
point $? "percent of the footprint"
touched=$("$pageworks" run --quiet --json - $trace | sed -n 's/.*"touched_pages": \([0-9]*\).*/\1/p')
grep -q "^$(((touched + 1) / 2)) (50%)" out; point $? "the footprint is what a run touches"
sweep --tlb 'l1d=64/4,l2=512/4; l1d=16/fa' --columns tlb.l1d.misses,faults.total --dir tlb $trace &&
	[ "$(grep -c '^l1d' out)" -eq 2 ]
point $? "specifications with commas are separated by semicolons"
sweep --tlb l1d=64/4 --tlb l1d=16/fa --dir tlb2 $trace && [ "$(grep -c '^l1d' out)" -eq 2 ]
point $? "an option given again adds a value"

# --- views
sweep --policy lru,clock --frames 100,200 --pivot policy,frames --columns faults.total $trace && grep -q 'policy . frames' out &&
	grep -Eq '^lru +[0-9,]+\*? +[0-9,]+\*?$' out
point $? "--pivot"
sweep --policy lru,clock --frames 100,200 --csv - --quiet $trace && [ "$(wc -l <out)" -eq 5 ] &&
	head -1 out | grep -q '^trace,frames,policy,state,faults.total,' &&
	grep -q '^"zipf:pages=600,s=0.9,refs=20K",100,lru,done,[0-9]' out
point $? "--csv"
sweep --policy lru,clock --frames 100,200 --json - --quiet $trace && grep -q '"kind": "sweep"' out && grep -q '"done": 4,' out &&
	[ "$(grep -c '"faults.total": [0-9]' out)" -eq 4 ]
point $? "--json"
sweep --policy lru,clock --frames 100,200 --json j.json --csv c.csv -o t.txt $trace && [ ! -s out ] && [ -s j.json ] && [ -s c.csv ] &&
	[ -s t.txt ]
point $? "table, CSV and JSON into files at once"
figure=$("$pageworks" run --quiet --json - --frames 100 $trace | grep -A1 '"faults": {' | sed -n '2s/[^0-9]//gp')
grep -q ",100,lru,done,$figure," c.csv; point $? "the figure is that of pageworks run"
sweep --policy lru,clock --frames 100 --columns faults.total,tlb.l2.mises $trace; [ $? -eq 125 ] && grep -q 'did you mean tlb' err
point $? "a figure that no result has"
sweep --policy lru,clock --frames 100 --sort grid $trace && sed -n 2p out | grep -q '^lru'; point $? "--sort grid"
sweep --policy lru,fifo --frames 100 --sort -faults.total $trace && sed -n 2p out | grep -q '^fifo'; point $? "--sort -FIGURE"

# --- grid files
cat >two.grid <<'GRID'
# what matters more?
policy = lru, clock, opt   # three of them
frames = 50, 100..200:+50
exclude policy=opt frames>100

[tiny]
frames = 10
policy = lru

[hardware]
refbits = hardware
GRID
sweep two.grid $trace && grep -q '^11 cells: 11 done' out && [ -d two.sweep ]; point $? "a grid file with blocks and rules"
sweep two.grid --limit 1K $trace && grep -q '^11 cells: 11 done' out; point $? "an option holds for the whole file"
printf 'policy = lru\npolcy = clock\n' >bad.grid
refused 125 "bad.grid:2: 'polcy' is unknown; did you mean 'policy'?" sweep bad.grid $trace
printf 'policy = lru, clok\n' >bad.grid
refused 125 "bad.grid:1: policy: 'clok' is unknown; did you mean 'clock'?" sweep bad.grid $trace
printf 'frames = 10, many\n' >bad.grid
refused 125 "bad.grid:1: frames: 'many' is not a number" sweep bad.grid $trace
printf '\nframes = 10\nexclude policy=opt\n' >bad.grid
refused 125 "bad.grid:3: policy is never 'opt'" sweep bad.grid $trace
printf 'frames = 10\nwhat is this\n' >bad.grid
refused 125 "bad.grid:2: 'what is this' is no line" sweep bad.grid $trace

# --- words that make no sense
refused 125 "over what?" sweep --policy lru
refused 125 "did you mean 'lru'" sweep --policy lur,clock $trace
refused 125 "goes upwards" sweep --frames 10..1 $trace
refused 125 "only frames" sweep --ram 10% $trace
refused 125 "did you mean 'policy'" sweep --pivot polic,frames $trace
refused 125 "write ROWS,COLUMNS" sweep --pivot policy $trace
refused 125 "--jobs" sweep --jobs 0 $trace
refused 125 "slurm, parallel" sweep --emit pbs $trace
refused 125 "no such file" sweep --policy lru /no/such/trace
refused 125 "read only once" sweep --policy lru -
refused 125 "no/such" sweep --collect no/such
refused 125 "the directory knows" sweep --collect zipf.sweep --policy lru
refused 125 "only writes commands" sweep --emit slurm --csv x $trace
refused 125 "needs -o FILE" sweep --emit slurm -- true
refused 125 "no cell of the grid can be" sweep --page 16K $trace
refused 125 "options stand before" sweep $trace --policy lru
mkdir -p mine && : >mine/file
refused 125 "something else" sweep --dir mine --policy lru $trace
refused 125 "two.grid" sweep --dir two.grid --policy lru $trace
sweep --page 4K,16K --dir page $trace && grep -q '1 of 2 cells cannot be: --page 16K' err && grep -q '1 done, 1 impossible' out
point $? "a machine that cannot be is said before anything runs"

# --- killed again and again
short=zipf:pages=500,s=0.9,refs=5K
grid="--policy lru,clock,fifo,opt,random --frames 10..400:+10 --columns faults.total,reclaim.evicted,modelled.cycles"
# shellcheck disable=SC2086
sweep $grid --dir whole $short && grep -q '200 cells: 200 done' out; point $? "a sweep of 200 cells"
mv out whole.table
: >before
: >redone
kills=0
for more in $(awk -v s="$seed" 'BEGIN { srand(s); for (i = 0; i < 6; i++) print 1 + int(rand() * 25) }'); do
	# shellcheck disable=SC2086
	"$pageworks" sweep $grid --dir killed $short >out 2>err </dev/null &
	pid=$!
	goal=$(($(wc -l <before) + more))
	while [ "$(find killed/cells -name '*.json' 2>/dev/null | wc -l)" -lt $goal ] && kill -0 $pid 2>/dev/null; do :; done
	kill -9 $pid 2>/dev/null && kills=$((kills + 1))
	wait $pid 2>/dev/null
	cells killed >after
	grep -vxFf after before >>redone
	mv after before
done
finished=$(wc -l <before)
echo "# seed $seed: $kills kills, $finished cells were finished by then"
[ $kills -eq 6 ] && [ "$finished" -lt 200 ]; point $? "it was killed half way"
# shellcheck disable=SC2086
sweep $grid --dir killed $short; point $? "and started again"
cmp -s out whole.table; point $? "the table is that of an uninterrupted sweep"
cells killed >after
grep -vxFf after before >>redone
[ ! -s redone ] && [ "$(wc -l <after)" -eq 200 ]; point $? "no finished cell was run again"
[ -z "$(find killed -name '.new.*')" ]; point $? "nothing half written is left"

# --- a cluster: plain commands, collected
mkdir bin && ln -s "$pageworks" bin/pageworks
PATH=$dir/bin:$PATH
# shellcheck disable=SC2086
"$pageworks" sweep $grid --dir cluster --emit parallel -o list $short 2>err && [ "$(wc -l <list)" -eq 200 ]
point $? "--emit parallel: a command for each cell"
# shellcheck disable=SC2086
"$pageworks" sweep --collect cluster --columns faults.total >out 2>err; [ $? -eq 125 ] && grep -q '200 missing' err
point $? "--collect before: all are missing"
sh list >out 2>err && [ ! -s out ] && [ ! -s err ]; point $? "a shell runs the list"
"$pageworks" sweep --collect cluster --columns faults.total,reclaim.evicted,modelled.cycles >out 2>err && cmp -s out whole.table
point $? "--collect gives the same table"
different=0
for f in whole/cells/*.json; do
	timeless "$f" >a && timeless "cluster/cells/${f##*/}" >b && cmp -s a b || different=$((different + 1))
done
[ $different -eq 0 ]; point $? "each cell is what pageworks run says with these words"
set -- cluster/cells/*.json
rm "$1" && head -c 700 "$2" >cut && mv cut "$2" && : >"$3" && cp "$4" "$5"
"$pageworks" sweep --collect cluster >out 2>err; [ $? -eq 125 ] && grep -q '1 missing, 3 damaged' err && [ "$(wc -l <err)" -eq 1 ] &&
	grep -q 'cut off' out && grep -q 'is empty' out && grep -q 'something else' out
point $? "--collect tells what is missing and what is damaged"
# shellcheck disable=SC2086
sweep $grid --dir cluster $short && cmp -s out whole.table; point $? "the sweep mends it"
"$pageworks" sweep --policy lru,clock --frames 5,7,9 --dir 'a b' --emit slurm -o job.sh $trace 2>err && sh -n job.sh &&
	grep -q '^#SBATCH --array=0-5$' job.sh
point $? "--emit slurm: a job array"
(unset SLURM_ARRAY_TASK_ID; sh job.sh) >out 2>err; [ $? -ne 0 ] && grep -q sbatch err; point $? "without its number it runs nothing"
SLURM_ARRAY_TASK_ID=3 sh job.sh >out 2>err && [ "$(cells 'a b' | wc -l)" -eq 1 ]; point $? "a task runs its cell"
for i in 0 1 2 4 5; do (cd / && SLURM_ARRAY_TASK_ID=$i sh "$dir/job.sh"); done >out 2>err
"$pageworks" sweep --collect 'a b' >out 2>err && mv out collected && sweep --policy lru,clock --frames 5,7,9 --dir direct $trace &&
	cmp -s out collected
point $? "all tasks give the table of the sweep"

# --- one at a time, and failures
(
	flock 9 && "$pageworks" sweep --policy lru --dir direct $trace >out 2>err </dev/null
	echo $? >status
) 9>>direct/lock
[ "$(cat status)" -eq 125 ] && grep -q 'another sweep' err && [ "$(wc -l <err)" -eq 1 ]
point $? "a second sweep in the same place is refused"
id=$(cd direct/cells && set -- *.json && echo "${1%.json}")
rm "direct/cells/$id.json" && echo "its process died: of boredom" >"direct/cells/$id.failed"
sweep --policy lru,clock --frames 5,7,9 --dir direct $trace; [ $? -eq 125 ] && grep -q 'failed: its process died: of boredom' out &&
	grep -q -- '--retry' err
point $? "a failed cell is shown, and not tried again"
sweep --policy lru,clock --frames 5,7,9 --dir direct --retry $trace && cmp -s out collected; point $? "--retry tries it again"

# --- outputs
sweep --policy lru,clock --frames 5,7,9 --dir direct --csv /dev/full $trace; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] &&
	grep -q 'CSV could not be written' err
point $? "a full disk under the CSV"
"$pageworks" sweep --policy lru,clock --frames 5,7,9 --dir direct $trace 2>err >/dev/full; [ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]
point $? "a full disk under the table"
(
	trap '' XFSZ
	ulimit -f 1
	"$pageworks" sweep --policy lru,clock --frames 5,7 --dir small --quiet $trace >out 2>err </dev/null
	echo $? >status
)
[ "$(cat status)" -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q 'cannot be written' err && [ -z "$(find small -name '.new.*')" ]
point $? "a full disk under the results"
if [ "$(id -u)" -ne 0 ]; then
	mkdir sealed && chmod 500 sealed
	refused 125 "sealed" sweep --dir sealed --policy lru $trace
else
	skip "root may write every directory"
fi
(
	"$pageworks" sweep --policy lru,clock --frames 5,7,9 --dir direct $trace 2>err
	echo $? >status
) | true
[ "$(cat status)" -eq 0 ] || { [ "$(cat status)" -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]; }; point $? "a closed pipe"
if have script; then
	words="sweep --policy lru,clock --frames 5,7 --dir direct $trace"
	TERM=xterm script -qec "env -u NO_COLOR '$pageworks' $words" /dev/null >out </dev/null
	grep -q "$(printf '\033')\[1;32m" out; point $? "the best is green on a terminal"
	TERM=xterm NO_COLOR=1 script -qec "'$pageworks' $words" /dev/null >out </dev/null
	! grep -q "$(printf '\033')\[1;32m" out; point $? "NO_COLOR"
else
	skip "script is not installed"
	skip "script is not installed"
fi

# --- interrupted
"$pageworks" sweep --policy lru,clock --frames 1000..40000:+1000 --dir stopped zipf:pages=50K,s=0.8,refs=2M >out 2>err </dev/null &
pid=$!
sleep 0.7
kill -INT $pid
wait $pid; status=$?
[ $status -ne 0 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q 'the same command continues' err && grep -q '^80 cells:' out
point $? "an interrupt stops it and shows what there is (status $status)"
[ -z "$(find stopped -name '.new.*')" ]; point $? "nothing half written is left after an interrupt"

# --- a program, several traces
if "$pageworks" --version | grep -q 'captures programs: yes'; then
	printf 'b\na\n' >lines
	"$pageworks" sweep --frames 50,100 --policy lru,opt -- sort lines >out 2>err </dev/null && printf 'a\nb\n' | cmp -s - out &&
		grep -q '4 cells: 4 done' err
	point $? "a program is recorded and swept over; its output is its own"
	"$pageworks" sweep --frames 50,100 --policy lru,opt -- sort lines >out 2>err2 </dev/null && [ ! -s out ] && cmp -s err err2
	point $? "and not run again"
	"$pageworks" sweep --frames 16,32,64,128 --policy lru,clock,fifo,opt --dir best --quiet --csv best.csv --columns faults.total \
		-- sh -c 'sort lines | wc -c' >out 2>err </dev/null &&
		awk -F, 'NR > 1 { if ($3 == "opt") opt[$2] = $5; else if (!($2 in least) || $5 < least[$2]) least[$2] = $5 }
			END { for (f in opt) { n++; if (opt[f] > least[f]) bad = 1 } exit bad || n != 4 }' best.csv
	point $? "no policy does better than opt, copies on write and forks included"
	"$pageworks" sweep --frames 50 --dir ran -- sh -c 'exit 3' >out 2>err </dev/null; [ $? -eq 3 ]
	point $? "the status is the program's"
	"$pageworks" sweep --frames 50 --dir ran -- /no/such/program >out 2>err </dev/null; [ $? -eq 127 ] && [ "$(wc -l <err)" -eq 1 ]
	point $? "a program that is not there"
	sweep --frames 50,100 --pivot trace,frames --columns faults.total --dir several sort.sweep/recorded/*.pwt $trace &&
		grep -q '^trace . frames' out && grep -q '4 cells: 4 done' out
	point $? "several traces"
else
	for i in 1 2 3 4 5 6; do skip "qemu-x86_64 is not installed"; done
fi

plan
