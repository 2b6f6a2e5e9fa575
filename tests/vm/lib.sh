#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests in guests share. Source it in place of ../lib.sh.
#
#   guest VARIANT [VM-OPTION]... < SCRIPT    runs SCRIPT (busybox sh) in a guest
#       of $LINE with the programs of $programs in /root; what it leaves in /tmp/out
#       is then in $tmp/VARIANT. Tests that it ran to its end: a command that
#       fails and is not handled ends it, and so does any fault of the kernel.
#   json NAME FILE FILTER [ARG]...           jq FILTER is true for FILE
#   program NAME                             builds NAME.c of this folder
#
# In SCRIPT (test_hmm's devices have nodes in it, on 5.10 too, which makes none):
#   status NAME COMMAND...      its exit status goes to out/NAME.status, its
#                               output to NAME.stdout and NAME.stderr
#   counting PID                waits until the `mmuscope stat` PID is counting
#   wait_for COMMAND...            tries until it succeeds, for a minute
#   device_nodes                once more, where test_hmm was loaded later
#   notifier_test               loads kernel/module's subscriber without hardware
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
VM=$ROOT/tests/vm
programs=()
# What the lines of kernels do differently: the CLEARs of a huge page that is split
# (apart for the page table and for the migration entries, or in one window), and
# pages of one hmm_range_fault() and one migration of the test device.
# shellcheck disable=SC2034 # the tests use them
case $LINE in
7.2) SPLIT_CLEARS=1 FAULT_PAGES=32 CHUNK_PAGES=512 ;;
*) SPLIT_CLEARS=2 FAULT_PAGES=64 CHUNK_PAGES=64 ;;
esac
# Those that are seen where a device of test_hmm is closed.
EVICTIONS=1
# How a driver's function can be seen: without BTF of modules (5.10) not by fentry.
RUNGS='fentry kprobe registry'
[ "$LINE" != 5.10 ] || EVICTIONS=0 RUNGS='kprobe registry'
# shellcheck disable=SC2034 # the tests use it
FIRST_RUNG=${RUNGS%% *}

program() {
	cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -pthread -o "$tmp/$1" "$VM/$1.c" ||
		exit
	programs+=(--add "$tmp/$1")
}

guest_lib=$(cat << 'END'
set -eu
mkdir -p /tmp/out
cd /tmp/out
# On several nodes the kernel looks at memory in its own time, which is a notification.
[ ! -e /proc/sys/kernel/numa_balancing ] || echo 0 > /proc/sys/kernel/numa_balancing
status() {
	local name=$1 result=0
	shift
	"$@" > "$name.stdout" 2> "$name.stderr" || result=$?
	echo "$result" > "$name.status"
}
wait_for() {
	local n=0
	while ! "$@"; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "never true: $*" >&2; exit 90; }
		usleep 100000
	done
}
device_nodes() {
	local n major=$(sed -n 's/ HMM_DMIRROR$//p' /proc/devices)
	for n in 0 1; do
		[ -z "$major" ] || [ -e /dev/hmm_dmirror$n ] || mknod /dev/hmm_dmirror$n c $major $n
	done
}
device_nodes
# It sleeps, and the timer that it makes last is there.
is_counting() {
	[ -d "/proc/$1" ] || { echo "mmuscope stat has ended" >&2; exit 91; }
	ls -l "/proc/$1/fd" | grep -q timerfd && grep -q "^State:.S" "/proc/$1/status"
}
counting() { wait_for is_counting "$1"; }
address() { sed -n "s/ [tT] $1\$//p" /proc/kallsyms; }
notifier_test() {
	insmod /vm/modules/notifier_test.ko start=0x$(address __mmu_notifier_invalidate_range_start) \
		end=0x$(address __mmu_notifier_invalidate_range_end)
}
END
)

guest() {
	local variant=$1 name
	shift
	rm -rf "${tmp:?}/$variant"
	mkdir "$tmp/$variant"
	run vm "$variant" --mem 2048 "${programs[@]}" --copy-out "/tmp/out:$tmp/$variant" "$@" -- \
		sh -c "$guest_lib
$(cat)"
	is "$variant: the guest ran to the end" "$status" 0
	[ -z "$out" ] || comment <<< "$out"
	[ "$status" = 0 ] || for name in "$tmp/$variant"/*.stderr; do
		[ ! -s "$name" ] || { echo "${name##*/}:"; head -n 5 "$name"; } | comment
	done
}

json() {
	local name=$1 file=$2 filter=$3 result=0
	shift 3
	# Of an empty file jq says nothing, and that it is true.
	[ -s "$file" ] && jq -e -L "$VM" "$@" "$filter" "$file" > "$tmp/.json" 2>&1 || result=1
	report $result "$name"
	[ $result = 0 ] || { echo "${file##*/}: jq says"; head -n 30 "$tmp/.json"; } | comment
}

# rows FILE [NAME]: the rows of a stat result, of the processes of that name or of
# all, as sorted words:
#   callback EVENT PHASE delivered D performed P skipped S [failed F] [undetermined U]
#       pages P acted P [whole W]
#   fault calls C pages P retries R
#   migration DIRECTION calls C pages P collected C migrated M excess E
#   notification EVENT PHASE calls C pages P [failed F] [whole W]
rows() {
	jq -r --arg name "${2-}" '
		def some($word): if . == 0 then "" else " \($word) \(.)" end;
		def mine: .[] | select($name == "" or .comm == $name);
		(.notifications | mine | "notification \(.event) \(.phase) calls \(.calls) pages \(.pages)"
			+ (.failed | some("failed")) + (.whole | some("whole"))),
		(.callbacks | mine | "callback \(.event) \(.phase) delivered \(.delivered)"
			+ " performed \(.performed) skipped \(.skipped)" + (.failed | some("failed"))
			+ (.undetermined | some("undetermined")) + " pages \(.pages)"
			+ " acted \(.pages_performed)" + (.whole | some("whole"))),
		(.migrations | mine | "migration \(.direction) calls \(.calls) pages \(.pages)"
			+ " collected \(.collected) migrated \(.migrated) excess \(.excess)"),
		(.faults | select($name == "" and .calls > 0)
			| "fault calls \(.calls) pages \(.pages) retries \(.retries)")' "$1" | LC_ALL=C sort
}

# sorted: rows as rows() has them, of what this line shows: up to 6.0 no eviction.
sorted() { LC_ALL=C sort | if [ $EVICTIONS = 0 ]; then grep -vE '^migration evict|^notification [A-Z]+ evict'; else cat; fi; }

# sound NAME FILE: every invariant holds, nothing is lost, the JSON is as it should be.
# What is switched off or cannot be seen has no invariant.
# shellcheck disable=SC2016 # the variables of jq
sound() {
	json "$1: every invariant holds and nothing is lost" "$2" '
		(if any(.unobservable[]; .metric == "callbacks.latency_ns") then 3
		elif .callbacks == null then 5
		elif (.callbacks | length > 0 and all(.[]; .source == "registry")) then 5
		else 6 end) as $least
		| (.invariants | length >= $least and all(.[]; .holds == true))
		and .lost == {events: 0, counters: 0, recursion: 0}'
	is "$1: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; stat' "$2" 2>&1 | sort | uniq -c)" ""
}
