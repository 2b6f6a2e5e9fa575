#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/kernel-source.sh --line LINE [--update|--no-fetch]
#
# Prints the path of Debian's source of a line of kernels (a tarball), fetching it
# from the Debian suite that has it where it is not there yet. The installed
# package linux-source-LINE goes first. The system's package lists and sources
# stay as they are.
#
#   --line LINE   5.10, 6.1, 6.12 or 7.2
#   --update      fetch again: the suite may have a newer one
#   --no-fetch    fail if it is not there yet
#
# Exit status: 3 if the suite has no such line any more.
# example: scripts/kernel-source.sh --line 7.2
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=archive.sh
. "$(dirname "$0")/archive.sh"

be_owner "$@"
line='' update='' no_fetch=''
while [ $# -gt 0 ]; do
	case $1 in
	--line) need "$@"; line=$2; shift ;;
	--update) update=1 ;;
	--no-fetch) no_fetch=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[ -n "$line" ] || usage_error "needs --line."
[ -n "${ARCHIVE_SUITES[$line]-}" ] ||
	usage_error "Debian has no line '$line': it has $(printf '%s\n' "${!ARCHIVE_SUITES[@]}" | sort -V | paste -sd' ')."

package=linux-source-$line
installed=/usr/src/$package.tar.xz
fetched=$CACHE/archive/$package.tar.xz
if [ -e "$installed" ]; then
	echo "$installed"
	exit
fi
[ -z "$no_fetch" ] || [ -e "$fetched" ] ||
	die "the source of $line is not there: run scripts/kernel-source.sh --line $line."
make_dir "$CACHE/archive"
exec {lock}> "$fetched.lock"
flock "$lock"
if [ ! -e "$fetched" ] || [ -n "$update" ]; then
	tmp=$(mktemp -d "$CACHE/archive/new.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	say "$line: fetching its source from Debian's ${ARCHIVE_SUITES[$line]%% *} ..."
	archive_update "$line"
	deb=$(archive_fetch "$line" "$package" "$tmp") || exit
	dpkg-deb --fsys-tarfile "$deb" | tar -C "$tmp" -x "./usr/src/$package.tar.xz" ||
		die "the package $package cannot be unpacked: is the disk that holds $CACHE full?"
	mv "$tmp/usr/src/$package.tar.xz" "$fetched"
	say "$line: $(basename "$deb")"
fi
echo "$fetched"
