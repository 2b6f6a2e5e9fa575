#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# kernel-build.sh on a kernel of three files that "builds" in a moment: the script,
# its patching, keys, locks and cache are the real ones.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# A tree of ours with other patches, and a cache of its own.
mkdir -p "$tmp"/{tree/kernel/patches/6.1/{common,one,two},linux/tools/testing/selftests/vm}
cp -r "$ROOT/scripts" "$tmp/tree"
patches=$tmp/tree/kernel/patches/6.1
export MMUSCOPE_CACHE=$tmp/cache
build() { "$tmp/tree/scripts/kernel-build.sh" --line 6.1 --source "$tmp/linux.tar" "$@"; }
log() { cat "$tmp"/cache/build/6.1-*/"$1".log; }
kernels() { ls "$tmp/cache/kernels" 2> /dev/null; }

echo 'int main(void) { return 0; }' > "$tmp/linux/tools/testing/selftests/vm/hmm-tests.c"
for file in a b; do
	printf '/* %s */\n\n\n\nint %s = 1;\n' $file $file > "$tmp/linux/$file.c"
done
cat > "$tmp/linux/Makefile" << 'END'
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 99
all: $(O)/a.o $(O)/b.o
$(O)/%.o: %.c
	@echo "  CC $@"
	sleep $(or $(SLOW),0)
	gcc -c -o $@ $<
tinyconfig:
	echo '# tiny' > $(O)/.config
olddefconfig:
	sed -i '/CONFIG_LOST/d' $(O)/.config
bzImage: all
	echo build >> $(O)/../builds
	mkdir -p $(O)/arch/x86/boot $(O)/include/config
	cat $(O)/a.o $(O)/b.o > $(O)/arch/x86/boot/bzImage
	cp $(O)/a.o $(O)/vmlinux && echo btf > $(O)/btf
	objcopy --add-section .BTF=$(O)/btf --set-section-flags .BTF=alloc $(O)/vmlinux
	echo map > $(O)/System.map
	echo 6.1.99$$(sed -n 's/CONFIG_LOCALVERSION="\(.*\)"/\1/p' $(O)/.config) > $(O)/include/config/kernel.release
modules: all
	cp $(O)/b.o $(or $(M),$(O))/$(if $(M),$(patsubst obj-m:=%.o,%,$(subst $() ,,$(shell cat $(M)/Kbuild))),test_hmm).ko
END
pack() { tar -C "$tmp" -cf "$tmp/linux.tar" linux; }
pack
echo 'CONFIG_FINE=y		# a reason' > "$tmp/tree/kernel/config"
: > "$patches/common/series"
: > "$patches/one/series"
echo 'b.patch' > "$patches/two/series"
b_patch() { # LINE VALUE: b.c with the value, said to be at the line
	printf -- '--- a/b.c\n+++ b/b.c\n@@ -%s,3 +%s,3 @@\n \n \n-int b = 1;\n+int b = %s;\n' "$1" "$1" "$2" \
		> "$patches/two/b.patch"
}
b_patch 3 2

run build --variant one --print-dir
is "--print-dir before the build fails" "$status" 1
run build --variant one
is "a build" "$status" 0
first=$out
is "prints its folder and nothing else" "$(ls "$first")" "System.map
bzImage
config
hmm-tests
manifest
modules
vmlinux.btf"
is "release" "$(sed -n 's/^release //p' "$first/manifest")" 6.1.99-mmuscope-one
like "the fragment is in the configuration, without its reason" "$(cat "$first/config")" $'\nCONFIG_FINE=y\n'
start=$(date +%s%N)
run build --variant one
is "again: the same folder" "$out" "$first"
like "again: already there" "$err" 'already there'
ok "again: in less than 10 s" test $((($(date +%s%N) - start) / 1000000)) -lt 10000
is "again: nothing was built" "$(wc -l < "$(echo "$tmp"/cache/build/6.1-*/builds)")" 1
run build --variant one --print-dir
is "--print-dir after the build" "$out" "$first"

run build --variant two
is "a second variant" "$status" 0
second=$out
is "builds only what differs" "$(log two | grep -c '^  CC')" 1
ok "and differs" test "$(sha256sum < "$first/bzImage")" != "$(sha256sum < "$second/bzImage")"
rm -rf "$first"
run build --variant one
is "back again: only what differs" "$(log one | grep -c '^  CC')" 1
is "back again: the same key" "$out" "$first"
is "both are there" "$(kernels | wc -l)" 2

b_patch 3 3
run build --variant two
ok "a changed patch: another folder" test "$out" != "$second"
echo damaged >> "$out/bzImage"
run build --variant two
like "a damaged kernel is built anew" "$err" 'built in'
ok "and is whole" sh -c "cd '$out' && sed -n 's/^file //p' manifest | sha256sum -c"
echo 'CONFIG_FINE=y		# another reason' > "$tmp/tree/kernel/config"
run build --variant two
like "another reason in the fragment changes nothing" "$err" 'already there'

b_patch 2 4
run build --variant two
is "a patch for other lines, with the same around it, is applied" "$status" 0
like "and said it is" "$err" 'kernel/patches/6.1/two/b.patch: applied at other lines than it says'
cp -r "$tmp/linux" "$tmp/own"
before=$(cd "$tmp/own" && find . -type f -exec sha256sum {} + | sort)
own=$tmp/cache/build/6.1-$(echo "$tmp/own" | sha256sum | cut -c1-8)
run build --variant two --source "$tmp/own"
is "with a tree of one's own too" "$status" 0
like "and said it is (2)" "$err" 'two/b.patch: applied at other lines'
is "the tree itself is as before" "$(cd "$tmp/own" && find . -type f -exec sha256sum {} + | sort)" "$before"
sed -i 's/int a = 1/int a = 5/' "$tmp/own/a.c"
rm "$tmp/own/tools/testing/selftests/vm/hmm-tests.c"
run build --variant two --source "$tmp/own"
is "a changed file of the tree is built, and nothing else" \
	"$(grep '^  CC' "$own/two.log")" "  CC $own/o/a.o"
ok "a file that went from the tree went from the copy" test ! -e "$out/hmm-tests"
run build --variant none --source "$tmp/own"
is "variant none: no patch" "$status $(grep -c ^patch "$out/manifest")" "0 0"
printf -- '--- a/b.c\n+++ b/b.c\n@@ -3,3 +3,3 @@\n \n \n-int c = 1;\n+int c = 2;\n' > "$patches/two/b.patch"
run build --variant two
is "a patch that does not apply stops the build" "$status" 1
like "with its name, the file and the version (2)" "$err" \
	'kernel/patches/6.1/two/b.patch does not apply to b.c of Linux 6.1.99'
printf -- '--- a/none.c\n+++ b/none.c\n@@ -3,3 +3,3 @@\n \n \n-int c = 1;\n+int c = 2;\n' > "$patches/two/b.patch"
run build --variant two
like "a patch of a file that is not there" "$err" 'two/b.patch does not apply to none.c of Linux 6.1.99'
printf -- '--- /dev/null\n+++ b/c.c\n@@ -0,0 +1 @@\n+int c = 2;\n' > "$patches/two/b.patch"
run build --variant two
is "a patch that makes a file" "$status $(cat "$tmp"/cache/build/6.1-*/source/c.c)" "0 int c = 2;"
rm -rf "${out:?}" "$first"
run build --variant one
is "and without it the file is gone" "$(find "$tmp"/cache/build/6.1-*/source -name c.c)" ""
b_patch 3 2

run build --variant three
is "an unknown variant: usage" "$status" 2
like "and the known ones" "$err" "no variant 'three' of 6.1: .* one two"
run build --line 9.9 --variant one
is "an unknown line: usage" "$status" 2
like "and the known ones (2)" "$err" "no line '9.9': .* 6.1"
run build --variant one --source "$tmp/nowhere"
is "no source: exit status" "$status" 1
like "no source: sentence" "$err" "there is no $tmp/nowhere"
echo nameless >> "$patches/two/series"
run build --variant two
like "a series that names what is not there" "$err" '6.1/two/series names nameless'
sed -i '$d' "$patches/two/series"

printf 'CONFIG_FINE=y\nCONFIG_LOST=y	# lost\n' > "$tmp/tree/kernel/config"
run build --variant one
is "a line of the fragment got lost" "$status" 1
like "and is named" "$err" 'CONFIG_LOST=y did not survive in Linux 6.1.99'
echo 'CONFIG_FINE=y' > "$tmp/tree/kernel/config"

mkdir "$tmp/tree/kernel/module"
echo 'obj-m := ours.o' > "$tmp/tree/kernel/module/Kbuild"
echo 'int ours;' > "$tmp/tree/kernel/module/ours.c"
run build --variant one
is "a module of our own" "$status $(ls "$out/modules")" "0 ours.ko
test_hmm.ko"
with=$out
echo 'int ours = 1;' > "$tmp/tree/kernel/module/ours.c"
run build --variant one
ok "a change of it: another kernel" test "$out" != "$with"
rm -rf "$tmp/tree/kernel/module"

run build --variant one --config more
is "an unknown configuration: usage" "$status" 2
like "and is named (2)" "$err" 'there is no kernel/config-more'
echo 'CONFIG_MORE=y' > "$tmp/tree/kernel/config-more"
echo 'CONFIG_LINE=y' > "$tmp/tree/kernel/config-6.1"
echo 'CONFIG_OTHER=y' > "$tmp/tree/kernel/config-7.2"
echo 'CONFIG_BOTH=y' > "$tmp/tree/kernel/config-more-6.1"
run build --variant one
is "what a line adds" "$status $(grep -c 'CONFIG_LINE=y' "$out/config") $(grep -cE 'OTHER|MORE|BOTH' "$out/config")" "0 1 0"
run build --variant one --config more
is "what a configuration adds, and to a line" \
	"$status $(grep -cxE 'CONFIG_(FINE|LINE|MORE|BOTH)=y' "$out/config")" "0 4"
like "in a folder of its own name" "$out" '/6\.1-more-one-[0-9a-f]{16}$'
rm "$tmp/tree/kernel"/config-*

# From here on each object takes a second.
# shellcheck disable=SC2016 # make's
sed -i 's/(or $(SLOW),0)/(or $(SLOW),1)/' "$tmp/linux/Makefile"
pack
builds() { cat "$tmp"/cache/build/6.1-*/builds | wc -l; }
had=$(builds) have=$(kernels | wc -l)
build --variant one > "$tmp/1.out" 2> "$tmp/1.err" &
pid=$!
sleep 1
run build --variant one
is "two at once: the second succeeds" "$status" 0
like "two at once: it says that it waits" "$err" 'waiting for another build'
wait $pid
is "two at once: the first, too" "$?" 0
is "two at once: the same kernel" "$(cat "$tmp/1.out")" "$out"
is "two at once: one build" "$(builds)" $((had + 1))

rm -rf "$out"
touch "$tmp"/cache/build/6.1-*/source/[ab].c
"$tmp/tree/scripts/kernel-build.sh" --line 6.1 --source "$tmp/linux.tar" --variant one > /dev/null 2>&1 &
pid=$!
sleep 1
kill $pid
wait $pid
is "ended by a signal" "$?" 143
is "there is no half a kernel" "$(kernels | wc -l)" "$have"
ok "no make is left" sh -c "! grep -lzE '^O=$tmp/cache/build/.*/o$' /proc/[0-9]*/cmdline"
run build --variant one
is "and the next build makes it" "$status" 0

echo 'int b = ;' > "$tmp/linux/b.c"
pack
run build --variant one
is "a compiler error: exit status" "$status" 1
like "a compiler error: is shown" "$err" "error: expected expression"
like "a compiler error: where the log is" "$err" "the whole log is $tmp/cache/build/6.1-[0-9a-f]+/one.log"
run env MMUSCOPE_CACHE=/dev/null/cache "$tmp/tree/scripts/kernel-build.sh" --line 6.1 \
	--variant one --source "$tmp/linux.tar"
like "a cache that cannot be written" "$err" \
	'cannot write to the folder /dev/null/cache/build/.*: make it writable or choose another'
done_testing
