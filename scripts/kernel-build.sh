#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/kernel-build.sh --line LINE --variant VARIANT [OPTION]...
#
# Builds a kernel with kernel/config, what kernel/config-LINE adds, and the patches
# of kernel/patches/LINE, unless the cache has it already, and prints the folder
# that holds it: bzImage, modules/ (with those of kernel/module), hmm-tests (not of
# 5.10), vmlinux.btf, System.map, config, and a manifest with the checksums of all that
# went in and came out.
#
#   --line LINE       the series of kernels: 5.10, 6.1, 6.12 or 7.2
#   --variant NAME    patched (as it is today), unpatched (the series undone), a part
#                     of the series undone: no-event (patch 3), no-optin (patch 5),
#                     no-hole-owner (the owner of the notification for holes), no-flags
#                     (patch 2, on 5.10); patch6 (the withdrawn patch 6), or none (no
#                     patch at all)
#   --config NAME     with what kernel/config-NAME and kernel/config-NAME-LINE add:
#                     drivers (nouveau, amdgpu, i915, xe, mlx5: half an hour)
#   --source SOURCE   a kernel tree, or a tarball of one, instead of Debian's
#                     (scripts/kernel-source.sh). A tree is copied, never changed
#   --print-dir       only print the folder; fails if there is none yet
#
# The cache is $MMUSCOPE_CACHE, or ~/.cache/mmuscope. Kernels are kept under a
# checksum of everything that goes in, so a changed patch never meets an old kernel.
#
# example: scripts/kernel-build.sh --line 6.1 --variant unpatched
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Part of the key: raise it when a change of this script changes what it builds.
BUILD_VERSION=3

be_owner "$@"
line='' variant='' config='' source='' print_dir=''
while [ $# -gt 0 ]; do
	case $1 in
	--line) need "$@"; line=$2; shift ;;
	--variant) need "$@"; variant=$2; shift ;;
	--config) need "$@"; config=$2; shift ;;
	--source) need "$@"; source=$2; shift ;;
	--print-dir) print_dir=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[ -n "$line" ] || usage_error "needs --line."
[ -n "$variant" ] || usage_error "needs --variant."
patches=$ROOT/kernel/patches/$line
series=()
if [ "$variant" = none ]; then
	[[ $line != */* ]] || usage_error "'$line' is not the name of a line."
else
	[[ $line != */* && -d $patches ]] ||
		usage_error "there is no line '$line': kernel/patches has $(cd "$ROOT/kernel/patches" && echo *)."
	[[ $variant != */* && $variant != common && -f $patches/$variant/series ]] ||
		usage_error "there is no variant '$variant' of $line: kernel/patches/$line has $(cd "$patches" && echo *)."
	for dir in common "$variant"; do
		while read -r patch; do
			[ -f "$patches/$dir/$patch" ] ||
				die "kernel/patches/$line/$dir/series names $patch, which is not there."
			series+=("$dir/$patch")
		done < <(sed '/^#/d;/^$/d' "$patches/$dir/series")
	done
fi
[ "$(uname -m)" = x86_64 ] || die "builds kernels for x86_64 only, on x86_64."
fragments=("$ROOT/kernel/config")
for file in "$line" ${config:+"$config" "$config-$line"}; do
	[ ! -f "$ROOT/kernel/config-$file" ] || fragments+=("$ROOT/kernel/config-$file")
done
[[ -z $config || ( $config != */* && -f $ROOT/kernel/config-$config ) ]] ||
	usage_error "there is no kernel/config-$config."
name=$line${config:+-$config}
kernel_name=$name-$variant
[ -z "$source" ] || name=$name-$(readlink -f "$source" | sha256sum | cut -c1-8)
if [ -z "$source" ]; then
	source=$("$ROOT/scripts/kernel-source.sh" --line "$line" ${print_dir:+--no-fetch}) || exit
fi
[ -e "$source" ] ||
	die "there is no $source: give a kernel tree, or a tarball of one, with --source."
source=$(readlink -e "$source")
for program in gcc ld make patch pahole flex bison bc objcopy; do
	command -v $program > /dev/null || die "$program is not installed: run scripts/setup.sh."
done
unset MAKEFLAGS KCFLAGS ARCH CROSS_COMPILE LOCALVERSION CC
export LC_ALL=C

# What a build depends on, one line each; its checksum is the key.
# What a later fragment says goes.
fragment() {
	sed -n 's/^\(CONFIG_[A-Za-z0-9_]*=[^[:space:]]*\).*/\1/p' "${fragments[@]}" | tac | awk -F= '!seen[$1]++' | tac
}
# A tree is known by the names, sizes and times of its files.
tree_list() {
	(cd "$source" && find . -name .git -prune -o ! -type d -printf '%P\t%s\t%T@\t%l\n') | sort
}
inputs() {
	echo "build $BUILD_VERSION"
	echo "line $line"
	echo "variant $variant"
	if [ -d "$source" ]; then
		echo "source $(tree_list | sha256sum | cut -d' ' -f1) tree"
	else
		echo "source $(sha256sum < "$source" | cut -d' ' -f1) $(basename "$source")"
	fi
	echo "config $(fragment | sha256sum | cut -d' ' -f1) ${fragments[*]#"$ROOT"/}"
	[ ! -d "$ROOT/kernel/module" ] || (cd "$ROOT" && sha256sum kernel/module/*) |
		sed -nE 's/^([0-9a-f]+)  (.*\.[ch]|.*\/Kbuild)$/module \1 \2/p'
	for patch in ${series[@]+"${series[@]}"}; do
		echo "patch $(sha256sum < "$patches/$patch" | cut -d' ' -f1) $line/$patch"
	done
	echo "gcc $(gcc --version | head -n 1)"
	echo "ld $(ld --version | head -n 1)"
	echo "pahole $(pahole --version)"
}
inputs=$(inputs)
key=$(sha256sum <<< "$inputs" | cut -c1-16)
kernel=$CACHE/kernels/$kernel_name-$key

# The manifest is the last file that is written, and it lists all others.
is_there() { (cd "$kernel" 2> /dev/null && sed -n 's/^file //p' manifest | sha256sum -c --status --strict); }

if [ -n "$print_dir" ]; then
	is_there || die "$line $variant is not built: run scripts/kernel-build.sh --line $line --variant $variant."
	echo "$kernel"
	exit
fi
if is_there; then
	say "$line $variant: already there."
	echo "$kernel"
	exit
fi

# One folder for a line, or for a tree of one's own: a kernel has the path of
# its object folder inside, another path means to build everything again.
work=$CACHE/build/$name
log=$work/$variant.log
tree=$work/source
obj=$work/o
make_dir "$work"
make_dir "$CACHE/kernels"

make_pid=''
cleanup() {
	trap '' INT TERM HUP
	if [ -n "$make_pid" ]; then
		kill -- "-$make_pid" 2> /dev/null || :
		while kill -0 -- "-$make_pid" 2> /dev/null; do sleep 0.1; done
	fi
	rm -rf "$work/new" "$work/scratch" "$work/unpack"
}
exec {lock}> "$work/lock" || die "cannot write to $work."
if ! flock -n "$lock"; then
	say "$line $variant: waiting for another build of $name to end."
	flock "$lock"
	if is_there; then
		say "$line $variant: the other build has made it."
		echo "$kernel"
		exit
	fi
fi
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# failed WHAT: the end of the log, and one sentence.
failed() {
	[ ! -e "$work/lost" ] || die "kernel/config${config:+ and kernel/config-$config}: $(cat "$work/lost") did not survive in Linux $version: what it depends on is not there."
	if grep -q 'No space left on device' "$log"; then
		die "the disk that holds $CACHE is full: make room or choose another with MMUSCOPE_CACHE."
	fi
	tail -n 25 "$log" >&2
	die "$line $variant: $1; the whole log is $log."
}

# run WHAT COMMAND...: with its output in the log, and a sign of life.
run() {
	local what=$1 status=0 next=$((SECONDS + 30)) objects
	shift
	# A group of its own, so that the whole of it can be ended; it keeps the lock.
	set -m
	"$@" < /dev/null >> "$log" 2>&1 &
	make_pid=$!
	set +m
	while kill -0 $make_pid 2> /dev/null; do
		if [ -t 2 ] || [ $SECONDS -ge $next ]; then
			objects=$(grep -cE '^  (CC|AS|LD|AR|HOSTCC)' "$log") || :
			[ -t 2 ] && printf '\r' >&2
			printf '%s %s: %s, %d objects, %s' "$line" "$variant" "$what" "$objects" "$(elapsed)" >&2
			[ -t 2 ] || say ""
			next=$((SECONDS + 30))
		fi
		sleep 0.3
	done
	wait $make_pid || status=$?
	make_pid=''
	[ ! -t 2 ] || printf '\r\033[K' >&2
	[ $status = 0 ] || failed "$what failed"
}


# stage PATCH...: the source with just these patches on it. Only files whose
# content changes are written, so that make builds no more than it must. A file
# that a patch touches is kept in orig/ as it was, and its name in `touched`
# (without one in orig/: a patch made it).
stage() {
	local patch file files=() out want

	rm -rf "$work/scratch"
	mkdir -p "$work/scratch" "$work/orig"
	touch "$work/touched"
	[ $# = 0 ] || mapfile -t files < <(cd "$patches" &&
		sed -nE 's/^(---|\+\+\+) [ab]\/([^[:space:]]+).*/\2/p' "$@" | sort -u)
	for file in ${files[@]+"${files[@]}"}; do
		mkdir -p "$work"/{orig,scratch}/"$(dirname "$file")"
		if ! grep -qxF -- "$file" "$work/touched"; then
			if [ -e "$tree/$file" ]; then
				cp -p "$tree/$file" "$work/orig/$file.tmp"
				mv "$work/orig/$file.tmp" "$work/orig/$file"
			fi
			echo "$file" >> "$work/touched"
		fi
		[ ! -e "$work/orig/$file" ] || cp "$work/orig/$file" "$work/scratch/$file"
	done
	for patch; do
		out=$(patch -d "$work/scratch" -p1 -F0 -Nf --no-backup-if-mismatch -r - \
			< "$patches/$patch" 2>&1) || bad_patch "does not apply"
		case $out in
		# What is around it is the same; Debian's updates move the lines.
		*offset*)
			say "kernel/patches/$line/$patch: applied at other lines than it says." ;;
		esac
	done
	while IFS= read -r file; do
		want=$work/orig/$file
		[[ " ${files[*]-} " != *" $file "* ]] || want=$work/scratch/$file
		if [ ! -e "$want" ]; then
			rm -f "$tree/$file"
		elif ! cmp -s "$want" "$tree/$file"; then
			mkdir -p "$(dirname "$tree/$file")"
			cp "$want" "$tree/$file.tmp"
			mv "$tree/$file.tmp" "$tree/$file"
		fi
	done < "$work/touched"
}

bad_patch() { # WHAT: uses stage's variables
	file=$(sed -nE -e '/^patching file /{s///;h;b}' -e '/FAILED|ignored/{x;p;q}' <<< "$out")
	[ -n "$file" ] || file=$(sed -nE 's/^\+\+\+ b\/([^[:space:]]+).*/\1/p' "$patches/$patch" | head -n 1)
	say "$out"
	die "the patch kernel/patches/$line/$patch $1 to $file of Linux $version: it belongs to another version of the source."
}

# The source, unpacked, or brought up to date with the tree.
fetch_tarball() {
	local id

	id=$(sed -n 's/^source //p' <<< "$inputs")
	[ "$(cat "$work/source.id" 2> /dev/null)" != "$id" ] || return 0
	rm -rf "$work/source.id" "$tree" "$obj" "$work/orig" "$work/touched" "$work/unpack"
	mkdir "$work/unpack"
	run "unpacking the source" env XZ_OPT=-T0 tar -C "$work/unpack" --strip-components=1 -xf "$source"
	mv "$work/unpack" "$tree"
	echo "$id" > "$work/source.id"
}

fetch_tree() {
	local path

	mkdir -p "$tree"
	touch "$work/list"
	tree_list > "$work/list.new"
	! cmp -s "$work/list" "$work/list.new" || return 0
	# What is gone or changed is forgotten, patched or not.
	comm -3 "$work/list" "$work/list.new" | sed 's/^\t//' | cut -f1 | sort -u > "$work/changed"
	touch "$work/touched"
	grep -vxFf "$work/changed" "$work/touched" > "$work/touched.new" || :
	mv "$work/touched.new" "$work/touched"
	while IFS= read -r path; do
		rm -f "$tree/$path" "$work/orig/$path"
	done < "$work/changed"
	comm -13 "$work/list" "$work/list.new" | cut -f1 > "$work/changed"
	# -m: with the time of now, or make would not see that a file went back in time.
	# shellcheck disable=SC2016 # the inner shell's
	run "copying the source" bash -o pipefail -c \
		'tar -C "$1" --verbatim-files-from -T "$2" -c | tar -C "$3" -xm' \
		- "$source" "$work/changed" "$tree"
	if [ -e "$tree/.config" ] || [ -e "$tree/include/config" ]; then
		run "cleaning the copy of the source" make -C "$tree" mrproper
	fi
	mv "$work/list.new" "$work/list"
}

# Two builds of the same inputs in the same place are the same to the bit, once
# pahole is kept from working in parallel, which shuffles the BTF.
make_kernel() {
	cat > "$work/pahole" <<- 'END'
		#!/bin/sh
		for arg; do shift; [ "$arg" = -j ] || set -- "$@" "$arg"; done
		exec pahole "$@"
	END
	chmod +x "$work/pahole"
	make -C "$tree" O="$obj" -j "$(nproc)" PAHOLE="$work/pahole" KBUILD_BUILD_VERSION=3 KBUILD_BUILD_USER=mmuscope \
		KBUILD_BUILD_HOST=mmuscope KBUILD_BUILD_TIMESTAMP='2020-11-10 00:00:00' "$@"
}

configure() {
	local entry lost=()

	make_kernel tinyconfig
	{
		fragment
		echo "CONFIG_LOCALVERSION=\"-mmuscope-$variant\""
	} >> "$obj/.config"
	make_kernel olddefconfig
	while IFS= read -r entry; do
		case $entry in
		# Written as a comment, or not at all where what it depends on is off.
		*=n) ! grep -q "^${entry%n}" "$obj/.config" || lost+=("$entry") ;;
		*) grep -qxF -- "$entry" "$obj/.config" || lost+=("$entry") ;;
		esac
	done < <(fragment)
	[ ${#lost[@]} = 0 ] || { echo "${lost[*]}" > "$work/lost"; false; }
}

# Modules of our own, which stand in for drivers and their mistakes.
make_modules() {
	[ -d "$ROOT/kernel/module" ] || return 0
	rm -rf "$work/module"
	cp -r "$ROOT/kernel/module" "$work/module"
	make_kernel M="$work/module" modules
}

# What is kept, all of it made in a folder that no one looks into.
collect() {
	local new=$work/new test module sources includes

	rm -rf "$new"
	mkdir -p "$new/modules"
	cp "$obj/arch/x86/boot/bzImage" "$obj/System.map" "$new"
	cp "$obj/.config" "$new/config"
	objcopy -O binary --only-section=.BTF "$obj/vmlinux" "$new/vmlinux.btf"
	while IFS= read -r module; do
		strip --strip-debug -o "$new/modules/$(basename "$module")" "$module"
	done < <(find "$obj" "$work/module" -name '*.ko' 2> /dev/null)
	for test in "$tree"/tools/testing/selftests/{vm,mm}/hmm-tests.c; do
		# Those of 5.10 want a library that nothing else here does.
		[ -f "$test" ] && ! grep -q '<hugetlbfs.h>' "$test" || continue
		sources=("$test") includes=(-idirafter "$tree")
		# It has helpers since 7.1 or so, which need the headers of this very kernel.
		if grep -q hugepage_settings.h "$test"; then
			make_kernel headers
			sources+=("${test%/*}"/{vm_util,hugepage_settings}.c)
			includes+=(-isystem "$obj/usr/include" -I "$tree/tools/testing/selftests"
				-I "$tree/tools/include")
		fi
		gcc -O2 -static -pthread -D_GNU_SOURCE "${includes[@]}" -o "$new/hmm-tests" "${sources[@]}"
	done
	{
		echo "release $(cat "$obj/include/config/kernel.release")"
		echo "$inputs"
		(cd "$new" && find . -type f ! -name manifest -printf '%P\n' | sort |
			xargs sha256sum | sed 's/^/file /')
	} > "$work/manifest"
	mv "$work/manifest" "$new/manifest"
	rm -rf "$kernel"
	mv -T "$new" "$kernel"
}

: 2> /dev/null > "$log" || die "cannot write to $log."
rm -f "$work/lost"
[ -d "$obj" ] || [ "$(df -Pk "$work" | awk 'END { print $4 }')" -ge 4000000 ] ||
	die "there is not enough room in $CACHE, the first build of a line takes 4 GB: make room or choose another folder with MMUSCOPE_CACHE."
if [ -d "$source" ]; then fetch_tree; else fetch_tarball; fi
version=$(sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) *= *//p' "$tree/Makefile" | paste -sd.)
stage ${series[@]+"${series[@]}"}
mkdir -p "$obj"
run configuring configure
run building make_kernel bzImage modules
run "building modules" make_modules
run "collecting the result" collect
say "$line $variant: built in $(elapsed)."
echo "$kernel"
