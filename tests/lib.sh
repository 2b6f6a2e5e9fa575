#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# TAP for tests in bash: source it, call ok, is and like, end with done_testing.
#
#   ok NAME COMMAND [ARG]...      the command succeeds
#   is NAME GOT EXPECTED          equal strings
#   like NAME TEXT REGEX          an extended regular expression matches
#   run COMMAND [ARG]...          runs it; its output is in $out, $err, $status
#   skip_all REASON               the whole file
#   skip NAME REASON              one test
#   vm VARIANT [VM-OPTION]... -- COMMAND...    runs it in a guest of $LINE (`run vm ...`);
#       VARIANT `stock` is Debian's own kernel
#   has VARIANT                   it is to be tested: what check.sh builds, and what else is there
# LINE is the line of kernels: as the environment says, else as the name of the folder
# through which the test was started (build/vm-7.2, a link), else 6.1.
# Each file has a folder of its own, $tmp, which goes at the end.
# shellcheck disable=SC2034 # the tests use them

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
[[ ! $0 =~ /vm-([0-9.]+)/ ]] || LINE=${LINE:-${BASH_REMATCH[1]}}
LINE=${LINE:-6.1}
tmp=$(mktemp -d)
# Tests may set their own `at_exit COMMAND`.
at_exit=:
trap '$at_exit; rm -rf "$tmp"' EXIT
count=0 failures=0 out='' err='' status=0

comment() { sed 's/^/# /' >&2; }

report() { # RESULT NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $count - $2"
	return 0
}

run() {
	status=0
	"$@" > "$tmp/.out" 2> "$tmp/.err" || status=$?
	out=$(tr -d '\0' < "$tmp/.out")
	err=$(tr -d '\0' < "$tmp/.err")
}

ok() {
	local name=$1 result=0
	shift
	"$@" > "$tmp/.ok" 2>&1 || result=$?
	report $result "$name"
	[ $result = 0 ] || { printf 'exit status %s of: %s\n' $result "$*"; tail -n 20 "$tmp/.ok"; } | comment
}

is() {
	local result=0
	[ "$2" = "$3" ] || result=1
	report $result "$1"
	[ $result = 0 ] || { printf 'got:      %s\nexpected: %s\n' "$2" "$3"; last_words; } | comment
}

like() {
	local result=0
	[[ $2 =~ $3 ]] || result=1
	report $result "$1"
	[ $result = 0 ] || { printf 'got:     %s\nwanted: %s\n' "$2" "$3"; last_words; } | comment
}

# What the last `run` said, for whoever reads why a test failed.
last_words() {
	[ -z "$err" ] || printf 'exit status %s; stderr ended with:\n%s\n' "$status" "$(tail -n 15 <<< "$err")"
}

skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing() {
	echo "1..$count"
	exit $((failures > 0))
}

# Those that check.sh builds must be there.
has() {
	case $LINE-$1 in
	6.1-patched | 6.1-unpatched | 6.1-no-optin | 6.1-patch6 | 6.1-none | *-patched) return ;;
	esac
	"$ROOT/scripts/kernel-build.sh" --line "$LINE" --variant "$1" --print-dir > /dev/null 2>&1
}

vm() {
	local variant=$1 kernel options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	if [ "$variant" = stock ]; then
		kernel=$("$ROOT/scripts/kernel-stock.sh" --line "$LINE" --print-dir) || return 125
	else
		kernel=$("$ROOT/scripts/kernel-build.sh" --line "$LINE" --variant "$variant" --print-dir) || return 125
	fi
	"$ROOT/scripts/vm-run.sh" ${options[@]+"${options[@]}"} "$kernel" "$@"
}
