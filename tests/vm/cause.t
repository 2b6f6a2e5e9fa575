#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# stat --by cause: what raised each notification, to the last one, on both
# kernels; what one in 64 says of thousands; and what is said where it fails.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

sizes='23 997'
CHUNK=64		# pages of one migrate_vma_setup()
[ "$LINE" != 7.2 ] || CHUNK=512
up() { echo $((($1 + $2 - 1) / $2)); }

work=$(cat << 'END'
# On by itself where there are two nodes, and then a cause of what nobody asked for.
echo 0 > /proc/sys/kernel/numa_balancing
cause() { # NAME [OPTION]... -- COMMAND...
	local name=$1
	shift
	status $name mmuscope stat --by cause -j -o $name.json "$@"
}
for n in 23 997; do
	cause plain-$n --sample 1 -- /root/mirror map:$n write open:0 loop:5 protect dontneed end unmap
	cause move-$n --sample 1 -- /root/mirror map:$n write open:0 loop:5 migrate touch end
	# The child has the pages until the parent has copied them.
	cause fork-$n --sample 1 -- /root/mirror map:$n write open:0 \
		share:/tmp/copied-$n write dontneed say:done & run=$!
	wait_for grep -q done fork-$n.stdout
	touch /tmp/copied-$n
	wait $run
	cause nodes-$n --sample 1 -- /root/mirror map:$n write node:0 open:0 loop:5 node:1 node:0 end
done
# Soon and often, so that it is met in the second or so that this takes.
balancing=/sys/kernel/debug/sched/numa_balancing/
[ -d $balancing ] || balancing=/proc/sys/kernel/numa_balancing_
for of in scan_delay scan_period_min; do
	echo 10 > $balancing${of}_ms
done
echo 1 > /proc/sys/kernel/numa_balancing
cause balance --sample 1 -- /root/mirror map:997 write node:1 open:0 loop:5000 touch end
echo 0 > /proc/sys/kernel/numa_balancing
cause thp --sample 1 -- /root/mirror thp:2 open:0 migrate
cause counts --sample 1 --no-latency -- /root/mirror map:23 write open:0 loop:5 migrate touch end unmap

cause equal --sample 64 -- /root/mirror map:1 open:0 loop:6400 dontneed end
cause short --sample 64 -- /root/mirror map:1 open:0 loop:62 dontneed end
cause turns -- /root/mirror map:1 write open:0 loop:3200 migrate touch end
status table mmuscope stat --by cause --sample 1 -- /root/mirror map:23 write open:0 loop:5 migrate touch end
status estimate mmuscope stat --by cause --sample 64 -- /root/mirror map:1 open:0 loop:6400 dontneed end

mmuscope stat -a --by cause --sample 1 -j -o all.json & all=$!
mmuscope stat -a --by cause --sample 1 -I 50 -j -o intervals.json & intervals=$!
for stat in $all $intervals; do counting $stat; done
/root/mirror map:23 write open:0 loop:5 migrate touch sleep:100 end & one=$!
/root/mirror map:23 write open:1 loop:7 dontneed sleep:100 end & two=$!
wait $one
wait $two
for stat in $all $intervals; do kill -INT $stat; wait $stat; done

cause lost --sample 1 --max-rows 2 -- /root/mirror map:23 write open:0 loop:5 migrate touch end unmap
status by mmuscope stat --by cpu -- true
status alone mmuscope stat --sample 3 -- true
status zero mmuscope stat --by cause --sample 0 -- true
status without mmuscope stat -j -o without.json -- true
echo 2 > /proc/sys/kernel/kptr_restrict
status hidden mmuscope stat --by cause -- true
END
)

# The rows by cause, as sorted words: CAUSE EVENT PHASE calls C pages P.
causes() { # FILE [COMM]
	jq -r --arg comm "${2-}" '.causes | map(select($comm == "" or .comm == $comm))
		| group_by([.cause, .event, .phase])[]
		| "\(.[0].cause) \(.[0].event) \(.[0].phase) calls \([.[].calls] | add) pages \([.[].pages] | add)"' \
		"$1" | LC_ALL=C sort
}
rows_are() { # NAME FILE ROW...
	local name=$1 file=$2
	shift 2
	is "$name" "$(causes "$file")" "$(printf '%s\n' "$@" | LC_ALL=C sort)"
}
sums='def by: group_by([.pid, .event, .phase])
		| map({pid: .[0].pid, event: .[0].event, phase: .[0].phase, calls: map(.calls) | add,
		pages: map(.pages) | add});
	(.causes | by) == (.notifications | by) and .sampling.samples == ([.notifications[].calls] | add)'
exact() { # NAME FILE
	is "$1: exit status" "$(cat "${2%.json}.status")" 0
	json "$1: causes sum to the notifications" "$2" "$sums and .sampling.every == 1
		and all(.causes[]; .samples == .calls and (.stack | length > 2))"
	json "$1: and an invariant says so" "$2" \
		'any(.invariants[]; .name == "causes sum to the notifications" and .holds)'
	sound "$1" "$2"
}
whole_mm='exit UNMAP outside calls 1 pages 0'

check_sizes() { # VARIANT EVENT
	local variant=$1 event=$2 n file out=$tmp/$1

	for n in $sizes; do
		file=$out/plain-$n.json
		# Only the first protect changes anything.
		rows_are "$variant: protect, dontneed, unmap of $n" "$file" "$whole_mm" \
			"madvise CLEAR outside calls 5 pages $((5 * n))" \
			"mprotect PROTECTION_VMA outside calls 1 pages $n" "munmap UNMAP outside calls 1 pages $n"
		exact "$variant: protect, dontneed, unmap of $n" "$file"
		file=$out/move-$n.json
		rows_are "$variant: migrate, touch of $n" "$file" "$whole_mm" \
			"migration $event setup calls $((5 * $(up "$n" $CHUNK))) pages $((5 * n))" \
			"migration: fault $event setup calls $((5 * n)) pages $((5 * n))"
		exact "$variant: migrate, touch of $n" "$file"
		file=$out/nodes-$n.json
		rows_are "$variant: from node to node of $n" "$file" "$whole_mm" \
			"page migration: move_pages CLEAR outside calls $((10 * n)) pages $((10 * n))"
		exact "$variant: from node to node of $n" "$file"
		exact "$variant: fork and write of $n" "$out/fork-$n.json"
	done
	json "$variant: a fault's stack" "$out/move-23.json" '.causes | any(.[]; .cause == "migration: fault"
		and .stack[0] == "migrate_vma_setup" and (.stack | index("do_swap_page") // index("handle_mm_fault"))
		and .stack[-1] == "asm_exc_page_fault")'
	# The fork has one for each writable mapping, of which the C library has a few, the
	# same for both sizes; it and the stack are written to besides, by whom first is chance.
	for n in $sizes; do
		json "$variant: fork, cow and no other" "$out/fork-$n.json" \
			'[.causes[].cause] | unique == ["cow", "exit", "fork", "madvise"]'
		json "$variant: fork of $n" "$out/fork-$n.json" '
			([.notifications[] | select(.event == "PROTECTION_PAGE") | .calls, .pages]) as $fork
			| [.causes[] | select(.cause == "fork")] | [(map(.calls) | add), (map(.pages) | add)] == $fork
			and all(.[]; .event == "PROTECTION_PAGE")'
		json "$variant: cow of $n" "$out/fork-$n.json" '
			([.notifications[] | select(.event == "CLEAR") | .calls] | add) as $clear
			| [.causes[] | select(.cause == "cow")] | all(.[]; .event == "CLEAR" and .calls == .pages)
			and (map(.calls) | add | . == $clear - 1 and . >= $n and . < $n + 10)' --argjson n "$n"
	done
	json "$variant: a mapping of 974 pages more is one of a fork" "$out/fork-23.json" '
		def of: [.causes[] | select(.cause == "fork")] | {calls: map(.calls) | add, pages: map(.pages) | add};
		of as $a | $big[0] | of | .calls == $a.calls and .pages == $a.pages + 974' \
		--slurpfile big "$out/fork-997.json"
}

# When the kernel looks is its own business; what it then does has a name.
check_balancing() { # VARIANT
	local variant=$1 file=$tmp/$1/balance.json

	json "$variant: NUMA balancing, and no other" "$file" '.causes
		| ([.[] | "\(.cause) \(.event)"] | unique) == ["exit UNMAP", "numa balancing PROTECTION_VMA",
		"page migration: numa CLEAR"]
		and (map(select(.cause == "page migration: numa")) | all(.[]; .calls == .pages)
		and (map(.calls) | add | . > 0))'
	exact "$variant: NUMA balancing" "$file"
}

check_samples() { # VARIANT EVENT
	local variant=$1 event=$2 out=$tmp/$1

	# 100 blocks of 64 and the exit, which is the first of another block.
	json "$variant: 6400 equal ones, one in 64" "$out/equal.json" '.sampling.every == 64
		and (.sampling.samples | . == 100 or . == 101)
		and (.causes | map(select(.cause == "madvise")) | length == 1 and (.[0]
		| .samples == 100 and .calls == 6400 and .pages == 6400))
		and ([.causes[].samples] | add) == .sampling.samples'
	json "$variant: less than a block: none or one" "$out/short.json" '.sampling.samples <= 1
		and ([.causes[].calls] | add // 0) == 64 * .sampling.samples'
	# A chance of less than one in a million to miss by 25 of 100.
	json "$variant: two in turns are seen as often" "$out/turns.json" '.sampling.every == 64
		and ([.causes[] | select(.cause | startswith("migration")) | .samples] | add == 100 and length == 2
		and all(.[]; . > 25 and . < 75))'
	like "$variant: the table" "$(cat "$out/table.stdout")" "
Causes, of every notification
CAUSE +EVENT +PHASE +CALLS PAGES
migration: fault +$event +setup +115 +115
migration +$event +setup +5 +115
exit +UNMAP +outside +1 +0
"
	like "$variant: the table of estimates says so" "$(cat "$out/estimate.stdout")" "
Causes, estimated from 10[01] samples, one in 64 notifications
CAUSE +EVENT +PHASE +CALLS PAGES
madvise +CLEAR +outside +6400 +6400
"
}

check_scopes() { # VARIANT EVENT
	local variant=$1 event=$2 out=$tmp/$1

	rows_are "$variant: without latency" "$out/counts.json" "$whole_mm" \
		"migration $event setup calls 5 pages 115" "migration: fault $event setup calls 115 pages 115" \
		"munmap UNMAP outside calls 1 pages 23"
	json "$variant: without latency: causes sum to the notifications" "$out/counts.json" "$sums"
	json "$variant: --all: causes sum to the notifications" "$out/all.json" "$sums"
	sound "$variant: --all" "$out/all.json"
	is "$variant: --all: the mirrors" "$(causes "$out/all.json" mirror)" \
		"$(printf '%s\n' "exit UNMAP outside calls 2 pages 0" "madvise CLEAR outside calls 7 pages 161" \
			"migration $event setup calls 5 pages 115" \
			"migration: fault $event setup calls 115 pages 115" | LC_ALL=C sort)"
	jq -s '{causes: map(.causes[])}' "$out/intervals.json" > "$tmp/summed.json"
	is "$variant: --interval: the lines' sums are the total" "$(causes "$tmp/summed.json")" \
		"$(causes "$out/all.json")"
	json "$variant: --interval: several lines have some" "$out/intervals.json" \
		'[inputs | select(.causes != [])] | length >= 3' -n
	is "$variant: --interval: each line is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; stat' "$out/intervals.json" 2>&1 | sort | uniq -c)" ""
}

check_failures() { # VARIANT
	local variant=$1 out=$tmp/$1 name

	is "$variant: no room: exit status" "$(cat "$out/lost.status")" 3
	like "$variant: no room: is said" "$(cat "$out/lost.stderr")" 'the result is incomplete: nothing lost: '
	json "$variant: no room: is counted" "$out/lost.json" '.lost.counters > 0'
	for name in by alone zero; do
		is "$variant: bad usage: $name" "$(cat "$out/$name.status")" 2
	done
	json "$variant: without --by: null" "$out/without.json" '.causes == null and .sampling == null
		and all(.unobservable[]; .metric | startswith("causes") | not)'
	is "$variant: hidden addresses: exit status" "$(cat "$out/hidden.status")" 4
	like "$variant: hidden addresses: is said" "$(cat "$out/hidden.stderr")" 'set kernel\.kptr_restrict to 0 or 1'
}

for variant in patched unpatched; do
	has $variant || continue
	event=MIGRATE
	[ "$variant" = patched ] || event=CLEAR
	guest $variant --nodes 2 --timeout 900 <<< "$work"
	check_sizes $variant $event
	# A split takes the huge page out of the page table in one window, in another apart.
	# From 6.19 on it migrates whole.
	huge=("migration $event setup calls 16 pages 1024" "thp split CLEAR setup calls 4 pages 2048")
	[ "$LINE" != 7.2 ] || huge=("migration $event setup calls 2 pages 1024")
	rows_are "$variant: huge pages" "$tmp/$variant/thp.json" "$whole_mm" "${huge[@]}"
	exact "$variant: huge pages" "$tmp/$variant/thp.json"
	check_balancing $variant
	check_samples $variant $event
	check_scopes $variant $event
	check_failures $variant
done
done_testing
