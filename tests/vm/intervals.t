#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a notification costs in a process with 1, 100 and 10,000 interval notifiers:
# it grows with those that overlap its range, not with those that are there.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest patched --icount --timeout 900 << 'END'
status absent mmuscope bench intervals
notifier_test
status table mmuscope bench intervals --iterations 1
status json mmuscope bench intervals --iterations 1 --json -o intervals.json
END
out=$tmp/patched file=$tmp/patched/intervals.json
is "without the module: exit status" "$(cat "$out/absent.status")" 4
is "without the module: is said" "$(cat "$out/absent.stdout" "$out/absent.stderr")" \
	"mmuscope bench: cannot subscribe with /dev/notifier_test: No such file or directory; load notifier_test.ko, which kernel/module has."
is "a table: exit status, nothing said" "$(cat "$out/table".{status,stderr})" 0
comment < "$out/table.stdout"
is "JSON: exit status, nothing said" "$(cat "$out/json".{status,stdout,stderr})" 0
json "schema, clock, populations" "$file" '.schema == "mmuscope-intervals/1" and .clock == "guest-insn"
	and .iterations == 500 and [.populations[] | [.intervals, .overlapping]]
	== [[1, 1], [100, 1], [10000, 1], [10000, 10], [10000, 100]]'
is "the table has the same rows" "$(awk 'NR > 2 { print $1, $2 }' "$out/table.stdout")" \
	"$(jq -r '.populations[] | "\(.intervals) \(.overlapping)"' "$file")"
for field in nothing stat no_latency; do
	json "$field: at 10,000 intervals at most twice the cost at 1" "$file" \
		'.populations | .[2][$f] <= 2 * .[0][$f]' --arg f $field
done
# What stat adds grows as the overlaps.
json "stat: what it adds is the same for 1 and for 10,000, to a tenth" "$file" '.populations
	| map(.stat - .nothing) | (.[2] - .[0] | fabs) <= .[0] / 10'
for field in stat no_latency; do
	json "$field: what a callback adds is the same with 10 and with 100, to a quarter" "$file" '.populations
		| map(.[$f] - .nothing) | ((.[3] - .[2]) / 9 / ((.[4] - .[3]) / 90) | . > 0.75 and . < 1.34)' --arg f $field
done
done_testing
