#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/vm-run.sh [OPTION]... KERNEL -- COMMAND [ARG]...
#
# Boots KERNEL (a folder of scripts/kernel-build.sh, or a bzImage) in QEMU and
# runs COMMAND in it as root, with the tool, its libraries and the kernel's
# modules. The command's stdout, stderr and exit status become ours.
#
#   --icount              one nanosecond of the guest is one instruction of it
#   --accel auto|kvm|tcg  auto: KVM where it truly starts a guest, else TCG
#   --cpus N              processors (1)
#   --mem M               memory in MiB (1024)
#   --timeout S           seconds until the guest is given up (300)
#   --add FILE[:PATH]     put a file or folder of the host, with the libraries it
#                         needs, into the guest (as /root/NAME)
#   --copy-out PATH:FILE  fetch a file or folder of the guest when the command ended
#   --bpftrace            bpftrace is there too
#   --no-test-hmm         do not load test_hmm
#   --module NAME         load a module, and before it what it depends on
#   --kvm-modules         load KVM for AMD, which TCG has and real processors may
#                         not: TCG unless --accel says otherwise
#   --no-btf              the guest sees no /sys/kernel/btf
#   --append ARGS         more arguments for the guest's kernel
#   --log FILE            keep the guest's console
#
# The command sees MMUSCOPE_ACCEL (tcg or kvm) and, with --icount,
# MMUSCOPE_CLOCK=guest-insn. There is a user `user` without rights.
#
# Exit status: that of COMMAND; 124: the time was up; 125: there was no result,
# or the kernel reported a fault (which is shown), whatever the command said.
# example: scripts/vm-run.sh "$(scripts/kernel-build.sh --print-dir --line 6.1 \
#	--variant patched)" -- mmuscope probes
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# The other exit statuses are the command's.
# shellcheck disable=SC2034 # lib.sh uses them
FAILED=125 USAGE_ERROR=125

icount='' accel=auto cpus=1 mem=1024 timeout=300 bpftrace='' test_hmm=1 kvm_modules='' hide_btf='' append='' log=''
add=() modules=() out_paths=() out_files=()
while [ $# -gt 0 ]; do
	case $1 in
	--icount) icount=1 ;;
	--bpftrace) bpftrace=1 ;;
	--no-test-hmm) test_hmm='' ;;
	--kvm-modules) kvm_modules=1 ;;
	--module) need "$@"; modules+=("$2"); shift ;;
	--no-btf) hide_btf=1 ;;
	--accel) need "$@"; accel=$2; shift ;;
	--cpus) need "$@"; cpus=$2; shift ;;
	--mem) need "$@"; mem=$2; shift ;;
	--timeout) need "$@"; timeout=$2; shift ;;
	--append) need "$@"; append=$2; shift ;;
	--log) need "$@"; log=$2; shift ;;
	--add) need "$@"; add+=("$2"); shift ;;
	--copy-out)
		need "$@"
		[[ $2 = /*:?* ]] || usage_error "--copy-out needs GUESTPATH:HOSTFILE, not '$2'."
		out_paths+=("${2%%:*}"); out_files+=("${2#*:}"); shift ;;
	-h | --help) usage; exit 0 ;;
	--) break ;;
	-*) usage_error "there is no option $1." ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 3 ] && [ "$2" = -- ] || usage_error "needs KERNEL -- COMMAND."
kernel=$1
shift 2
for n in "$cpus" "$mem" "$timeout"; do
	[[ $n =~ ^[1-9][0-9]{0,6}$ ]] || usage_error "'$n' is not a number above 0."
done
case $accel in
auto | kvm | tcg) ;;
*) usage_error "--accel is auto, kvm or tcg, not '$accel'." ;;
esac
if [ -n "$icount" ]; then
	[ "$accel" != kvm ] || usage_error "--icount counts instructions, which KVM cannot."
	[ "$cpus" = 1 ] || usage_error "--icount is exact with one processor only."
	accel=tcg
fi
if [ -f "$kernel" ]; then
	image=$kernel
	kernel=$(dirname "$kernel")
else
	image=$kernel/bzImage
fi
[ -r "$image" ] || die "there is no kernel at $image: build one with scripts/kernel-build.sh."
for program in qemu-system-x86_64 cpio busybox readelf; do
	command -v $program > /dev/null || die "$program is not installed: run scripts/setup.sh."
done

tmp='' qemu_pid='' tail_pids=()
cleanup() {
	trap '' INT TERM HUP
	[ -z "$qemu_pid" ] || kill "$qemu_pid" 2> /dev/null || :
	[ ${#tail_pids[@]} = 0 ] || kill "${tail_pids[@]}" 2> /dev/null || :
	wait
	[ -z "$tmp" ] || rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
tmp=$(mktemp -d "${TMPDIR:-/tmp}/mmuscope-vm.XXXXXX") || die "cannot make a temporary folder."

# The root file system is a folder of links, which cpio follows.
root=$tmp/root

put() { # HOSTFILE GUESTPATH: with the libraries that it is linked to
	local file lib path

	file=$(readlink -e -- "$1") || die "there is no file $1 to put into the guest."
	mkdir -p "$root$(dirname "$2")"
	ln -sfn "$file" "$root$2"
	[ -f "$file" ] && [ "$(head -c 4 -- "$file" | tr -d '\0')" = $'\x7fELF' ] || return 0
	while read -r lib path; do
		[ -n "$path" ] || die "$file needs the library $lib, which is not installed."
		[ -e "$root$path" ] && continue
		mkdir -p "$root$(dirname "$path")"
		ln -s "$(readlink -e -- "$path")" "$root$path"
	done < <(ldd "$file" 2> /dev/null | sed -nE \
		-e 's/^\s*(\S+) => (\/\S+) .*/\1 \2/p' -e 's/^\s*(\/\S+) \(.*/\1 \1/p' \
		-e 's/^\s*(\S+) => not found/\1/p')
}

quote() { # ARG...: for the guest's shell
	local arg

	for arg; do
		printf " '%s'" "${arg//\'/\'\\\'\'}"
	done
}

# load NAME WHY: adds the files of a module, and before them those of the modules
# that it depends on, to $loads, in the order in which insmod takes them. Each
# module says itself what it depends on.
loads=()
load() {
	local file=$kernel/modules/$1.ko needs

	[ -e "$file" ] || die "there is no module $file$2."
	[[ " ${loads[*]-} " != *" $1.ko "* ]] || return 0
	needs=$(readelf -p .modinfo "$file" | sed -nE 's/^ *\[ *[0-9a-f]+\]  depends=//p') ||
		die "$file is not a module."
	for needs in ${needs//,/ }; do
		load "$needs" ", which $1 depends on"
	done
	loads+=("$1.ko")
}

make_root() {
	local module spec

	mkdir -p "$root"/{bin,dev,etc,proc,root,run,sys,tmp,usr/bin,home/user,vm/modules}
	put "$(command -v busybox)" /bin/busybox
	put "$ROOT/scripts/guest-init" /init
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
		'user:x:1000:1000:user:/home/user:/bin/sh' > "$root/etc/passwd"
	printf '%s\n' 'root:x:0:' 'user:x:1000:' > "$root/etc/group"
	for module in "$kernel"/modules/*.ko; do
		[ -e "$module" ] && put "$module" "/vm/modules/$(basename "$module")"
	done
	[ -z "$test_hmm" ] || load test_hmm " (--no-test-hmm does without it)"
	for module in ${modules[@]+"${modules[@]}"}; do
		load "$module" ""
	done
	[ -z "$kvm_modules" ] || load kvm-amd ": the kernel was built without KVM"
	[ ! -x "$ROOT/build/mmuscope" ] || put "$ROOT/build/mmuscope" /bin/mmuscope
	[ ! -x "$kernel/hmm-tests" ] || put "$kernel/hmm-tests" /bin/hmm-tests
	[ -z "$bpftrace" ] || put "$(command -v bpftrace || echo bpftrace)" /bin/bpftrace
	for spec in ${add[@]+"${add[@]}"}; do
		case $spec in
		*:/*) put "${spec%:/*}" "/${spec##*:/}" ;;
		*) put "$spec" "/root/$(basename "$spec")" ;;
		esac
	done
	{
		echo "PROBE= ICOUNT=$icount HIDE_BTF=$hide_btf MODULES='${loads[*]-}'"
		echo "export MMUSCOPE_ACCEL=$accel${icount:+ MMUSCOPE_CLOCK=guest-insn}"
	} > "$root/vm/settings"
	printf '%s\n' ${out_paths[@]+"${out_paths[@]}"} | sed '/^$/d' > "$root/vm/copy-out"
	printf 'cd /root\nexec%s\n' "$(quote "$@")" > "$root/vm/command"
}

pack() { # FOLDER FILE
	(cd "$1" && find -L . -print0 | cpio --quiet -0oLH newc -R 0:0) > "$2" ||
		die "cannot write the guest's files to $tmp: is the disk full?"
}

# With --icount the TSC is one tick an instruction, by definition and not by a
# calibration that is a few ppm off; the local APIC's timer, whose calibration
# spins for two seconds of ours, is left out; and addresses repeat.
clock_args=
[ -z "$icount" ] || clock_args="tsc_early_khz=1000000 nolapic_timer norandmaps "

# start ACCEL SECONDS INITRD: QEMU in the background. Its files are $tmp/{console,
# out,err,copy,report}; virtio's notifications are synchronous, so that all
# that was written is there when the guest has powered off.
start() {
	local accel_args=(-accel kvm -cpu host) port=1 name ports=()

	[ "$1" = kvm ] || accel_args=(-accel tcg -cpu max)
	[ -z "$icount" ] || accel_args+=(-icount "shift=0,sleep=off")
	for name in out err copy report; do
		: > "$tmp/$name"
		ports+=(-chardev "file,id=$name,path=$tmp/$name"
			-device "virtserialport,chardev=$name,nr=$port,name=$name")
		port=$((port + 1))
	done
	setpriv --pdeathsig TERM timeout -k 2 "$2" setpriv --pdeathsig KILL \
		qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		-machine pc,usb=off,vmport=off,i8042=off "${accel_args[@]}" -smp "$cpus" -m "$mem" \
		-kernel "$image" -initrd "$3" \
		-append "console=ttyS0 ignore_loglevel panic=-1 oops=panic hung_task_panic=1 random.trust_cpu=on $clock_args$append" \
		-chardev "file,id=console,path=$tmp/console" -serial chardev:console \
		-device virtio-serial-pci,ioeventfd=off,max_ports=8 "${ports[@]}" \
		< /dev/null > "$tmp/qemu" 2>&1 &
	qemu_pid=$!
}

finish() { # waits for QEMU; its exit status
	local status=0

	{ wait "$qemu_pid" || status=$?; } 2> /dev/null
	qemu_pid=
	return $status
}

# A /dev/kvm may be there and yet start no guest. Try it once, and remember the
# answer for as long as this host is up.
kvm_works() {
	local answer_file answer=no

	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	answer_file=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -s "$answer_file" ]; then
		mkdir -p "$tmp/probe"/{bin,dev,proc,run,sys,tmp,vm}
		ln -s "$(command -v busybox)" "$tmp/probe/bin/busybox"
		ln -s "$ROOT/scripts/guest-init" "$tmp/probe/init"
		echo PROBE=1 > "$tmp/probe/vm/settings"
		pack "$tmp/probe" "$tmp/probe.cpio"
		start kvm 3 "$tmp/probe.cpio"
		if finish && grep -q alive "$tmp/report"; then
			answer=yes
		fi
		make_dir "$CACHE"
		rm -f "$CACHE"/kvm-*
		echo $answer > "$answer_file"
	fi
	[ "$(cat "$answer_file")" = yes ]
}

if [ "$accel" = auto ]; then
	if [ -z "$kvm_modules" ] && kvm_works; then accel=kvm; else accel=tcg; fi
fi
make_root "$@"
pack "$root" "$tmp/initrd"
start "$accel" "$timeout" "$tmp/initrd"
tail -c +1 -s 0.1 -f --pid=$qemu_pid "$tmp/out" & tail_pids+=($!)
tail -c +1 -s 0.1 -f --pid=$qemu_pid "$tmp/err" >&2 & tail_pids+=($!)
qemu_status=0
finish || qemu_status=$?
wait "${tail_pids[@]}" || :
tail_pids=()
[ -z "$log" ] || cp "$tmp/console" "$log" || die "cannot write the console to $log."

splat='BUG:|WARNING:|Oops|general protection fault[:,]|KASAN|UBSAN|KCSAN|kernel BUG|INFO: (possible|rcu|task|suspicious)|possible .* detected|rcu.* stall|blocked for more than|soft lockup|hard LOCKUP|Call Trace|Kernel panic|Unable to handle|cut here'
if grep -aqE "$splat" "$tmp/console"; then
	first=$(grep -anE -m 1 "$splat" "$tmp/console" | cut -d: -f1)
	tail -n "+$((first > 3 ? first - 3 : 1))" "$tmp/console" | head -n 80 >&2
	die "the kernel of the guest reported a fault (above); the run has failed."
fi
# QEMU waits for room that never comes.
if [ "$(df -Pk "$tmp" | awk 'END { print $4 }')" -lt 64 ]; then
	die "the disk that holds $tmp is full: make room or choose another with TMPDIR."
fi
if [ $qemu_status = 124 ] || [ $qemu_status = 137 ]; then
	FAILED=124 die "the guest was given up after $timeout s (--timeout); its last words: $(tail -n 1 "$tmp/console" | tr -d '\r')"
fi
read -r word status out_bytes err_bytes < <(tail -n 1 "$tmp/report") || :
if [ "$word" != exit ]; then
	[ ! -s "$tmp/qemu" ] || cat "$tmp/qemu" >&2
	[ ! -s "$tmp/report" ] || cat "$tmp/report" >&2
	tail -n 5 "$tmp/console" >&2
	die "the guest ended without reporting an exit status; the run has failed."
fi
[ "$out_bytes $err_bytes" = "$(stat -c %s "$tmp/out") $(stat -c %s "$tmp/err")" ] ||
	die "some of the command's output was lost on its way out of the guest; is the disk full?"
if [ ${#out_paths[@]} -gt 0 ]; then
	mkdir "$tmp/files"
	tar -xf "$tmp/copy" -C "$tmp/files" --no-same-owner ||
		die "the files of the guest did not arrive whole."
	for n in "${!out_paths[@]}"; do
		if [ -e "$tmp/files/$n" ]; then
			cp -rT "$tmp/files/$n" "${out_files[n]}" || die "cannot write ${out_files[n]}."
		elif [ "$status" = 0 ]; then
			die "the command left no ${out_paths[n]} in the guest."
		fi
	done
fi
exit "$status"
