#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/kernel-stock.sh --line LINE [--update|--print-dir]
#
# Fetches Debian's own kernel of a line, as linux-image-amd64 of the suite that has
# it installs it, unless the cache has one already, and prints the folder that holds
# it, for scripts/vm-run.sh: bzImage, config, and modules/, unmodified: those that
# guests need, and drivers that subscribe and load without their hardware. The
# system's package lists, sources and packages stay as they are.
#
#   --line LINE   5.10, 6.1, 6.12 or 7.2
#   --update      fetch a newer one, if the suite has it
#   --print-dir   only print the folder; fails if there is none yet
#
# The cache is $MMUSCOPE_CACHE, or ~/.cache/mmuscope.
#
# Exit status: 3 if the suite has no such kernel any more; 4 if the mirror cannot be
# reached, or is out of date.
# example: scripts/vm-run.sh --kvm-modules "$(scripts/kernel-stock.sh --line 6.1)" \
#	-- mmuscope probes
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=archive.sh
. "$(dirname "$0")/archive.sh"

# Part of the manifest: raise it when a change of this script changes what it keeps.
STOCK_VERSION=1
needed='virtio_pci virtio_console kvm-amd'
drivers='nouveau amdgpu radeon i915 xe mlx5_ib hfi1 rdma_rxe'

be_owner "$@"
line='' update='' print_dir=''
while [ $# -gt 0 ]; do
	case $1 in
	--line) need "$@"; line=$2; shift ;;
	--update) update=1 ;;
	--print-dir) print_dir=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
archive_check_line "$line"
[ -z "$update" ] || [ -z "$print_dir" ] || usage_error "takes --update or --print-dir, not both."

# The manifest is the last file that is written, and it lists all others.
is_whole() { # DIR
	grep -qsx "stock $STOCK_VERSION" "$1/manifest" &&
		(cd "$1" && sed -n 's/^file //p' manifest | sha256sum -c --status --strict)
}

find_kernel() { # the newest that is there and whole
	local dir

	while IFS= read -r dir; do
		if is_whole "$dir"; then
			kernel=$dir
			return
		fi
	done < <(find "$CACHE/kernels" -maxdepth 1 -name "$line-stock-*" 2> /dev/null | sort -rV)
	return 1
}

if [ -z "$update" ] && find_kernel; then
	[ -n "$print_dir" ] || say "$line stock: already there."
	echo "$kernel"
	exit
fi
[ -z "$print_dir" ] ||
	die "Debian's kernel of $line is not there: run scripts/kernel-stock.sh --line $line."
for program in dpkg-deb readelf xz; do
	command -v $program > /dev/null || die "$program is not installed: run scripts/setup.sh."
done
make_dir "$CACHE/kernels"
archive_open "$line"
if [ -z "$update" ] && find_kernel; then
	say "$line stock: another has fetched it."
	echo "$kernel"
	exit
fi

# keep NAME WHY: a module of the unpacked packages, and what it depends on. Without
# WHY it may be missing: built in, or of another line.
keep() {
	local file to=$new/modules/$1.ko needs

	[ ! -e "$to" ] || return 0
	file=$(find "$unpacked" -name "$1.ko" -o -name "$1.ko.xz" -o -name "$1.ko.zst")
	case $file in
	'')
		[ -z "$2" ] || die "Debian's kernel $release has no module $1, $2."
		return 0 ;;
	*.xz) xz -dc "$file" > "$to" ;;
	*.zst) zstd -qdc "$file" > "$to" ;;
	*) cp "$file" "$to" ;;
	esac || die "cannot write $to: is the disk full?"
	needs=$(readelf -p .modinfo "$to" | sed -nE 's/^ *\[ *[0-9a-f]+\]  depends=//p')
	for needs in ${needs//,/ }; do
		keep "$needs" "which $1 depends on"
	done
}

say "$line stock: fetching Debian's kernel from its $archive_suite ..."
archive_update
image=$(archive_depends linux-image-amd64 | sed -n '/^linux-image-/{p;q}')
[ -n "$image" ] || archive_gone linux-image-amd64
version=$(archive_version "$image")
[ -n "$version" ] || archive_gone "$image"
release=${image#linux-image-}
kernel=$CACHE/kernels/$line-stock-$version
case $release in
"$line".*) ;;
*) FAILED=$GONE die "Debian's $archive_suite has no kernel of $line any more: it has $release." ;;
esac
if is_whole "$kernel"; then
	say "$line stock: $version is the newest, and already there."
	echo "$kernel"
	exit
fi

# That of 7.2 is empty, and depends on others that have the parts.
mapfile -t parts < <(archive_depends "$image" | grep -E "^linux-(base|binary|modules)-" | grep -F -- "-$release")
archive_fetch "$image" ${parts[@]+"${parts[@]}"}
unpacked=$ARCHIVE_NEW/unpacked
new=$ARCHIVE_NEW/kernel
mkdir -p "$new/modules"
for deb in "$ARCHIVE_NEW"/*.deb; do
	dpkg-deb -x "$deb" "$unpacked" > "$archive_log" 2>&1 ||
		archive_bad "$(basename "$deb")"
done
for file in vmlinuz:bzImage config:config; do
	from=$(find "$unpacked" -type f \( -name "${file%:*}-$release" -o -path "*/$release/${file%:*}" \) | head -n 1)
	[ -n "$from" ] || die "Debian's package $image has no ${file%:*}-$release."
	cp "$from" "$new/${file#*:}" || die "cannot write $new: is the disk full?"
done
for module in $needed $drivers; do
	keep "$module" ""
done
[ -e "$new/modules/kvm-amd.ko" ] || die "Debian's kernel $release has no module kvm-amd."
{
	echo "release $release"
	echo "stock $STOCK_VERSION"
	echo "line $line"
	echo "variant stock"
	echo "package $image $version"
	(cd "$new" && find . -type f -printf '%P\n' | sort | xargs sha256sum | sed 's/^/file /')
} > "$ARCHIVE_NEW/manifest"
mv "$ARCHIVE_NEW/manifest" "$new/manifest"
rm -rf "$kernel"
mv -T "$new" "$kernel"
say "$line stock: fetched $version in $(elapsed)."
echo "$kernel"
