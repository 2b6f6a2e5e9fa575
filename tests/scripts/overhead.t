#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The gate of tests/vm/overhead.t, without a guest: a result is held against figures that
# were recorded and against budgets, and each way to fail fails.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
gate=$ROOT/scripts/overhead.sh

# result STAT SAMPLED PAGE: of a kernel of 6.1
result() {
	jq -n --argjson stat "$1" --argjson sampled "$2" --argjson page "$3" '{
		schema: "mmuscope-overhead/2", clock: "guest-insn",
		kernel: {release: "6.1.192-mmuscope-patched"},
		watchers: [{watcher: "nothing attached", kind: "base", added: 0},
			{watcher: "stat -- COMMAND", kind: "mmuscope", added: $stat},
			{watcher: "stat --by cause --sample 64 -- COMMAND", kind: "mmuscope", added: $sampled},
			{watcher: "bpftrace count, kfunc", kind: "competitor", added: 533}],
		migrations: {sizes: [], page: [{watcher: "stat -- COMMAND", added: $page}]}}' > "$tmp/result"
}
# budgets LINE..., of words separated by |
budgets() { printf '%s\n' '# what was recorded' "$@" | tr '|' '\t' > "$tmp/budgets"; }
check() { run "$gate" --check "$tmp/result" --budgets "$tmp/budgets"; }
# verdict NAME EXPECTED STATUS: of the figure of stat
verdict() {
	check
	is "$1" "$(sed -n 's/\t\(stat -- COMMAND\): /: \1: /p' <<< "$out")" "$2"
	is "$1: exit status" "$status" "$3"
}
rest=('6.1|stat --by cause --sample 64 -- COMMAND|-|1000' '6.1|cause of one in 64|60|40'
	'6.1|page of a migration, stat -- COMMAND|3|2')
again='recorded anew by: scripts/overhead.sh --line 6.1 --record'

result 960 1000 2
budgets '6.1|stat -- COMMAND|-|960' "${rest[@]}" '7.2|stat -- COMMAND|-|1'
verdict "as recorded, and another line's figures are its own" \
	"holds: stat -- COMMAND: 960 instructions, 960 recorded, budget none" 0
is "competitors and what stands on nothing are not held" "$(cut -f 2 <<< "$out" | cut -d: -f 1)" \
	"$(printf '%s\n' "stat -- COMMAND" "stat --by cause --sample 64 -- COMMAND" "cause of one in 64" \
		"page of a migration, stat -- COMMAND")"
budgets '6.1|stat -- COMMAND|-|933' "${rest[@]}"
verdict "2.9 % more" "holds: stat -- COMMAND: 960 instructions, 933 recorded, budget none" 0
budgets '6.1|stat -- COMMAND|-|932' "${rest[@]}"
verdict "3.004 % more" "grown: stat -- COMMAND: 960 instructions, 932 recorded, budget none" 1
budgets '6.1|stat -- COMMAND|958|950' "${rest[@]}"
verdict "a budget that was met, by less than 3 % more" \
	"exceeded: stat -- COMMAND: 960 instructions, 950 recorded, budget 958" 1
budgets '6.1|stat -- COMMAND|800|960' "${rest[@]}"
verdict "a budget that never was" "missed: stat -- COMMAND: 960 instructions, 960 recorded, budget 800" 0
budgets '6.1|stat -- COMMAND|800|1000' "${rest[@]}"
verdict "4 % less" "fell: stat -- COMMAND: 960 instructions, 1000 recorded, budget 800; $again" 0
budgets "${rest[@]}"
verdict "never recorded" "new: stat -- COMMAND: 960 instructions, none recorded, budget none; $again" 1
budgets '6.1|stat -- COMMAND|-|960' '6.1|gone|-|7' "${rest[@]}"
check
like "recorded, but not measured" "$out" $'\nlost\tgone: no instructions, 7 recorded, budget none; '"$again"
is "recorded, but not measured: exit status" "$status" 1

# What follows from two figures, and what is small.
budgets '6.1|stat -- COMMAND|-|960' "${rest[@]}"
result 960 1021 2
check
like "sampling costs more" "$out" $'\ngrown\tcause of one in 64: 61 instructions, 40 recorded, budget 60\n'
result 960 1000 3.04
check
like "a page costs more" "$out" \
	$'\ngrown\tpage of a migration, stat -- COMMAND: 3.04 instructions, 2 recorded, budget 3'
result 960 1000 2.09
check
is "less than a tenth of an instruction is no growth" "$status" 0

# Recording: budgets, comments and other lines stay.
budgets '7.2|stat -- COMMAND|800|1' '6.1|stat -- COMMAND|800|1' '6.1|gone|-|7'
run "$gate" --check "$tmp/result" --budgets "$tmp/budgets" --record
is "recorded anew" "$(tr '\t' '|' < "$tmp/budgets")" "$(printf '%s\n' '# what was recorded' \
	'7.2|stat -- COMMAND|800|1' '6.1|stat -- COMMAND|800|960' \
	'6.1|stat --by cause --sample 64 -- COMMAND|-|1000' '6.1|cause of one in 64|-|40' \
	'6.1|page of a migration, stat -- COMMAND|-|2.09')"
verdict "and then it is as recorded" "missed: stat -- COMMAND: 960 instructions, 960 recorded, budget 800" 0

echo '{}' > "$tmp/result"
check
is "no such result: exit status" "$status" 1
is "no such result" "$err" "overhead.sh: $tmp/result has no result of 'mmuscope bench overhead --json' in guest instructions."
run "$gate" --record --only ours
is "--record with --only: exit status" "$status" 2
done_testing
