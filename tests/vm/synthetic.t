#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Handlers of drivers whose hardware is not there: how the owner is read, what a callback
# came to, what was avoidable, and nouveau's page-table writes, run by BPF_PROG_RUN on
# structures that are made (tests/vm/synthetic.c). 23 calls of 5 pages each; what must
# come of them is in synthetic.expected.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

make -s -C "$ROOT" build/synthetic > "$tmp/make" 2>&1 || { cat "$tmp/make" >&2; exit 1; }
programs+=(--add "$ROOT/build/synthetic")
expected=$VM/synthetic.expected

guest patched << 'END'
status made /root/synthetic made
status modules /root/synthetic modules
END

is "on made structures: exit status, nothing said" "$(cat "$tmp"/patched/made.{status,stderr})" 0
is "on made structures: every number" "$(cat "$tmp/patched/made.stdout")" "$(cat "$expected")"
# By the BTF of a real module, which is test_hmm's here.
is "by the modules' BTF: exit status, nothing said" "$(cat "$tmp"/patched/modules.{status,stderr})" 0
is "by the modules' BTF: the same numbers" \
	"$(grep -v ': not here$' "$tmp/patched/modules.stdout" | grep -vxFf "$expected")" ""
# 5.10 has none, and nothing that is done with the owners of test_hmm.
known=2 unknown=21
[ "$LINE" != 5.10 ] || known=0 unknown=26
is "by the modules' BTF: test_hmm's owner is read" \
	"$(grep -c '^owner dmirror_.*: 23 right' "$tmp/patched/modules.stdout")" $known
is "by the modules' BTF: what is not loaded is not guessed" \
	"$(grep -c ': not here$' "$tmp/patched/modules.stdout")" $unknown
done_testing
