# points.sh - what the command-line tests share: they print TAP.  Sourced by test/*_test.sh as their first step:
#
#     . "$(dirname "$0")/points.sh"
#     point $? "what was tested"; ...
#     plan
#
# Sets $pageworks (the command, absolute), $source (the source tree), $dir (an empty directory of ours, entered, removed at exit).
# Every program is run natively and under pageworks; output and status must be the same.  Programs that are not installed are
# skipped, and said so.  PAGEWORKS names the command, TMPDIR a directory that is ours.

pageworks=${PAGEWORKS:-build/pageworks}
source=$(cd "$(dirname "$0")/.." && pwd) || exit 1
case $pageworks in /*) ;; *) pageworks=$PWD/$pageworks ;; esac
dir=$(mktemp -d "${TMPDIR:-/tmp}/pageworks-test.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$dir"; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
cd "$dir" || exit 1
XDG_STATE_HOME=$dir/state
NO_COLOR=1
export XDG_STATE_HOME NO_COLOR
n=0

point() { # point OK NAME: one line of TAP; OK is the status of what was tested
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
skip() {
	n=$((n + 1))
	echo "ok $n # SKIP $1"
}
explain() {
	sed 's/^/# /' "$@"
}
have() {
	command -v "$1" >/dev/null 2>&1
}

# refused STATUS WORD ARG...: one line on standard error that holds WORD, nothing on standard output, this status.
refused() {
	want=$1 word=$2
	shift 2
	"$pageworks" "$@" >out 2>err </dev/null
	status=$?
	[ $status -eq "$want" ] && [ "$(wc -l <err)" -eq 1 ] && grep -qF -- "$word" err && [ ! -s out ]
	ok=$?
	point $ok "refuses: $*"
	[ $ok -eq 0 ] || { echo "# status $status, wanted $want and '$word'"; explain err; }
}

# same NAME ARG...: the program natively and under "pageworks run" with the options in $with: same output, same status.
same() {
	name=$1
	shift
	"$@" >native.out 2>native.err </dev/null
	native=$?
	# shellcheck disable=SC2086
	"$pageworks" run --quiet --json result.json $with -- "$@" >out 2>err </dev/null
	status=$?
	[ $status -eq $native ] && cmp -s out native.out && cmp -s err native.err && grep -q '"failed": \[\]' result.json
	ok=$?
	point $ok "as natively: $name"
	[ $ok -eq 0 ] || { echo "# status $status, natively $native"; diff native.out out | head -5 | explain; explain err; }
}

# The part of a result that two runs must share: host times do not belong to it.
timeless() {
	sed '/"wall_s"/d' "$1"
}
# figure FILE NAME: the first member of this name.
figure() {
	sed -n "s/^ *\"$2\": *\\([^,]*\\),*\$/\\1/p" "$1" | head -1
}
plan() { # the last line
	echo "1..$n"
}
