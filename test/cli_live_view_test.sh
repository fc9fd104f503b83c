#!/bin/sh
# cli_live_view_test.sh - how a paged program is seen while it runs: a line, a screen, and never on the program's own output.
#
# check: timeout 200
. "$(dirname "$0")/points.sh"

refused 125 "standard output is none" live --control ./nobody --top
refused 125 "auto, never" live --ram 1M --progress sometimes -- true
if ! "$pageworks" live --ram 1M --quiet -- true >out 2>err; then
	skip "programs cannot be paged here: $(cat err)"
	plan
	exit 0
fi
if ! have script; then
	skip "there is no script(1), so no terminal"
	plan
	exit 0
fi

# A program that fills memory and looks at it until there is a file "go".
cat >waits.pl <<'END'
my @a = map { $_ . "x" x 100 } 1 .. 30000;
until (-e "go") { select undef, undef, undef, 0.02; $s += ord substr $_, 50, 1 for @a }
print "done ", scalar(@a), "\n";
END
# on_terminal WORD KEYS COMMAND: types KEYS when the terminal has shown WORD, and lets the program go on; what was shown is in seen
on_terminal() {
	rm -f go typed
	mkfifo keys
	TERM=xterm LC_ALL=C timeout -k 5 60 script -qefc "stty rows 30 cols 100; $3" typed <keys >/dev/null 2>&1 &
	terminal=$!
	exec 4>keys
	rm keys
	for _ in $(seq 1 300); do
		grep -qF "$1" typed 2>/dev/null && break
		sleep 0.1
	done
	# shellcheck disable=SC2059
	printf "$2" >&4
	: >go
	wait $terminal
	status=$?
	exec 4>&-
	tr '\033\r' '\n ' <typed >seen
}
live="'$pageworks' live --ram 2M --swap lz4"

on_terminal ":1); " "" "$live --quiet -- true >out; $live -o report -- perl waits.pl >out"
[ $status -eq 0 ] && grep -q '[0-9.]* of 2.0 MiB, [0-9.]* swapped ([0-9.]*:1); [0-9]* faults/s; in [0-9.]*, out [0-9.]* MiB/s' seen &&
	[ "$(cat out)" = "done 30000" ]
point $? "a line while it runs, and not a byte of it in the program's output"
on_terminal "nothing to wait for" "" ": >go; $live -o report -- perl -e 'sleep 2; print qq(nothing to wait for\n)'"
[ $status -eq 0 ] && ! grep -q "faults/s" seen && grep -q "nothing to wait for" seen
point $? "no line when the program writes to the terminal itself"
on_terminal "swap_in" "" "$live --top -o report -- perl waits.pl >out 2>err"
[ $status -eq 0 ] && grep -qF '[?1049h' seen && grep -qF '[?1049l' seen && grep -q 'resident  *[0-9.]* MiB' seen &&
	grep -q 'compression  *[0-9.]* : 1' seen && grep -q 'demand_zero' seen && [ "$(cat out)" = "done 30000" ] && [ ! -s err ]
point $? "a screen, given back at the end"
on_terminal "faults  " '\003' "trap : INT; $live --top --quiet -- perl waits.pl >out 2>err; echo ended \$?"
grep -qF '[?1049l' seen && grep -q "ended 130" seen && [ ! -s out ]
point $? "Ctrl-C ends the program, and the terminal is as it was"
on_terminal "may not" "" "$live --top -- perl waits.pl; echo may not"
grep -q "takes the whole terminal" seen
point $? "no screen over the program's own output"

rm -f go
"$pageworks" live --ram 2M --control sock --quiet -- perl waits.pl >out &
program=$!
for _ in $(seq 1 100); do
	[ -S sock ] && break
	sleep 0.1
done
on_terminal "faults  " 'q' "'$pageworks' live --control sock --top; echo status \$?"
grep -q 'status 0' seen && grep -qF '[?1049l' seen && grep -q 'q ends' seen && grep -q 'perl waits.pl' seen
point $? "from another terminal, until q"
wait $program
[ "$(cat out)" = "done 30000" ]
point $? "which the program does not notice"
plan
