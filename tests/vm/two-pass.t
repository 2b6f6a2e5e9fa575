#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two-pass interval notifiers (7.2): a callback is counted once, whatever the rung, and
# its time is that of both passes.
# shellcheck disable=SC2016 # the variables of jq and of the guest
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program two-pass

# MMU_NOTIFY_CLEAR is sent 97 times to 23 notifiers whose second pass takes 20 us, of
# instructions; and their address space ends.
guest patched --icount << 'END'
notifier_test
status none /root/two-pass 23 20000 0
[ "$(cat none.status)" = 0 ] || exit 0
# Probes are for functions that somebody subscribes with when counting begins.
/root/two-pass 1 0 0 stay > stay & other=$!
wait_for test -s stay
for via in fentry kprobe registry; do
	status $via mmuscope stat --via $via -j -o $via.json -- /root/two-pass 23 20000 97
done
kill $other
wait $other || :
status late mmuscope stat --via fentry -j -o late.json -- /root/two-pass 23 20000 97
mmuscope stat -a -j -o all.json & stat=$!
counting $stat
/root/two-pass 23 20000 97 > all.ledger
kill -INT $stat
wait $stat
END
out=$tmp/patched
if [ "$(cat "$out/none.status")" = 99 ]; then
	is "a kernel without them says so" "$(cat "$out/none.stderr")" "adding intervals: Operation not supported"
	skip "two passes" "Linux $LINE has no two-pass notifiers"
	done_testing
fi
for via in fentry kprobe registry; do
	# The walk sees an address space end before its callbacks are called, and nobody
	# has read whether this driver may decline that.
	release='performed 23 skipped 0'
	[ $via != registry ] || release='performed 0 skipped 0 undetermined 23'
	is "$via: exit status, nothing said" "$(cat "$out/$via".{status,stderr})" 0
	is "$via: the module's own ledger" "$(cat "$out/$via.stdout")" "first $((23 * 97)) second $((23 * 97))"
	is "$via: each callback once" "$(rows "$out/$via.json" | grep ^callback)" "callback CLEAR outside delivered $((23 * 97)) performed $((23 * 97)) skipped 0 pages $((23 * 23 * 97)) acted $((23 * 23 * 97))
callback RELEASE outside delivered 23 $release pages 0 acted 0 whole 23
callback UNMAP outside delivered 23 performed 23 skipped 0 pages 0 acted 0 whole 23"
	json "$via: by its first pass" "$out/$via.json" '[.callbacks[] | [.symbol, .source]] | unique
		== [["notifier_test_first_pass", $via]]' --arg via $via
	sound "$via" "$out/$via.json"
	[ $via = registry ] ||
		json "$via: the time of both passes" "$out/$via.json" '.callbacks[] | select(.event == "CLEAR")
			| .latency_ns | .count == 23 * 97 and .min >= 20000 and .sum >= 23 * 97 * 20000
			and .sum < 23 * 97 * 30000'
done
json "by fentry alone, subscribed too late: not observable, and said" "$out/late.json" '
	.callbacks == [] and any(.unobservable[]; .metric == "callbacks.later"
	and (.reason | test("subscribe while counting: only the walk")))'
json "--all, found while it counts: each callback once" "$out/all.json" '[.callbacks[]
	| select(.event == "CLEAR" and .symbol == "notifier_test_first_pass") | .delivered] | add == 23 * 97'
done_testing
