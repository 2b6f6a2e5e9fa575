#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Why a page did not migrate: of each reason that can be brought about at will so many
# pages as there are, and every page accounted for.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# NAME: OPERATION...: what mirror does; then the reasons of its migrations, as
# asked/migrated and REASON PAGES.
cases='there: map:23 write open:0 migrate migrate
there = 23/23, 23/0 not_selected 23
some: map:23 write open:0 migrate:10 migrate
some = 10/10, 23/13 not_selected 10
owner: map:23 write open:0 migrate open:1 tosys
owner = 23/23, 23/0 other_owner 23
busy: map:23 write pin:7 open:0 migrate
busy = 23/16 busy 7
hole: file:23 open:0 migrate
hole = 23/0 hole 23
filled: map:23 open:0 migrate tosys
filled = 23/23, 23/23
back: map:23 write open:0 migrate:9 tosys
back = 9/9, 23/9 not_selected 14
blocks: map:997 write pin:300 open:0 migrate'
# 5.10 has no migration to the system on request.
[ "$LINE" != 5.10 ] || cases=$(grep -vE '^(owner|filled|back)' <<< "$cases")

guest patched << END
cp /root/mirror mirror
trap "rm -f mirror" EXIT
$(sed -nE 's|^([a-z]+): (.*)|status \1 mmuscope trace -j -- ./mirror \2|p' <<< "$cases")
END
while read -r name expected; do
	is "$name: exit status" "$(cat "$tmp/patched/$name.status")" 0
	is "$name: the reasons" "$(jq -rs '[.[] | select(.direction != "evict")
		| "\(.asked)/\(.migrated)" + (.unmoved | to_entries | map(select(.value > 0) | " \(.key) \(.value)") | add // "")]
		| join(", ")' "$tmp/patched/$name.stdout")" "$expected"
done <<< "$(sed -nE 's/^([a-z]+) = /\1 /p' <<< "$cases")"
# 300 of 997, over several migrations and blocks of records.
is "blocks: exit status" "$(cat "$tmp/patched/blocks.status")" 0
is "blocks: the sums" "$(jq -rs '[.[] | select(.direction != "evict")] | "\(map(.asked) | add) \(map(.migrated) | add) \(map(.unmoved.busy) | add)"' \
	"$tmp/patched/blocks.stdout")" "997 697 300"
while read -r name; do
	jq -s . "$tmp/patched/$name.stdout" > "$tmp/$name.json"
	json "$name: every page is accounted for" "$tmp/$name.json" \
		'length > 0 and all(.[]; .asked == .migrated + ([.unmoved[]] | add))'
done < <(sed -nE 's/^([a-z]+): .*/\1/p' <<< "$cases")
done_testing
