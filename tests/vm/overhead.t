#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What watching costs, in guest instructions, against what was recorded and the budgets of
# overhead.budgets; and that the tables show the same figures, and that the competitors
# that are always there saw what they were measured with.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Of the competitors those that need no program: what others cost is for scripts/overhead.sh.
guest patched --icount --timeout 900 << 'END'
status overhead mmuscope bench overhead --only ours,migrations,ftrace --json --table -o overhead.json
END
out=$tmp/patched
file=$out/overhead.json
is "exit status, nothing said" "$(cat "$out/overhead".{status,stderr})" 0
is "the JSON is as the schema says" \
	"$(jq -r -L "$VM" 'include "schema"; overhead' "$file" 2>&1 | sort | uniq -c)" ""
json "in guest instructions, of 10000 notifications" "$file" \
	'.clock == "guest-insn" and .iterations == 10000'
is "the watchers" "$(jq -r '.watchers[] | .kind' "$file" | sort | uniq -c | sed 's/^ *//')" \
	"$(printf '%s\n' '1 base' '2 competitor' '10 floor' '14 mmuscope')"
json "each is measured" "$file" 'all(.watchers[]; .cost != null and .reason == null)'
json "and saw all, or was there not to see" "$file" '.iterations as $n | all(.watchers[];
	if .kind == "base" or .kind == "floor" then .seen == null
	elif .tells | startswith("nothing") then .seen == 0 else .seen == $n end)'
json "each mode stands on a floor that was measured" "$file" 'all(.watchers[] | select(.kind == "mmuscope");
	(.floor.programs | contains("__mmu_notifier_invalidate_range_start"))
		and .floor.added > 50 and .to_floor > 0.9)'
json "who records is held against who gives the same, and nobody else" "$file" '
	(.watchers[] | select(.watcher == "ftrace kprobe event") | .added) as $ftrace
	| [.watchers[] | select(.nearest != null)] | map(.watcher) == ["record -- COMMAND",
		"record --no-latency -- COMMAND", "trace --events -- COMMAND"]
		and all(.[]; .nearest == "ftrace kprobe event" and .to_nearest == .added / $ftrace)'
for n in $(jq '.watchers | length | range(1; . + 1)' "$file"); do
	is "table: row $n" "$(sed -nE "s/^ *$n (.*[^ ]) +(-?[0-9]+) +(-?[0-9]+) +([0-9]+|-) .*/\1|\2|\4/p" \
		"$out/overhead.stdout" | head -n 1)" "$(jq -r ".watchers[$n - 1]"' | [.watcher, (.added | round),
		(.floor.added // "-" | if type == "number" then round else . end)] | join("|")' "$file")"
done
like "the heading has what it costs unwatched" "$(head -n 2 "$out/overhead.stdout" | tr '\n' ' ')" \
	", which costs $(jq '.watchers[0].cost | round' "$file") guest instructions unwatched $"
is "tables: at most 80 columns" "$(sed '/^ *[0-9]* tells: /,$d' "$out/overhead.stdout" | grep -E '.{81}')" ""
# A timer tick in a program is time of the program.
json "what programs take above empty ones is what is added above the floor" "$file" '
	[.watchers[] | select(.programs != null)] | length == 5 and all(.[];
		(.programs | length > 0 and all(.[]; .runs > 0))
		and ((.programs | map(.cost) | add) - (.added - .floor.added) | fabs) < 15)'
json "a migration of 512 pages is $((512 / CHUNK_PAGES)) cycles" "$file" \
	'[.migrations.sizes[] | [.pages, .cycles]] == [[1, 1], [64, 1], [512, 512 / $chunk]]' \
	--argjson chunk "$CHUNK_PAGES"

# ---- the gate ----

run "$ROOT/scripts/overhead.sh" --check "$file"
is "the gate has nothing else to say" "$err" ""
while IFS=$'\t' read -r verdict figure; do
	like "$figure" "$verdict" '^(holds|missed|fell)$'
	[ "$verdict" != fell ] || echo "fell: $figure" | comment
done <<< "$out"
done_testing
