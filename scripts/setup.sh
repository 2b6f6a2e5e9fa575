#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/setup.sh [--check]
#
# Installs the Debian 12 packages that building, testing and comparing need: those
# listed below with the reason for each, what they depend on, and nothing else.
# Says what it installs; needs root only if something is missing.
#
#   --check   only say what is missing; exit status 1 if something is
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

packages='
gcc			# the tool, the kernels
libc6-dev		# the tool, the kernel build own programs, a static hmm-tests
make			# all of it
clang			# BPF programs; a second opinion on the tool
libclang-rt-14-dev	# the sanitizers of clang, for the unit tests
bpftool			# skeletons
pkg-config		# where the libraries are
libbpf-dev		# the tool
libelf-dev		# the tool; the kernels (objtool)
zlib1g-dev		# the tool
libdeflate-dev		# the tool: checksums of recordings
libmd-dev		# the tool: checksums of files
libjansson-dev		# the tool: results in JSON
libsmartcols-dev	# unit tests: what tables must look like
libgsl-dev		# the tool: statistics
libbabeltrace2-dev	# the tool: recordings, read
babeltrace2		# unit tests: it must be able to read them too
libibverbs-dev		# the tool: RDMA; it is loaded when it is needed, not linked
libcmocka-dev		# unit tests
linux-source-6.1	# the kernels
patch			# the kernels
flex			# the kernels: kconfig
bison			# the kernels: kconfig
bc			# the kernels: constants of the timers
perl			# the kernels; prove runs the tests
dwarves			# the kernels: pahole makes BTF
python3			# the kernels: a header of their BTF tools; 7.2 wants its json
xz-utils		# the kernels: their source is a .tar.xz
zstd			# the kernels: bzImage
qemu-system-x86		# guests
busybox-static		# guests: their user space
cpio			# guests: their root file system
bpftrace		# guests: the independent tracer we are checked against
ibverbs-providers	# guests: what libibverbs loads for rxe
iproute2		# guests: rdma, which makes the device of rxe
jq			# tests look into results
python3-jsonschema	# tests hold timelines against their schema
mandoc			# tests check the manual pages
shellcheck		# tests check the scripts
'

check=''
while [ $# -gt 0 ]; do
	case $1 in
	--check) check=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
command -v dpkg-query > /dev/null && command -v apt-get > /dev/null ||
	die "this is not a Debian system: install by hand what $0 lists."

installed() { # prints the installed ones of all packages, sorted
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u
}
mapfile -t wanted < <(sed -nE 's/^([a-z0-9.+-]+).*/\1/p' <<< "$packages")
before=$(installed)
mapfile -t missing < <(printf '%s\n' "${wanted[@]}" | sort | comm -23 - <(echo "$before"))
if [ ${#missing[@]} = 0 ]; then
	say "All ${#wanted[@]} packages that are needed are installed."
	exit 0
fi
say "Missing: ${missing[*]}"
[ -z "$check" ] || exit 1
[ "$(id -u)" = 0 ] || die "needs root to install them: run it again as root."

apt() { apt-get -qq -o DPkg::Lock::Timeout=600 "$@" > /dev/null; }
export DEBIAN_FRONTEND=noninteractive
# apt-get waits for dpkg's lock but not for that of the package lists.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
	apt update && break
	[ "$attempt" -lt 10 ] || die "the package lists cannot be fetched: see apt-get's messages above."
	sleep 6
done
say "Installing them ..."
apt install -y --no-install-recommends "${missing[@]}" ||
	die "apt-get could not install them: see its messages above."
say "Newly installed, and all that is left behind:" \
	"$(comm -13 <(echo "$before") <(installed) | paste -sd' ')"
