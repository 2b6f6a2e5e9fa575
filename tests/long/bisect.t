#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bisect.sh on kernels: a history of three commits on the source of 6.1, the second of
# which undoes what patch 3 of the series did to migrate_vma_setup(), is bisected to it.
# check.sh leaves it out: a kernel is built from nothing, which takes ten minutes.
#
#	make && tests/long/bisect.t
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

file=mm/migrate_device.c
source=$("$ROOT/scripts/kernel-source.sh" --line 6.1) || exit
# In one place, so that what is built is found again.
tree=${MMUSCOPE_CACHE:-$HOME/.cache/mmuscope}/build/bisect-tree
if [ ! -e "$tree/history" ]; then
	rm -rf "$tree"
	mkdir -p "$tree"
	tar -C "$tree" --strip-components=1 -xf "$source" || exit
	cd "$tree" || exit
	# Debian's source has a .gitignore of its own.
	export GIT_AUTHOR_DATE='2020-11-10 00:00:00 +0000' GIT_COMMITTER_DATE='2020-11-10 00:00:00 +0000'
	git init -q . && git config user.name mmuscope && git config user.email mmuscope@localhost
	commit() { git add -f $file && git commit -qm "$1"; }
	commit "Linux 6.1"
	sed -i '1a // a comment' $file
	commit "mm: a comment"
	patch -s -p1 < "$ROOT/kernel/patches/6.1/unpatched/0001-mm-migrate-notify-collect-as-clear.patch" || exit
	commit "mm: the regression"
	sed -i '2a // another comment' $file
	commit "mm: another comment"
	touch history
fi
cd "$tree" || exit
git bisect reset > /dev/null 2>&1
run git bisect start HEAD HEAD~3
is "bisect start" "$status" 0
run git bisect run "$ROOT/scripts/bisect.sh" --fail-on 'performed > 0' --out "$tmp/out" -- --pages 64 --iterations 3
is "git bisect run ends well" "$status" 0
[ "$status" = 0 ] || comment <<< "$err"
is "the commit that is found" "$(git log -1 --format=%s refs/bisect/bad)" "mm: the regression"
is "what was said of each" "$(grep -oE ': (good|bad)$' <<< "$err" | sort | uniq -c | xargs)" "1 : bad 1 : good"
comment <<< "$(grep -E ': (good|bad|.*skipped)' <<< "$err")"
git bisect reset > /dev/null 2>&1
done_testing
