#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Debian's own kernel of 6.1, unmodified: it boots in the same runner, and what needs
# no HMM test device works there as on ours: probes, subscribers, stat by every way
# of seeing and of counting, and bench kvm-mmops, to the last notification.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ "$LINE" = 6.1 ] || skip_all "Debian's own kernel is tested of 6.1"
run "$ROOT/scripts/kernel-stock.sh" --line 6.1
case $status in
3 | 4) skip_all "$(tail -n 1 <<< "$err")" ;;
esac
is "the kernel is there" "$status" 0
[ "$status" = 0 ] || done_testing
release=$(sed -n 's/^release //p' "$out/manifest")
config=$out/config
program mirror

sizes="23x29 997x1"
drivers=(--module nouveau --module amdgpu --module i915 --module mlx5_ib)
# One notification for each dontneed, for protect, and for unmap.
work="map:997 write kvm loop:23 dontneed write end protect unmap"

guest stock --nodes 2 --kvm-modules --no-test-hmm --timeout 900 "${drivers[@]}" << END
cat /proc/sys/kernel/osrelease > release
lsmod > modules
cp /proc/sys/kernel/tainted tainted
status probes mmuscope probes --json
status none mmuscope subscribers --json

cp /root/mirror mirror
trap "rm -f mirror" EXIT
./mirror kvm kvm say:ready wait:/nowhere > said 2>&1 & echo \$! > pid
wait_for grep -q ready said
status pid mmuscope subscribers --json -p \$!
status all mmuscope subscribers -a --json
status loops mmuscope subscribers --json --max 65536
kill \$! && wait \$! || :

for via in fentry kprobe registry; do
	status \$via mmuscope stat --via \$via -j -o \$via.json -- /root/mirror $work
done
status no-latency mmuscope stat --no-latency -j -o no-latency.json -- /root/mirror $work
status cause mmuscope stat --by cause --sample 1 -j -o cause.json -- /root/mirror $work
mmuscope stat -a -j -o everything.json & stat=\$!
counting \$stat
/root/mirror $work
kill -INT \$stat
wait \$stat

for size in $sizes; do
	status bench-\$size mmuscope bench kvm-mmops --pages \${size%x*} --iterations \${size#*x} --json -o bench-\$size.json
done
status overhead mmuscope bench overhead
status migrate mmuscope bench migrate-mixed
END
dir=$tmp/stock
[ "$failures" = 0 ] || done_testing

# --- the kernel
is "it is the kernel of the package, unmodified and untainted" \
	"$(cat "$dir/release") $(cat "$dir/tainted")" "$release 0"
ok "it has no test_hmm, and no device-private memory" \
	grep -qx '# CONFIG_DEVICE_PRIVATE is not set' "$config"

# --- probes
is "probes: exit status, nothing said" "$(cat "$dir/probes".{status,stderr})" 0
target() { jq -c --arg s "$1" '.targets[] | select(.symbol == $s) | [.source, .reason]' "$dir/probes.stdout"; }
for symbol in __mmu_notifier_invalidate_range_{start,end} migrate_vma_{setup,pages,finalize} \
	migrate_device_{range,finalize} hmm_range_fault __mmu_notifier_release __mmu_notifier_register \
	mmu_interval_notifier_insert mmu_interval_notifier_insert_locked \
	kvm_mmu_notifier_invalidate_range_start; do
	is "probes: $symbol" "$(target "$symbol")" '["fentry",null]'
done
is "probes: migrate_device_pfns is of 6.15" "$(target migrate_device_pfns)" \
	'[null,"this kernel has no such function, or it was inlined"]'
is "probes: test_hmm is not there, and why" "$(target dmirror_interval_invalidate)" \
	'[null,"module test_hmm is not loaded"]'
for symbol in amdgpu_mn_invalidate_{gfx,hsa} i915_gem_userptr_invalidate mlx5_ib_invalidate_range; do
	like "probes: $symbol of Debian's driver" "$(target "$symbol")" '^\["(fentry|kprobe)",'
done
# What they have only with device-private memory.
is "probes: nouveau's was not built" "$(target nouveau_svmm_invalidate_range_start)" \
	'[null,"not in this kernel: with CONFIG_DRM_NOUVEAU_SVM"]'
is "probes: amdgpu's was not built" "$(target svm_range_cpu_invalidate_pagetables)" \
	'[null,"not in this kernel: Linux 5.14 and later, with CONFIG_HSA_AMD_SVM"]'

# --- subscribers
for name in none pid all loops; do
	is "subscribers, $name: exit status, nothing said" "$(cat "$dir/$name".{status,stderr})" 0
	is "subscribers, $name: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; subscribers' "$dir/$name.stdout" 2>&1 | sort | uniq -c)" ""
done
is "subscribers: nobody" "$(jq -c .subscribers "$dir/none.stdout")" "[]"
for name in pid all loops; do
	is "subscribers, $name: the process that holds two guests of KVM" \
		"$(jq -r '.subscribers[] | "\(.comm):\(.pid) \(.kind) \(.callback) \(.module) \(.driver) \(.count)"' \
			"$dir/$name.stdout")" \
		"mirror:$(cat "$dir/pid") notifier kvm_mmu_notifier_invalidate_range_start kvm kvm 2"
done

# --- stat: what a process does to its memory, by formula
# At its end, the guest is gone already, so that notification calls nobody back.
want() { # notification|callback
	if [ "$1" = notification ]; then
		echo "CLEAR outside calls 23 pages $((23 * 997))"
		echo "PROTECTION_VMA outside calls 1 pages 997"
		echo "UNMAP outside calls 2 pages 997 whole 1"
	else
		echo "CLEAR outside delivered 23 performed 23 skipped 0 pages $((23 * 997)) acted $((23 * 997))"
		echo "PROTECTION_VMA outside delivered 1 performed 1 skipped 0 pages 997 acted 997"
		echo "UNMAP outside delivered 1 performed 1 skipped 0 pages 997 acted 997"
	fi
}
got() { # FILE notification|callback
	rows "$1" mirror | sed -n "s/^$2 //p"
}
for name in fentry kprobe registry no-latency cause everything; do
	[ $name = everything ] || is "stat, $name: exit status, nothing said" "$(cat "$dir/$name".{status,stderr})" 0
	sound "stat, $name" "$dir/$name.json"
	is "stat, $name: notifications" "$(got "$dir/$name.json" notification)" "$(want notification)"
	is "stat, $name: callbacks" "$(got "$dir/$name.json" callback)" "$(want callback)"
done
for name in fentry kprobe registry; do
	is "stat, $name: so they were seen" "$(jq -r '[.callbacks[] | "\(.source) \(.symbol) \(.module)"] | unique[]' \
		"$dir/$name.json")" "$name kvm_mmu_notifier_invalidate_range_start kvm"
done
is "stat, cause: what raised them" "$(jq -r '.causes[] | select(.comm == "mirror" and .cause != "exit")
	| "\(.cause) \(.event) \(.phase) \(.calls) \(.pages)"' "$dir/cause.json" | LC_ALL=C sort)" \
	"madvise CLEAR outside 23 $((23 * 997))
mprotect PROTECTION_VMA outside 1 997
munmap UNMAP outside 1 997"

# --- bench kvm-mmops: every count by its formula
for size in $sizes; do
	file=$dir/bench-$size.json pages=${size%x*} iterations=${size#*x}
	is "bench $size: exit status, nothing said" "$(cat "$dir/bench-$size".{status,stderr})" 0
	is "bench $size: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; bench' "$file" 2>&1 | sort | uniq -c)" ""
	json "bench $size: all formulas hold" "$file" '.results[0].checks | length == 11
		and all(.[]; .expected == .measured and .holds)'
	json "bench $size: invariants hold, nothing is lost" "$file" '.results[0].stat | (.invariants | length >= 5
		and all(.[]; .holds == true)) and .lost == {events: 0, counters: 0, recursion: 0}'
	json "bench $size: by event" "$file" '.results[0].stat | [.notifications, .callbacks]
		| map(map(select(.event != "PROTECTION_PAGE") | {(.event): [.calls // .delivered, .pages]}) | add)
		| all(.[]; . == {PROTECTION_VMA: [$i * 2, $i * 2 * $n], CLEAR: [$i * (7 * $n + 1), $i * 8 * $n],
		UNMAP: [$i * 5, $i * 5 * $n]})' --argjson n "$pages" --argjson i "$iterations"
	json "bench $size: every callback performed" "$file" '.results[0].samples | length == $i
		and all(.[]; .ours | .delivered == .notifications and .performed == .notifications)' --argjson i "$iterations"
done
for name in overhead migrate; do
	is "bench $name: exit status" "$(cat "$dir/$name.status")" 4
	like "bench $name: needs test_hmm, and says so" "$(cat "$dir/$name.stderr")" 'test_hmm'
done
done_testing
