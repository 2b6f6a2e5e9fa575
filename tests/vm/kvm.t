#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bench kvm-mmops: a guest in the guest, whose every notification is computed here
# from the definitions and counted by bpftrace at KVM's own callback; test_hmm is
# not there. And no KVM: a sentence.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Pages x iterations. A fork takes its time in an emulated guest.
sizes="23x97 997x23"

# What bpftrace sees at KVM's callback while counting is on: from run__count(true)
# to run__count(false), or to the end of fork(), which switches it off itself.
cat > "$tmp/kvm.bt" << 'END'
BEGIN { printf("ready\n"); }
uprobe:/bin/mmuscope:run__count { @on = arg1 & 255; }
tracepoint:syscalls:sys_exit_fork /@on == 1 && comm == "mmuscope" && args->ret > 0/ { @on = 0; }
kprobe:kvm_mmu_notifier_invalidate_range_start /@on == 1 && comm == "mmuscope"/ {
	$r = (struct mmu_notifier_range *)arg1;
	if ($r->event == 3) {
		@copied = count();
		@copied_pages = sum(($r->end - $r->start) / 4096);
	} else {
		@start[$r->event, ($r->end - $r->start) / 4096] = count();
	}
	@starts = count();
}
kprobe:kvm_mmu_notifier_invalidate_range_end /@on == 1 && comm == "mmuscope"/ { @ends = count(); }
END
programs+=(--add "$tmp/kvm.bt")

bpftrace_says() { # FILE MAP: the value of @MAP
	sed -n "s/^@$2: //p" "$1"
}

check_shape() { # NAME FILE PAGES ITERATIONS
	is "$1: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; bench' "$2" 2>&1 | sort | uniq -c)" ""
	json "$1: what it was, and on what" "$2" '.device == {driver: "kvm", path: "/dev/kvm", chunk_pages: null}
		and (.results | length == 1) and (.results[0].workload | .name == "kvm-mmops"
		and .params.pages == $n and .params.iterations == $i)' --argjson n "$3" --argjson i "$4"
	json "$1: every step, each of them took its time" "$2" '.results[0].samples | length == $i
		and all(.[]; .driver == {} and (.times | (keys | sort) == ["cow", "dontneed", "fork", "mprotect",
		"mprotect_back", "mremap", "mremap_back", "munmap"] and all(.[]; . > 0)))' --argjson i "$4"
	json "$1: invariants hold, nothing is lost" "$2" '.results[0].stat | (.invariants | length >= 5
		and all(.[]; .holds == true)) and .lost == {events: 0, counters: 0, recursion: 0}'
}

# How many mappings a fork copies is the C library's business and may grow with the
# heap; that many it must then be, and everything else is exact.
check_counts() { # NAME FILE PAGES ITERATIONS
	json "$1: every iteration" "$2" '.results[0].samples | all(.[]; .ours
		| .notifications >= $n + 8 + 3 and .notifications < $n + 8 + 60 and .skipped == 0 and .failed == 0
		and .undetermined == 0 and .migrations == 0 and .collected == 0 and .migrated == 0
		and .excess == 0 and .refaults == 0)' --argjson n "$3"
	json "$1: by event, all outside" "$2" '.results[0]
		| ([.samples[].ours.notifications - $n - 8] | add) as $v
		| .stat.notifications | map({(.event + "/" + .phase): {calls, failed, whole}}) | add == {
		"PROTECTION_PAGE/outside": {calls: $v, failed: 0, whole: 0},
		"PROTECTION_VMA/outside": {calls: ($i * 2), failed: 0, whole: 0},
		"CLEAR/outside": {calls: ($i * ($n + 1)), failed: 0, whole: 0},
		"UNMAP/outside": {calls: ($i * 5), failed: 0, whole: 0}}' --argjson n "$3" --argjson i "$4"
	json "$1: their pages" "$2" '.results[0].stat.notifications | map(select(.event != "PROTECTION_PAGE")
		| {(.event): .pages}) | add == {PROTECTION_VMA: ($i * 2 * $n), CLEAR: ($i * 2 * $n),
		UNMAP: ($i * 5 * $n)}' --argjson n "$3" --argjson i "$4"
}

# By the formulas' own count of the mappings that are copied.
check_formulas() { # NAME FILE PAGES ITERATIONS
	json "$1: the formulas of all that is counted hold" "$2" '.results[0].checks | length == 10
		and all(.[]; .expected == .measured and .holds)'
	json "$1: what the formulas expect of callbacks" "$2" '.results[0]
		| ([.stat.notifications[].calls] | add) as $calls | ([.stat.notifications[].pages] | add) as $pages
		| .checks | map({(.metric): .expected}) | add | .notifications == $calls and .delivered == $calls
		and .performed == $calls and .pages_performed == $pages'
}

# What KVM's callbacks must be counted as: every notification one, all performed.
check_callbacks() { # NAME FILE
	json "$1: every notification is a callback, and performed" "$2" '.results[0] | .samples
		| all(.[]; .ours | .delivered == .notifications and .performed == .notifications)'
	json "$1: the rows of callbacks are KVM's, and those of the notifications" "$2" '.results[0].stat
		| (.callbacks | map({symbol, kind, "module": .module}) | unique) == [{"module": "kvm", kind: "notifier",
		symbol: "kvm_mmu_notifier_invalidate_range_start"}]
		and (.callbacks | map({(.event + "/" + .phase): {delivered, performed, pages, pages_performed}}) | add)
		== (.notifications | map({(.event + "/" + .phase): {delivered: .calls, performed: .calls, pages,
		pages_performed: .pages}}) | add)'
}

check_said() { # NAME STEM
	is "$1: exit status, nothing said" "$(cat "$2.status" "$2.stderr")" 0
}

# A uprobe in the tool leaves a mapping of it with an anon_vma and no anonymous page:
# fork copies one more than /proc/self/smaps tells the formula. All else is as it was,
# so that ours is compared with bpftrace's and not with the formula.
check_traced() { # VARIANT PAGES ITERATIONS
	local name="$1: traced, $2 pages, $3 iterations" file=$tmp/$1/traced.json traced=$tmp/$1/traced.bt

	check_shape "$name" "$file" "$2" "$3"
	check_counts "$name" "$file" "$2" "$3"
	is "$name: KVM's callbacks are our notifications" "$(bpftrace_says "$traced" starts)" \
		"$(jq '[.results[0].samples[].ours.notifications] | add' "$file")"
	is "$name: as many ends" "$(bpftrace_says "$traced" ends)" "$(bpftrace_says "$traced" starts)"
	is "$name: those of fork, and their pages" \
		"$(bpftrace_says "$traced" copied) $(bpftrace_says "$traced" copied_pages)" \
		"$(jq -r '.results[0].stat.notifications[] | select(.event == "PROTECTION_PAGE")
			| "\(.calls) \(.pages)"' "$file")"
	# EVENT, PAGES: CALLS; enum mmu_notifier_event: UNMAP 0, CLEAR 1, PROTECTION_VMA 2
	is "$name: all others, by event and pages" "$(grep '^@start\[' "$traced" | LC_ALL=C sort)" \
		"$(LC_ALL=C sort <<< "@start[0, $2]: $((5 * $3))
@start[1, 1]: $(($2 * $3))
@start[1, $2]: $3
@start[2, $2]: $((2 * $3))")"
}

for variant in patched unpatched; do
	has $variant || continue
	script='
bpftrace -B line /root/kvm.bt > traced.bt 2> traced.bpftrace & tracer=$!
wait_for grep -qs ready traced.bt
status traced mmuscope bench kvm-mmops --pages 23 --iterations 29 --warmup 0 --json -o traced.json
while kill -INT $tracer; do
	for n in $(seq 30); do [ -d /proc/$tracer ] && usleep 100000; done
done 2> /dev/null
wait $tracer
'
	for size in $sizes; do
		script+="status kvm-$size mmuscope bench kvm-mmops --pages ${size%x*} --iterations ${size#*x} \
			--json -o kvm-$size.json
"
	done
	guest $variant --kvm-modules --no-test-hmm --bpftrace <<< "$script"
	for size in $sizes; do
		name="$variant: ${size%x*} pages, ${size#*x} iterations" file=$tmp/$variant/kvm-$size
		for check in shape counts formulas; do
			check_$check "$name" "$file.json" "${size%x*}" "${size#*x}"
		done
		check_said "$name" "$file"
		check_callbacks "$name" "$file.json"
	done
	check_traced $variant 23 29
done

guest patched --no-test-hmm << 'END'
status none mmuscope bench kvm-mmops --json -o none.json
END
is "no KVM: exit status" "$(cat "$tmp/patched/none.status")" 4
is "no KVM: a sentence" "$(cat "$tmp/patched/none.stderr")" \
	'mmuscope bench: no /dev/kvm: load kvm and kvm_amd or kvm_intel.'
is "no KVM: no result" "$(cat "$tmp/patched/none.stdout" "$tmp/patched/none.json")" ""
done_testing
