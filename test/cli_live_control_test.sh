#!/bin/sh
# cli_live_control_test.sh - a program that is paged gets more and less memory while it runs, and says how it fares.
#
# check: timeout 300
. "$(dirname "$0")/points.sh"

refused 125 "No such file" live --control ./nobody
refused 125 "1 to 107 bytes" live --control "" --ram 8M
refused 125 "nothing is started" live --control ./nobody --policy fifo
refused 125 "at least 1M" live --control ./nobody --ram 3

if ! "$pageworks" live --ram 1M --quiet -- true >out 2>err; then
	skip "programs cannot be paged here: $(cat err)"
	plan
	exit 0
fi

# A program that fills its memory, says so, and looks at it again whenever it is told to: a file "go.N" is its N-th order.
cat >keeps.pl <<'END'
$| = 1;
my @a = map { $_ * 3 . "x" x 100 } 1 .. 60000;
my $child = $ARGV[0] && fork;
my $name = $ARGV[0] && !$child ? "child" : "parent";
for my $n (1 .. 3) {
	open my $f, ">", "$name.$n"; close $f;
	select undef, undef, undef, 0.02 until -e "go.$n";
	my $s = 0;
	$s += $_ for map { substr($_, 0, -100) } @a;
	print "$name $n $s\n";
}
waitpid $child, 0 if $child;
exit 3 unless $name eq "child";
END
until_there() { # FILE: waits for it, a minute at most
	for _ in $(seq 1 600); do
		[ -e "$1" ] && return 0
		sleep 0.1
	done
	echo "# never there: $1"
	return 1
}
until_gone() {
	for _ in $(seq 1 100); do
		[ -e "$1" ] || return 0
		sleep 0.1
	done
	return 1
}
tell() { # ARG...: one that must succeed
	timeout 60 "$pageworks" live --control sock "$@" 2>tell.err || { explain tell.err; false; }
}
say() { # LINE: straight to the socket, with perl; prints the answer
	timeout 20 perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "sock") or die "no socket\n";
		print $s $ARGV[0]; $s->shutdown(1) if $ARGV[1]; print while <$s>' "$@"
}
begin() { # OPTION... -- ARG...: the program starts in the background and has filled its memory
	rm -f go.* parent.* child.*
	timeout -k 5 200 "$pageworks" live --ram 16M --control sock --json result.json -o report "$@" >out 2>err &
	run=$!
	until_there parent.1
}
resident() { # MIB: no more than that is resident now
	tell --json now.json
	pages=$(figure_of resident_pages)
	allowed=$(figure_of ram_bytes)
	[ "$((pages * 4096))" -le "$allowed" ] && [ "$allowed" -eq "$(($1 * 1048576))" ]
}
figure_of() { # NAME: from the one line of now.json
	sed -n "s/.*\"$1\": \\([0-9]*\\).*/\\1/p" now.json
}
: >go.1
: >go.2
: >go.3
perl keeps.pl >native.out
native=$?

begin -- perl keeps.pl
point $? "a program runs with a control socket"
[ "$(stat -c %a sock)" = 600 ] && [ -S sock ]
point $? "which is for its owner alone"
resident 16
point $? "status: as much as was allowed is resident"
tell --ram 2M && resident 2
point $? "less while it sleeps: it obeys at once"
: >go.1
until_there parent.2
tell >now && grep -q "at another time *16.0 MiB" now && grep -q "now .* resident" now
point $? "the report of the moment"
tell --ram 40M && resident 40
point $? "more than it had at first"
: >go.2
until_there parent.3
[ "$(printf 'status\n' | wc -c)" -eq 7 ] && say "status
" >now.json && [ "$(wc -l <now.json)" -eq 1 ] && [ "$(figure_of resident_pages)" -gt 1000 ]
point $? "one line of JSON for scripts"
"$pageworks" live --control sock --ram 8000T >now 2>tell.err
[ $? -eq 125 ] && grep -q "less memory" tell.err && resident 40
point $? "more than there is: refused, and nothing has changed"
"$pageworks" live --ram 1M --control sock --quiet -- true >now 2>tell.err
[ $? -eq 125 ] && grep -q "another program listens" tell.err && [ -S sock ]
point $? "the name is taken"
say "rom=5M
" | grep -q "^error: .*did you mean 'ram'" && say "ram=
" | grep -q "^error: .*not a size" && say "$(head -c 300 /dev/zero | tr '\0' x)
" | grep -q "too long" && say "sta" half | grep -q "no whole line"
point $? "what is not understood is refused"
for i in 1 2 3 4 5 6 7; do
	perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => "sock"); print $s "ra"; sleep 30' &
	idle="$idle $!"
done
resident 40
ok=$?
# shellcheck disable=SC2086
kill $idle
point $ok "clients that say nothing hold up nobody"
if [ "$(id -u)" -eq 0 ] && have setpriv; then
	chmod 755 . && chmod 666 sock
	setpriv --reuid 65534 --clear-groups perl -MIO::Socket::UNIX -e 'chdir shift; my $s = IO::Socket::UNIX->new(Peer => "sock")
		or die; print $s "ram=1M\n"; print while <$s>' "$dir" >told 2>&1
	grep -q "another user" told && resident 40
	point $? "another user is refused, whatever the mode says"
else
	skip "only root can become another user"
fi
: >go.3
wait $run
[ $? -eq $native ] && cmp -s out native.out && [ ! -s err ] && grep -q "checks: all passed" report
point $? "output and status are those of a native run"
until_gone sock
point $? "the socket is gone with the program"

begin -- perl keeps.pl fork
until_there child.1
tell --ram 3M && resident 3
point $? "less for parent and child"
: >go.1
until_there parent.2
until_there child.2
: >go.2
: >go.3
wait $run
sort out >sorted
grep parent out | cmp -s - native.out && sed 's/parent/child/' native.out | sort - native.out | cmp -s - sorted
point $? "both saw what they would have seen"

rm -f go.*
# shellcheck disable=SC2016
begin -- sh -c 'exec perl keeps.pl'
tell --ram 4M && resident 4
point $? "a program that exec put in the place of another"
kill -KILL "$(figure_of pid)"
wait $run
[ $? -eq 137 ] && until_gone sock
point $? "killed: the socket is gone"

begin -- perl keeps.pl
kill -KILL "$(pgrep -P $run)"
wait $run 2>/dev/null
until_gone sock
point $? "we are killed: the socket is gone as well"
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "sock", Listen => 1)'
[ -S sock ] && "$pageworks" live --ram 1M --control sock --quiet -- true >out 2>err
point $? "a name that nobody listens to any more is taken over"
until_gone sock
: >sock
refused 125 "no socket" live --ram 1M --control sock -- true
[ -f sock ]
point $? "what is no socket stays"
rm -f sock
refused 125 "No such file" live --ram 1M --control no/where -- true
plan
