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

# The driver of 5.10 brings nothing back at a request, only at a CPU fault.
home=tosys fruitless=tosys
[ "$LINE" != 5.10 ] || home=touch fruitless=
guest patched << END
status one mmuscope stat -j -o one.json -- /root/mirror map:23 write open:0 migrate $home
status two mmuscope stat -j -o two.json -- /root/mirror map:23 write open:0 migrate open:1 migrate $fruitless
status table mmuscope stat -- /root/mirror map:23 write open:0 migrate $home
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
to_device system collected 23 migrated 23${fruitless:+
to_system device_private collected 0 migrated 0}"
json "each device is an owner of its own" "$out/two.json" '
	[.migrations[] | select(.direction != "evict")] | ([.[].owner] | unique | length == 2)
	and ([.[] | select(.collected == 0) | .owner] | unique | length == 1)'
json "who asks for huge pages says so, from 6.19 on" "$out/two.json" \
	'[.migrations[] | select(.direction == "to_device") | .select | index("compound") != null] == [$c, $c]' \
	--argjson c "$([ "$LINE" = 7.2 ] && echo true || echo false)"
json "an eviction selects nothing, and is not seen on 5.10" "$out/two.json" \
	'[.migrations[] | select(.direction == "evict") | .select] | unique == $e' \
	--argjson e "$([ "$LINE" = 5.10 ] && echo '[]' || echo '[[]]')"
like "the table" "$(cat "$out/table.stdout")" \
	'DIRECTION .* SELECTS +OWNER
(.*
)*to_system +[0-9]+ +23 +23 +23 +0 device_private'

# The rule before the series, on 5.10: one field is owner and selection, so that who names
# itself gets none of the system's pages, but for holes, whose owner nobody asks for.
if has no-flags; then
	guest no-flags << 'END'
status system mmuscope stat -j -o system.json -- /root/mirror map:23 write open:0 migrate
status holes mmuscope stat -j -o holes.json -- /root/mirror map:23 open:0 migrate touch
END
	out=$tmp/no-flags
	is "no-flags: a driver cannot both select the system's pages and name itself" \
		"$(jq -r "$taken" "$out/system.json")" "to_device system collected 0 migrated 0"
	json "no-flags: it did both" "$out/system.json" '[.migrations[] | .owner] | length == 1 and .[0] != null'
	is "no-flags: its own come back" "$(jq -r "$taken" "$out/holes.json")" \
		"to_device system collected 23 migrated 23
to_system device_private collected 23 migrated 23"
fi
done_testing
