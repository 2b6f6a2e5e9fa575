#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Packages of Debian's other suites, for those that build or boot their kernels.
# Sourced, never run. apt works in a folder of its own ($CACHE/archive), with the
# system's mirror and Debian's keys: signatures are checked, and the system's
# lists, sources and packages are neither used nor changed.
# shellcheck disable=SC2034 # used by the scripts that source this

# Where Debian keeps each line; 6.1 is Debian 12's own.
declare -A ARCHIVE_SUITES=(
	[5.10]='bullseye bullseye-security'
	[6.1]='bookworm bookworm-updates bookworm-security'
	[6.12]='trixie trixie-security'
	[7.2]='sid'
)
ARCHIVE=$CACHE/archive
# The archive has no such package: not a failure of ours.
GONE=3

archive_apt() { # SUITES COMMAND...
	local dir=$ARCHIVE/${1%% *}
	shift
	"$1" -qq -o Dir::State="$dir/state" -o Dir::State::status=/dev/null -o Dir::Cache="$dir/cache" \
		-o Dir::Etc::sourcelist="$dir/debian.sources" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User= -o APT::Architecture=amd64 \
		-o Acquire::Languages=none -o APT::Update::Post-Invoke-Success= "${@:2}"
}

# The system's mirror of Debian, and of its security updates.
archive_mirror() { # security|''
	local codename

	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	# shellcheck disable=SC2016 # apt's
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2> /dev/null |
		sed -n "s/^${codename}${1:+-$1} //p" | head -n 1
}

# archive_update LINE: the package lists of the line's suites.
archive_update() {
	local suites=${ARCHIVE_SUITES[$1]} suite mirror dir keys=/usr/share/keyrings/debian-archive-keyring.gpg

	dir=$ARCHIVE/${suites%% *}
	[ -r "$keys" ] || die "there is no $keys, with which Debian's signatures are checked: install debian-archive-keyring."
	make_dir "$dir"
	mkdir -p "$dir"/state/lists/partial "$dir"/cache/archives/partial
	for suite in $suites; do
		mirror=$(archive_mirror "$([[ $suite != *-security ]] || echo security)")
		[ -n "$mirror" ] || continue
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$mirror" "$suite" "$keys"
	done > "$dir/debian.sources"
	[ -s "$dir/debian.sources" ] ||
		die "the system's sources name no mirror of Debian: see apt-get indextargets."
	archive_apt "$suites" apt-get update > "$dir/log" 2>&1 || {
		cat "$dir/log" >&2
		die "the package lists of ${suites// /, } cannot be fetched: see apt-get's messages above."
	}
}

# archive_depends LINE PACKAGE: what it depends on, a name a line; none: not there.
archive_depends() {
	archive_apt "${ARCHIVE_SUITES[$1]}" apt-cache depends "$2" 2> /dev/null | sed -n 's/^ *Depends: //p'
}

# archive_fetch LINE PACKAGE DIR: its newest version; the path of the .deb.
archive_fetch() {
	local suites=${ARCHIVE_SUITES[$1]} dir

	dir=$ARCHIVE/${suites%% *}
	if [ -z "$(archive_apt "$suites" apt-cache madison "$2" 2> /dev/null)" ]; then
		say "$PROG: Debian's ${suites%% *} has no package $2 (any more)."
		return $GONE
	fi
	(cd "$3" && archive_apt "$suites" apt-get download "$2") > "$dir/log" 2>&1 || {
		cat "$dir/log" >&2
		die "the package $2 cannot be fetched: see apt-get's messages above."
	}
	ls "$3/$2"_*.deb
}
