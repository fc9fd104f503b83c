#!/bin/sh
# guest_walk_test.sh - pageworks walk on the memory of a Linux that really runs, beside what QEMU's monitor says of it.
#
# A guest is booted under qemu-system with an init of ours, stopped, and dumped; the listing of its whole address space must be the
# monitor's "info tlb" line by line: address, frame, page size, and every flag both know.  The kernel is $PAGEWORKS_GUEST_KERNEL, what
# tools/setup fetched, or the host's.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"

name="lists a Linux guest's address space as the monitor does"
kernel=${PAGEWORKS_GUEST_KERNEL:-$(dirname "$pageworks")/guest/vmlinuz}
if [ ! -r "$kernel" ]; then
	for kernel in /boot/vmlinuz-*; do [ -r "$kernel" ] && break; done
fi
enough=yes
have qemu-system-x86_64 || { skip "$name: there is no qemu-system-x86_64"; enough=no; }
[ $enough = no ] || [ -r "$kernel" ] || { skip "$name: there is no kernel to boot (PAGEWORKS_GUEST_KERNEL=vmlinuz)"; enough=no; }
[ $enough = no ] || [ "$(uname -m)" = x86_64 ] || { skip "$name: the guest's init is compiled for the host, which is no x86-64"; enough=no; }

# The guest's only program: pages here and there, some of them read-only, then it waits.
cat >init.c <<'END'
#include <sys/mman.h>
#include <unistd.h>
int main(void)
{
	char *p = mmap((void *)0x700000000000, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (int i = 0; p != MAP_FAILED && i < 1024; i += 3)
		p[i * 4096] = 1;
	mprotect(p, 1 << 20, PROT_READ);
	if (write(1, "guest is ready\n", 15) != 15)
		return 1;
	for (;;)
		continue;
}
END
if [ $enough = yes ] && ! ${CC:-gcc} -static -O1 -o init init.c 2>err; then
	skip "$name: no static program can be linked here"
	enough=no
fi
[ $enough = yes ] || { plan; exit 0; }

# An archive of two files, in the format "newc" of cpio.
cat >archive.pl <<'END'
my ($file) = @ARGV;
open my $f, "<:raw", $file or die;
local $/;
my ($init, $n) = (scalar <$f>, 0);
sub entry {
	my ($name, $mode, $content, $major, $minor) = @_;
	my $head = "070701" . join "", map { sprintf "%08X", $_ } ++$n, $mode, 0, 0, 1, 0, length $content, 0, 0, $major, $minor,
		1 + length $name, 0;
	my $entry = "$head$name\0";
	$entry .= "\0" while length($entry) % 4;
	$entry .= $content;
	$entry .= "\0" while length($entry) % 4;
	return $entry;
}
binmode STDOUT;
print entry("dev", 040755, "", 0, 0), entry("dev/console", 020600, "", 5, 1), entry("init", 0100755, $init, 0, 0),
	entry("TRAILER!!!", 0, "", 0, 0);
END
perl archive.pl init >initrd

: >serial
{
	for _ in $(seq 400); do
		grep -q "guest is ready" serial && break
		sleep 0.2
	done
	echo stop
	echo dump-guest-memory core.elf
	echo info tlb
	echo info registers
	echo quit
} | timeout -k 5 120 qemu-system-x86_64 -m 128M -display none -no-reboot -net none -kernel "$kernel" -initrd initrd \
	-append "console=ttyS0 quiet panic=-1" -serial file:serial -monitor stdio >monitor 2>&1
if ! grep -q "guest is ready" serial || [ ! -s core.elf ]; then
	skip "$name: the guest did not come up ($(tail -1 serial | cut -c1-80))"
	plan
	exit 0
fi

# Both as "address frame page-size flags"; the monitor prints no size, but P for a large page.
tr -d '\r' <monitor | perl -ne '
	next unless /^([0-9a-f]{16}): ([0-9a-f]{16}) ([-XGPDACTUW]{9})$/;
	print "$1 $2 " . join("", map { substr($3, $_, 1) } 0, 1, 2, 3, 4, 7, 8) . "\n";
' | sort >theirs
"$pageworks" walk core.elf --all --pages >pages 2>err
point $? "lists the pages of a core with the root that the core carries"
perl -ne '
	next unless /^([0-9a-f]{16}) -> ([0-9a-f]+) .*?  [-rwxusg]{5}  (.*)$/;
	my %has = map { $_ => 1 } split " ", $3;
	my $flags = join "", map { $has{$_->[0]} ? $_->[1] : "-" } ["no-execute", "X"], ["global", "G"], ["leaf", "P"], ["dirty", "D"],
		["accessed", "A"], ["user", "U"], ["write", "W"];
	printf "%s %016s %s\n", $1, $2, $flags;
' pages | sort >ours
[ -s theirs ] && cmp -s ours theirs
ok=$?
point $ok "$name ($(wc -l <theirs) lines)"
[ $ok -eq 0 ] || diff ours theirs | head -10 | explain

# What the guest made for itself is there, with its rights.
"$pageworks" walk core.elf --all >ranges 2>err
grep -q '^0000700000000000-0000700000001000 .*r--u-' ranges &&
	grep -q '^0000700000102000-0000700000103000 .*rw-u-' ranges
point $? "the pages of the guest's program have the rights it gave them"
"$pageworks" walk core.elf 0x700000000000 --access store >told 2>err
[ $? -eq 1 ] && grep -q 'write protection' told
point $? "a store to its read-only page fails for that reason, with status 1"
frame=$(sed -n 's/^0000700000102000 -> \([0-9a-f]*\) .*/0x\1/p' pages)
"$pageworks" walk core.elf --find "$frame" >found 2>err
grep -q '^0000700000102000 ' found && grep -q '^ffff.* rw-s' found
point $? "--find finds the program's address and the kernel's own of one frame"
plan
