#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A driver that no table has, notifier_test: found before counting and while it goes
# on, by every rung alike, its own ledger equal to what is counted; its module goes and
# comes back while it is counted. And ranges that no sound kernel sends: empty ones.
# shellcheck disable=SC2016 # the variables of jq and of the guest
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# CLEAR is event 1. Empty ranges inside of an interval, at its beginning, behind its
# end, and at 0; the whole address space; and sizes.
ranges='loop:23 send:1,7,0 end loop:7 send:1,0,0 end loop:13 send:1,64,0 end loop:11 send-raw:1,0,0 end'
ranges+=' loop:5 send-raw:1,0,18446744073709551615 end loop:2 send:1,0,1 end loop:3 send:1,0,2 end'
ranges+=' loop:5 send:1,0,3 end loop:7 send:1,0,5 end loop:11 send:1,0,7 end loop:13 send:1,0,11 end'
ranges+=' loop:17 send:1,0,13 end loop:19 send:1,0,64 end'
guest patched --timeout 900 << END
notifier_test
mirror=/root/mirror

# found NAME OP...: of a process that has its intervals before it is counted.
found() {
	local name=\$1 pids='' via
	shift
	rm -f /tmp/go
	\$mirror "\$@" > \$name.ledger & pid=\$!
	wait_for grep -q ready \$name.ledger
	for via in $RUNGS; do
		mmuscope stat -p \$pid --via \$via -j -o \$name-\$via.json & pids="\$pids \$!"
	done
	mmuscope stat -p \$pid -j -o \$name-best.json & pids="\$pids \$!"
	mmuscope stat -p \$pid --no-latency -j -o \$name-counts.json & pids="\$pids \$!"
	for stat in \$pids; do counting \$stat; done
	touch /tmp/go
	wait \$pid
	for stat in \$pids; do wait \$stat; done
}
for n in 23 997; do
	found found-\$n map:5 write notifier act:3 decline:2 say:ready wait:/tmp/go \\
		loop:\$n send:1 end ledger remove
done
found ranges map:64 write notifier act:1,64,64 say:ready wait:/tmp/go $ranges ledger remove
rm -f /tmp/go
\$mirror map:64 write notifier act:1,64,64 say:ready wait:/tmp/go $ranges remove > ready & pid=\$!
wait_for grep -q ready ready
mmuscope stat -p \$pid -o ranges.table & stat=\$!
counting \$stat
touch /tmp/go
wait \$pid
wait \$stat

# It subscribes, and again, while it is counted; by its process and by all.
rm /tmp/go
later="notifier act:3 decline:2 loop:23 send:1 end act:2,2,2 loop:997 send:1,0,2 end ledger remove"
\$mirror map:5 write say:ready wait:/tmp/go \$later > later.ledger & pid=\$!
wait_for grep -q ready later.ledger
mmuscope stat -p \$pid -j -o later.json & one=\$!
mmuscope stat -a -j -o all.json & all=\$!
counting \$one
counting \$all
touch /tmp/go
wait \$pid
wait \$one
# Nobody keeps the module, and what comes back is counted as before.
rmmod notifier_test
notifier_test
\$mirror map:5 write notifier decline:2 act:3 loop:23 send:1 end ledger remove > again.ledger
# Whose functions these are is asked once their first call is told of.
sleep 1
rmmod notifier_test
kill -INT \$all
wait \$all
END
out=$tmp/patched
ledger() { sed -n 's/^acted/acted/p' "$out/$1.ledger"; }
# In the ledger's words; and nothing that was neither.
counted() { # FILE
	jq -r '.callbacks | "acted \([.[] | select(.symbol == "notifier_test_act") | .performed] | add // 0)"
		+ " declined \([.[] | select(.symbol == "notifier_test_decline") | .skipped] | add // 0)"
		+ if ([.[] | .performed + .skipped] | add) == ([.[].delivered] | add) then "" else " and more" end' "$1"
}
sources() { jq -r '[.callbacks[].source] | unique | join(" ")' "$1"; }

for n in 23 997; do
	is "$n: the driver's ledger" "$(ledger found-$n)" "acted $((3 * n)) declined $((2 * n))"
	for via in $RUNGS best counts; do
		file=$out/found-$n-$via.json
		is "$n by $via: as in the ledger" "$(counted "$file")" "$(ledger found-$n)"
		is "$n by $via: the rows of the first" "$(rows "$file")" "$(rows "$out/found-$n-$FIRST_RUNG.json")"
		json "$n by $via: its module, and no other row" "$file" '[.callbacks[] | [.symbol, .module, .kind, .event]]
			| sort == [["notifier_test_act", "notifier_test", "interval", "CLEAR"],
			["notifier_test_decline", "notifier_test", "interval", "CLEAR"]]'
		sound "$n by $via" "$file"
	done
	for via in $RUNGS; do
		is "$n by $via: so it was seen" "$(sources "$out/found-$n-$via.json")" "$via"
	done
	is "$n: the best rung for a driver in use" "$(sources "$out/found-$n-best.json")" "$FIRST_RUNG"
done

# An interval that has both neighbours of an empty range's place is called, as the
# kernel looks for what overlaps [start, end - 1]; and all are with one at 0.
for via in $RUNGS best counts; do
	file=$out/ranges-$via.json
	json "ranges by $via: notifications" "$file" '[.notifications[] | select(.event == "CLEAR")
		| {calls, pages, whole, empty}] == [{calls: 136, pages: 1715, whole: 5, empty: 54}]'
	json "ranges by $via: callbacks" "$file" '[.callbacks[] | {delivered, performed, pages, pages_performed, whole}]
		== [{delivered: 116, performed: 116, pages: 1715, pages_performed: 1715, whole: 5}]'
	json "ranges by $via: sizes" "$file" '[.callbacks[].sizes[] | [.lt, .count]]
		== [[1, 34], [2, 2], [4, 8], [8, 18], [16, 30], [128, 19]]'
	sound "ranges by $via" "$file"
done
is "ranges: the driver's ledger" "$(ledger ranges)" "acted 116 declined 0"
like "ranges: a table" "$(cat "$out/ranges.table")" 'Of an empty range: 54 of these notifications\.
.*Of an empty range: 34 of these calls\.'

is "subscribed later: the driver's ledger" "$(ledger later)" \
	"acted $((3 * 23 + 3 * 997)) declined $((2 * 23 + 2 * 997))"
is "subscribed later: as in the ledger, from the first call on" "$(counted "$out/later.json")" "$(ledger later)"
is "subscribed later: seen by the walk" "$(sources "$out/later.json")" registry
sound "subscribed later" "$out/later.json"
sum() { awk '{ a += $2; d += $4 } END { print "acted", a, "declined", d }' <(ledger later) <(ledger again); }
is "module removed and inserted again: the second ledger" "$(ledger again)" "acted 69 declined 46"
is "module removed and inserted again: the sum of both ledgers" "$(counted "$out/all.json")" "$(sum)"
json "module removed and inserted again: all of one name" "$out/all.json" \
	'[.callbacks[] | "\(.symbol) \(.module) \(.source)"] | unique
	== ["notifier_test_act notifier_test registry", "notifier_test_decline notifier_test registry"]'
sound "module removed and inserted again" "$out/all.json"
done_testing
