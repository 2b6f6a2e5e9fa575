#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/compare.sh [OPTION]... [-- BENCH-ARG...]
#
# Boots two kernels in turn (A B B A ...), runs a benchmark once a boot, where one
# nanosecond is one guest instruction, and compares the results.
#
#   --base KERNEL     what to compare with (unpatched)
#   --new KERNEL      what to compare (patched)
#                     A KERNEL is a variant of kernel/patches/LINE, a folder built
#                     by scripts/kernel-build.sh, or a kernel tree. Both may also
#                     be folders of results from real machines, which are compared
#   --line LINE       the series of kernels of a variant (6.1)
#   --runs N          boots of each kernel (2)
#   --workload NAME   what `mmuscope bench` runs (migrate-mixed); its arguments follow --
#   --out DIR         where the results go (build/results/TIME):
#                     KERNEL/run-N.json, .log and .console, config; diff.txt,
#                     diff.json
#
# Exit status: that of `mmuscope diff`, or 3 if a measurement was incomplete.
# example: scripts/compare.sh --runs 3 -- --pages 997 --resident 50
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What `mmuscope bench` is given unless the command line says otherwise.
workload=migrate-mixed
bench_args=(--pages 512 --resident "0,25,50,75,100" --iterations 20)

be_owner "$@"
base=unpatched new=patched line=6.1 runs=2 out=''
while [ $# -gt 0 ]; do
	case $1 in
	--base) need "$@"; base=$2; shift ;;
	--new) need "$@"; new=$2; shift ;;
	--line) need "$@"; line=$2; shift ;;
	--runs) need "$@"; runs=$2; shift ;;
	--out) need "$@"; out=$2; shift ;;
	--workload) need "$@"; workload=$2; bench_args=(); shift ;;
	-h | --help) usage; exit 0 ;;
	--) shift; bench_args=("$@"); break ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[[ $runs =~ ^[1-9][0-9]{0,3}$ ]] || usage_error "--runs is a number above 0, not '$runs'."
tool=$ROOT/build/mmuscope
[ -x "$tool" ] || die "there is no build/mmuscope: run make."
[ -n "$out" ] || out=$ROOT/build/results/$(date -u +%Y-%m-%dT%H%M%SZ)

# kind KERNEL: what it is.
kind() {
	if [[ $1 != */* && -d $ROOT/kernel/patches/$line/$1 ]]; then
		echo variant
	elif [ -f "$1/bzImage" ]; then
		echo kernel
	elif [ -f "$1/Kconfig" ] && [ -f "$1/Makefile" ]; then
		echo tree
	elif [ -n "$(find "$1" -maxdepth 1 -name '*.json' 2> /dev/null)" ]; then
		echo results
	else
		usage_error "'$1' is neither a variant of $line nor a built kernel, a kernel tree or a folder of results."
	fi
}
base_kind=$(kind "$base")
new_kind=$(kind "$new")

trap 'say "interrupted: what is done so far is in $out."; exit 130' INT
trap 'exit 143' TERM

worst=0
compare() { # BASE NEW, folders of results
	local status=0

	"$tool" diff "$1" "$2" > "$out/diff.txt" || status=$?
	cat "$out/diff.txt"
	# The same again, for programs; its status is the same.
	"$tool" diff --json "$1" "$2" > "$out/diff.json" || :
	say "The results are in $out."
	[ $status = 0 ] || exit $status
	exit $worst
}

make_dir "$out"
out=$(cd "$out" && pwd -P)
rm -f "$out"/diff.{txt,json}
case $base_kind-$new_kind in
results-results) compare "$base" "$new" ;;
results-* | *-results) usage_error "results compare with results: give two folders of results or two kernels." ;;
esac

folder() { # KIND KERNEL: prints the folder of the built kernel
	case $1 in
	variant) "$ROOT/scripts/kernel-build.sh" --line "$line" --variant "$2" ;;
	kernel) (cd "$2" && pwd -P) ;;
	tree) "$ROOT/scripts/kernel-build.sh" --line "$line" --variant none --source "$2" ;;
	esac
}
base_kernel=$(folder "$base_kind" "$base")
new_kernel=$(folder "$new_kind" "$new")
base_name=$(basename "$base")
new_name=$(basename "$new")
if [ "$base_name" = "$new_name" ]; then
	base_name+=-base
	new_name+=-new
fi

run=0
total=$((2 * runs))
measure() { # NAME KERNEL N: one boot, one result
	local to=$out/$1/run-$3 status=0 start=$SECONDS

	run=$((run + 1))
	"$ROOT/scripts/vm-run.sh" --icount --log "$to.console" --copy-out "/tmp/result.json:$to.json" \
		"$2" -- mmuscope bench "$workload" "${bench_args[@]}" --json -o /tmp/result.json \
		> "$to.log" 2>&1 || status=$?
	case $status in
	0) say "run $run of $total, $1: $((SECONDS - start)) s" ;;
	3)
		say "run $run of $total, $1: $((SECONDS - start)) s, incomplete: $(tail -n 1 "$to.log")"
		worst=3 ;;
	*)
		tail -n 40 "$to.log" >&2
		[ $status -lt 100 ] || status=1
		FAILED=$status die "run $run of $total on $1 gave no result; its log is $to.log." ;;
	esac
}

for name in "$base_name" "$new_name"; do
	make_dir "$out/$name"
	rm -f "$out/$name"/run-*.{json,log,console}
done
cp "$base_kernel/config" "$out/$base_name/config" 2> /dev/null || :
cp "$new_kernel/config" "$out/$new_name/config" 2> /dev/null || :
for ((n = 1; n <= runs; n++)); do
	# What warms up or wears out over time meets both alike.
	if [ $((n % 2)) = 1 ]; then
		measure "$base_name" "$base_kernel" $n
		measure "$new_name" "$new_kernel" $n
	else
		measure "$new_name" "$new_kernel" $n
		measure "$base_name" "$base_kernel" $n
	fi
done
compare "$out/$base_name" "$out/$new_name"
