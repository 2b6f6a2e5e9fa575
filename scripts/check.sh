#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/check.sh [--quick]
#
# Builds everything and runs all tests: unit tests, tests of the scripts, and tests
# in guests on the kernels with the series and without, two more, and Debian's own.
# Ends with prove's verdict.
#
#   --quick   without kernels and guests
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

args=("$@")
quick=''
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
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
	for variant in patched unpatched no-optin none; do
		step scripts/kernel-build.sh --line 6.1 --variant $variant > /dev/null
	done
	# What cannot be fetched (3, 4) is said, and tests/vm/stock.t says that it is left out.
	step scripts/kernel-stock.sh --line 6.1 > /dev/null || [[ $? = [34] ]]
	tests+=(tests/vm/*.t)
fi
export MMUSCOPE_QUICK=$quick CMOCKA_MESSAGE_OUTPUT=TAP
# A guest keeps a processor busy, and so does most of what is not a guest.
step prove -j2 --exec '' "${tests[@]}"
