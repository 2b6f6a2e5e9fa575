#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# RDMA with on-demand paging, on rxe over the loopback interface. bench rdma-odp: every
# notification, callback and device fault is computed here from the definitions, and
# counted by bpftrace at the driver's own callback. stat, by all rungs of the ladder, of
# a process that does known work to a region; its causes; and who subscribes, until the
# region is gone, and then the module. Where the line of kernels has no rxe: a sentence.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ "$LINE" != 6.1 ] &&
	! "$ROOT/scripts/kernel-build.sh" --line "$LINE" --variant patched --print-dir > /dev/null 2>&1; then
	skip_all "the kernel of $LINE is not built: its source may be gone from Debian's archive"
fi
library=$(ldconfig -p | sed -n 's/.*libibverbs\.so\.1 .*x86-64.* => //p')
none='mmuscope bench: no RDMA device: load the driver of one and ib_uverbs, or make one of software with '
none+="'modprobe rdma_rxe' and 'rdma link add rxe0 type rxe netdev lo'."
said() { # NAME: the exit status and the last sentence; nothing else was written
	echo "$(cat "$tmp/patched/$1.status") $(tail -n 1 "$tmp/patched/$1.stderr")$(cat "$tmp/patched/$1.stdout")"
}

cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$ROOT" -o "$tmp/odp" \
	"$VM/odp.c" "$ROOT/bench/rdma.c" || exit

# Devices that cannot do it, in libraries of our own.
for fake in new old; do
	mkdir "$tmp/$fake"
	cc -std=gnu11 -D_GNU_SOURCE -D"${fake^^}" -O2 -Wall -Wextra -Werror -shared -fPIC \
		-o "$tmp/$fake/libibverbs.so.1" "$VM/verbs.c" || exit
done
why() { # FAKE [FOLDER]: what the wrapper of the device says, here on the host
	run env LD_LIBRARY_PATH="$tmp/${2-new}" FAKE="$1" "$tmp/odp" 23
	echo "${err#the device: *; }"
}
is "a library of long ago" "$(why none old)" \
	"libibverbs.so.1 has no ibv_ack_cq_events: install the libibverbs1 of rdma-core 32 or later"
is "a device without on-demand paging" "$(why no-odp)" "the RDMA device fake0 has no on-demand\
 paging of reads and writes; that of software, rxe, has it from Linux 6.15 on"
is "a device that may not be opened" "$(why denied)" \
	"cannot open /dev/infiniband/uverbs7: Permission denied; see 'ls -l /dev/infiniband/uverbs7'"
is "an interface without an address" "$(why down)" "/dev/infiniband/uverbs7 has no address:\
 Cannot assign requested address; its interface must be up and have one"

guest patched --no-test-hmm --timeout 600 --add "$library:/root/lib/libibverbs.so.1" --add "$tmp/new" << 'END'
status no-library mmuscope bench rdma-odp --json
status no-device env LD_LIBRARY_PATH=/root/lib mmuscope bench rdma-odp --json
status memlock env LD_LIBRARY_PATH=/root/new FAKE=memlock mmuscope bench rdma-odp --json
END
is "no libibverbs: the tool runs, and says so" "$(said no-library)" \
	"4 mmuscope bench: libibverbs.so.1 cannot be loaded: install libibverbs1 and ibverbs-providers."
is "no RDMA device" "$(said no-device)" "4 $none"
is "a limit of locked memory" "$(said memlock)" "4 mmuscope bench: /dev/infiniband/uverbs7 cannot pin\
 $((512 * 4096)) bytes of memory: Cannot allocate memory; see 'ulimit -l'."
kernel=$("$ROOT/scripts/kernel-build.sh" --line "$LINE" --variant patched --print-dir)
if [ ! -e "$kernel/modules/rdma_rxe.ko" ]; then
	skip "counts on a device" "the kernel of $LINE has no rxe"
	done_testing
fi

# Pages x iterations. Each reads and writes the range twelve times, and a page takes its
# time in an emulated guest.
sizes="23x97 997x7"
traced=23x29
# Of odp: what it is told, and how often the loop runs.
pages=23 rounds=97
work="read loop:$rounds dontneed read write end protect read unmap deregister"

# While counting is on: from run__count(true) to run__count(false), or to the end of
# fork(), which switches it off itself. Who works on the range: the tool, or the device.
cat > "$tmp/rdma.bt" << 'END'
BEGIN { printf("ready\n"); }
uprobe:/bin/mmuscope:run__count { @on = arg1 & 255; }
tracepoint:syscalls:sys_exit_fork /@on == 1 && comm == "mmuscope" && args->ret > 0/ { @on = 0; }
kprobe:rxe_ib_invalidate_range /@on == 1/ {
	$r = (struct mmu_notifier_range *)arg1;
	@callback[comm == "mmuscope" ? "tool" : "device", $r->event, ($r->end - $r->start) / 4096] = count();
}
kretprobe:hmm_range_fault /@on == 1/ { @fault[(int32)retval] = count(); }
END
programs+=(--add "$tmp/odp" --add "$tmp/rdma.bt")

check_shape() { # NAME FILE PAGES ITERATIONS
	is "$1: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; bench' "$2" 2>&1 | sort | uniq -c)" ""
	json "$1: what it was, and on what" "$2" '
		.device == {driver: "rxe", path: "/dev/infiniband/uverbs0", chunk_pages: null}
		and (.results | length == 1) and (.results[0].workload | .name == "rdma-odp"
		and .params.pages == $n and .params.iterations == $i)' --argjson n "$3" --argjson i "$4"
	json "$1: every step, each of them took its time" "$2" '.results[0].samples | length == $i
		and all(.[]; .driver == {} and (.times | (keys | sort) == ["cow", "dontneed", "fork", "mprotect",
		"mprotect_back", "mremap", "mremap_back", "munmap", "refault"] and all(.[]; . > 0)))' \
		--argjson i "$4"
	json "$1: invariants hold, nothing is lost" "$2" '.results[0].stat | (.invariants | length >= 5
		and all(.[]; .holds == true)) and .lost == {events: 0, counters: 0, recursion: 0}'
	json "$1: all rows are of the tool, whoever works for the device" "$2" '.results[0].stat
		| [.notifications[], .callbacks[]] | all(.[]; .comm == "mmuscope")'
}

# How many mappings a fork copies is the C library's business; that many it must then
# be, of which one is the region's. Everything else is exact.
check_counts() { # NAME FILE PAGES ITERATIONS
	json "$1: every iteration" "$2" '.results[0].samples | all(.[]; .ours
		| .notifications >= $n + 8 + 3 and .notifications < $n + 8 + 80
		and .delivered == $n + 7 and .performed == $n + 7 and .pages_performed == 8 * $n
		and .skipped == 0 and .failed == 0 and .undetermined == 0 and .migrations == 0
		and .collected == 0 and .migrated == 0 and .excess == 0 and .refaults == 7 * $n)' \
		--argjson n "$3"
	json "$1: notifications by event, all outside" "$2" '.results[0]
		| ([.samples[].ours.notifications - $n - 8] | add) as $v
		| .stat.notifications | map({(.event + "/" + .phase): {calls, failed, whole}}) | add == {
		"PROTECTION_PAGE/outside": {calls: $v, failed: 0, whole: 0},
		"PROTECTION_VMA/outside": {calls: ($i * 2), failed: 0, whole: 0},
		"CLEAR/outside": {calls: ($i * ($n + 1)), failed: 0, whole: 0},
		"UNMAP/outside": {calls: ($i * 5), failed: 0, whole: 0}}' --argjson n "$3" --argjson i "$4"
	json "$1: their pages" "$2" '.results[0].stat.notifications | map(select(.event != "PROTECTION_PAGE")
		| {(.event): .pages}) | add == {PROTECTION_VMA: ($i * 2 * $n), CLEAR: ($i * 2 * $n),
		UNMAP: ($i * 5 * $n)}' --argjson n "$3" --argjson i "$4"
	json "$1: the callbacks are the region's, all performed" "$2" '.results[0].stat.callbacks
		| (map({symbol, "module": .module, kind, phase}) | unique) == [{"module": "rdma_rxe",
		kind: "interval", symbol: "rxe_ib_invalidate_range", phase: "outside"}]
		and (map({(.event): {delivered, performed, pages, pages_performed, whole}}) | add) == {
		PROTECTION_PAGE: {delivered: $i, performed: $i, pages: ($i * $n), pages_performed: ($i * $n), whole: 0},
		PROTECTION_VMA: {delivered: ($i * 2), performed: ($i * 2), pages: ($i * 2 * $n),
			pages_performed: ($i * 2 * $n), whole: 0},
		CLEAR: {delivered: ($i * ($n + 1)), performed: ($i * ($n + 1)), pages: ($i * 2 * $n),
			pages_performed: ($i * 2 * $n), whole: 0},
		UNMAP: {delivered: ($i * 3), performed: ($i * 3), pages: ($i * 3 * $n),
			pages_performed: ($i * 3 * $n), whole: 0}}' --argjson n "$3" --argjson i "$4"
	json "$1: device faults, and those that a COW made try again" "$2" '.results[0].stat.faults
		== {calls: (7 * $i * $n), pages: (7 * $i * $n), retries: ($i * $n)}' \
		--argjson n "$3" --argjson i "$4"
}

check_formulas() { # NAME FILE
	json "$1: the formulas of all that is counted hold" "$2" '.results[0].checks | length == 11
		and all(.[]; .expected == .measured and .holds)'
}

script="
bpftrace -B line /root/rdma.bt > traced.bt 2> traced.bpftrace & tracer=\$!
wait_for grep -qs ready traced.bt
status traced mmuscope bench rdma-odp --pages ${traced%x*} --iterations ${traced#*x} --warmup 0 --no-calibration --json -o traced.json
while kill -INT \$tracer; do
	for n in \$(seq 30); do [ -d /proc/\$tracer ] && usleep 100000; done
done 2> /dev/null
wait \$tracer
"
for size in $sizes; do
	script+="status bench-$size mmuscope bench rdma-odp --pages ${size%x*} --iterations ${size#*x} \
		--warmup 1 --json -o bench-$size.json
"
done
for via in fentry kprobe registry; do
	script+="status $via mmuscope stat --via $via -j -o $via.json -- /root/odp $pages $work
"
done
script+="status cause mmuscope stat --by cause --sample 1 -j -o cause.json -- /root/odp $pages $work
"
script+='
/root/odp 23 read say:registered wait:go deregister say:deregistered wait:on > said 2>&1 & pid=$!
echo $pid > pid
wait_for grep -q "^registered" said
status subscribers mmuscope subscribers --json
touch go
wait_for grep -q deregistered said
status deregistered mmuscope subscribers --json -p $pid
touch on
wait $pid
cat /sys/class/infiniband/rxe0/ports/1/hw_counters/duplicate_request \
	/sys/class/infiniband/rxe0/ports/1/hw_counters/out_of_seq_request > repeated
mv /etc/libibverbs.d/rxe.driver .
status no-provider mmuscope bench rdma-odp --json
mv rxe.driver /etc/libibverbs.d/
rmmod rdma_rxe
ls /sys/module > modules
status unloaded mmuscope bench rdma-odp --json
'
guest patched --rdma --no-test-hmm --bpftrace --timeout 1200 <<< "$script"
out=$tmp/patched

for size in $sizes; do
	n=${size%x*} i=${size#*x} name="$n pages, $i iterations" file=$out/bench-$size
	is "$name: exit status, nothing said" "$(cat "$file.status" "$file.stderr")" 0
	check_shape "$name" "$file.json" "$n" "$i"
	check_counts "$name" "$file.json" "$n" "$i"
	check_formulas "$name" "$file.json"
done

# A uprobe in the tool makes fork copy one mapping more than /proc/self/smaps tells the
# formula, see kvm.t; nothing of the region.
n=${traced%x*} i=${traced#*x}
check_shape traced "$out/traced.json" "$n" "$i"
check_counts traced "$out/traced.json" "$n" "$i"
# WHO, EVENT, PAGES: CALLS; enum mmu_notifier_event: UNMAP 0, CLEAR 1, PROTECTION_VMA 2,
# PROTECTION_PAGE 3
is "traced: bpftrace's callbacks are ours" "$(grep '^@callback\[' "$out/traced.bt" | LC_ALL=C sort)" \
	"$(LC_ALL=C sort <<< "@callback[device, 1, 1]: $((n * i))
@callback[tool, 0, $n]: $((3 * i))
@callback[tool, 1, $n]: $i
@callback[tool, 2, $n]: $((2 * i))
@callback[tool, 3, $n]: $i")"
is "traced: and its device faults" "$(grep '^@fault\[' "$out/traced.bt" | LC_ALL=C sort)" \
	"@fault[-16]: $((n * i))
@fault[0]: $((6 * n * i))"

# ---- stat ----

# Of one round: all is dropped, read as the zero page, and copied from it by the device.
expected="callback CLEAR outside delivered $((rounds * (pages + 1))) performed $((rounds * (pages + 1)))\
 skipped 0 pages $((rounds * 2 * pages)) acted $((rounds * 2 * pages))
callback PROTECTION_VMA outside delivered 1 performed 1 skipped 0 pages $pages acted $pages
callback UNMAP outside delivered 1 performed 1 skipped 0 pages $pages acted $pages
fault calls $((1 + rounds * 3 * pages + pages)) pages $((pages + rounds * 3 * pages + pages)) retries $((rounds * pages))
notification CLEAR outside calls $((rounds * (pages + 1))) pages $((rounds * 2 * pages))
notification PROTECTION_VMA outside calls 1 pages $pages
notification UNMAP outside calls 2 pages $pages whole 1"
for via in fentry kprobe registry; do
	is "by $via: exit status, nothing said" "$(cat "$out/$via.status" "$out/$via.stderr")" 0
	is "by $via: so it was seen" "$(jq -r '[.callbacks[].source] | unique | join(" ")' "$out/$via.json")" $via
	is "by $via: exactly this" "$(rows "$out/$via.json")" "$expected"
	json "by $via: of odp, nothing avoidable" "$out/$via.json" '[.notifications[], .callbacks[]]
		| all(.[]; .comm == "odp" and (.avoidable // 0) == 0)'
	sound "by $via" "$out/$via.json"
done

is "causes: exit status, nothing said" "$(cat "$out/cause.status" "$out/cause.stderr")" 0
is "causes: each of them" "$(jq -r '.causes[] | "\(.cause) \(.event) calls \(.calls) pages \(.pages)"' \
	"$out/cause.json" | LC_ALL=C sort)" "cow CLEAR calls $((rounds * pages)) pages $((rounds * pages))
exit UNMAP calls 1 pages 0
madvise CLEAR calls $rounds pages $((rounds * pages))
mprotect PROTECTION_VMA calls 1 pages $pages
munmap UNMAP calls 1 pages $pages"
json "causes: a COW is the work of a kernel thread for the device" "$out/cause.json" '.causes[]
	| select(.cause == "cow") | .stack as $s | all("hmm_range_fault", "rxe_receiver", "kthread";
	. as $f | $s | any(startswith($f)))'
sound causes "$out/cause.json"

# ---- what is left ----

is "subscribers: exit status, nothing said" "$(cat "$out/subscribers.status" "$out/subscribers.stderr")" 0
json "subscribers: the region" "$out/subscribers.stdout" '.subscribers | map({pid, comm, kind, callback,
	"module": .module, driver, count, pages, min_pages, max_pages, whole}) == [{pid: $pid, comm: "odp",
	kind: "interval", callback: "rxe_ib_invalidate_range", "module": "rdma_rxe", driver: "rdma_rxe",
	count: 1, pages: 23, min_pages: 23, max_pages: 23, whole: 0}]' --argjson pid "$(cat "$out/pid")"
json "subscribers: none after it was deregistered" "$out/deregistered.stdout" '.subscribers == []'
# On an overloaded machine it waits more than a second for its own answer and asks
# again: what it asks again is mapped, and the counts above stand.
comment <<< "requests that came twice, out of order: $(paste -sd' ' "$out/repeated")"
is "no provider" "$(said no-provider)" \
	"4 mmuscope bench: libibverbs has no driver for this RDMA device: install ibverbs-providers."
is "the module could be unloaded" "$(grep rdma_rxe "$out/modules")" ""
is "and then there is no device" "$(said unloaded)" "4 $none"
done_testing
