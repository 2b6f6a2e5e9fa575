#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/record-cost.sh [OPTION]...
#
# What recording costs, beside what one would have used instead: one guest, and in it the
# same N notifications with one callback each under nothing, `mmuscope record`, `perf
# record` and `trace-cmd record` of a kprobe with the same fields, and bpftrace's printf of
# them. Prints a table, and one of the readers: `mmuscope report`, `babeltrace2`, `perf
# script`, `trace-cmd report`.
#
#   --line LINE      6.1, or another line of scripts/kernel-build.sh (6.1)
#   --variant V      of the series (patched)
#   --events N       notifications (200000)
#   --cpus N         processors (1). With one, a nanosecond is an instruction; with more
#                    the times are those of an emulator, and only what is kept counts
#   --tools A,B      of record, record-no-latency, perf, trace-cmd, bpftrace, bpftrace-all (all)
#   --no-readers     nothing is read in the guest, which takes longer than all the rest
#   --native RUNS    the readers once more on this machine, the best of RUNS (0)
#   --keep DIR       what was recorded stays in DIR
#   -o, --output F   the figures as JSON
#
# hot: what the recorded process itself takes more for a notification. recorder: CPU time
# of the recorder's own processes for a notification, without what it takes to start and
# to end, which is that of a run of one notification. Kept and lost are of the N: the
# recording was read, by another program than ours too, and counted. bpftrace-all prints
# what a record has, of notification and callback, and not event and range alone; it gets
# 128 MiB, for with less it loses most. Nobody compresses: events that are all alike would
# be nothing.
#
# Needs scripts/setup.sh, and of Debian's packages linux-perf and trace-cmd, which nothing
# else here needs.
# example: scripts/record-cost.sh --events 1000000 --native 5 -o cost.json
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

line=6.1 variant=patched events=200000 cpus=1 native=0 keep='' output='' readers=1
tools=record,record-no-latency,perf,trace-cmd,bpftrace,bpftrace-all
while [ $# -gt 0 ]; do
	case $1 in
	--line) need "$@"; line=$2; shift ;;
	--variant) need "$@"; variant=$2; shift ;;
	--events) need "$@"; events=$2; shift ;;
	--cpus) need "$@"; cpus=$2; shift ;;
	--tools) need "$@"; tools=$2; shift ;;
	--no-readers) readers='' ;;
	--native) need "$@"; native=$2; shift ;;
	--keep) need "$@"; keep=$2; shift ;;
	-o | --output) need "$@"; output=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[[ $events =~ ^[1-9][0-9]{0,7}$ ]] || usage_error "--events is 1 to 99999999, not '$events'."
[[ $cpus =~ ^[1-9][0-9]?$ ]] || usage_error "--cpus is a number above 0, not '$cpus'."
[[ $native =~ ^[0-9]{1,3}$ ]] || usage_error "--native is a number of runs, not '$native'."
for tool in ${tools//,/ }; do
	case $tool in
	record | record-no-latency) ;;
	perf | trace-cmd | bpftrace | bpftrace-all)
		tool=${tool%-all}
		package=${tool/perf/linux-perf}
		command -v "$tool" > /dev/null ||
			die "$tool is not installed: install the package $package, or leave it out with --tools." ;;
	*) usage_error "--tools has no '$tool'." ;;
	esac
done
[[ ,$tools, = *,record,* ]] || usage_error "--tools needs 'record': the others are held against it."
for program in bpftool babeltrace2 jq cc; do
	command -v $program > /dev/null || [ -x /usr/sbin/$program ] ||
		die "$program is not installed: run scripts/setup.sh."
done
[ -x "$ROOT/build/mmuscope" ] || die "there is no build/mmuscope: run make."
PATH=$PATH:/usr/sbin
kernel=$("$ROOT/scripts/kernel-build.sh" --print-dir --line "$line" --variant "$variant") ||
	die "there is no kernel: scripts/kernel-build.sh --line $line --variant $variant builds it."

tmp=$(mktemp -d "${TMPDIR:-/tmp}/mmuscope-cost.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cc -std=gnu11 -D_GNU_SOURCE -O2 -static -o "$tmp/rate" "$ROOT/tests/vm/rate.c"

# Bytes into struct mmu_notifier_range: it lost a field in 6.3.
offsets=$(bpftool -j btf dump file "$kernel/vmlinux.btf" | jq -r '[.types[]
	| select(.kind == "STRUCT" and .name == "mmu_notifier_range") | .members[]
	| {(.name): (.bits_offset / 8)}] | add | "\(.event) \(.start) \(.end)"')
read -r at_event at_start at_end <<< "$offsets"

cat > "$tmp/guest.sh" << 'END'
# EVENTS TOOLS READERS EVENT START END: in the guest
set -eu
mkdir -p /tmp/out
cd /tmp/out
events=$1 tools=,$2,
start=__mmu_notifier_invalidate_range_start
probe="p:mmuscope_cost/start $start event=+$4(%di):u32 from=+$5(%di):x64 to=+$6(%di):x64"
script="kprobe:$start { \$r = (struct mmu_notifier_range *)arg0;
	printf(\"%d %lx %lx\\n\", \$r->event, \$r->start, \$r->end) }"
range='$r->event, pid, tid, $r->start, $r->end, $r->owner'
all="kfunc:$start { @n[tid] = nsecs }
kretfunc:$start { \$r = args->range;
	printf(\"%d %d %d %lx %lx %lx %llu %llu %d\\n\", $range, nsecs, nsecs - @n[tid], retval) }
kprobe:dmirror_interval_invalidate { @c[tid] = nsecs; @r[tid] = arg1 }
kretprobe:dmirror_interval_invalidate { \$r = (struct mmu_notifier_range *)@r[tid];
	printf(\"callback %d %d %d %lx %lx %lx %llu %llu %d\\n\", $range, nsecs, nsecs - @c[tid], retval) } END { clear(@n); clear(@c); clear(@r) }"
# CPU time of a group of processes, us
cpu() { sed -n 's/^usage_usec //p' "/sys/fs/cgroup/$1/cpu.stat"; }
# run GROUP COMMAND...: in a group of its own
run() {
	local group=/sys/fs/cgroup/$1 status=0
	mkdir "$group"
	shift
	(echo 0 > "$group/cgroup.procs"; exec "$@") || status=$?
	return $status
}
# measure NAME FILE COMMAND...: with RATE for the workload, for one notification and for all
measure() {
	local name=$1 file=$2 n
	shift 2
	for n in 1 $events; do
		mkdir "/sys/fs/cgroup/work.$name.$n"
		rm -rf "${file:-none}"
		run "tool.$name.$n" sh -c "$(echo "$*" |
			sed "s|RATE|/root/rate /tmp/out/work /sys/fs/cgroup/work.$name.$n $n|")" \
			> "$name.stdout" 2> "$name.stderr" || {
			echo "$name failed with status $?:" >&2
			cat "$name.stderr" >&2
			exit 1
		}
		echo "tool $name $n $(cpu "tool.$name.$n") $(cat work) $(du -sb "${file:-work}" | cut -f 1)"
	done >> figures
}
# read_back NAME COMMAND...
read_back() {
	local name=$1 status=0
	shift
	run "read.$name" "$@" > /dev/null 2> "$name.stderr" || status=$?
	[ $status = 0 ] || [ $status = 3 ]
	echo "reader $name $(cpu "read.$name")" >> figures
}
asked() { case $tools in *,$1,*) ;; *) return 1 ;; esac; }
for tool in perf trace-cmd babeltrace2; do
	[ ! -x /bin/$tool ] || echo "version $tool $($tool --version 2>&1 | grep -o '[0-9][0-9.]*[0-9]' | head -n 1)"
done > figures
bpftrace --version 2> /dev/null | sed 's/^bpftrace v/version bpftrace /' >> figures
uname -r | sed 's/^/kernel /' >> figures

measure nothing '' exec RATE
asked record && measure record record exec mmuscope record -o record -- RATE
asked record-no-latency && measure record-no-latency record-no-latency \
	exec mmuscope record --no-latency -o record-no-latency -- RATE
# In guests the probe may be there from the beginning: it is not switched on.
echo "$probe" > /sys/kernel/tracing/kprobe_events
asked perf && measure perf perf.data \
	exec perf record -q -B -N -o perf.data -e mmuscope_cost:start -- RATE
asked trace-cmd && measure trace-cmd trace.dat \
	exec trace-cmd record --compression none -o trace.dat -e mmuscope_cost:start RATE
asked bpftrace && measure bpftrace bpftrace.out \
	exec bpftrace -B full -o bpftrace.out -e "'$script'" -c "'RATE'"
asked bpftrace-all && measure bpftrace-all bpftrace-all.out \
	exec env BPFTRACE_PERF_RB_PAGES=32768 bpftrace -B full -o bpftrace-all.out -e "'$all'" -c "'RATE'"
sed -n 's/^ *start *\([0-9]*\) *\([0-9]*\)$/hits \1 \2/p' /sys/kernel/tracing/kprobe_profile >> figures

rm -f work
[ -n "$3" ] || exit 0
read_back report mmuscope report record
read_back report-csv mmuscope report --by driver --csv record
read_back babeltrace2 babeltrace2 record
read_back babeltrace2-silent babeltrace2 -c sink.utils.dummy record
asked perf && read_back perf-script perf script -i perf.data
asked trace-cmd && read_back trace-cmd-report trace-cmd report trace.dat
END

say "$events notifications under each of $tools in a guest of $line-$variant ..."
vm=(--mem 6144 --timeout 3000 --add "$tmp/rate" --add "$tmp/guest.sh" --copy-out "/tmp/out:$tmp/out")
if [ "$cpus" = 1 ]; then vm+=(--icount); else vm+=(--cpus "$cpus"); fi
[[ $tools != *bpftrace* ]] || vm+=(--bpftrace)
for tool in babeltrace2 perf trace-cmd; do
	file=$(command -v $tool) || continue
	vm+=(--add "$file:/bin/$tool")
done
# Loaded at run time, from where the library lies.
for plugin in "$(pkg-config --variable=libdir babeltrace2)"/babeltrace2/plugins/*-{ctf,text,utils}.so; do
	vm+=(--add "$plugin:$plugin")
done
"$ROOT/scripts/vm-run.sh" "${vm[@]}" "$kernel" -- \
	sh /root/guest.sh "$events" "$tools" "$readers" "$at_event" "$at_start" "$at_end"
out=$tmp/out
[ -z "$keep" ] || { make_dir "$keep"; cp -r "$out/." "$keep"; }

# ---- what is there, of the notifications of the loop: CLEAR, which is 1 ----

kept() {
	case $1 in
	record*)
		"$ROOT/build/mmuscope" report --json "$out/$1" 2> /dev/null | jq -r '
			if any(.invariants[]; .holds | not) then error("broken") else . end
			| [.notifications[] | select(.event == "CLEAR") | .calls] | add // 0' ;;
	perf) perf script -i "$out/perf.data" 2> /dev/null | grep -c ' event=1 ' ;;
	trace-cmd) trace-cmd report "$out/trace.dat" 2> /dev/null | grep -c ' event=1 ' ;;
	bpftrace*) grep -c '^1 ' "$out/$1.out" ;;
	esac || [ $? = 1 ]
}
# By a program that is not ours.
second() {
	case $1 in
	record*) babeltrace2 "$out/$1" | grep -cE ' notification(_[a-z_]*)?: .* event = \( "CLEAR"' ;;
	*) kept "$1" ;;
	esac || [ $? = 1 ]
}
for tool in ${tools//,/ }; do
	k=$(kept "$tool") other=$(second "$tool")
	[ "$k" = "$other" ] || die "$tool: $k notifications, but babeltrace2 finds $other."
	echo "kept $tool $k"
done >> "$out/figures"

# best NAME COMMAND...: user and system time in us, of the best of $native, and the worst
best() {
	local name=$1 i
	shift
	for ((i = 0; i < native; i++)); do
		TIMEFORMAT='%3U %3S'
		{ time "$@" > /dev/null 2> "$tmp/stderr" || [ $? = 3 ]; } 2>&1
	done | awk -v name="$name" '{ t = int(($1 + $2) * 1e6 + 0.5) }
		NR == 1 || t < min { min = t } t > max { max = t }
		END { print "native", name, min, max, NR }'
}
if [ "$native" != 0 ]; then
	best report "$ROOT/build/mmuscope" report "$out/record"
	best report-csv "$ROOT/build/mmuscope" report --by driver --csv "$out/record"
	best babeltrace2 babeltrace2 "$out/record"
	best babeltrace2-silent babeltrace2 -c sink.utils.dummy "$out/record"
	[[ ,$tools, != *,perf,* ]] || best perf-script perf script -i "$out/perf.data"
	[[ ,$tools, != *,trace-cmd,* ]] || best trace-cmd-report trace-cmd report "$out/trace.dat"
fi >> "$out/figures"
[ -z "$keep" ] || cp "$out/figures" "$keep"

# ---- the figures, together ----

jq -Rn --argjson n "$events" --argjson cpus "$cpus" '
	[inputs | split(" ")] as $lines
	| def of($word): [$lines[] | select(.[0] == $word) | .[1:]];
	def row($word; $name): [of($word)[] | select(.[0] == $name) | .[1:] | map(tonumber)][0];
	# Of a second run of one notification: what starting and ending takes.
	def runs($name): [of("tool")[] | select(.[0] == $name) | .[1:] | map(tonumber)];
	(runs("nothing")[1]) as $nothing
	| { schema: "mmuscope-record-cost/1", kernel: of("kernel")[0][0],
		clock: (if $cpus == 1 then "guest-insn" else "ns" end), cpus: $cpus,
		versions: (of("version") | map({(.[0]): .[1]}) | add),
		notifications: $n, probe_hits: (of("hits")[0] // null | if . then map(tonumber) else . end),
		nothing: ($nothing[2] / $n),
		tools: [of("kept")[] | .[0] as $name | runs($name) as $r | { tool: $name,
			kept: (.[1] | tonumber), lost: ($n - (.[1] | tonumber)),
			records_of_each: (if $name | startswith("record") then 2 else 1 end),
			bytes: $r[1][4],
			bytes_each: (($r[1][4] - $r[0][4]) / ($n - $r[0][0])),
			cpu_in_all: ($r[1][1] * 1000), cpu_to_start: ($r[0][1] * 1000),
			hot: (($r[1][2] - $nothing[2]) / $n),
			recorder: (($r[1][1] - $r[0][1]) * 1000 / ($n - $r[0][0])) }],
		readers: ([of("reader", "native")[][0]] | unique | map(. as $name
			| row("reader"; $name) as $guest | row("native"; $name) as $native
			| { reader: $name, cpu: ($guest // null | if . then .[0] * 1000 else . end),
			each: ($guest // null | if . then .[0] * 1000 / $n else . end),
			native: ($native // null
				| if . then { best_us: .[0], worst_us: .[1], runs: .[2] } else . end) })) }' \
	"$out/figures" > "$tmp/cost.json"
[ -z "$output" ] || cp "$tmp/cost.json" "$output"

table() { # COLUMNS FILTER: of the figures
	{
		tr ' ' '\t' <<< "$1"
		jq -r "def k: . + 0.5 | floor | tostring; $2 | @tsv" "$tmp/cost.json"
	} | column -t -s $'\t' || die "the figures cannot be shown: see $PROG --output."
}
jq -r '"\(.notifications) notifications with one callback each, Linux \(.kernel), \(.cpus) CPU, \(.clock);",
	"without anybody \(.nothing | floor) each", ""' "$tmp/cost.json"
table 'TOOL KEPT LOST BYTES HOT RECORDER BOTH START+END' '.tools[]
	| [.tool, .kept, .lost, (.bytes_each * 10 + 0.5 | floor / 10), (.hot | k), (.recorder | k),
	(.hot + .recorder | k), (.cpu_to_start | k)]'
[ "$readers$native" != 0 ] || exit 0
echo
table 'READER EACH NATIVE-us TO RUNS' '.readers[]
	| [.reader, (.each | if . then k else "-" end), .native.best_us // "-",
	.native.worst_us // "-", .native.runs // "-"]'
