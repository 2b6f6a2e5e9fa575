#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/demo.sh [--runs N]
#
# From a fresh Debian 12 machine to the comparison: installs what is missing (the
# only thing that needs root), builds the tool and two kernels, boots both, and
# prints what the series changed. The first time takes the compiler some ten
# minutes; after that it is a minute.
#
#   --runs N   boots of each kernel (2)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

args=("$@")
runs=2
while [ $# -gt 0 ]; do
	case $1 in
	--runs) need "$@"; runs=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[[ $runs =~ ^[1-9][0-9]{0,3}$ ]] || usage_error "--runs is a number above 0, not '$runs'."

cd "$ROOT"
scripts/setup.sh
be_owner ${args[@]+"${args[@]}"}
make -s -j "$(nproc)"
out=build/results/demo
status=0
scripts/compare.sh --runs "$runs" --out "$out" || status=$?
say "Each boot's result and console: $out/*/run-*. The kernels: $CACHE/kernels." \
	"The tool: build/mmuscope. That took $(elapsed)."
exit $status
