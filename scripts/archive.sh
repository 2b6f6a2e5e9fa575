#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Packages of Debian's other suites, for those that build or boot their kernels.
# Sourced, never run. apt works in a folder of its own ($CACHE/archive/SUITE), with
# the system's mirror and Debian's keys: signatures are checked, and the system's
# lists, sources and packages are neither used nor changed.
#   archive_open LINE          goes first; one at a time for each suite, others wait.
#                              $ARCHIVE_NEW is an empty folder, there until we end
#   archive_update             fetches the package lists
#   archive_version PACKAGE    prints its newest version; nothing: there is none
#   archive_depends PACKAGE    what it depends on, a name a line
#   archive_fetch PACKAGE...   their newest versions, into $ARCHIVE_NEW
# Whatever fails ends the script with a sentence.
# shellcheck disable=SC2034 # used by the scripts that source this

# Where Debian keeps each line; 6.1 is Debian 12's own.
declare -A ARCHIVE_SUITES=(
	[5.10]='bullseye bullseye-security'
	[6.1]='bookworm bookworm-updates bookworm-security'
	[6.12]='trixie trixie-security'
	[7.2]='sid'
)
ARCHIVE=$CACHE/archive
# Exit statuses that are no failure of ours: the archive has no such thing (any
# more), or cannot be reached.
GONE=3
UNREACHABLE=4

archive_check_line() { # LINE
	[ -n "$1" ] || usage_error "needs --line."
	[ -n "${ARCHIVE_SUITES[$1]-}" ] ||
		usage_error "Debian has no line '$1': it has $(printf '%s\n' "${!ARCHIVE_SUITES[@]}" | sort -V | paste -sd' ')."
}

archive_open() { # LINE
	local lock

	archive_suites=${ARCHIVE_SUITES[$1]}
	archive_suite=${archive_suites%% *}
	archive_dir=$ARCHIVE/$archive_suite
	archive_log=$archive_dir/log
	archive_pid=''
	make_dir "$archive_dir"
	exec {lock}> "$archive_dir/lock" || die "cannot write to $archive_dir."
	if ! flock -n "$lock"; then
		say "$1: waiting for another that fetches from Debian's $archive_suite to end."
		flock "$lock"
	fi
	trap archive_close EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	ARCHIVE_NEW=$archive_dir/new
	rm -rf "$ARCHIVE_NEW"
	mkdir -p "$ARCHIVE_NEW" "$archive_dir"/state/lists/partial "$archive_dir"/cache/archives/partial \
		2> /dev/null || die "cannot write to $archive_dir: is the disk full?"
	# Only this takes entries away from a list: what the system's apt does besides.
	printf '#clear APT::Update::%s;\n' Pre-Invoke Post-Invoke Post-Invoke-Success > "$archive_dir/apt.conf" ||
		die "cannot write to $archive_dir: is the disk full?"
	archive_options=(-qq -c "$archive_dir/apt.conf" -o Dir::State="$archive_dir/state"
		-o Dir::State::status=/dev/null -o Dir::Cache="$archive_dir/cache"
		-o Dir::Etc::sourcelist="$archive_dir/debian.sources" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o APT::Default-Release= -o APT::Sandbox::User= -o APT::Architecture=amd64
		-o Acquire::Languages=none -o APT::Update::Error-Mode=any)
}

archive_close() {
	trap '' INT TERM HUP
	if [ -n "$archive_pid" ]; then
		kill "$archive_pid" 2> /dev/null || :
		wait "$archive_pid" 2> /dev/null || :
	fi
	rm -rf "$ARCHIVE_NEW"
}

# archive_run WHAT APT-GET-ARG...: in the background, so that a signal ends it at once.
archive_run() {
	local what=$1 status=0
	shift
	(cd "$ARCHIVE_NEW" && LC_ALL=C exec apt-get "${archive_options[@]}" "$@") > "$archive_log" 2>&1 < /dev/null &
	archive_pid=$!
	wait $archive_pid || status=$?
	archive_pid=''
	[ $status = 0 ] || archive_failed "$what"
}

# A full disk, which may have no room for what is said of it.
archive_check_room() {
	[ "$(df -Pk "$archive_dir" | awk 'END { print $4 }')" -ge 1024 ] &&
		! grep -qE 'No space left on device|enough free space' "$archive_log" ||
		die "the disk that holds $CACHE is full: make room or choose another with MMUSCOPE_CACHE."
}

# archive_failed WHAT: one sentence of the many that apt-get said.
archive_failed() {
	local said="apt-get's messages are in $archive_log"

	said() { grep -qE "$1" "$archive_log"; }
	archive_check_room
	if said 'NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|ERRSIG|is not signed|signatures? (were|was|couldn)|Hash Sum mismatch|not authenticated|unauthenticated'; then
		die "$1 of Debian's $archive_suite are not what Debian signed, and are not used: $said."
	fi
	if said 'Could not resolve|Could not connect|Cannot initiate|[Cc]onnection (refused|failed|timed out)|Temporary failure|[Uu]nreachable|Unable to connect'; then
		FAILED=$UNREACHABLE die "$1 of Debian's $archive_suite cannot be fetched, its mirror cannot be reached: try again with a network; $said."
	fi
	if said 'Release file for .* (is expired|is not valid)'; then
		FAILED=$UNREACHABLE die "$1 of Debian's $archive_suite are out of date on its mirror: choose another in the system's sources; $said."
	fi
	if said 'does not have a Release file'; then
		FAILED=$GONE die "the mirror of Debian has no $archive_suite (any more): $said."
	fi
	die "$1 of Debian's $archive_suite cannot be fetched: $said."
}

# The mirror of Debian that the system's own sources name: the one with most of its
# suites. Does not need the system's lists.
archive_mirror() { # security|''
	local suite='[a-z]+(-updates|-backports)?'

	[ -z "$1" ] || suite='[a-z]+(-security|/updates)'
	LC_ALL=C apt-get update --print-uris 2> /dev/null |
		sed -nE "s,^'([a-z+]+:/[^']*)/dists/($suite)/InRelease' .*,\\1,p" |
		awk '{ n[$1]++; if (n[$1] > most) { most = n[$1]; uri = $1 } } END { print uri }' || :
}

archive_update() {
	local suite mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg

	[ -r "$keys" ] || die "there is no $keys, with which Debian's signatures are checked: install debian-archive-keyring."
	for suite in $archive_suites; do
		mirror=$(archive_mirror "$([[ $suite != *-security ]] || echo security)")
		[ -n "$mirror" ] || continue
		printf '%s\n' 'Types: deb' "URIs: $mirror" "Suites: $suite" 'Components: main' \
			'Architectures: amd64' 'Targets: Packages' "Signed-By: $keys" ''
	done > "$archive_dir/debian.sources"
	grep -q "^Suites: $archive_suite$" "$archive_dir/debian.sources" ||
		die "the system's sources name no mirror of Debian: see apt-get update --print-uris."
	archive_run "the package lists" update
}

archive_version() { # PACKAGE
	apt-cache "${archive_options[@]}" show --no-all-versions "$1" 2> /dev/null |
		sed -n 's/^Version: //p' || :
}

archive_depends() { # PACKAGE
	apt-cache "${archive_options[@]}" depends "$1" 2> /dev/null | sed -n 's/^ *Depends: //p' || :
}

archive_fetch() { # PACKAGE...
	archive_run "the packages ($*)" download "$@"
}

# archive_bad PACKAGE: its file is not what it should be, or there is no room for it.
archive_bad() {
	archive_check_room
	die "the package $1 cannot be unpacked: see $archive_log, and try again."
}

# archive_gone PACKAGE
archive_gone() {
	FAILED=$GONE die "Debian's $archive_suite has no package $1 (any more)."
}
