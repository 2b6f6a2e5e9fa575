#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A timeline against its schema, and read as viewers read it. MMUSCOPE_PERFETTO_UI=DIR,
# see scripts/screenshot.sh, has Perfetto's own trace processor read it as well.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

schema=$ROOT/tests/schema/perfetto.json trace=$tmp/trace.json
# The unit test keeps the timeline of tests/unit/timeline.h.
run env MMUSCOPE_TIMELINE="$trace" "$ROOT/build/unit-gcc/test_perfetto"
is "the timeline is made" "$status" 0

# Debian's own: another python3 may come first in PATH.
valid() { /usr/bin/python3 -m jsonschema -i "$1" "$schema"; }
ok "it is valid" valid "$trace"
# One event of each type is enough to be wrong.
jq '.traceEvents |= [(map(select(.cat == "migration"))[0])] + .[:4] + [(.[] | select(.ph == "s" and .id == 1), select(.ph == "f" and .id == 1)),
	(map(select(.ph == "C"))[0])]' "$trace" > "$tmp/small.json"
ok "so is a piece of it" valid "$tmp/small.json"
for wrong in \
	'del(.traceEvents[0].ts)' '.traceEvents[0].ts = -1' '.traceEvents[0].ph = "X"' \
	'.traceEvents[0].args.migrated = null' 'del(.traceEvents[0].args.asked)' \
	'.traceEvents[0].args.not_migrated.bored = 1' '.traceEvents[0].dur = 1' \
	'(.traceEvents[] | select(.ph == "f")) |= del(.id)' '(.traceEvents[] | select(.ph == "f")).bp = "s"' \
	'(.traceEvents[] | select(.ph == "C")).args["pages on the device"] = 0.5' \
	'.displayTimeUnit = "ns"' 'del(.otherData)'; do
	jq "$wrong" "$tmp/small.json" > "$tmp/wrong.json"
	run valid "$tmp/wrong.json"
	is "after $wrong it is not" "$status" 1
done

# A viewer sorts by time, and keeps the order of what begins at the same.
is "every E ends the slice that began last in its track" "$(jq '[.traceEvents[] | select(.ph == "B" or .ph == "E")]
	| sort_by(.ts) | group_by([.pid, .tid]) | map(reduce .[] as $e ({open: 0, least: 0};
		.open += (if $e.ph == "B" then 1 else -1 end) | .least = ([.least, .open] | min)))
	| map(.open, .least) | unique | join(" ")' "$trace")" '"0"'
is "each arrow has two ends, the first one earlier" "$(jq '[.traceEvents[] | select(.ph == "s" or .ph == "f")]
	| group_by(.id) | map(sort_by(.ts) | map(.ph) | join("")) | unique | join(" ")' "$trace")" '"sf"'

read_by_perfetto="Perfetto read 1382 slices, 138 of them migrations, 92 arrows, 138 values of counters; \
0 errors, 0 slices reach out of another."
if [ -n "${MMUSCOPE_PERFETTO_UI-}" ]; then
	run "$ROOT/scripts/screenshot.sh" --ui "$MMUSCOPE_PERFETTO_UI" "$trace" "$tmp/trace.png"
	is "Perfetto reads it" "$out" "$read_by_perfetto"
	is "and a picture is made" "$(head -c 4 "$tmp/trace.png" | tail -c 3)" PNG
else
	skip "Perfetto reads it" "MMUSCOPE_PERFETTO_UI does not say where its UI is"
fi
for wrong in '' "$trace" "--size big $trace $tmp/x.png" "--from begin $trace $tmp/x.png" "--bogus"; do
	# shellcheck disable=SC2086 # words
	run "$ROOT/scripts/screenshot.sh" $wrong
	is "screenshot.sh $wrong: exit status" "$status" 2
done
done_testing
