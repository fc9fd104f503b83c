#!/bin/sh
# cli_advise_test.sh - pageworks advise: what it says of made-up computers and of this one, that it changes nothing, what it refuses.
# shellcheck source=test/points.sh
. "$(dirname "$0")/points.sh"

"$source/test/hosttree.sh" 6.18 "$dir/tree"
PAGEWORKS_HOST_ROOT=$dir/tree
export PAGEWORKS_HOST_ROOT
touch stamp
"$pageworks" advise --window 0.1 --json json >out 2>err && [ ! -s err ]
point $? 'a computer'
grep -q '^ 2. 585.9 MiB are in swap although 4.8 GiB of memory are available' out && grep -q '^   proposal  sudo swapoff -a' out
point $? 'swap that lies idle, with a proposal'
grep -q 'Dropping caches would free about 3.3 GiB, and win nothing' out
point $? 'what dropping caches would free'
grep -q '^not found:   memory too small for what runs,' out && grep -q '^not judged:  a cgroup at its limit: ' out
point $? 'what was not found and what was not judged'
! awk 'length > 130 && !/proposal/' out | grep . && ! grep -q ' $' out
point $? 'lines are broken between words'
grep -q '"kind": "advise"' json && grep -q '"about": "swap_idle"' json && grep -q '"command": "sudo swapoff -a' json &&
	grep -q '"thrashing"' json && grep -q '"cgroup_limit": "' json
point $? 'JSON'
[ -z "$(find tree -newer stamp)" ]
point $? 'nothing was changed'
"$pageworks" advise --window 0 17 >out 2>err && grep -q '^The memory of process 17, looked at 1 time in' out &&
	grep -q "^not judged:  a process that grows steadily: steady growth takes 4 looks" out
point $? 'one look at one process'
unset PAGEWORKS_HOST_ROOT

"$pageworks" advise --window 0.2 >out 2>err && grep -q '^not found: ' out && [ ! -s err ]
point $? 'this computer'
"$pageworks" advise --window 0.2 $$ >out 2>err && grep -q "^The memory of process $$" out
point $? 'a process of ours'

refuse() { # refuse WORD ARG...: status 125, one line, WORD in it
	word=$1
	shift
	"$pageworks" advise "$@" >out 2>err
	[ $? -eq 125 ] && [ "$(wc -l <err)" -eq 1 ] && grep -qF -- "$word" err && [ ! -s out ]
	ok=$?
	point $ok "refuses: $*"
	[ $ok -eq 0 ] || explain err
}
refuse 'not the number of a process' sort
refuse 'not the number of a process' 0
refuse 'not the number of a process' 99999999999
refuse 'no such process' --window 0 4194305
refuse 'one process at a time' 1 2
refuse 'is no time' --window soon
refuse 'is no time' --window=-1
refuse 'did you mean --window' --windo2 1
refuse 'did you mean --window' 1 --windo2 1
refuse 'No such file' --json nowhere/x
refuse 'only one of them' --json - -o -
if [ -w /dev/full ]; then
	"$pageworks" advise --window 0 >/dev/full 2>err
	[ $? -eq 125 ] && grep -q 'could not be written' err
	point $? 'a full disk is said'
else
	skip 'a full disk: there is no /dev/full'
fi
"$pageworks" advise --window 600 --json json >out 2>err &
sleep 0.5
kill -TERM $!
wait $!
[ $? -eq 143 ] && grep -q 'interrupted$' out && grep -q '"kind": "advise"' json
point $? 'a signal ends it early, with what there is'
plan
