#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# vm-run.sh: what a command in a guest says comes back exactly, and everything
# that goes wrong is a failure, whatever was printed.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

run "$ROOT/scripts/vm-run.sh" --cpus 2 --icount /nowhere -- true
is "--icount with two processors is refused" "$status" 125
run "$ROOT/scripts/vm-run.sh" --nodes 0 /nowhere -- true
is "no nodes at all: usage" "$status" 125
like "no nodes at all: sentence" "$err" "--nodes is 1 to 8, not '0'"
run "$ROOT/scripts/vm-run.sh" /nowhere -- true
is "no kernel: exit status" "$status" 125
like "no kernel: sentence" "$err" 'no kernel at /nowhere/bzImage: build one with scripts/kernel-build.sh'
run "$ROOT/scripts/vm-run.sh" /nowhere true
is "no --: usage" "$status" 125
# What a module depends on it says itself.
mkdir -p "$tmp/kernel/modules"
touch "$tmp/kernel/bzImage"
printf 'const char m[] __attribute__((section(".modinfo"))) = "depends=two,three";\n' |
	gcc -c -x c - -o "$tmp/kernel/modules/one.ko"
run "$ROOT/scripts/vm-run.sh" --accel tcg --no-test-hmm --module one "$tmp/kernel" -- true
is "a module's module is not there" "$status $err" \
	"125 vm-run.sh: there is no module $tmp/kernel/modules/two.ko, which one depends on."
run "$ROOT/scripts/vm-run.sh" --accel tcg --kvm-modules --no-test-hmm "$tmp/kernel" -- true
is "a kernel without KVM" "$status $err" \
	"125 vm-run.sh: there is no module $tmp/kernel/modules/kvm-amd.ko: the kernel was built without KVM."
run "$ROOT/scripts/vm-run.sh" --accel tcg "$tmp/kernel" -- true
is "a kernel without test_hmm" "$status $err" \
	"125 vm-run.sh: there is no module $tmp/kernel/modules/test_hmm.ko (--no-test-hmm does without it)."
echo 'variant stock' > "$tmp/kernel/manifest"
run "$ROOT/scripts/vm-run.sh" --accel tcg --module one "$tmp/kernel" -- true
is "a stock kernel has none, which is said" "$(head -n 1 <<< "$err")" \
	"vm-run.sh: kernel is a stock kernel, without test_hmm (--no-test-hmm says the same)."
if [ -n "${MMUSCOPE_QUICK:-}" ]; then
	skip "guests" "--quick"
	done_testing
fi

# Its temporary files go where we can see whether any are left.
export TMPDIR=$tmp/vm
mkdir "$TMPDIR"
left() { # what a run has left behind
	find "$TMPDIR" -mindepth 1
	# The brackets keep it from finding itself.
	grep -lzs -- "[/]${TMPDIR#/}" /proc/[0-9]*/cmdline
}

for n in 0 7 255; do
	run vm patched -- sh -c "exit $n"
	is "exit status $n comes back" "$status" $n
done
run vm patched -- nothing-of-this-name
is "a command that does not exist" "$status" 127
# shellcheck disable=SC2016 # the guest's
run vm patched -- sh -c 'kill -TERM $$'
is "a command ended by a signal" "$status" 143
# shellcheck disable=SC2016 # the guest's
run vm patched --icount -- sh -c 'echo "out $1 $MMUSCOPE_ACCEL $MMUSCOPE_CLOCK"; echo err > /dev/stderr
	echo "$(ls /dev/hmm_dmirror0) $(su user -c "id -u") $(cat /proc/sys/kernel/kptr_restrict)"' - "it's \"\$1\"  *"
is "stdout, with every character of an argument" "$out" "out it's \"\$1\"  * tcg guest-insn
/dev/hmm_dmirror0 1000 0"
is "stderr is apart" "$err" err
is "nothing is left" "$(left)" ""

head -c 1000000 /dev/urandom > "$tmp/random"
vm patched --add "$tmp/random" --add "$tmp/random:/etc/other" --copy-out "/tmp/new name:$tmp/copied" -- \
	sh -c 'cmp /root/random /etc/other && cp random "/tmp/new name" && cat random' > "$tmp/stdout"
is "a file goes in" "$?" 0
ok "a megabyte of anything comes out" cmp "$tmp/random" "$tmp/stdout"
ok "a file comes out" cmp "$tmp/random" "$tmp/copied"
run vm patched --copy-out "/tmp/none:$tmp/none" -- true
is "a file that is not there: a failure" "$status" 125
like "a file that is not there: sentence" "$err" 'left no /tmp/none in the guest'
run vm patched -- sh -c 'sleep 1000 & echo started'
is "what the command left running does not hold us up" "$out $status" "started 0"

run vm patched --no-btf --no-test-hmm -- sh -c 'ls -A /sys/kernel/btf /dev | grep -E "vmlinux|dmirror"; exit 5'
is "--no-btf and --no-test-hmm" "$out $status" " 5"
# shellcheck disable=SC2016 # the guest's
run vm patched --kvm-modules -- sh -c 'ls /dev/kvm; lsmod | grep -c "^kvm"; echo "$MMUSCOPE_ACCEL"'
is "--kvm-modules" "$out $status" "/dev/kvm
2
tcg 0"
run vm patched --nodes 3 --cpus 4 --mem 1025 -- sh -c 'cd /sys/devices/system/node
	cat has_memory node0/cpulist node1/cpulist node2/cpulist'
is "--nodes divides memory and processors" "$out $status" "0-2
0,3
1
2 0"
run vm patched --rdma -- true
is "--rdma on a kernel without it: exit status" "$status" 125
like "--rdma on a kernel without it: sentence" "$err" 'there is no module .*/ib_uverbs\.ko: the kernel was built without RDMA'
run vm patched --mem 2048 --bpftrace -- bpftrace -e 'BEGIN { printf("traced\n"); exit(); }'
like "bpftrace works" "$out" 'traced'

start=$SECONDS
run vm patched --timeout 8 -- sh -c 'echo started; sleep 1000'
is "the time is up: exit status" "$status" 124
like "the time is up: sentence" "$err" 'given up after 8 s'
ok "the time is up: soon" test $((SECONDS - start)) -lt 20
run vm patched --log "$tmp/console" -- sh -c 'echo fine; echo c > /proc/sysrq-trigger; echo fine'
is "a panic: exit status" "$status" 125
like "a panic: is shown" "$err" 'Kernel panic - not syncing'
ok "a panic: and is in the log" grep -q 'Kernel panic' "$tmp/console"
for text in "BUG: sleeping function called" "WARNING: CPU: 0 PID: 1 at mm/x.c:1" "KASAN: use-after-free" \
	"INFO: task x:1 blocked for more than 120 seconds." "WARNING: possible circular locking dependency detected" \
	"rcu: INFO: rcu_sched self-detected stall on CPU"; do
	run vm patched -- sh -c "echo '<4>$text' > /dev/kmsg"
	is "$text: a failure although the command succeeded" "$status" 125
	like "$text: is shown" "$err" "$text"
done
run vm patched -- sh -c 'echo fine; poweroff -f; sleep 100'
is "a guest that ends without a report: a failure" "$status" 125
like "a guest that ends without a report: sentence" "$err" 'without reporting an exit status'
# shellcheck disable=SC2016 # the guest's
run vm patched -- sh -c 'for p in /proc/[0-9]*; do grep -qsx tee $p/comm && kill -9 ${p#/proc/}; done; echo lost'
ok "output that got lost: a failure" test "$status" != 0
is "nothing is left after the failures" "$(left)" ""

kernel=$("$ROOT/scripts/kernel-build.sh" --line 6.1 --variant patched --print-dir)
for signal in INT TERM; do
	# A group of its own, where SIGINT is not ignored as it is in a shell's background.
	setsid env --default-signal=INT "$ROOT/scripts/vm-run.sh" "$kernel" -- sleep 1000 > /dev/null 2>&1 &
	pid=$!
	sleep 3
	kill -$signal $pid
	wait $pid
	is "SIG$signal: exit status" "$?" $((128 + $(kill -l $signal)))
	is "SIG$signal: nothing is left" "$(left)" ""
done
done_testing
