#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/check.sh [--quick|--all] [--lines LINE,...]
#
# Builds everything and runs the tests: unit tests, tests of the scripts, and tests in
# guests: of Linux 6.1 with the series and without, and two more, of Debian's own
# 6.1, and of 7.2. Ends with prove's verdict.
#
#   --quick   without kernels and guests
#   --all     all of them on the other lines too, some of which show the same on any
#             kernel, and in all variants of the series; half an hour more for a line
#   --lines   the lines beside 6.1: of 5.10, 6.12 and 7.2 (7.2)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

args=("$@")
quick='' all='' lines=7.2
# What these ask of another line the others ask as well.
elsewhere=' broken crosscheck intervals observer refuse scale selftest stat trace unlisted '
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--all) all=1 ;;
	--lines) need "$@"; lines=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done

for line in ${lines//,/ }; do
	[[ $line != */* && $line != 6.1 && -d $ROOT/kernel/patches/$line ]] ||
		usage_error "'$line' is not a line beside 6.1: kernel/patches has $(cd "$ROOT/kernel/patches" && echo *)."
done

cd "$ROOT"
scripts/setup.sh
be_owner ${args[@]+"${args[@]}"}
step() { say "== $(elapsed) $*"; "$@"; }
jobs=-j$(nproc)
step make -s "$jobs"
step make -s "$jobs" CC=clang BUILD=build/clang
step make -s "$jobs" tests
shopt -s nullglob
tests=(build/unit-{gcc,clang}/test_* tests/scripts/*.t)
if [ -z "$quick" ]; then
	tests+=(tests/vm/*.t)
	for variant in patched unpatched no-optin patch6 none; do
		step scripts/kernel-build.sh --line 6.1 --variant $variant > /dev/null
	done
	# What cannot be fetched (3, 4) is said, and tests/vm/stock.t says that it is left out.
	step scripts/kernel-stock.sh --line 6.1 > /dev/null || [[ $? = [34] ]]
	for line in ${lines//,/ }; do
		# Debian may have gone on to the next line; then it is said, and not tested.
		result=0
		step scripts/kernel-source.sh --line "$line" > /dev/null || result=$?
		[[ $result = [034] ]] || exit $result
		[ $result = 0 ] || continue
		for series in kernel/patches/"$line"/*/series; do
			variant=$(basename "${series%/series}")
			[[ $variant = @(patched|no-optin) || ( -n $all && $variant != @(common|no-nouveau) ) ]] || continue
			step scripts/kernel-build.sh --line "$line" --variant "$variant" > /dev/null
		done
		[ -z "$all" ] || step scripts/kernel-build.sh --line "$line" --variant none > /dev/null
		# The same tests by another name: see tests/lib.sh.
		ln -sfn ../tests/vm "build/vm-$line"
		for test in "build/vm-$line"/*.t; do
			name=$(basename "$test" .t)
			[[ -z $all && $elsewhere = *" $name "* ]] || tests+=("$test")
		done
	done
fi
export MMUSCOPE_QUICK=$quick MMUSCOPE_ALL=$all CMOCKA_MESSAGE_OUTPUT=TAP
# A guest keeps a processor busy, and so does most of what is not a guest.
step prove -j2 --exec '' "${tests[@]}"
