#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bench kvm-mmops: a guest in the guest, whose every notification is computed here
# from the definitions and counted by bpftrace at KVM's own callback, and whose
# causes stat names; test_hmm is not there. What cannot be done is left out and
# said, KSM's settings are as before, and without KVM there is a sentence.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# Pages x iterations. A fork takes its time in an emulated guest.
sizes="23x97 997x23"

# What bpftrace sees at KVM's callback while counting is on: from run__count(true)
# to run__count(false), or to the end of fork(), which switches it off itself.
cat > "$tmp/kvm.bt" << 'END'
BEGIN { printf("ready\n"); }
uprobe:/bin/mmuscope:run__count { @on = arg1 & 255; }
tracepoint:syscalls:sys_exit_fork /@on == 1 && comm == "mmuscope" && args->ret > 0/ { @on = 0; }
kprobe:kvm_mmu_notifier_invalidate_range_start /@on == 1 && (comm == "mmuscope" || comm == "ksmd")/ {
	$r = (struct mmu_notifier_range *)arg1;
	if ($r->event == 3) {
		@copied = count();
		@copied_pages = sum(($r->end - $r->start) / 4096);
	} else {
		@start[comm, $r->event, ($r->end - $r->start) / 4096] = count();
	}
	@starts = count();
}
kprobe:kvm_mmu_notifier_invalidate_range_end /@on == 1 && (comm == "mmuscope" || comm == "ksmd")/ {
	@ends = count();
}
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
		and .params.pages == $n and .params.iterations == $i and .params.ksm == 1
		and .params.move_pages == 1 and .left_out == [])' --argjson n "$3" --argjson i "$4"
	json "$1: every step, each of them took its time" "$2" '.results[0].samples | length == $i
		and all(.[]; .driver == {} and (.times | (keys | sort) == ["cow", "dontneed", "fork", "ksm",
		"ksm_cow", "move_pages", "move_pages_back", "mprotect", "mprotect_back", "mremap", "mremap_back",
		"munmap"] and all(.[]; . > 0)))' --argjson i "$4"
	json "$1: invariants hold, nothing is lost" "$2" '.results[0].stat | (.invariants | length >= 5
		and all(.[]; .holds == true)) and .lost == {events: 0, counters: 0, recursion: 0}'
}

# How many mappings a fork copies is the C library's business and may grow with the
# heap; that many it must then be, and everything else is exact.
check_counts() { # NAME FILE PAGES ITERATIONS
	json "$1: every iteration" "$2" '.results[0].samples | all(.[]; .ours
		| .notifications >= 7 * $n + 8 + 3 and .notifications < 7 * $n + 8 + 60 and .skipped == 0 and .failed == 0
		and .undetermined == 0 and .migrations == 0 and .collected == 0 and .migrated == 0
		and .excess == 0 and .refaults == 0)' --argjson n "$3"
	json "$1: by event, all outside" "$2" '.results[0]
		| ([.samples[].ours.notifications - 7 * $n - 8] | add) as $v
		| .stat.notifications | map({(.event + "/" + .phase): {calls, failed, whole}}) | add == {
		"PROTECTION_PAGE/outside": {calls: $v, failed: 0, whole: 0},
		"PROTECTION_VMA/outside": {calls: ($i * 2), failed: 0, whole: 0},
		"CLEAR/outside": {calls: ($i * (7 * $n + 1)), failed: 0, whole: 0},
		"UNMAP/outside": {calls: ($i * 5), failed: 0, whole: 0}}' --argjson n "$3" --argjson i "$4"
	json "$1: their pages" "$2" '.results[0].stat.notifications | map(select(.event != "PROTECTION_PAGE")
		| {(.event): .pages}) | add == {PROTECTION_VMA: ($i * 2 * $n), CLEAR: ($i * 8 * $n),
		UNMAP: ($i * 5 * $n)}' --argjson n "$3" --argjson i "$4"
}

# By the formulas' own count of the mappings that are copied.
check_formulas() { # NAME FILE PAGES ITERATIONS
	json "$1: the formulas of all that is counted hold" "$2" '.results[0].checks | length == 11
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
	# TASK, EVENT, PAGES: CALLS; enum mmu_notifier_event: UNMAP 0, CLEAR 1, PROTECTION_VMA 2
	is "$name: all others, by event and pages" "$(grep '^@start\[' "$traced" | LC_ALL=C sort)" \
		"$(LC_ALL=C sort <<< "@start[ksmd, 1, 1]: $((3 * $2 * $3))
@start[mmuscope, 0, $2]: $((5 * $3))
@start[mmuscope, 1, 1]: $((4 * $2 * $3))
@start[mmuscope, 1, $2]: $3
@start[mmuscope, 2, $2]: $((2 * $3))")"
}

# Of the whole process, and so of the steps between, which copy more on write, and of
# the C library, which may give memory back (brk, and what a mapping that it cuts at a
# chance address raises: thp split).
check_causes() { # VARIANT PAGES ITERATIONS
	local name="$1: causes" file=$tmp/$1/causes.json

	is "$name: exit status" "$(cat "$tmp/$1/causes.status")" 0
	is "$name: those that bench counts only" "$(jq -r '.causes | group_by([.cause, .event])[]
		| select(.[0].cause | . != "fork" and . != "cow" and . != "munmap" and . != "exit"
			and . != "brk" and . != "thp split")
		| "\(.[0].cause) \(.[0].event) calls \([.[].calls] | add) pages \([.[].pages] | add)"' "$file")" \
		"ksm CLEAR calls $((3 * $2 * $3)) pages $((3 * $2 * $3))
madvise CLEAR calls $3 pages $(($2 * $3))
mprotect PROTECTION_VMA calls $((2 * $3)) pages $((2 * $2 * $3))
mremap UNMAP calls $((4 * $3)) pages $((4 * $2 * $3))
page migration: move_pages CLEAR calls $((2 * $2 * $3)) pages $((2 * $2 * $3))"
	json "$name: the others are known too" "$file" '([.causes[].cause] | unique - ["brk", "thp split"]) == ["cow", "exit", "fork",
		"ksm", "madvise", "mprotect", "mremap", "munmap", "page migration: move_pages"]'
	json "$name: KSM's are of its own task, not of ours" "$file" '.causes | all(.[];
		(.cause == "ksm") == (.stack | index("ksm_scan_thread") != null)
		and (.cause == "ksm") == (.stack[-1] | startswith("ret_from_fork")))'
	sound "$name" "$file"
}

# Settings of KSM that are nobody's default.
set_ksm='
ksm=/sys/kernel/mm/ksm
echo 77 > $ksm/sleep_millisecs
settings() { (cd $ksm && grep . run sleep_millisecs smart_scan 2> /dev/null) > settings.$1 || :; }
settings before
'

check_settings() { # NAME VARIANT AFTER
	like "$1: KSM's settings before" "$(cat "$tmp/$2/settings.before")" 'run:0.sleep_millisecs:77'
	is "$1: KSM's settings are as before" "$(cat "$tmp/$2/settings.$3")" "$(cat "$tmp/$2/settings.before")"
}

check_left_out() { # NAME STEM OPERATION REASON SINGLE
	is "$1: exit status" "$(cat "$2.status")" 0
	like "$1: is said" "$(cat "$2.stderr")" "^mmuscope bench: kvm-mmops without $3: $4\.\$"
	json "$1: is in the result" "$2.json" '.results[0] | .workload | .params[$o] == 0
		and (.left_out | length == 1 and .[0].operation == $o and (.[0].reason | test($r)))' \
		--arg o "$3" --arg r "^$4\$"
	json "$1: its steps are not there" "$2.json" '.results[0].samples | length == 29
		and all(.[].times; keys | any(startswith($o)) | not)' --arg o "$3"
	json "$1: the formula is another, and holds" "$2.json" '.results[0].checks | length == 11
		and all(.[]; .holds) and (map({(.metric): .formula}) | add
		| (.delivered | startswith("V + \($s) N + 8;"))
		and (.pages_performed | startswith("pages of V + \($s + 8) N;")))' --argjson s "$5"
	json "$1: CLEAR" "$2.json" '[.results[0].stat.notifications[] | select(.event == "CLEAR") | .calls]
		== [29 * (23 * $s + 1)]' --argjson s "$5"
}

# 5.10 does not tell what is merged, bpftrace does not compile the script there, and in our
# kernel the guest of the guest never comes back: Debian's own, where that is in the cache.
if [ "$LINE" = 5.10 ]; then
	"$ROOT/scripts/kernel-stock.sh" --line 5.10 --print-dir > /dev/null 2>&1 ||
		skip_all "not in the cache: scripts/kernel-stock.sh --line 5.10"
	guest stock --kvm-modules --no-test-hmm --nodes 2 << 'END'
status kvm mmuscope bench kvm-mmops --pages 23 --iterations 29 --json -o kvm.json
status coherent mmuscope bench --check-coherence kvm-mmops --pages 23 --iterations 3
END
	check_left_out "stock" "$tmp/stock/kvm" ksm \
		'the kernel does not tell what is merged \(no /proc/self/ksm_merging_pages\)' 3
	check_callbacks "stock" "$tmp/stock/kvm.json"
	is "stock: --check-coherence" "$(tail -n 1 "$tmp/stock/coherent.stdout")" \
		"Coherent: all that /dev/kvm and the CPU read was what was written last."
	done_testing
fi

for variant in patched unpatched; do
	has $variant || continue
	script='
bpftrace -B line /root/kvm.bt > traced.bt 2> traced.bpftrace & tracer=$!
wait_for grep -qs ready traced.bt
status traced mmuscope bench kvm-mmops --pages 23 --iterations 29 --warmup 0 --no-calibration --json -o traced.json
while kill -INT $tracer; do
	for n in $(seq 30); do [ -d /proc/$tracer ] && usleep 100000; done
done 2> /dev/null
wait $tracer
status causes mmuscope stat --by cause --sample 1 -j -o causes.json -- \
	mmuscope bench kvm-mmops --pages 23 --iterations 29 --warmup 0 --no-calibration
settings traced
echo 1 > $ksm/run
status running mmuscope bench kvm-mmops --pages 23 --iterations 29 --json -o running.json
echo 0 > $ksm/run
/root/mirror map:1 write mergeable say:done wait:/tmp/done > offered.stdout & offers=$!
wait_for grep -q done offered.stdout
echo $offers > offers
status offered mmuscope bench kvm-mmops --pages 23 --iterations 29 --json -o offered.json
touch /tmp/done
wait $offers
mmuscope bench kvm-mmops --pages 5003 --json -o ended.json & bench=$!
until [ "$(cat $ksm/run)" = 1 ]; do [ -d /proc/$bench ]; done
kill -TERM $bench
wait $bench || echo $? > ended.status
settings ended
'
	script=$set_ksm$script
	script+='status coherent mmuscope bench --check-coherence kvm-mmops --pages 23 --iterations 3
'
	for size in $sizes; do
		script+="status kvm-$size mmuscope bench kvm-mmops --pages ${size%x*} --iterations ${size#*x} \
			--json -o kvm-$size.json
"
	done
	guest $variant --kvm-modules --no-test-hmm --bpftrace --nodes 2 --timeout 900 <<< "$script"
	for size in $sizes; do
		name="$variant: ${size%x*} pages, ${size#*x} iterations" file=$tmp/$variant/kvm-$size
		for check in shape counts formulas; do
			check_$check "$name" "$file.json" "${size%x*}" "${size#*x}"
		done
		check_said "$name" "$file"
		check_callbacks "$name" "$file.json"
	done
	check_said "$variant: --check-coherence" "$tmp/$variant/coherent"
	is "$variant: --check-coherence" "$(tail -n 1 "$tmp/$variant/coherent.stdout")" \
		"Coherent: all that /dev/kvm and the CPU read was what was written last."
	check_traced $variant 23 29
	check_causes $variant 23 29
	check_settings "$variant" $variant traced
	check_left_out "$variant: KSM is running" "$tmp/$variant/running" ksm \
		'it is running already, and merges when it likes \(/sys/kernel/mm/ksm/run is 1\)' 3
	check_left_out "$variant: memory of others" "$tmp/$variant/offered" ksm \
		"process $(cat "$tmp/$variant/offers") has memory that it would merge too" 3
	is "$variant: ended by a signal while it merges" "$(cat "$tmp/$variant/ended.status")" 143
	check_settings "$variant: ended by a signal" $variant ended
done

guest patched --kvm-modules --no-test-hmm --timeout 900 << 'END'
status one mmuscope bench kvm-mmops --pages 23 --iterations 29 --json -o one.json
END
check_left_out "one node" "$tmp/patched/one" move_pages 'only one NUMA node has memory that may be used' 5

guest patched --no-test-hmm --timeout 900 << 'END'
status none mmuscope bench kvm-mmops --json -o none.json
END
is "no KVM: exit status" "$(cat "$tmp/patched/none.status")" 4
is "no KVM: a sentence" "$(cat "$tmp/patched/none.stderr")" \
	'mmuscope bench: no /dev/kvm: load kvm and kvm_amd or kvm_intel.'
is "no KVM: no result" "$(cat "$tmp/patched/none.stdout" "$tmp/patched/none.json")" ""
done_testing
