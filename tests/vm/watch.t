#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# probes --watch: a line for each process that subscribes, each module that comes and
# goes, and what is seen otherwise by then; no module is kept.
# shellcheck disable=SC2016 # the variables of jq and of the guest
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

guest patched --no-test-hmm --timeout 600 << 'END'
mmuscope probes --watch --json > watch.json 2> json.stderr & json=$!
mmuscope probes -w > watch.text 2> text.stderr & text=$!
# said N WORD: both have printed so many lines of it.
both_said() { [ "$(grep -c "$2" watch.json)" -ge $1 ] && [ "$(grep -c "$2" watch.text)" -ge $1 ]; }
said() { wait_for both_said "$@"; }
said 1 hmm_range_fault
sleep 1
insmod /vm/modules/test_hmm.ko
device_nodes
# Of 997 intervals the first is told.
said 1 'module.loaded'
/root/mirror map:23 write open:0
said 1 subscribed
rmmod test_hmm
said 1 'module.gone'
notifier_test
said 2 'module.loaded'
/root/mirror map:997 write notifier act:997 decline:23 remove
said 3 subscribed
/root/mirror map:997 write notifier act:23 act:23 remove
said 4 subscribed
rmmod notifier_test
said 2 'module.gone'
notifier_test
said 3 'module.loaded'
/root/mirror map:1 write notifier decline:1 remove
said 5 subscribed
rmmod notifier_test
said 3 'module.gone'
kill -INT $json $text
wait $json && echo 0 > json.status || echo $? > json.status
wait $text && echo 0 > text.status || echo $? > text.status
status duration mmuscope probes --watch --duration 2
status alone mmuscope probes --duration 2
status zero mmuscope probes -w -d 0
mkdir /tmp/full
mount -t tmpfs -o size=4k tmpfs /tmp/full
dd if=/dev/zero of=/tmp/full/fill bs=4k count=1 2> /dev/null
status full sh -c "mmuscope probes --watch > /tmp/full/file"
END
out=$tmp/patched
exits() { is "$1: exit status" "$(cat "$out/$1.status")" "$2"; }
for name in json text; do
	exits $name 0
	is "$name: nothing said" "$(cat "$out/$name.stderr")" ""
done
json "JSON: the first line is the plan, as without --watch" "$out/watch.json" \
	'[inputs] | .[0].schema == "mmuscope-probes/1" and (.[0].targets | length > 12)' -n
jq -r 'select(.change) | if .change == "subscribed" then "\(.comm) subscribed: \(.callback) [\(.module)], \(.kind)"
	elif .change == "target" then "\(.symbol) [\(.module)]: \(.source // .reason)" else "\(.change): \(.module)" end' \
	"$out/watch.json" > "$tmp/lines"
is "JSON: each change, in its turn" "$(grep -v '^dmirror_[ds].*' "$tmp/lines")" \
'module loaded: test_hmm
dmirror_interval_invalidate [test_hmm]: kprobe
mirror subscribed: dmirror_interval_invalidate [test_hmm], interval
module gone: test_hmm
dmirror_interval_invalidate [test_hmm]: module test_hmm was removed
module loaded: notifier_test
mirror subscribed: notifier_test_act [notifier_test], interval
mirror subscribed: notifier_test_decline [notifier_test], interval
mirror subscribed: notifier_test_act [notifier_test], interval
module gone: notifier_test
module loaded: notifier_test
mirror subscribed: notifier_test_decline [notifier_test], interval
module gone: notifier_test'
json "JSON: time goes on, and each process has its pid" "$out/watch.json" '[inputs | select(.change)]
	| (map(.time_ns) | . == sort and .[0] > 0) and (map(.pid // empty) | length == 5 and (unique | length) == 4)' -n
is "text: the same" "$(sed -nE 's/^ +[0-9]+\.[0-9]{3} //p' "$out/watch.text" | sed -E 's/^(\S+):[0-9]+ sub/\1 sub/
	s/ notifier$//; s/: seen by ([a-z]+).*/: \1/; s/: not seen: /: /' | grep -v '^dmirror_[ds].*')" \
	"$(grep -v '^dmirror_[ds].*' "$tmp/lines")"
exits duration 0
like "--duration: the plan, and no change" "$(tail -n 1 "$out/duration.stdout")" '^Known and not loaded: '
exits alone 2
exits zero 2
exits full 1
like "a full disk" "$(cat "$out/full.stderr")" 'cannot write standard output: No space left on device'
done_testing
