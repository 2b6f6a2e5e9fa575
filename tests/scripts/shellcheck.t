#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every script is clean, carries its licence, and has a help.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$ROOT" || exit

for script in scripts/*.sh scripts/guest-init .ci/run tests/lib.sh tests/*/*.t; do
	ok "shellcheck $script" shellcheck -x "$script"
	like "$script: licence" "$(sed -n 2p "$script")" '^# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause$'
done
for script in scripts/*.sh; do
	# Those are sourced.
	[[ $script != scripts/@(lib|archive).sh ]] || continue
	run "$script" -h
	is "$script -h" "$status" 0
	like "$script -h: usage" "$out" "^usage: $script "
done
done_testing
