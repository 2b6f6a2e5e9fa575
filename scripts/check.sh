#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/check.sh [--quick|--all]
#
# Builds everything and runs the tests: unit tests, tests of the scripts, and tests in
# guests: of Linux 6.1 with the series and without, and two more, of Debian's own
# 6.1, and of 7.2. Ends with prove's verdict.
#
#   --quick   without kernels and guests
#   --all     all of them on 7.2 too, some of which show the same on any kernel; a
#             quarter of an hour more
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

args=("$@")
quick='' all=''
# What these ask of 7.2 the others ask as well.
elsewhere=' broken counts crosscheck intervals overhead refuse selftest stat unlisted '
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--all) all=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
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
	# Debian may have gone on to the next line; then it is said, and not tested.
	result=0
	step scripts/kernel-source.sh --line 7.2 > /dev/null || result=$?
	[[ $result = [034] ]] || exit $result
	if [ $result = 0 ]; then
		for variant in patched no-optin; do
			step scripts/kernel-build.sh --line 7.2 --variant $variant > /dev/null
		done
		# The same tests by another name: see tests/lib.sh.
		ln -sfn ../tests/vm build/vm-7.2
		for test in build/vm-7.2/*.t; do
			name=$(basename "$test" .t)
			[[ -z $all && $elsewhere = *" $name "* ]] || tests+=("$test")
		done
	fi
fi
export MMUSCOPE_QUICK=$quick CMOCKA_MESSAGE_OUTPUT=TAP
# A guest keeps a processor busy, and so does most of what is not a guest.
step prove -j2 --exec '' "${tests[@]}"
