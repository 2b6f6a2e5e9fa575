#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Which pages a migration takes (patch 2 of the series): the system's, or those that are
# private to the device whose owner it names, and never those of another device. Both
# devices of test_hmm mirror one process.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

guest patched << 'END'
status one mmuscope stat -j -o one.json -- /root/mirror map:23 write open:0 migrate tosys
status two mmuscope stat -j -o two.json -- /root/mirror map:23 write open:0 migrate open:1 migrate tosys
status table mmuscope stat -- /root/mirror map:23 write open:0 migrate open:1 migrate tosys
END
out=$tmp/patched
for name in one two; do
	is "$name: exit status, nothing said" "$(cat "$out/$name.status" "$out/$name.stderr")" 0
	is "$name: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; stat' "$out/$name.json" 2>&1 | sort | uniq -c)" ""
done
taken='[.migrations[] | select(.direction != "evict")
	| "\(.direction) \(.select - ["compound"] | join("+")) collected \(.collected) migrated \(.migrated)"] | sort[]'
is "its own pages: there and back" "$(jq -r "$taken" "$out/one.json")" \
	"to_device system collected 23 migrated 23
to_system device_private collected 23 migrated 23"
is "another's private pages: neither with the system's nor as its own" "$(jq -r "$taken" "$out/two.json")" \
	"to_device system collected 0 migrated 0
to_device system collected 23 migrated 23
to_system device_private collected 0 migrated 0"
json "each device is an owner of its own" "$out/two.json" '
	[.migrations[] | select(.direction != "evict")] | ([.[].owner] | unique | length == 2)
	and ([.[] | select(.collected == 0) | .owner] | unique | length == 1)'
json "who asks for huge pages says so, from 6.19 on" "$out/two.json" \
	'[.migrations[] | select(.direction == "to_device") | .select | index("compound") != null] == [$c, $c]' \
	--argjson c "$([ "$LINE" = 7.2 ] && echo true || echo false)"
json "an eviction selects nothing" "$out/two.json" \
	'[.migrations[] | select(.direction == "evict") | .select] | unique == [[]]'
like "the table" "$(cat "$out/table.stdout")" \
	'DIRECTION .* SELECTS +OWNER
(.*
)*to_system +1 +23 +0 +0 +[0-9]+ device_private'
done_testing
