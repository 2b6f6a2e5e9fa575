#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The rungs of the ladder: fentry, kprobe and the walk of the registry give the same
# counts and outcomes of the same run; where a driver has no ftrace sites, as on a
# stock kernel, the walk alone sees everything; and what a driver that did not opt
# in performed for its own migrations is avoidable, all of it and nothing else.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# Events that drivers decline and events that they do not, inside migrations and
# outside; a split of a huge page; two mirrors, of one device and of two.
runs='one two other split'
commands() {
	case $1 in
	one) echo map:23 write open:0 read loop:23 migrate touch read end protect-each dontneed unmap ;;
	two) echo map:23 write open:0 open:0 loop:5 migrate touch end unmap-each ;;
	other) echo map:31 write open:1 open:0 loop:5 migrate touch end unmap ;;
	split) echo thp:1 open:0 read migrate:64 ;;
	esac
}
script() { # VIA...
	local name via

	for name in $runs; do
		for via; do
			echo "status $name-$via mmuscope stat $([ "$via" = auto ] || echo --via "$via") -j -o $name-$via.json -- /root/mirror $(commands "$name")"
		done
	done
}
out_of() { cat "$tmp/$variant/$1"; }
# The rows and what could have been avoided.
counted() { # FILE
	rows "$1"
	jq -r '.callbacks[] | select(.avoidable > 0) | "\(.event) \(.phase) avoidable \(.avoidable) pages \(.avoidable_pages) owner by \(.owner_by)"' "$1"
}
sources() { jq -r '[.callbacks[].source] | unique | join(" ")' "$1"; }

# Without BTF of modules the owner of a device is not known (5.10): that of the open
# migration is taken for it, and another device's callback looks avoidable too.
owner=driver others=1
[ "$LINE" != 5.10 ] || owner=migration others=2
avoidable_of() { # NAME: of a kernel without the opt-in; the migrations of mirror.c
	case $1 in
	# 23 times there in one call, and back in 23.
	one) echo "MIGRATE setup avoidable $((23 * 24)) pages $((23 * 46)) owner by $owner" ;;
	# The device that migrates has two mirrors: both are its own.
	two) echo "MIGRATE setup avoidable $((2 * 5 * 24)) pages $((2 * 5 * 46)) owner by $owner" ;;
	# Of two devices the other one must act.
	other) echo "MIGRATE setup avoidable $((others * 5 * 32)) pages $((others * 5 * 62)) owner by $owner" ;;
	split) echo "MIGRATE setup avoidable 1 pages 64 owner by $owner" ;;
	esac
}

for variant in patched unpatched no-optin; do
	has $variant || continue
	# shellcheck disable=SC2086 # words
	guest $variant <<< "$(script $RUNGS)"
	for name in $runs; do
		file=$tmp/$variant/$name
		expected=$(counted "$file-$FIRST_RUNG.json")
		for via in $RUNGS; do
			is "$variant: $name by $via: exit status, nothing said" "$(out_of "$name-$via".status)$(out_of "$name-$via".stderr)" 0
			is "$variant: $name by $via: so it was seen" "$(sources "$file-$via.json")" "$via"
			is "$variant: $name by $via: the same counts" "$(counted "$file-$via.json")" "$expected"
			sound "$variant: $name by $via" "$file-$via.json"
			json "$variant: $name by $via: every callback has a size" "$file-$via.json" \
				'all(.callbacks[]; ([.sizes[].count] | add // 0) == .delivered - .whole)'
		done
		case $variant in
		no-optin) want=$(avoidable_of "$name") ;;
		*) want='' ;;
		esac
		[ "$variant $name $owner" != "patched other migration" ] ||
			want="MIGRATE setup avoidable $((5 * 32)) pages $((5 * 62)) owner by migration"
		is "$variant: $name: avoidable" "$(grep avoidable <<< "$expected")" "$want"
	done
	# 529 pages come back one by one, and 23 times 23 go there at once.
	for via in $RUNGS; do
		json "$variant: sizes by $via" "$tmp/$variant/one-$via.json" '[.callbacks[]
			| select(.phase == "setup") | .sizes[]] == [{lt: 2, count: 529}, {lt: 32, count: 23}]'
	done
	# By the walk a callback's time is that of its notification, if that called no other;
	# a release is none.
	for name in one two; do
		json "$variant: $name by registry: the time of each callback, or of none" \
			"$tmp/$variant/$name-registry.json" '[.callbacks[] | select(.event != "RELEASE")]
			| length > 1 and all(.[]; if $name == "one" then .delivered as $d
			| .latency_ns | .count == $d and .sum >= .min * $d and .max >= .min and .min > 0
			and ([.buckets[].count] | add) == $d else .latency_ns == null end)' --arg name $name
		json "$variant: $name by registry: what has no time is told" \
			"$tmp/$variant/$name-registry.json" \
			'any(.unobservable[]; .metric == "callbacks.latency_ns") == any(.callbacks[]; .latency_ns == null)'
	done
	# What no opt-in can save: the CLEARs of a split, inside the migration.
	calls=$SPLIT_CLEARS pages=$((SPLIT_CLEARS * 512))
	[ $variant != unpatched ] || calls=$((calls + 1)) pages=$((pages + 64))
	want="{\"calls\":$calls,\"pages\":$pages}"
	is "$variant: of no owner inside migrations" "$(jq -c .ownerless "$tmp/$variant/split-$FIRST_RUNG.json")" "$want"
done
# Where the driver has not opted in, what the opt-in saves is what was avoidable.
for name in $(has no-optin && echo "$runs"); do
	[ "$name $owner" != "other migration" ] || continue
	performed='[.callbacks[] | select(.event == "MIGRATE") | .performed] | add // 0'
	is "$name: avoidable without the opt-in = performed without it - performed with it" \
		"$(jq '[.callbacks[].avoidable] | add' "$tmp/no-optin/$name-$FIRST_RUNG.json")" \
		"$(($(jq "$performed" "$tmp/no-optin/$name-$FIRST_RUNG.json") - $(jq "$performed" "$tmp/patched/$name-$FIRST_RUNG.json")))"
done

# An unmodified kernel: lib/ is built without ftrace, and kprobes need a site too.
variant=none
has none || done_testing
guest none <<< "$(script auto)
mmuscope probes --json > probes.json
status fentry mmuscope stat --via fentry -j -o fentry.json -- /root/mirror $(commands one)"
for name in $runs; do
	is "stock test_hmm: $name: exit status, nothing said" "$(out_of "$name-auto".status)$(out_of "$name-auto".stderr)" 0
	is "stock test_hmm: $name: seen by the walk" "$(sources "$tmp/none/$name-auto.json")" registry
	is "stock test_hmm: $name: as with probes" "$(counted "$tmp/none/$name-auto.json")" \
		"$(counted "$tmp/patched/$name-$FIRST_RUNG.json")"
	sound "stock test_hmm: $name" "$tmp/none/$name-auto.json"
done
json "stock test_hmm: probes says how and why" "$tmp/none/probes.json" '.targets[]
	| select(.symbol == "dmirror_interval_invalidate")
	| .source == "registry" and (.reason | test("refused|ftrace"))'
json "stock test_hmm: by fentry it is not observable, and not 0" "$tmp/none/fentry.json" \
	'.callbacks == null and any(.unobservable[]; .metric == "callbacks")'
done_testing
