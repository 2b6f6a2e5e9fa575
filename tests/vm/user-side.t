#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tool needs to start, to read its counts and to print them, in guest
# instructions, against user-side.budgets: none has grown by more than 3 % over what was
# recorded, and none that was within its budget is above it now.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest patched --icount << 'END'
status user-side mmuscope bench user-side --json -o user-side.json
END
file=$tmp/patched/user-side.json
is "exit status, nothing said" "$(cat "$tmp/patched/user-side".{status,stderr})" 0
json "in guest instructions, everything measured" "$file" \
	'.clock == "guest-insn" and (.starts | length == 4 and all(.[]; .steps | length == 5))
	and .snapshot.rows == 10000
	and (.interval | [.idle, .busy, .busy_table] | all(.[]; .rows == 1000 and .cpu > 0))'
json "a start is the sum of its steps" "$file" \
	'all(.starts[]; .start.cpu == ([.steps[] | select(.step | IN("open", "load", "attach")).cpu] | add))'

# FIGURE, a tab, instructions.
figures=$(jq -r '(.starts[] | "start, \(.mode)\t\(.start.cpu | round)"),
	"snapshot of 10,000 rows\t\(.snapshot.cpu | round)",
	(.interval | "interval, nothing counted\t\(.idle.cpu | round)",
		"interval, every row printed\t\(.busy.cpu | round)",
		"interval, every row printed as a table\t\(.busy_table.cpu | round)")' "$file")
comment <<< "$figures"
held=0
while IFS=$'\t' read -r line figure budget recorded; do
	[ "$line" = "$LINE" ] || continue
	held=$((held + 1))
	got=$(sed -n "s/^$figure	//p" <<< "$figures")
	if [ "$budget" != - ] && [ "$recorded" -le "$budget" ]; then
		ok "$figure: ${got:-nothing}, budget $budget" test "${got:-$((budget + 1))}" -le "$budget"
	elif [ "$budget" != - ]; then
		comment <<< "$figure: ${got:-nothing}, the budget of $budget is missed"
	fi
	ok "$figure: ${got:-nothing}, recorded $recorded, at most 3 % more" \
		test "${got:-$((2 * recorded))}" -le $((recorded * 103 / 100))
	[ "${got:-0}" -ge $((recorded * 97 / 100)) ] ||
		comment <<< "$figure fell from $recorded to ${got:-nothing}: record it in tests/vm/user-side.budgets"
done < "$VM/user-side.budgets"
[ $held = 0 ] || is "every figure is recorded" "$held" "$(wc -l <<< "$figures")"
done_testing
