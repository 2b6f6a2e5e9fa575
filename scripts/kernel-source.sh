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
#   --update      fetch a newer one, if the suite has it
#   --no-fetch    fail if it is not there yet
#
# Exit status: 3 if the suite has no such line any more; 4 if the mirror cannot be
# reached, or is out of date.
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
archive_check_line "$line"
[ -z "$update" ] || [ -z "$no_fetch" ] || usage_error "takes --update or --no-fetch, not both."

package=linux-source-$line
installed=/usr/src/$package.tar.xz
fetched=$ARCHIVE/$package.tar.xz
if [ -e "$installed" ]; then
	echo "$installed"
	exit
fi
# It is moved there when it is whole.
is_there() { [ -e "$fetched" ] && [ -z "$update" ]; }
[ -z "$no_fetch" ] || is_there ||
	die "the source of $line is not there: run scripts/kernel-source.sh --line $line."
if is_there; then
	echo "$fetched"
	exit
fi
archive_open "$line"
# Another may have fetched it while we waited.
if ! is_there; then
	say "$line: fetching its source from Debian's $archive_suite ..."
	archive_update
	version=$(archive_version "$package")
	[ -n "$version" ] || archive_gone "$package"
	if [ -e "$fetched" ] && [ "$(cat "$fetched.version" 2> /dev/null)" = "$version" ]; then
		say "$line: $version is the newest, and already there."
	else
		archive_fetch "$package"
		dpkg-deb --fsys-tarfile "$ARCHIVE_NEW/$package"_*.deb 2> "$archive_log" |
			tar -C "$ARCHIVE_NEW" -x "./usr/src/$package.tar.xz" 2>> "$archive_log" ||
			archive_bad "$package"
		rm -f "$fetched.version"
		mv "$ARCHIVE_NEW/usr/src/$package.tar.xz" "$fetched"
		echo "$version" > "$fetched.version"
		say "$line: fetched $version."
	fi
fi
echo "$fetched"
