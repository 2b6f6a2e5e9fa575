#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the scripts share. Sourced, never run. Sets:
#   ROOT    the source tree
#   CACHE   kernels and what this host was found to be able to do, shared by all
#           clones: $MMUSCOPE_CACHE, else $XDG_CACHE_HOME/mmuscope, else
#           ~/.cache/mmuscope
# shellcheck disable=SC2034 # used by the scripts that source this

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PROG=$(basename "$0")
# Exit statuses of a script's own; vm-run.sh, which passes on its guest's, has others.
FAILED=1
USAGE_ERROR=2

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$PROG" "$*" >&2; exit "$FAILED"; }
usage_error() { printf '%s: %s Try %s --help.\n' "$PROG" "$*" "$PROG" >&2; exit "$USAGE_ERROR"; }

# The help of a script is its leading comment.
usage() { sed -n '3,${/^#/!q;s/^# \{0,1\}//;p}' "$0"; }

# need "$@": the option $1 must be followed by a value.
need() { [ $# -ge 2 ] && [ -n "$2" ] || usage_error "$1 needs a value."; }

# be_owner ARG...: root is needed to install packages and for nothing else. In a
# tree that belongs to a user (sudo, or root in somebody's clone) root starts
# the script again as that user, so that neither the tree nor the user's cache
# gets files of root's. In root's own tree root stays root.
be_owner() {
	local uid gid home groups=--init-groups

	uid=$(stat -c %u "$ROOT")
	gid=$(stat -c %g "$ROOT")
	[ "$(id -u)" = 0 ] && [ "$uid" != 0 ] || return 0
	home=$(getent passwd "$uid" | cut -d: -f6) || groups=--clear-groups
	exec setpriv --reuid "$uid" --regid "$gid" $groups -- env -u XDG_CACHE_HOME \
		HOME="${home:-$ROOT/build}" "$0" "$@"
}

CACHE=${MMUSCOPE_CACHE:-${XDG_CACHE_HOME:-${HOME:-$ROOT/build}/.cache}/mmuscope}
[[ $CACHE = /* ]] || CACHE=$PWD/$CACHE

# make_dir DIR
make_dir() {
	mkdir -p "$1" 2> /dev/null && [ -w "$1" ] ||
		die "cannot write to the folder $1: make it writable or choose another."
}

elapsed() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }
