#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The kernel's own selftest of test_hmm under `mmuscope stat`: it passes as if
# nobody watched, fails on an unpatched kernel only where the series says so, and
# all that it causes is counted without a loss.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ "$LINE" != 5.10 ] || skip_all "that of 5.10 needs libhugetlbfs, which scripts/kernel-build.sh does without"
# Those of its tests, and of the processes that open a device of private memory in
# them, one or two each, and close it while they live.
case $LINE in
7.2) tests=76 mirrors=42 ;;
*) tests=58 mirrors=30 ;;
esac
for variant in patched unpatched; do
	has $variant || continue
	# The one that fails writes millions of lines until its time is up.
	guest $variant << 'END'
status stat mmuscope stat --children -j -o stat.json -- \
	sh -c 'hmm-tests 2>&1 | grep -v "Expected" > tests'
END
	said=$tmp/$variant/tests
	failed=$(sed -nE 's/^not ok [0-9]+ ([^ ]+).*/\1/p' "$said" | LC_ALL=C sort)
	if [ $variant = patched ]; then
		is "$variant: all tests pass" "$failed" ""
	else
		# It migrates the range a second time, page by page of which lives on the
		# device: the driver's read-back meets a dropped mapping, ENOENT.
		is "$variant: what the series mends fails, nothing else" "$failed" hmm.hmm_device_private.migrate_fault
	fi
	like "$variant: there are $tests" "$(head -n 5 "$said")" "1\.\.$tests"
	is "$variant: results of $tests" "$(grep -cE '^(not )?ok [0-9]' "$said")" $tests
	grep -E "^not ok|^# (PASSED|FAILED|Totals)" "$said" | comment
	is "$variant: exit status of stat" "$(cat "$tmp/$variant/stat.status")" 0
	is "$variant: stat says nothing" "$(cat "$tmp/$variant/stat.stderr")" ""
	sound "$variant" "$tmp/$variant/stat.json"
	json "$variant: all that had a mirror are in it" "$tmp/$variant/stat.json" '[.migrations[]
		| select(.direction == "evict") | .pid] | unique | length == $n' --argjson n $mirrors
done
done_testing
