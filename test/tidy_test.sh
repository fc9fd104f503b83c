#!/bin/bash
# tidy_test.sh - breaks every rule of tools/tidy once, in a tree of its own, and sees exactly that breach reported.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
tree=$(mktemp -d "${TMPDIR:-/tmp}/tidy-test.XXXXXX") || exit 1
trap 'rm -rf "$tree"' EXIT
n=0

# A small house in which everything is right.
house() {
	rm -rf "${tree:?}"/*
	mkdir -p "$tree"/{src/{base,machine,pmap,kernel,policy,trace,capture,cli,sim},include,man,test/prog,docs}
	cd "$tree" || exit 1
	printf 'LIB_ROOMS := base machine policy store pmap kernel trace sim\n' >Makefile
	printf 'X = $(wildcard src/cli/*.c src/capture/*.c test/*.c test/prog/*.c)\n' >>Makefile
	printf '/* word.h - words. */\n#pragma once\nint word(void);\n' >src/base/word.h
	printf '/* word.c - words. */\n#include "word.h"\n\nint word(void)\n{\n\treturn 1;\n}\n' >src/base/word.c
	printf '/* access.h - a reference. */\n#pragma once\n#include "../base/word.h"\n' >src/machine/access.h
	printf '/* machine.h - the machine. */\n#pragma once\n#include "access.h"\n' >src/machine/machine.h
	printf '/* machine.c - the machine. */\n#include "machine.h"\n' >src/machine/machine.c
	printf '/* pmap_machine.c - tables. */\n#include "../machine/machine.h"\n' >src/pmap/pmap_machine.c
	printf '/* trace.c - streams. */\n#include "../machine/access.h"\n' >src/trace/trace.c
	printf '/* verb_run.c - the verb run. */\n#include "../sim/run.h"\n' >src/cli/verb_run.c
	printf '/* run.h - a run. */\n#pragma once\n' >src/sim/run.h
	printf '/* prog.c - is run. */\n' >test/prog/prog.c
	printf '/* a_test.c - tests with prog.c. */\n' >test/a_test.c
	printf '.TH PAGEWORKS 1\n' >man/pageworks.1
	printf '.TH PAGEWORKS-RUN 1\n' >man/pageworks-run.1
	printf '.TH MACHINE 7\n' >man/machine.7
	printf '# Read\n\n[theory](docs/THEORY.md)\n' >README.md
	printf '# Theory\n' >docs/THEORY.md
}

point() { # ok-or-not what
	n=$((n + 1))
	echo "$1 $n - $2"
}

# sees WHAT PATTERN: tidy reports one breach, and it matches.  The breach was just made by the caller.
sees() {
	out=$("$here/tools/tidy" "$tree")
	status=$?
	found=$(printf '%s\n' "$out" | grep -v '^tools/tidy:')
	if [ $status -eq 1 ] && [ "$(printf '%s\n' "$found" | wc -l)" -eq 1 ] && printf '%s\n' "$found" | grep -qE -- "$2"; then
		point ok "$1"
	else
		point "not ok" "$1"
		printf '# wanted one line like: %s\n' "$2"
		printf '%s\n' "$out" | sed 's/^/# /'
	fi
	house
}

house
if out=$("$here/tools/tidy" "$tree"); then point ok "a tidy house is tidy"; else
	point "not ok" "a tidy house is tidy"
	printf '%s\n' "$out" | sed 's/^/# /'
fi

# The arrows.
echo '#include "../machine/machine.h"' >>src/base/word.c
sees "base looks up" 'src/base/word.c:8: base may not include src/machine/machine.h'
echo '#include "../machine/machine.h"' >>src/trace/trace.c
sees "trace sees more of the machine than a reference" 'trace may not include src/machine/machine.h'
printf '/* fault.c - faults. */\n#include "../machine/machine.h"\n' >src/kernel/fault.c
sees "the kernel knows a machine" 'kernel may not include src/machine/machine.h'
printf '/* pmap_model.c - an array. */\n#include "../machine/machine.h"\n' >src/pmap/pmap_model.c
sees "the specification knows a machine" 'pmap may not include src/machine/machine.h'
printf '/* lru.c - a policy. */\n#include "../machine/machine.h"\n' >src/policy/lru.c
sees "a policy knows a machine" 'policy may not include src/machine/machine.h'
printf '/* plugin.c - the plugin. */\n#include "../base/word.h"\n' >src/capture/plugin.c
sees "the plugin needs the library" 'capture may not include src/base/word.h'
printf '/* plugin.c - the plugin. */\n#include "../machine/access.h"\n' >src/capture/plugin.c
rm src/base/word.c
"$here/tools/tidy" "$tree" >/dev/null && point ok "a header without code behind it is open to the plugin" ||
	point "not ok" "a header without code behind it is open to the plugin"
house
mkdir src/attic
printf '/* old.c - old. */\n' >src/attic/old.c
sed -i 's/ sim$/ sim attic/' Makefile
sees "a room without arrows" "room 'attic' is not in the table"
echo '#include "gone.h"' >>src/machine/machine.c
sees "a header that is not there" 'src/machine/machine.c:3: there is no gone.h'
echo '#include "machine.h"' >>src/machine/access.h
sees "a cycle" 'includes itself: .*access.h -> .*machine.h -> .*access.h|includes itself: .*machine.h -> .*access.h -> .*machine.h'

# Sizes.
{ printf 'static int long_one(void)\n{\n'; yes '	word();' | head -68; printf '}\n'; } >>src/base/word.c
"$here/tools/tidy" "$tree" >/dev/null && point ok "seventy lines are allowed" || point "not ok" "seventy lines are allowed"
house
{ printf 'static int long_one(void)\n{\n'; yes '	word();' | head -69; printf '}\n'; } >>src/base/word.c
sees "a function of 71 lines" 'src/base/word.c:9: long_one has 71 lines'
{ printf '#!/usr/bin/perl\nsub long_sub {\n'; yes '	1;' | head -70; printf '}\n'; } >test/x.sh
chmod +x test/x.sh
sees "a long function of a script" 'long_sub has 72 lines'
printf '/* %0140d */\n' 0 >>src/base/word.c
sees "a long line" 'src/base/word.c:8: longer than'
yes 'int a;' | head -694 >>src/base/word.c
sees "a long file" '701 lines: a room has at most 700'

# What is dead.
printf '/* dead.h - unused. */\n#pragma once\n' >src/base/dead.h
sees "a header nobody includes" 'src/base/dead.h:1: nobody includes it'
mkdir src/live
printf '/* live.c - live. */\n' >src/live/live.c
sees "a source nobody builds" 'src/live/live.c:1: nobody builds it'
mkdir src/base/deep
printf '/* deep.c - deep. */\n' >src/base/deep/deep.c
sees "a folder in a room" 'src/base/deep/deep.c:1: nobody builds it'
mkdir test/extra
printf '/* x.c - x. */\n' >test/extra/x.c
sees "a test nobody builds" 'test/extra/x.c:1: nobody builds it'
mkdir test/data
echo 1 >test/data/unused.din
sees "test data nobody names" 'test/data/unused.din:1: nobody names it'
printf '/* other.c - is not run. */\n' >test/prog/other.c
sees "a program no test runs" 'test/prog/other.c:1: no test runs it'
echo '# x' >docs/LOST.md
sees "a document nobody mentions" 'docs/LOST.md:1: nobody names it'

# Form.
sed -i '1s/.*/\/* words *\//' src/base/word.c
sees "a file that does not say what it is" 'src/base/word.c:1: must begin with'
sed -i '/pragma once/d' src/base/word.h
sees "a header without #pragma once" 'pragma once'
printf 'int a; \n' >>src/base/word.c
sees "space at the end of a line" 'src/base/word.c:8: space at the end'
printf '  \tint a;\n' >>src/base/word.c
sees "spaces before a tab" 'a space before a tab'
printf 'int a;' >>src/base/word.c
sees "no newline at the end" 'the last line has no newline'
printf '\n' >>src/base/word.c
sees "an empty line at the end" 'empty lines at the end'
printf 'int a;\r\n' >>src/base/word.c
sees "carriage returns" 'carriage returns'
printf '#if 0\n#endif\n' >>src/base/word.c
sees "code switched off" 'code switched off'
printf '/* %s: later */\n' "TO""DO" >>src/base/word.c
sees "unfinished business" 'unfinished business'
printf '/* see /%s/me/x */\n' "ho""me" >>src/base/word.c
sees "a folder of somebody's machine" 'folder of somebody'

# Calls.
for call in strcpy strcat sprintf vsprintf gets strtok atoi rand system popen; do
	printf 'int a = %s(b);\n' $call >>src/base/word.c
	sees "$call" "src/base/word.c:8: $call\(\): rather"
done
for call in malloc calloc realloc free strdup asprintf; do
	printf 'int a = %s(b);\n' $call >>src/base/word.c
	sees "$call" "src/base/word.c:8: $call\(\): rather base/mem.h"
done
printf '/* mem.c - the door. */\nint a = malloc(b);\n' >src/base/mem.c
printf '/* strcpy(a, b) */ int c = x->free(d), e = p.malloc(3); const char *s = "free(x)";\n' >>src/base/word.c
"$here/tools/tidy" "$tree" >/dev/null && point ok "comments, strings, members and the door itself are left alone" ||
	point "not ok" "comments, strings, members and the door itself are left alone"
house

# Pages and links.
rm man/pageworks-run.1
sees "a verb without a page" 'src/cli/verb_run.c:1: a verb without a manual page'
rm man/pageworks.1
sees "a command without a page" 'the command has no manual page'
rm man/machine.7
sees "a seam without a page" 'src/machine/machine.h:1: a seam without a manual page'
echo 'text' >man/pageworks.1
sees "a page without a head" 'does not begin with its own name'
echo '[x](docs/NONE.md)' >>README.md
sees "a link that leads nowhere" 'README.md:4: leads nowhere: docs/NONE.md'
echo "1..$n"
