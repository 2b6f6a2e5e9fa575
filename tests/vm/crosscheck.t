#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The same run counted by `mmuscope stat` and, independently and at the same time,
# by bpftrace: by event, by the driver's callback and its work, by migrations and
# by device faults. They agree to the last one.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# Its kfuncs want BTF of modules, 5.11.
[ "$LINE" != 5.10 ] || skip_all "bpftrace attaches no kfunc to what it counts on 5.10"
program mirror

# All that the traced program causes, its end included, is of one name.
cat > "$tmp/count.bt" << 'END'
BEGIN { printf("ready\n"); }
kfunc:__mmu_notifier_invalidate_range_start /comm == str($1)/ { @start[args->range->event] = count(); }
kprobe:dmirror_interval_invalidate /comm == str($1)/ { @callback = count(); }
kprobe:dmirror_do_update /comm == str($1)/ { @work = count(); }
kfunc:hmm_range_fault /comm == str($1)/ {
	@fault = count();
	@fault_pages = sum((args->range->end - args->range->start) / 4096);
}
kfunc:migrate_vma_setup /comm == str($1)/ {
	@setup = count();
	@setup_pages = sum((args->args->end - args->args->start) / 4096);
}
END
programs+=(--add "$tmp/count.bt")

# A run by a program of our own, and one by a whole `mmuscope bench`.
runs="mirror-23 mirror-997 bench"
commands() {
	case $1 in
	mirror-23) echo ./mirror map:23 write open:0 read loop:23 migrate touch read end unmap ;;
	mirror-997) echo ./mirror map:997 write open:0 read migrate read touch protect read unmap-each ;;
	bench) echo mmuscope bench migrate-mixed --pages 997 --resident 50 --iterations 3 --json -o bench.result ;;
	esac
}

bpftrace_says() { # FILE MAP: the value of @MAP, or 0
	local n

	n=$(sed -n "s/^@$2: //p" "$1")
	echo "${n:-0}"
}

for variant in patched unpatched; do
	has $variant || continue
	# bpftrace may miss a signal that does not come while it waits for events; one
	# that comes while it prints would end it early.
	script='cp /root/mirror mirror
stop_tracer() {
	local n
	while kill -INT $tracer; do
		for n in $(seq 30); do [ -d /proc/$tracer ] && usleep 100000; done
	done 2> /dev/null
	wait $tracer
}'
	for name in $runs; do
		read -ra words <<< "$(commands "$name")"
		script+="
bpftrace -B line /root/count.bt ${words[0]#./} > $name.bt 2> $name.bpftrace & tracer=\$!
wait_for grep -qs ready $name.bt
status $name mmuscope stat --json -o $name.json -- ${words[*]}
stop_tracer"
	done
	guest $variant --bpftrace <<< "$script
rm mirror"
	for name in $runs; do
		stat=$tmp/$variant/$name.json traced=$tmp/$variant/$name.bt
		is "$variant: $name: exit status" "$(cat "$tmp/$variant/$name.status")" 0
		sound "$variant: $name" "$stat"
		# enum mmu_notifier_event
		is "$variant: $name: notifications by event" "$(jq -r 'def number: {UNMAP: 0, CLEAR: 1,
			PROTECTION_VMA: 2, PROTECTION_PAGE: 3, SOFT_DIRTY: 4, RELEASE: 5, MIGRATE: 6}[.event];
			[.notifications[] | {number: number, calls}] | group_by(.number)[]
			| "\(.[0].number) \(map(.calls) | add)"' "$stat")" \
			"$(sed -n 's/^@start\[\([0-9]*\)\]: /\1 /p' "$traced" | sort -n)"
		is "$variant: $name: callbacks" "$(jq '[.callbacks[].delivered] | add' "$stat")" \
			"$(bpftrace_says "$traced" callback)"
		is "$variant: $name: migrations" "$(jq '[.migrations[] | select(.direction != "evict") | .calls]
			| add' "$stat")" "$(bpftrace_says "$traced" setup)"
		is "$variant: $name: pages asked to migrate" "$(jq '[.migrations[]
			| select(.direction != "evict") | .pages] | add' "$stat")" "$(bpftrace_says "$traced" setup_pages)"
		is "$variant: $name: device faults" "$(jq .faults.calls "$stat")" "$(bpftrace_says "$traced" fault)"
		is "$variant: $name: pages of device faults" "$(jq .faults.pages "$stat")" \
			"$(bpftrace_says "$traced" fault_pages)"
		# The driver's work function runs once in a callback that acts. An unpatched
		# driver calls it once more for each page that a CPU fault brings back.
		faulted_back=0
		[ $variant = patched ] || faulted_back=$(jq '[.migrations[]
			| select(.direction == "to_system") | .calls] | add // 0' "$stat")
		is "$variant: $name: performed, and the driver's work" \
			"$(($(jq '[.callbacks[].performed] | add' "$stat") + faulted_back))" \
			"$(bpftrace_says "$traced" work)"
		ok "$variant: $name: bpftrace has counted something" test "$(bpftrace_says "$traced" callback)" -ge 23
	done
	# Not only equal but right: 23 times there, back by 23 faults, and mapped again.
	json "$variant: mirror-23: migrations by the formula" "$tmp/$variant/mirror-23.json" '
		[.migrations[] | select(.direction != "evict") | .calls] | add == 23 * (1 + 23)'
	# The range begins in the page before a huge one's place, which the second
	# munmap() would split.
	is "$variant: mirror-997: protection, unmapping and the end by the formula" \
		"$(rows "$tmp/$variant/mirror-997.json" | grep 'notification .* outside')" \
		"notification CLEAR outside calls 1 pages 512
notification PROTECTION_VMA outside calls 1 pages 997
notification UNMAP outside calls $((997 + 1)) pages 997 whole 1"
done
done_testing
