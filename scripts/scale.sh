#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/scale.sh [OPTION]... [-- BENCH-OPTION...]
#
# `mmuscope bench scale` in a guest whose nanoseconds are instructions, with as many drivers
# as it wants: copies of kernel/module's notifier_test.ko whose every name has another
# number in it, so that each is a module, a device and a function of its own.
#
#   --line LINE      6.1, or another line of scripts/kernel-build.sh (6.1)
#   --variant V      of the series (patched)
#   --drivers N      copies, 0 to 64 (64)
#   --mem M          memory of the guest in MiB; 10,000 processes need the default (6144)
#   --timeout S      seconds until the guest is given up (3600)
#
# Half an hour for each line; `-- --most 100` is a matter of minutes.
# example: scripts/scale.sh --line 7.2 -- --iterations 2 --json > scale.json
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

line=6.1 variant=patched drivers=64 mem=6144 timeout=3600
while [ $# -gt 0 ]; do
	case $1 in
	--line) need "$@"; line=$2; shift ;;
	--variant) need "$@"; variant=$2; shift ;;
	--drivers) need "$@"; drivers=$2; shift ;;
	--mem) need "$@"; mem=$2; shift ;;
	--timeout) need "$@"; timeout=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	--) shift; break ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[[ $drivers =~ ^([0-9]|[1-5][0-9]|6[0-4])$ ]] || usage_error "--drivers is 0 to 64, not '$drivers'."
[ -x "$ROOT/build/mmuscope" ] || die "there is no build/mmuscope: run make."
kernel=$("$ROOT/scripts/kernel-build.sh" --print-dir --line "$line" --variant "$variant") ||
	die "there is no kernel: scripts/kernel-build.sh --line $line --variant $variant builds it."

tmp=$(mktemp -d "${TMPDIR:-/tmp}/mmuscope-scale.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$tmp/drivers"
for ((n = 0; n < drivers; n++)); do
	name=$(printf notifier_te%02d $n)
	# Of the same length: nothing in the file moves.
	LC_ALL=C sed "s/notifier_test/$name/g" "$kernel/modules/notifier_test.ko" > "$tmp/drivers/$name.ko"
done

# shellcheck disable=SC2016 # the variables of the guest
"$ROOT/scripts/vm-run.sh" --icount --mem "$mem" --timeout "$timeout" --add "$tmp/drivers:/root/drivers" \
	"$kernel" -- sh -euc '
address() { sed -n "s/ [tT] $1\$//p" /proc/kallsyms; }
start=0x$(address __mmu_notifier_invalidate_range_start)
end=0x$(address __mmu_notifier_invalidate_range_end)
for module in /vm/modules/notifier_test.ko /root/drivers/*.ko; do
	[ ! -e "$module" ] || insmod "$module" start=$start end=$end
done
echo 32768 > /proc/sys/kernel/pid_max
exec mmuscope bench scale "$@"' sh "$@"
