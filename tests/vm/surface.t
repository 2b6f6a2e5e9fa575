#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# docs/kernel-surface.md says of the kernels that are there what their BTF says.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ "$LINE" = 6.1 ] || skip_all "docs/kernel-surface.md is of all lines, and checked once"
ok "docs/kernel-surface.md is what the kernels have" "$ROOT/scripts/kernel-surface.sh" --check
# And it is found where it says something else.
cp -r "$ROOT/scripts" "$tmp/scripts"
mkdir "$tmp/docs" "$tmp/build"
ln -s "$ROOT/build/mmuscope" "$tmp/build/mmuscope"
ln -s "$ROOT/kernel" "$tmp/kernel"
sed '/mm_struct.notifier_subscriptions/s/present/absent/g' "$ROOT/docs/kernel-surface.md" > "$tmp/docs/kernel-surface.md"
run "$tmp/scripts/kernel-surface.sh" --check
is "one word that is wrong" "$status" 1
like "is named" "$err" $'\n''-field.mm_struct\.notifier_subscriptions.absent
\+field.mm_struct\.notifier_subscriptions.present
'
done_testing
