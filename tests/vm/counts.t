#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bench: every count of prime numbers of pages and iterations, computed here from
# the definitions and not taken from the result, in every iteration; the driver's
# ledger beside them; and the shape of the JSON.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

shares=0,25,50,75,100
# sizes VARIANT WORKLOAD: pages x iterations. A fork takes its time in an emulated guest,
# and of a part of the series there is less to see.
sizes() {
	case $1-$2 in
	*-thp*) echo 1536x23 ;;
	patched-mmops | unpatched-mmops) echo 23x97 997x23 ;;
	patched-* | unpatched-*) echo 23x997 997x23 ;;
	*-mmops) ;;
	*) echo 23x97 997x2 ;;
	esac
}
workloads="migrate-mixed migrate-pingpong migrate-holes mmops"
# Huge pages of a device are there since 6.19.
[ "$LINE" != 7.2 ] || workloads+=" migrate-thp migrate-thp-split"

up() { echo $((($1 + $2 - 1) / $2)); }

# The first of PAGES pages of which RESIDENT are on the device, for the seed 1:
# the shuffle of the workload, written once more. Arithmetic here is signed.
first_resident() { # PAGES RESIDENT
	local pages=$1 resident=$2 state=1 i j z first order=()

	for ((i = 0; i < pages; i++)); do order[i]=$i; done
	first=$pages
	for ((i = 0; i < resident; i++)); do
		((state += 0x9e3779b97f4a7c15, z = state))
		((z = (z ^ (z >> 30 & (1 << 34) - 1)) * 0xbf58476d1ce4e5b9))
		((z = (z ^ (z >> 27 & (1 << 37) - 1)) * 0x94d049bb133111eb))
		((z ^= z >> 31 & (1 << 33) - 1))
		# z % (pages - i), as if z were unsigned
		((j = i + ((z >> 1 & 0x7fffffffffffffff) % (pages - i) * 2 + (z & 1)) % (pages - i)))
		((z = order[i], order[i] = order[j], order[j] = z))
		((order[i] >= first)) || first=${order[i]}
	done
	echo "$first"
}

# What the variants of the series do: is the notification of migrate_vma_setup() acted on,
# is there one for holes, is that acted on, and is what was acted on avoidable?
variants='patched unpatched no-optin patch6 no-event no-hole-owner'
declare -A does=([patched]='0 1 0 0' [unpatched]='1 1 1 0' [no-optin]='1 1 1 1' [patch6]='0 0 0 0'
	[no-event]='1 1 1 0' [no-hole-owner]='0 1 1 0')
# Before 5.11 the one for holes is a CLEAR without an owner.
[ "$LINE" != 5.10 ] || does[patched]='0 1 1 0'
of_variant() { read -r acts holes holes_act avoidable <<< "${does[$1]}"; }

# one_iteration NOTIFICATIONS PERFORMED PAGES_PERFORMED MIGRATIONS COLLECTED EXCESS REFAULTS
#	[AVOIDABLE] [COMPOUND]
one_iteration() {
	jq -n --argjson n "$1" --argjson p "$2" --argjson pp "$3" --argjson m "$4" --argjson c "$5" \
		--argjson e "$6" --argjson r "$7" --argjson a "${8:-$((avoidable * $2))}" --argjson h "${9:-0}" '{notifications: $n,
		delivered: $n, performed: $p, skipped: ($n - $p), failed: 0, undetermined: 0,
		avoidable: $a, pages_performed: $pp, migrations: $m, collected: $c,
		migrated: $c, compound: $h, excess: $e, refaults: $r}'
}

ledgers() { # [STEP CPAGES FAULTS ERRNO]...
	while [ $# -gt 0 ]; do
		echo "{\"$1\": {\"cpages\": $2, \"faults\": $3, \"errno\": $4}}"
		shift 4
	done | jq -s add
}

# The huge entries are a metric of the workloads that have any.
sound='.results | all(.[]; (.workload.name | if test("thp") then 12 else 11 end) as $metrics
	| (.checks | length == $metrics and all(.[]; .holds == true and .expected == .measured))
	and (.stat.invariants | length >= 6 and all(.[]; .holds == true))
	and .stat.lost == {events: 0, counters: 0, recursion: 0})'

# check NAME FILE INDEX ITERATIONS EXPECTED LEDGER: every iteration, the checks, the
# invariants and the sums of result INDEX.
check() {
	local name=$1 file=$2 i=$3 iterations=$4 expected=$5 ledger=$6

	json "$name: all $iterations iterations as computed" "$file" \
		".results[$i].samples | length == $iterations and all(.[]; .ours == \$e)" --argjson e "$expected"
	jq -r --argjson e "$expected" ".results[$i].samples[] | select(.ours != \$e) | .iteration as \$n
		| .ours | to_entries[] | select(.value != \$e[.key])
		| \"iteration \\(\$n): \\(.key) is \\(.value), not \\(\$e[.key])\"" "$file" 2>&1 | head -n 20 | comment
	json "$name: the driver's ledger in all iterations" "$file" \
		".results[$i].samples | all(.[]; (.driver | map_values(del(.call))) == \$l)" --argjson l "$ledger"
	json "$name: the rows' sums are the samples'" "$file" ".results[$i].stat as \$s
		| {notifications: [\$s.notifications[].calls], delivered: [\$s.callbacks[].delivered],
		performed: [\$s.callbacks[].performed], skipped: [\$s.callbacks[].skipped],
		failed: [\$s.callbacks[].failed], undetermined: [\$s.callbacks[].undetermined],
		avoidable: [\$s.callbacks[].avoidable],
		pages_performed: [\$s.callbacks[].pages_performed], migrations: [\$s.migrations[].calls],
		collected: [\$s.migrations[].collected], migrated: [\$s.migrations[].migrated],
		compound: [\$s.migrations[].compound],
		excess: [\$s.migrations[].excess], refaults: [\$s.faults.calls]} | map_values(add // 0)
		| . == (\$e | map_values(. * $iterations))" --argjson e "$expected"
	json "$name: formulas and invariants hold, nothing is lost" "$file" "$sound"
}

# A migration's notifications are MIGRATE since the series and CLEAR before it.
event_of() { # VARIANT PHASE
	case $1-$2 in
	unpatched-* | no-event-* | no-hole-owner-pages) echo CLEAR ;;
	*-pages) [ "$LINE" = 5.10 ] && echo CLEAR || echo MIGRATE ;;
	*) echo MIGRATE ;;
	esac
}

check_mixed() { # VARIANT PAGES ITERATIONS
	local variant=$1 n=$2 iterations=$3 chunks r i=0 share first name file

	chunks=$(up "$n" "$CHUNK_PAGES")
	file=$tmp/$variant/migrate-mixed-${n}x$iterations.json
	for share in ${shares//,/ }; do
		name="$variant: migrate-mixed, $n pages, $iterations iterations, $share %"
		r=$((n * share / 100))
		first=$(first_resident "$n" "$r")
		if [ "$acts" = 0 ]; then
			check "$name" "$file" "$i" "$iterations" \
				"$(one_iteration "$chunks" 0 0 "$chunks" $((n - r)) 0 0)" \
				"$(ledgers migrate "$n" 0 0 read "$n" 0 0)"
		elif [ "$r" = 0 ]; then
			check "$name" "$file" "$i" "$iterations" \
				"$(one_iteration "$chunks" "$chunks" "$n" "$chunks" "$n" 0 0)" \
				"$(ledgers migrate "$n" 0 0 read "$n" 0 0)"
		else
			# The read-back of the migration meets a dropped mapping: ENOENT.
			check "$name" "$file" "$i" "$iterations" \
				"$(one_iteration "$chunks" "$chunks" "$n" "$chunks" $((n - r)) "$r" \
					"$(up $((n - first)) "$FAULT_PAGES")")" \
				"$(ledgers migrate null null 2 read "$n" 1 0)"
		fi
		json "$name: one row, in setup" "$file" ".results[$i].stat.notifications
			| map({event, phase, calls, pages, failed, whole}) == [{event: \"$(event_of "$variant" setup)\",
			phase: \"setup\", calls: $((chunks * iterations)), pages: $((n * iterations)),
			failed: 0, whole: 0}]"
		i=$((i + 1))
	done
}

check_pingpong() { # VARIANT PAGES ITERATIONS
	local variant=$1 n=$2 iterations=$3 calls file name

	name="$variant: migrate-pingpong, $n pages, $iterations iterations"
	file=$tmp/$variant/migrate-pingpong-${n}x$iterations.json
	calls=$(($(up "$n" "$CHUNK_PAGES") + n))
	check "$name" "$file" 0 "$iterations" \
		"$(one_iteration "$calls" $((acts * calls)) $((acts * 2 * n)) "$calls" $((2 * n)) 0 0)" \
		"$(ledgers migrate "$n" 0 0)"
	json "$name: both directions" "$file" '.results[0].stat.migrations
		| map({(.direction): {calls, pages, collected, migrated, excess}}) | add == {
		to_device: {calls: $c, pages: $p, collected: $p, migrated: $p, excess: 0},
		to_system: {calls: $p, pages: $p, collected: $p, migrated: $p, excess: 0}}' \
		--argjson c $(($(up "$n" "$CHUNK_PAGES") * iterations)) --argjson p $((n * iterations))
}

check_holes() { # VARIANT PAGES ITERATIONS
	local variant=$1 n=$2 iterations=$3 chunks performed avoided file name

	name="$variant: migrate-holes, $n pages, $iterations iterations"
	file=$tmp/$variant/migrate-holes-${n}x$iterations.json
	chunks=$(up "$n" "$CHUNK_PAGES")
	performed=$((acts + holes_act))
	avoided=$((avoidable * (acts + ($(event_of "$variant" pages | grep -c MIGRATE) * holes_act))))
	check "$name" "$file" 0 "$iterations" \
		"$(one_iteration $(((1 + holes) * chunks)) $((performed * chunks)) $((performed * n)) "$chunks" \
			"$n" $((acts * holes_act * n)) 0 $((avoided * chunks)))" "$(ledgers migrate "$n" 0 0 read "$n" 0 0)"
	json "$name: one notification in setup, $holes in pages" "$file" '.results[0].stat.notifications
		| map({(.phase): {event, calls, pages}}) | add == {
		setup: {event: $e, calls: $c, pages: $p}} + if $h == 1 then
		{pages: {event: $f, calls: $c, pages: $p}} else {} end' \
		--arg e "$(event_of "$variant" setup)" --arg f "$(event_of "$variant" pages)" \
		--argjson h "$holes" --argjson c $((chunks * iterations)) --argjson p $((n * iterations))
}

check_thp() { # VARIANT PAGES ITERATIONS
	local variant=$1 n=$2 iterations=$3 t=$(($2 / 512)) file name

	name="$variant: migrate-thp, $n pages, $iterations iterations"
	file=$tmp/$variant/migrate-thp-${n}x$iterations.json
	check "$name" "$file" 0 "$iterations" \
		"$(one_iteration $((2 * t)) $((2 * acts * t)) $((2 * acts * n)) $((2 * t)) $((2 * n)) 0 0 \
			$((2 * avoidable * acts * t)) $((2 * t)))" "$(ledgers migrate "$n" 0 0 read "$n" 0 0)"
	json "$name: each huge page is an entry, and named" "$file" '.results[0].stat.migrations
		| map({direction, select, calls, pages, migrated, compound}) | sort == [
		{direction: "to_device", select: ["system", "compound"]},
		{direction: "to_system", select: ["device_private", "compound"]}
		| . + {calls: $c, pages: $p, migrated: $p, compound: $c}]' \
		--argjson c $((t * iterations)) --argjson p $((n * iterations))
}

# The first huge page goes in 512 pieces and comes back so, one fault each.
check_thp-split() { # VARIANT PAGES ITERATIONS
	local variant=$1 n=$2 iterations=$3 t=$(($2 / 512)) file name calls

	name="$variant: migrate-thp-split, $n pages, $iterations iterations"
	file=$tmp/$variant/migrate-thp-split-${n}x$iterations.json
	calls=$((t + t - 1 + 512))
	check "$name" "$file" 0 "$iterations" \
		"$(one_iteration $((calls + 1)) $((acts * calls + 1)) $((2 * acts * n + 512)) "$calls" $((2 * n)) \
			$((512 * acts)) 0 $((avoidable * acts * calls)) $((2 * (t - 1))))" \
		"$(ledgers migrate "$n" 0 0 read "$n" 0 0)"
	json "$name: the split is a CLEAR without an owner, and acted on" "$file" '.results[0].stat
		| [.notifications, .callbacks] | all(.[]; map(select(.phase == "pages") | {event, pages,
		calls: (.calls // .delivered), acted: (.performed // .calls)})
		== [{event: "CLEAR", pages: (512 * $i), calls: $i, acted: $i}])' --argjson i "$iterations"
}

# How many mappings a fork copies is the business of the libraries, 17 of them, and may
# grow with the heap; that many it must then be, and everything else is exact.
check_mmops() { # VARIANT PAGES ITERATIONS
	local variant=$1 n=$2 iterations=$3 file name

	name="$variant: mmops, $n pages, $iterations iterations"
	file=$tmp/$variant/mmops-${n}x$iterations.json
	json "$name: every iteration, all performed" "$file" '.results[0].samples
		| length == $i and all(.[]; .driver == {} and (.ours
		| .notifications >= $n + 7 and .notifications < $n + 100 and .pages_performed > 7 * $n
		and del(.pages_performed) == {notifications, delivered: .notifications,
		performed: .notifications, skipped: 0, failed: 0, undetermined: 0, avoidable: 0, migrations: 0,
		collected: 0, migrated: 0, compound: 0, excess: 0, refaults: 0}))' --argjson i "$iterations" --argjson n "$n"
	json "$name: by event, all outside" "$file" '.results[0]
		| ([.samples[].ours.notifications - $n - 5] | add) as $v
		| ([.samples[].ours.pages_performed - 6 * $n] | add) as $vp
		| .stat.notifications | map({(.event + "/" + .phase): {calls, pages}}) | add == {
		"PROTECTION_PAGE/outside": {calls: $v, pages: $vp},
		"PROTECTION_VMA/outside": {calls: $i, pages: ($i * $n)},
		"CLEAR/outside": {calls: ($i * ($n + 1)), pages: ($i * 2 * $n)},
		"UNMAP/outside": {calls: ($i * 3), pages: ($i * 3 * $n)}}' \
		--argjson i "$iterations" --argjson n "$n"
	json "$name: formulas and invariants hold, nothing is lost" "$file" "$sound"
}

for variant in $variants; do
	has "$variant" || continue
	of_variant "$variant"
	# bench makes nodes of its own where the kernel has none.
	commands='[ $(uname -r | cut -c 1-5) != 5.10. ] || rm /dev/hmm_dmirror*
'
	for workload in $workloads; do
		for size in $(sizes "$variant" "$workload"); do
			commands+="status $workload-$size mmuscope bench $workload --pages ${size%x*} \
				--iterations ${size#*x} --resident $shares --json -o $workload-$size.json
"
		done
	done
	guest "$variant" <<< "$commands"
	for workload in $workloads; do
		for size in $(sizes "$variant" "$workload"); do
			file=$tmp/$variant/$workload-$size
			is "$variant: $workload $size: exit status" "$(cat "$file.status")" 0
			is "$variant: $workload $size: nothing is said" "$(cat "$file.stderr" "$file.stdout")" ""
			is "$variant: $workload $size: the JSON is as the schema says" \
				"$(jq -r -L "$VM" 'include "schema"; bench' "$file.json" 2>&1 | sort | uniq -c)" ""
			json "$variant: $workload $size: what it was" "$file.json" \
				".results | all(.[]; .workload.name == \"$workload\"
				and .workload.params.pages == ${size%x*} and .workload.params.iterations == ${size#*x})
				and [.[].workload.params.resident_pct // empty] == (if \"$workload\" == \"migrate-mixed\"
				then [$shares] else [] end)"
			"check_${workload#migrate-}" "$variant" "${size%x*}" "${size#*x}"
		done
	done
done
done_testing
