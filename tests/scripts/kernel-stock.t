#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# kernel-stock.sh and kernel-source.sh without a network: packages of a few bytes,
# and an apt that has them, or fails in the words of the real one. The scripts, their
# locks, clean-up and cache are the real ones.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

export MMUSCOPE_CACHE=$tmp/cache FAKE=$tmp/fake MODE=fine
stock() { "$ROOT/scripts/kernel-stock.sh" --line 7.2 "$@"; }
src() { "$ROOT/scripts/kernel-source.sh" --line 7.2 "$@"; }
calls() { cat "$FAKE/calls" 2> /dev/null; }
cached() { (cd "$tmp/cache/$1" 2> /dev/null && echo *); }
# What a run must not leave: anything but apt's own state.
half() { find "$tmp/cache" -path '*/new*' -o -name '*.xz' -o -path '*/kernels/*' | sort; }

mkdir -p "$FAKE"/{bin,debs}
cat > "$FAKE/bin/apt-get" << 'END'
#!/bin/bash
if [ "$*" = "update --print-uris" ]; then
	[ "$MODE" != nowhere ] || exit 0
	for at in other.example/linux/debian/dists/bookworm mirror.example/debian/dists/bookworm \
		mirror.example/debian/dists/bookworm-updates mirror.example/debian-security/dists/bookworm-security; do
		echo "'http://$at/InRelease' x 0 "
		echo "'http://$at/main/binary-amd64/Packages.xz' x 0 "
	done
	exit
fi
[[ " $* " = *" Dir::State=$MMUSCOPE_CACHE/"* && " $* " = *" Dir::Etc::sourceparts=/dev/null "* ]] ||
	{ echo "E: that would touch the system"; exit 100; }
while [[ $1 != update && $1 != download ]]; do shift; done
echo "$*" >> "$FAKE/calls"
case $MODE-$1 in
badsig-update)
	echo "W: GPG error: http://mirror.example/debian sid InRelease: The following signatures were invalid: BADSIG 0"
	echo "E: The repository 'http://mirror.example/debian sid InRelease' is not signed."
	exit 100 ;;
offline-*)
	echo "E: Failed to fetch http://mirror.example/x  Temporary failure resolving 'mirror.example'"
	exit 100 ;;
full-*) echo "E: Write error - write (28: No space left on device)"; exit 100 ;;
nosuite-update)
	echo "E: The repository 'http://mirror.example/debian sid Release' does not have a Release file."
	exit 100 ;;
stale-update)
	echo "E: Release file for http://mirror.example/debian/dists/sid/InRelease is expired (invalid since 19d 1h 10min 11s). Updates for this repository will not be applied."
	exit 100 ;;
odd-*) echo "E: Something odd"; exit 100 ;;
swapped-download)
	head -c 100 "$FAKE/debs/$2"_*.deb > "$2_0_amd64.deb"
	echo "E: Failed to fetch http://mirror.example/x.deb  Hash Sum mismatch"
	exit 100 ;;
cut-download) head -c 100 "$FAKE/debs/$2"_*.deb > "$2_$(cat "$FAKE/version")_amd64.deb"; exit ;;
slow-download) head -c 100 "$FAKE/debs/$2"_*.deb > "$2_0_amd64.deb"; exec sleep 1000 ;;
short-download) sleep 2 ;;
esac
[ "$1" = update ] || for package in "${@:2}"; do cp "$FAKE/debs/${package}"_*.deb .; done
END
cat > "$FAKE/bin/apt-cache" << 'END'
#!/bin/bash
name=${*: -1}
case " $* " in
*" show "*) ls "$FAKE/debs/${name}"_*.deb > /dev/null 2>&1 && echo "Version: $(cat "$FAKE/version")" ;;
*" depends "*) echo "$name"; sed -n "s/^$name //p" "$FAKE/depends" ;;
esac
END
chmod +x "$FAKE"/bin/*
export PATH=$FAKE/bin:$PATH

module() { # NAME DEPENDS: in the package's folder
	printf 'const char m[] __attribute__((section(".modinfo"))) = "name=%s\\0depends=%s";\n' "$1" "$2" |
		gcc -c -x c - -o "$tree/lib/modules/$release/kernel/$1.ko"
}
deb() { # NAME
	mkdir -p "$tree/DEBIAN"
	printf '%s\n' "Package: $1" "Version: $version" 'Architecture: amd64' 'Maintainer: none' \
		'Description: none' > "$tree/DEBIAN/control"
	rm -f "$FAKE/debs/$1"_*
	dpkg-deb -b "$tree" "$FAKE/debs/$1_${version}_amd64.deb" > /dev/null
	rm -rf "$tree"
}
# As in sid, where the package of the name has nothing, and others the parts.
make_packages() { # VERSION
	version=$1 release=$1-amd64 tree=$tmp/tree
	echo "$version" > "$FAKE/version"
	rm -f "$FAKE/debs"/linux-*
	mkdir -p "$tree"; deb linux-image-amd64
	mkdir -p "$tree"; deb "linux-image-$release"
	mkdir -p "$tree/boot"
	echo kernel > "$tree/boot/vmlinuz-$release"
	deb "linux-binary-$release"
	mkdir -p "$tree/boot" "$tree/lib/modules/$release/kernel"
	echo config > "$tree/boot/config-$release"
	module virtio_pci virtio,virtio_ring
	module virtio_console virtio
	module virtio virtio_ring
	module virtio_ring ''
	module kvm-amd kvm,ccp
	module kvm irqbypass
	module irqbypass ''
	module ccp ''
	module nouveau i2c-algo-bit
	module i2c-algo-bit ''
	module e1000 mii
	sha256sum < "$tree/lib/modules/$release/kernel/nouveau.ko" > "$FAKE/nouveau"
	xz "$tree/lib/modules/$release/kernel/nouveau.ko"
	deb "linux-modules-$release"
	mkdir -p "$tree/usr/src"
	echo "source of $version" > "$tree/usr/src/linux-source-7.2.tar.xz"
	deb linux-source-7.2
	cat > "$FAKE/depends" << END
linux-image-amd64   Depends: linux-base-amd64
linux-image-amd64   Depends: linux-image-$release
linux-image-$release  |Depends: initramfs-tools
linux-image-$release   Depends: linux-binary-$release
linux-image-$release   Depends: linux-modules-$release
END
}
make_packages 7.2.1

# --- options
for script in kernel-stock kernel-source; do
	run "$ROOT/scripts/$script.sh" --help
	like "$script: help" "$status $out" "^0 usage: scripts/$script.sh --line LINE"
	run "$ROOT/scripts/$script.sh"
	is "$script: no --line" "$status $err" "2 $script.sh: needs --line. Try $script.sh --help."
	run "$ROOT/scripts/$script.sh" --line 9.9
	is "$script: an unknown line, and the known ones" "$status $err" \
		"2 $script.sh: Debian has no line '9.9': it has 5.10 6.1 6.12 7.2. Try $script.sh --help."
	run "$ROOT/scripts/$script.sh" --lien 6.1
	like "$script: an unknown option" "$status $err" "^2 .*'--lien'"
done
run stock --update --print-dir
is "kernel-stock: two that contradict each other" "$status" 2
run src --update --no-fetch
is "kernel-source: two that contradict each other" "$status" 2
run stock --print-dir
is "--print-dir before it is there" "$status $out$err" \
	"1 kernel-stock.sh: Debian's kernel of 7.2 is not there: run scripts/kernel-stock.sh --line 7.2."
run src --no-fetch
is "--no-fetch before it is there" "$status $out$err" \
	"1 kernel-source.sh: the source of 7.2 is not there: run scripts/kernel-source.sh --line 7.2."
is "neither asks apt, nor makes anything" "$(calls)$(ls "$tmp/cache" 2> /dev/null)" ""

# --- what fails leaves nothing behind, and says one sentence; MODE STATUS SENTENCE
log="apt-get's messages are in $tmp/cache/archive/sid/log"
modes="
badsig 1 the package lists of Debian's sid are not what Debian signed, and are not used: $log.
offline 4 the package lists of Debian's sid cannot be fetched, its mirror cannot be reached: try again with a network; $log.
full 1 the disk that holds $tmp/cache is full: make room or choose another with MMUSCOPE_CACHE.
nosuite 3 the mirror of Debian has no sid (any more): $log.
stale 4 the package lists of Debian's sid are out of date on its mirror: choose another in the system's sources; $log.
odd 1 the package lists of Debian's sid cannot be fetched: $log.
nowhere 1 the system's sources name no mirror of Debian: see apt-get update --print-uris."
fails() { # SCRIPT-FUNCTION NAME MODE STATUS SENTENCE
	MODE=$3 run "$1"
	is "$2, $3: exit status" "$status" "$4"
	is "$2, $3: one sentence, and no result" "$out$(tail -n +2 <<< "$err")" "$2.sh: $5"
	is "$2, $3: nothing is left" "$(half)" ""
}
while read -r mode code sentence; do
	[ -n "$mode" ] || continue
	fails stock kernel-stock "$mode" "$code" "$sentence"
	fails src kernel-source "$mode" "$code" "$sentence"
done <<< "$modes"
packages="linux-image-7.2.1-amd64 linux-binary-7.2.1-amd64 linux-modules-7.2.1-amd64"
fails stock kernel-stock swapped 1 \
	"the packages ($packages) of Debian's sid are not what Debian signed, and are not used: $log."
fails src kernel-source swapped 1 \
	"the packages (linux-source-7.2) of Debian's sid are not what Debian signed, and are not used: $log."
fails stock kernel-stock cut 1 "the package linux-image-7.2.1-amd64_7.2.1_amd64.deb cannot be unpacked: \
see $tmp/cache/archive/sid/log, and try again."
fails src kernel-source cut 1 "the package linux-source-7.2 cannot be unpacked: \
see $tmp/cache/archive/sid/log, and try again."
mv "$FAKE/debs" "$FAKE/gone" && mkdir "$FAKE/debs"
fails src kernel-source none 3 "Debian's sid has no package linux-source-7.2 (any more)."
fails stock kernel-stock none 3 "Debian's sid has no package linux-image-7.2.1-amd64 (any more)."
mv "$FAKE/depends" "$FAKE/depends.old" && touch "$FAKE/depends"
fails stock kernel-stock none 3 "Debian's sid has no package linux-image-amd64 (any more)."
rm -rf "$FAKE/debs" && mv "$FAKE/gone" "$FAKE/debs" && mv "$FAKE/depends.old" "$FAKE/depends"
sed -i.old 's/linux-image-7.2.1-amd64/linux-image-7.3.1-amd64/' "$FAKE/depends"
cp "$FAKE"/debs/linux-image-7.2.1-amd64_7.2.1_amd64.deb "$FAKE/debs/linux-image-7.3.1-amd64_7.3.1_amd64.deb"
fails stock kernel-stock fine 3 "Debian's sid has no kernel of 7.2 any more: it has 7.3.1-amd64."
mv "$FAKE/depends.old" "$FAKE/depends"
for script in kernel-stock kernel-source; do
	run env MMUSCOPE_CACHE=/dev/null/cache "$ROOT/scripts/$script.sh" --line 7.2
	like "$script: a cache that cannot be written" "$status $err" \
		'^1 .*cannot write to the folder /dev/null/cache/.*: make it writable or choose another'
done

# --- ended by a signal in the middle of a download
for script in kernel-stock kernel-source; do
	: > "$FAKE/calls"
	MODE=slow "$ROOT/scripts/$script.sh" --line 7.2 > /dev/null 2>&1 &
	pid=$!
	for ((n = 0; n < 100; n++)); do
		! grep -q download "$FAKE/calls" || break
		sleep 0.1
	done
	start=$SECONDS
	kill $pid
	wait $pid
	is "$script: ended by a signal" "$?" 143
	ok "$script: at once" test $((SECONDS - start)) -lt 5
	is "$script: nothing is left" "$(half)" ""
	ok "$script: no apt is left" sh -c "! grep -lzs 'sleep' /proc/[0-9]*/cmdline | xargs -r -n1 dirname |
		xargs -r -I{} readlink {}/cwd | grep -F '$tmp'"
done

# --- and it is fetched
run stock
kernel=$tmp/cache/kernels/7.2-stock-7.2.1
is "fetched: its folder, and nothing else" "$status $out" "0 $kernel"
like "fetched: is said" "$err" 'fetching Debian.s kernel from its sid \.\.\..7\.2 stock: fetched 7\.2\.1 in'
is "the folder" "$(cd "$kernel" && find . -type f | LC_ALL=C sort)" "./bzImage
./config
./manifest
./modules/ccp.ko
./modules/i2c-algo-bit.ko
./modules/irqbypass.ko
./modules/kvm-amd.ko
./modules/kvm.ko
./modules/nouveau.ko
./modules/virtio.ko
./modules/virtio_console.ko
./modules/virtio_pci.ko
./modules/virtio_ring.ko"
is "a compressed module is not any more, and else as it was" \
	"$(sha256sum < "$kernel/modules/nouveau.ko")" "$(cat "$FAKE/nouveau")"
is "the manifest" "$(grep -v ^file "$kernel/manifest" | tail -n +3)" "line 7.2
variant stock
package linux-image-7.2.1-amd64 7.2.1"
is "the mirror is that of Debian, with its keys" "$(cat "$tmp/cache/archive/sid/debian.sources")" \
	"Types: deb
URIs: http://mirror.example/debian
Suites: sid
Components: main
Architectures: amd64
Targets: Packages
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
: > "$FAKE/calls"
run stock
is "again: the same, already there" "$status $out $err" "0 $kernel 7.2 stock: already there."
run stock --print-dir
is "--print-dir" "$status $out$err" "0 $kernel"
is "neither asks apt" "$(calls)" ""
run stock --update
is "--update: nothing newer" "$status $out $(tail -n 1 <<< "$err")" \
	"0 $kernel 7.2 stock: 7.2.1 is the newest, and already there."
is "--update: nothing was downloaded" "$(calls)" update
MODE=offline run stock --update
is "--update without a network" "$status" 4
run stock --print-dir
is "and what was there is there" "$status $out" "0 $kernel"
echo damaged >> "$kernel/modules/kvm.ko"
run stock --print-dir
is "a damaged one is not there" "$status" 1
run stock
is "and is fetched anew" "$status $(sed -n 's/^file //p' "$kernel/manifest" |
	(cd "$kernel" && sha256sum -c --quiet 2>&1))" "0 "

run src
is "the source: its path" "$status $out $(cat "$out")" "0 $tmp/cache/archive/linux-source-7.2.tar.xz source of 7.2.1"
: > "$FAKE/calls"
run src --no-fetch
is "again" "$status $out$(calls)" "0 $tmp/cache/archive/linux-source-7.2.tar.xz"
run src --update
is "--update: nothing newer (2)" "$status $(tail -n 1 <<< "$err") $(calls)" \
	"0 7.2: 7.2.1 is the newest, and already there. update"

make_packages 7.2.13
run src --update
is "--update: a newer source" "$status $(cat "$out")" "0 source of 7.2.13"
MODE=short stock --update > "$tmp/1.out" 2> "$tmp/1.err" &
pid=$!
sleep 1
run stock --update
wait $pid
is "two at once: the first" "$? $(cat "$tmp/1.out")" "0 $tmp/cache/kernels/7.2-stock-7.2.13"
is "two at once: the second" "$status $out" "0 $tmp/cache/kernels/7.2-stock-7.2.13"
like "two at once: it says that it waits" "$err" "^7.2: waiting for another that fetches from Debian's sid to end"
is "two at once: one download" "$(calls | grep -c 'download linux-image')" 1
run stock --print-dir
is "the newest is printed" "$out" "$tmp/cache/kernels/7.2-stock-7.2.13"
is "both are there" "$(cached kernels)" "7.2-stock-7.2.1 7.2-stock-7.2.13"

module_gone() {
	version=7.2.14 release=7.2.14-amd64 tree=$tmp/tree
	make_packages 7.2.14
	mkdir -p "$tree/boot" "$tree/lib/modules/$release/kernel"
	echo config > "$tree/boot/config-$release"
	module kvm-amd kvm
	deb "linux-modules-$release"
}
module_gone
run stock --update
is "a module that another depends on is not there" "$status $(tail -n 1 <<< "$err")" \
	"1 kernel-stock.sh: Debian's kernel 7.2.14-amd64 has no module kvm, which kvm-amd depends on."
is "nothing of it is kept" "$(cached kernels) $(find "$tmp/cache" -path '*/new*')" \
	"7.2-stock-7.2.1 7.2-stock-7.2.13 "
done_testing
