#!/bin/sh
# cli_walk_test.sh - pageworks walk: images of every kind, whole, cut off and damaged; what it says of them.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"

lab() { # LINE...: a machine of 1 MiB whose memory goes to the file image
	{
		echo 'machine ram=1M swap=ram'
		for line in "$@"; do echo "$line"; done
		echo 'dump image'
	} | "$pageworks" lab --quiet
}
walks() { # WORD ARG...: status 0, and WORD in the output
	word=$1
	shift
	"$pageworks" walk "$@" >out 2>err && grep -qF -- "$word" out
	point $? "walk $*: $word"
}

lab 'process p' 'map 0x12345000 64K rw' 'touch 0x12345000 20K store' 'map 0x8000000 8K r' 'read 0x8000000'
walks 'physical address 0x678' image 0x12345678
walks '010010001 101000101 011001111000' image 0x12345678
walks '0000000012345000-000000001234a000     20 KiB  rw-u-  5 of 4 KiB' image --all
walks '2 ranges, 6 pages, 24 KiB' image --all
walks '0000000012346000 -> 000000001000' image --all --pages
walks '1 address map 0x2345' image --find 0x2345
walks '0000000012347345 -> 000000002345' image --find 0x2345
walks '"physical": "0x678"' --json - image 0x12345678

fails() { # WORD ARG...: status 1, and WORD in the output
	word=$1
	shift
	"$pageworks" walk "$@" >out 2>err
	[ $? -eq 1 ] && grep -qF -- "$word" out && [ ! -s err ]
	point $? "walk $*: 1, $word"
}
fails 'would have to be valid' image 0x12355000
fails 'write protection' image --access store 0x8000000
fails 'non-canonical' image 0x800000000000
fails 'would have to hold the table' --root 0x40000000 image 0

# Roots of several processes; JSON is one object.
lab 'process p' 'map 0 4K rw' 'write 0 1' 'process q' 'map 0x5000 4K rw' 'write 0x5000 1'
refused 125 "--process (1, 2)" walk image 0
refused 125 "has the processes 1, 2" walk --process 3 image 0
walks 'physical address' --process 2 image 0x5000
"$pageworks" walk --process 1 --json json image --all >out 2>err && grep -q '"mapped_bytes": 4096' json && grep -q '1 ranges' out
point $? "text and JSON together"

# The same memory as LiME, and as an ELF core without registers; both cut off in the middle of a table read as far as they go.
perl -e '
	local $/; open my $f, "<:raw", "image"; my $m = <$f>;
	open my $l, ">:raw", "lime"; print $l pack("VVQ<Q<Q<", 0x4c694d45, 1, 0, length($m) - 1, 0), $m;
	open my $e, ">:raw", "core";
	print $e pack("C16vvVQ<Q<Q<Vv6", 0x7f, 69, 76, 70, 2, 1, 1, (0) x 9, 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0);
	print $e pack("VVQ<6", 1, 0, 4096, 0, 0, length $m, length $m, 0), "\0" x (4096 - 120), $m;
'
root=$(sed -n 's/^pid 1 .*root \(0x[0-9a-f]*\).*/\1/p' image.roots)
walks 'physical address 0x' --root "$root" lime 0
walks 'physical address 0x' --root "$root" core 0
refused 125 "does not say where its page tables begin" walk core 0
for cut in 100 5000 $((4096 + 1024 * 1024 - 4097)); do
	head -c "$cut" core >short
	timeout 20 "$pageworks" walk --root "$root" short 0 >out 2>err
	status=$?
	{ [ $status -eq 1 ] && grep -q 'would have to hold' out; } || { [ $status -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]; }
	point $? "a core cut off after $cut bytes: status $status"
done

# Tables full of the pattern of a loop end, and say so.
perl -e 'print pack("Q<", 0x67) x (1 << 17)' >loop
timeout 60 "$pageworks" walk --root 0 loop --all >out 2>err
[ $? -eq 0 ] && grep -q 'points back to a table above it' out && grep -q 'more entries are damaged' out
point $? "an endless loop of tables is listed as far as a limit, and reported"
head -c 1M /dev/urandom >noise
timeout 60 "$pageworks" walk --root 0 noise --all >out 2>err
[ $? -eq 0 ] && tail -1 out | grep -q 'ranges'
point $? "noise is listed without a crash"

# A process of this computer.
sleep 1000 &
pid=$!
until grep -q '\[stack\]' "/proc/$pid/maps" 2>/dev/null && [ "$(cat "/proc/$pid/comm")" = sleep ]; do sleep 0.1; done
top=$(sed -n 's/^[0-9a-f]*-\([0-9a-f]*\) .*\[stack\]$/\1/p' "/proc/$pid/maps")
address=$(printf '0x%x' $((0x$top - 64)))
if "$pageworks" walk --pid $pid 0 >out 2>err || [ $? -eq 1 ]; then
	walks 'goes through: the page is present' --pid $pid "$address"
	walks '[stack]' --pid $pid --all
	walks '"translates": true' --json - --pid $pid "$address"
	fails 'the mapping does not grant it' --pid $pid "$address" --access fetch
	fails 'no mapping holds this address' 0x10 --pid $pid
	frame=$("$pageworks" walk --pid $pid "$address" | sed -n 's/^  frame *\(0x[0-9a-f]*\).*/\1/p')
	if [ -n "$frame" ]; then
		walks "$(printf '%016x' $((0x$top - 4096)))" --pid $pid --find $((frame * $(getconf PAGESIZE)))
	else
		refused 125 "CAP_SYS_ADMIN" walk --pid $pid --find 0x1000
	fi
else
	skip "walk --pid: $(cat err)"
fi
kill $pid
refused 125 "no such process" walk --pid 4190000 0
refused 125 "no process number" walk --pid me 0
refused 125 "are about images" walk --pid 1 --root 0 0

walks 'sv39' --format help
refused 125 "did you mean 'sv39'" walk --format sv93 image 0
refused 125 "which memory" walk
refused 125 "which address" walk image
refused 125 "exclude each other" walk image 0 --all
refused 125 "exclude each other" walk image --all --find 0
refused 125 "No such file" walk nothing 0
refused 125 "not a file" walk . 0
refused 125 "is not an address" walk image zero
refused 125 "load" walk --access reed image 0
printf 'KDUMP   ' >kdump
refused 125 "makedumpfile -E" walk kdump 0
printf '' >empty
refused 125 "empty" walk empty 0
"$pageworks" walk --process 1 image --all >/dev/full 2>err
[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ]
point $? "a full disk is said"
plan
