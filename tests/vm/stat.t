#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# stat: what is counted in each scope, how it ends, where its output goes, and
# what happens to memory, drivers and disks around it. None of it depends on the
# series: one kernel.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# Every process here migrates 23 pages to the device and faults them back, 5 times
# (7 times where it has to be told from another), and ends.
work=$(cat << 'END'
cp /root/mirror mirror
work="map:23 write open:0 say:ready wait:/tmp/go loop:5 migrate touch end"
more="map:23 write open:1 say:ready wait:/tmp/go loop:7 migrate touch end"
trap "rm -f mirror" EXIT
# ready FILE N: it has said so N times.
ready() { wait_for sh -c "test \$(grep -sc ready $1) -ge $2"; }
stop() { kill -INT $1; wait $1; }
END
)
rows_of() { # ITERATIONS
	local calls=$(($1 * 24)) pages=$(($1 * 23))

	sorted << END
callback MIGRATE setup delivered $calls performed 0 skipped $calls pages $((2 * pages)) acted 0
callback RELEASE outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
callback UNMAP outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
migration evict calls 1 pages 65536 collected 0 migrated 0 excess 0
migration to_device calls $1 pages $pages collected $pages migrated $pages excess 0
migration to_system calls $pages pages $pages collected $pages migrated $pages excess 0
notification MIGRATE setup calls $calls pages $((2 * pages))
notification UNMAP outside calls 1 pages 0 whole 1
END
}
rows_of_both=$(printf '%s\n' "$(rows_of 5)" "$(rows_of 7)" | sorted)
out_of() { cat "$tmp/patched/$1"; }
# by_pid FILE: the rows of each process, one after the other, the shorter work first.
processes() { jq '[.notifications, .callbacks, .migrations | .[].pid] | unique | length' "$tmp/patched/$1"; }
exits() { # NAME EXPECTED
	is "$1: exit status" "$(out_of "$1.status")" "$2"
}

# --- scopes
guest patched << END
$work
./mirror \$work > said & one=\$!
./mirror \$more > /dev/null & two=\$!
ready said 1
mmuscope stat -p \$one -j -o pid.json & stat=\$!
counting \$stat
touch /tmp/go
wait \$stat
wait \$two
echo \$one > one

status alone mmuscope stat -j -o alone.json -- sh -c "./mirror \$work; ./mirror \$more; true"
status children mmuscope stat --children -j -o children.json -- \
	sh -c "./mirror \$work; sh -c './mirror \$more; true'; true"

rm /tmp/go
sh -c "while [ ! -e /tmp/go ]; do usleep 10000; done; ./mirror \$work; ./mirror \$more; true" > /dev/null & shell=\$!
mmuscope stat -p \$shell -j -o pid-alone.json & stat=\$!
mmuscope stat -p \$shell --children -j -o pid-children.json & other=\$!
counting \$stat
counting \$other
touch /tmp/go
wait \$stat
wait \$other

rm /tmp/go
mkdir -p /sys/fs/cgroup/a/b
for group in a a/b .; do
	sh -c "echo \\\$\\\$ > /sys/fs/cgroup/\$group/cgroup.procs
		exec ./mirror \$work say:done wait:/tmp/end" >> grouped &
done
ready grouped 3
mmuscope stat -c /sys/fs/cgroup/a -j -o group.json & stat=\$!
mmuscope stat -c /sys/fs/cgroup/a/b -j -o below.json & other=\$!
counting \$stat
counting \$other
touch /tmp/go
# Who closes the device evicts what others have on it.
wait_for sh -c 'test \$(grep -c done grouped) = 3'
touch /tmp/end
wait_for sh -c '! pidof mirror'
stop \$stat
stop \$other
status no-cgroup mmuscope stat -c /tmp
status no-process mmuscope stat -p 4194303

rm /tmp/go
mmuscope stat -a -j -o all.json & all=\$!
mmuscope stat -a -j -o again.json & again=\$!
mmuscope stat -a -I 50 -j -o intervals.json & intervals=\$!
mmuscope stat -a --no-latency -j -o counts.json & counts=\$!
for stat in \$all \$again \$intervals \$counts; do counting \$stat; done
./mirror \$work > said & one=\$!
./mirror \$more > said.more & two=\$!
ready said 1
ready said.more 1
touch /tmp/go
wait \$one
wait \$two
sed -n 's/^VmHWM:[^0-9]*//p' /proc/\$all/status > memory
for stat in \$all \$again \$intervals \$counts; do stop \$stat; done
END
is "--pid: its rows alone, to its end" "$(rows "$tmp/patched/pid.json")" "$(rows_of 5)"
json "--pid: its pid and name, and nobody else" "$tmp/patched/pid.json" \
	'.scope == {pid: $pid} and ([.notifications, .callbacks, .migrations | .[] | [.pid, .comm]] | unique == [[$pid, "mirror"]])' \
	--argjson pid "$(out_of one)"
is "a shell without --children: nothing is its own" "$(rows "$tmp/patched/alone.json")" ""
exits alone 0
is "--children: both, to the last fork" "$(rows "$tmp/patched/children.json")" "$rows_of_both"
is "--children: a row is of one process" "$(processes children.json)" 2
exits children 0
is "--pid of a shell" "$(rows "$tmp/patched/pid-alone.json")" ""
is "--pid of a shell --children" "$(rows "$tmp/patched/pid-children.json")" "$rows_of_both"
is "--cgroup: it and what is below it" "$(rows "$tmp/patched/group.json")" \
	"$(printf '%s\n' "$(rows_of 5)" "$(rows_of 5)" | sorted)"
is "--cgroup: processes" "$(processes group.json)" 2
is "--cgroup: below" "$(rows "$tmp/patched/below.json")" "$(rows_of 5)"
exits no-cgroup 1
like "a folder that is no cgroup" "$(out_of no-cgroup.stderr)" '^mmuscope [a-z]*: /tmp is not a folder of a cgroup2 file system'
exits no-process 1
like "a process that is not there" "$(out_of no-process.stderr)" '^mmuscope [a-z]*: there is no process 4194303'
is "--all: both" "$(rows "$tmp/patched/all.json")" "$rows_of_both"
is "--all: a row is of one process" "$(processes all.json)" 2
is "two at once see the same" "$(rows "$tmp/patched/again.json")" "$rows_of_both"
is "and so does one without latency" "$(rows "$tmp/patched/counts.json")" "$rows_of_both"
json "without latency: null, with a reason" "$tmp/patched/counts.json" \
	'all(.callbacks[]; .latency_ns == null)
	and any(.unobservable[]; .metric == "callbacks.latency_ns" and .reason == "switched off by --no-latency")'
json "latency: every delivery is in one bucket" "$tmp/patched/all.json" '.callbacks | length == 6 and all(.[];
	.delivered as $d | .latency_ns | .count == $d and ([.buckets[].count] | add) == $d
	and .min <= .max and .sum >= .min * $d and .sum <= .max * $d
	and (.max as $max | .buckets | map(.lt) | . == sort and .[-1] > $max and .[-1] <= 2 * $max + 1))'
jq -s '(map(.notifications[]) | group_by([.pid, .event, .phase]) | map(.[0] + {calls: map(.calls) | add,
		pages: map(.pages) | add, failed: map(.failed) | add, whole: map(.whole) | add})) as $n
	| (map(.callbacks[]) | group_by([.pid, .event, .phase]) | map(.[0] + {delivered: map(.delivered) | add,
		performed: map(.performed) | add, skipped: map(.skipped) | add, pages: map(.pages) | add,
		pages_performed: map(.pages_performed) | add, whole: map(.whole) | add})) as $c
	| (map(.migrations[]) | group_by([.pid, .direction, .owner]) | map(.[0] + {calls: map(.calls) | add,
		pages: map(.pages) | add, collected: map(.collected) | add, migrated: map(.migrated) | add,
		excess: map(.excess) | add})) as $m
	| {lines: length, notifications: $n, callbacks: $c, migrations: $m, faults: {calls: map(.faults.calls) | add}}' \
	"$tmp/patched/intervals.json" > "$tmp/summed.json"
is "--interval: the lines' sums are the total" "$(rows "$tmp/summed.json")" "$rows_of_both"
json "--interval: several lines" "$tmp/summed.json" '.lines >= 3'
is "--interval: each line is as the schema says" \
	"$(jq -r -L "$VM" 'include "schema"; stat' "$tmp/patched/intervals.json" 2>&1 | sort | uniq -c)" ""
comment <<< "memory of stat --all: $(out_of memory)"
ok "--all stays under 32 MiB" test "$(out_of memory | tr -dc 0-9)" -lt 32768
for name in pid alone children pid-alone pid-children group below all again counts; do
	sound "$name" "$tmp/patched/$name.json"
done

# --- how it ends
guest patched << END
$work
touch /tmp/go
SUDO_UID=1000 SUDO_GID=1000 status user mmuscope stat -o /dev/null -- sh -c 'echo \$(id -u) \$(id -g) \$HOME \$USER'
status root mmuscope stat -o /dev/null -- sh -c 'echo \$(id -u)'
status duration mmuscope stat -a -d 1 -j -o duration.json
status crash mmuscope stat -j -o crash.json -- ./mirror \$work crash
status exit mmuscope stat -j -o exit.json -- ./mirror \$work exit:7
status goes-on mmuscope stat -d 1 -j -o goes-on.json -- sh -c 'sleep 3; echo goes on > went-on; sleep 1000'
wait_for grep -q on went-on
status ignores timeout -s TERM 8 mmuscope stat -j -o ignores.json -- sh -c 'trap "echo told > told" TERM; while :; do sleep 1; done'
pid=\$(sed -n 's/.*as process \([0-9]*\)\.\$/\1/p' ignores.stderr)
[ -d /proc/\$pid ] && cp told still-there
status lend mmuscope stat -j -o lend.json -- ./mirror map:23 write open:0 lend:97
./mirror map:23 write open:0 say:done wait:/tmp/out/go lend:97 > lent & pid=\$!
wait_for grep -q done lent
mmuscope stat -p \$pid -j -o lend-pid.json & stat=\$!
counting \$stat
touch go
wait \$stat
mmuscope stat -a -j -o lend-all.json & stat=\$!
counting \$stat
./mirror map:23 write open:0 lend:97
kill -INT \$stat
wait \$stat
# More than there is room for at once (16384), but not at once.
status many mmuscope stat --children -j -o many.json -- ./mirror map:23 write open:0 \
	loop:17000 lend:0 reap end fork map:23 write open:0 loop:97 dontneed end end reap
deep=/sys/fs/cgroup/deep
for level in \$(seq 19); do mkdir -p \$deep; deep=\$deep/\$level; done
mkdir -p \$deep
mmuscope stat -c /sys/fs/cgroup/deep -j -o deep.json & stat=\$!
counting \$stat
sh -c "echo \\\$\\\$ > \$deep/cgroup.procs; exec ./mirror map:23 write open:0 loop:97 dontneed end"
kill -INT \$stat
wait \$stat
status file mmuscope stat -c /sys/fs/cgroup/cgroup.procs -d 1
status none mmuscope stat -o none.json -- ./no-such-command
status noexec mmuscope stat -o noexec.json -- /etc/passwd
for signal in INT TERM HUP; do
	mmuscope stat -a > all-\$signal & stat=\$!
	counting \$stat
	./mirror \$work > /dev/null
	kill -\$signal \$stat
	wait \$stat && echo 0 > all-\$signal.status || echo \$? > all-\$signal.status
	mmuscope stat -- ./mirror \$work say:done loop:0 sleep:10 end > command-\$signal 2> command-\$signal.stderr & stat=\$!
	ready command-\$signal 1
	wait_for grep -q done command-\$signal
	kill -\$signal \$stat
	wait \$stat && echo 0 > command-\$signal.status || echo \$? > command-\$signal.status
	! pidof mirror
done
END
is "a command runs as the user who called sudo" "$(out_of user.stdout)" "1000 1000 /home/user user"
is "and as root where nobody did" "$(out_of root.stdout)" 0
exits duration 0
json "--duration" "$tmp/patched/duration.json" '.duration_ns >= 1e9 and .duration_ns < 10e9'
exits crash 0
like "a command that crashes: is said" "$(out_of crash.stderr)" \
	"^mmuscope stat: './mirror' was ended by signal 11 \(Segmentation fault\)"
json "a command that crashes: is told" "$tmp/patched/crash.json" '.command_status == {signal: 11}'
is "a command that crashes: is counted to its end" "$(rows "$tmp/patched/crash.json")" "$(rows_of 5)"
sound "a command that crashes" "$tmp/patched/crash.json"
exits goes-on 0
json "a command that is not done after --duration: counting ended then" "$tmp/patched/goes-on.json" \
	'.duration_ns >= 1e9 and .duration_ns < 2e9 and .command_status == null'
like "and that it goes on is said" "$(out_of goes-on.stderr)" "^mmuscope stat: 'sh' has not ended; it goes on alone, as process [0-9]+\.$"
is "and true" "$(out_of went-on)" "goes on"
like "a command that ignores a signal: is said" "$(out_of ignores.stderr)" "^mmuscope stat: 'sh' has not ended; it goes on alone"
is "it got the signal, and goes on" "$(out_of still-there)" told
# The memory is the parent's, whoever works on it.
lent='.notifications[] | select(.event == "CLEAR") | "\(.comm) \(.calls) \(.pages)"'
for name in lend lend-pid lend-all; do
	is "$name: what a child does to memory that it shares" "$(jq -r "$lent" "$tmp/patched/$name.json")" "mirror 97 $((97 * 23))"
done
is "of which process, without --pid" "$(jq -r '[.notifications[] | select(.comm == "mirror") | .pid] | unique | length' "$tmp/patched/lend-all.json")" 1
exits many 0
is "--children of 17,000 children, one after the other: the last is counted" \
	"$(jq -r "$lent" "$tmp/patched/many.json" | grep -c "^mirror 97 $((97 * 23))$")" 1
sound "17,000 children" "$tmp/patched/many.json"
is "a cgroup 19 levels below" "$(jq -r "$lent" "$tmp/patched/deep.json")" "mirror 97 $((97 * 23))"
exits file 1
like "a file is no cgroup" "$(out_of file.stderr)" "^mmuscope stat: /sys/fs/cgroup/cgroup\.procs is not a folder of a cgroup2 file system"
exits exit 0
json "a command that fails: is told" "$tmp/patched/exit.json" '.command_status == {exit: 7}'
like "a command that fails: is said" "$(out_of exit.stderr)" "'./mirror' ended with exit status 7"
exits none 1
like "a command that does not exist" "$(out_of none.stderr)" \
	"^mmuscope stat: cannot run './no-such-command': No such file or directory"
exits noexec 1
like "a command that may not be run" "$(out_of noexec.stderr)" "cannot run '/etc/passwd': Permission denied"
for signal in INT TERM HUP; do
	exits all-$signal 0
	like "SIG$signal: the table is printed" "$(out_of all-$signal)" 'MIGRATE +setup +120 +230 +0 +0
.*MIGRATE +setup +120 +0 +120 .*to_device +5 +115 +115 +115 +0 .*Checked: all 6 invariants hold'
	exits command-$signal 0
	like "SIG$signal: ends the command" "$(out_of command-$signal.stderr)" "'./mirror' was ended by signal $(kill -l $signal) "
	like "SIG$signal: the command's table is printed" "$(out_of command-$signal)" \
		'MIGRATE +setup +120 +230 +0 +0
.*to_system +115 +115 +115 +115 +0 .*Checked: all 6 invariants hold'
done

# --- around it
guest patched << END
$work
touch /tmp/go
status bench mmuscope bench migrate-mixed -n 23 -i 2 -j -o bench.json
mkdir /tmp/full
mount -t tmpfs -o size=4k tmpfs /tmp/full
dd if=/dev/zero of=/tmp/full/fill bs=4k count=1
for place in /dev/full /tmp/full/file; do
	name=\$(echo \$place | tr / _)
	status stat\$name mmuscope stat -j -o \$place -- ./mirror \$work
	status table\$name mmuscope stat -I 50 -o \$place -- sh -c "for i in \$(seq 50 | tr '\n' ' '); do usleep 10000; done"
	status bench\$name mmuscope bench migrate-mixed -n 23 -i 9 -j -o \$place
	status probes\$name sh -c "mmuscope probes --json > \$place"
	status diff\$name mmuscope diff --json -o \$place bench.json bench.json
	status stdout\$name sh -c "mmuscope diff --json bench.json bench.json > \$place"
done
status no-folder mmuscope stat -o /nowhere/file -- true

status many mmuscope stat -j -o many.json -- ./mirror vmas:10000 open:0 read protect-each unmap-each

attached() { ls -l /proc/\$stat/fd | grep -c -e bpf_link -e perf_event; }
mmuscope stat -a -j -o reload.json & stat=\$!
counting \$stat
before=\$(attached)
./mirror \$work > /dev/null
rmmod test_hmm
wait_for sh -c "test \\\$(ls -l /proc/\$stat/fd | grep -c -e bpf_link -e perf_event) -lt \$before"
insmod /vm/modules/test_hmm.ko
wait_for sh -c "test \\\$(ls -l /proc/\$stat/fd | grep -c -e bpf_link -e perf_event) -eq \$before"
./mirror \$more > /dev/null
stop \$stat
END
exits bench 0
for place in _dev_full _tmp_full_file; do
	for what in stat table bench probes diff stdout; do
		exits $what$place 1
		is "$what$place: says one sentence" "$(wc -l < "$tmp/patched/$what$place.stderr")" 1
		like "$what$place: says why" "$(out_of "$what$place.stderr")" '^mmuscope [a-z]*: cannot write .*: No space left on device'
	done
done
exits no-folder 1
like "a folder that is not there" "$(out_of no-folder.stderr)" '^mmuscope [a-z]*: cannot write /nowhere/file: No such file or directory'

exits many 0
is "10,000 mappings" "$(rows "$tmp/patched/many.json")" "$(sorted <<< "callback PROTECTION_VMA outside delivered 10000 performed 10000 skipped 0 pages 10000 acted 10000
callback RELEASE outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
callback UNMAP outside delivered 10001 performed 10001 skipped 0 pages 10000 acted 10000 whole 1
fault calls 157 pages 10000 retries 0
migration evict calls 1 pages 65536 collected 0 migrated 0 excess 0
notification PROTECTION_VMA outside calls 10000 pages 10000
notification UNMAP outside calls 10001 pages 10000 whole 1")"
sound "10,000 mappings" "$tmp/patched/many.json"

is "test_hmm removed and loaded again: before and after, exactly" \
	"$(rows "$tmp/patched/reload.json" mirror)" "$rows_of_both"
json "test_hmm removed and loaded again: seen by kprobes, which let it go" "$tmp/patched/reload.json" \
	'[.callbacks[].source] | unique == ["kprobe"]'
sound "test_hmm removed and loaded again" "$tmp/patched/reload.json"
done_testing
