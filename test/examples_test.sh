#!/bin/sh
# examples_test.sh - the example programs, as the build makes them and as somebody makes them who has only installed pageworks; and that
# the shared library shows what the header declares, no more and no less.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"
build=$(dirname "$pageworks")

for example in "$source"/examples/*.c; do
	name=$(basename "$example" .c)
	timeout 60 "$build/examples/$name" >out 2>err
	ok=$?
	if [ $ok -eq 77 ]; then
		skip "example $name: $(head -1 out)"
		continue
	fi
	point $ok "example $name"
	[ $ok -eq 0 ] || explain out err
done
"$build/examples/emulator" >out 2>&1
grep -q 'the program is ended: write protection' out && grep -q 'physical address' out
point $? "the emulator's program is ended for the reason the MMU gives"

sed -n 's/^[a-z].*[ *]\(pw_[a-z_]*\)(.*/\1/p' "$source/include/pageworks.h" | sort -u >declared
nm -D --defined-only "$build"/libpageworks.so.0 | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort -u >shown
[ -s declared ] && cmp -s declared shown
ok=$?
point $ok "the shared library shows what pageworks.h declares"
[ $ok -eq 0 ] || diff declared shown | explain
nm -D --with-symbol-versions "$build"/libpageworks.so.0 | grep ' pw_run@@PAGEWORKS_0.1' >out
point $? "symbols are versioned"

if ! have pkg-config; then
	skip "an installed library is found by pkg-config: there is no pkg-config"
elif grep -q fsanitize "$build/flags"; then
	skip "an installed library is found by pkg-config: this one is built with sanitizers"
elif [ "$(make -s --no-print-directory -C "$source" BUILD="$build" PREFIX=/usr/local print-flags)" != "$(cat "$build/flags")" ]; then
	skip "an installed library is found by pkg-config: this one was built with flags of its own, and installing would build it anew"
else
	# Another PREFIX would build everything anew; a DESTDIR does not.
	make -C "$source" BUILD="$build" DESTDIR="$dir" PREFIX=/usr/local install >log 2>&1 || explain log
	PKG_CONFIG_PATH=$dir/usr/local/lib/pkgconfig
	PKG_CONFIG_SYSROOT_DIR=$dir
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
	# shellcheck disable=SC2046
	${CC:-gcc} -o shared "$source/examples/pager.c" $(pkg-config --cflags --libs pageworks) 2>err &&
		LD_LIBRARY_PATH=$dir/usr/local/lib ./shared >out 2>>err
	ok=$?
	point $ok "an example against the installed shared library, by pkg-config"
	[ $ok -eq 0 ] || explain err
	# shellcheck disable=SC2046
	${CC:-gcc} -o static "$source/examples/pager.c" $(pkg-config --cflags pageworks) "$dir/usr/local/lib/libpageworks.a" \
		$(pkg-config --static --libs-only-l pageworks | sed 's/-lpageworks//') 2>err && ./static >out 2>>err
	ok=$?
	point $ok "an example against the installed archive"
	[ $ok -eq 0 ] || explain err
	"$dir/usr/local/bin/pageworks" lab --list >out 2>&1 && grep -q belady out
	point $? "an installed command finds its scenarios"
fi
plan
