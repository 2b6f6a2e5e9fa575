#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/bisect.sh --fail-on EXPRESSION [OPTION]... [-- BENCH-ARG...]
#
# A step of `git bisect run` in a kernel tree: builds what is checked out, boots it,
# runs a workload, and says whether it is bad.
#
#   --fail-on EXPR    bad if it is true: see --fail-on in mmuscope-diff(1), without delta:
#                     and pct:; may be given several times
#   --tree DIR        the kernel tree (the current folder); it is copied, never changed
#   --line LINE       the fragment and the patches are those of this line (6.1)
#   --variant NAME    patches on top of the tree: as in kernel/patches/LINE (patched: only
#                     what makes test_hmm fit to be watched), or none, where a device
#                     that reads a page which it holds can crash the kernel
#   --workload NAME   what `mmuscope bench` runs (migrate-mixed); its arguments follow --
#   --out DIR         where the results go (build/results/bisect): COMMIT.json and logs
#
# Exit status, as git wants it: 0 good; 1 bad; 125 it does not build, boot or measure;
# 129 the command line is wrong, or nothing could be measured of any commit.
# example: git bisect run ~/mmuscope/scripts/bisect.sh --fail-on 'performed > 0'
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# Anything below 126 would be taken for a word on the commit.
FAILED=129 USAGE_ERROR=129
SKIP=125

be_owner "$@"
tree=. line=6.1 variant=patched workload=migrate-mixed out=$ROOT/build/results/bisect
limits=() bench_args=()
while [ $# -gt 0 ]; do
	case $1 in
	--fail-on) need "$@"; limits+=(--fail-on "$2"); shift ;;
	--tree) need "$@"; tree=$2; shift ;;
	--line) need "$@"; line=$2; shift ;;
	--variant) need "$@"; variant=$2; shift ;;
	--workload) need "$@"; workload=$2; shift ;;
	--out) need "$@"; out=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	--) shift; bench_args=("$@"); break ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[ ${#limits[@]} -gt 0 ] || usage_error "needs --fail-on."
for limit in "${limits[@]}"; do
	[[ ${limit// /} != @(delta|pct):* ]] ||
		usage_error "'$limit' compares two kernels, and a step of a bisection has one."
done
[ "$workload" != hole-race ] ||
	usage_error "hole-race has no counts that --fail-on knows: name another workload."
[ -f "$tree/Kconfig" ] && [ -f "$tree/Makefile" ] || usage_error "'$tree' is not a kernel tree: see --tree."
[ -d "$ROOT/kernel/patches/$line" ] ||
	usage_error "there is no line '$line': kernel/patches has $(cd "$ROOT/kernel/patches" && echo *)."
tool=$ROOT/build/mmuscope
[ -x "$tool" ] || die "there is no build/mmuscope: run make."
# Before an hour's work: empty files are complained of after the limits.
status=0
said=$("$tool" diff "${limits[@]}" /dev/null /dev/null 2>&1) || status=$?
[ $status != 2 ] || { say "${said%%$'\n'*}"; exit 129; }
make_dir "$out"
out=$(cd "$out" && pwd -P)
trap 'exit 130' INT
trap 'exit 143' TERM

commit=$(git -C "$tree" describe --always --dirty 2> /dev/null) || commit=tree
to=$out/$commit
rm -f "$to".{json,log,console,diff}
kernel=$("$ROOT/scripts/kernel-build.sh" --line "$line" --variant "$variant" --source "$tree") || {
	status=$?
	[ $status -lt 128 ] && [ $status != 2 ] || exit 129
	say "$commit: does not build, skipped"
	exit $SKIP
}
status=0
"$ROOT/scripts/vm-run.sh" --cpus 2 --log "$to.console" --copy-out "/tmp/result.json:$to.json" "$kernel" -- \
	mmuscope bench "$workload" ${bench_args[@]+"${bench_args[@]}"} --json -o /tmp/result.json \
	> "$to.log" 2>&1 || status=$?
case $status in
0 | 3) ;;
2) cat "$to.log" >&2; exit 129 ;;
*)
	tail -n 20 "$to.log" >&2
	say "$commit: gave no result (exit status $status), skipped; the log is $to.log"
	exit $SKIP ;;
esac
# Where formulas do not hold, that is what was measured all the same; where something
# was lost it is not.
jq -e '[.results[].stat | .lost | add] | add == 0' "$to.json" > /dev/null || {
	say "$commit: something was lost, skipped; the log is $to.log"
	exit $SKIP
}
status=0
"$tool" diff "${limits[@]}" "$to.json" "$to.json" > "$to.diff" 2> "$to.said" || status=$?
# 3: a formula is broken, and whether a limit is exceeded is said before that.
grep '^mmuscope diff: the limit' "$to.said" >&2 || :
[ $status != 3 ] || ! grep -q '^mmuscope diff: the limit .* is exceeded' "$to.said" || status=5
[ $status != 3 ] || ! grep -q '^mmuscope diff: the limit .* cannot be checked' "$to.said" || status=4
case $status in
0 | 3) say "$commit: good"; exit 0 ;;
5) say "$commit: bad"; exit 1 ;;
4) say "$commit: cannot be told, skipped"; exit $SKIP ;;
*) cat "$to.said" >&2; exit 129 ;;
esac
