#!/bin/sh
# cli_swap_test.sh - --swap with every kind of store, as people write it.  Prints TAP.

. "$(dirname "$0")/points.sh"

trace=zipf:pages=2K,s=0.9,refs=100K,writes=0.3
figures() { # every count of a result; times differ with the store
	sed -n '/"references": {/,/"modelled"/p' "$1" | sed '/modelled/d'
}

"$pageworks" run --quiet --frames 200 --swap ram --json ram.json $trace
point $? "ram"
for spec in lz4 lz4=64K zstd:level=3 "file:$dir/swap" "file=64M:$dir/swap" "tier:lz4=1M,file:$dir/swap" "crypt:file:$dir/swap" \
	"fault:flip=5,read_eio=3,ram" "tier:ram=1M,crypt:tier:zstd=4M,file:$dir/swap" ssd; do
	"$pageworks" run --quiet --frames 200 --swap "$spec" --json other.json $trace 2>err && [ ! -s err ] &&
		figures ram.json >one && figures other.json >two && [ -s one ] && cmp -s one two && [ ! -e swap ]
	point $? "the same faults with $(echo "$spec" | sed "s|$dir/||")"
done

lz4=$("$pageworks" run --quiet --frames 200 --swap lz4 --json - $trace | sed -n 's/.*"cycles": \([0-9]*\).*/\1/p')
hdd=$("$pageworks" run --quiet --frames 200 --swap hdd --json - $trace | sed -n 's/.*"cycles": \([0-9]*\).*/\1/p')
[ -n "$lz4" ] && [ -n "$hdd" ] && [ "$hdd" -gt "$((lz4 * 20))" ]
point $? "a disk takes far longer than compressed memory"

"$pageworks" run --swap help >out 2>err && for kind in ram lz4 zstd file tier crypt fault ssd hdd; do
	grep -q "^$kind " out || echo "$kind is missing"
done >missing && [ ! -s missing ]
point $? "--swap help lists them"

refused 125 lz4 run --swap lz5 $trace
refused 125 "takes no size" run --swap ssd=1G $trace
refused 125 "needs a size" run --swap tier:lz4,ram $trace
refused 125 "not a kind" run --swap tier:lz4=1M,floppy $trace
refused 125 "crypt:file:PATH" run --swap crypt: $trace
refused 125 "level" run --swap zstd:level=99 $trace
refused 125 "flop" run --swap fault:flop=3,ram $trace
refused 125 "path is missing" run --swap file: $trace
echo precious >kept
refused 125 "not empty" run --swap "file:$dir/kept" $trace
[ "$(cat kept)" = precious ]
point $? "a file that holds something is not touched"
refused 125 "No such file" run --swap "file:$dir/nowhere/swap" $trace
refused 125 "one slab" run --swap lz4=1K $trace
plan
