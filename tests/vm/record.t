#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# record: what a recording has is what was counted, by the counters of its own run and by
# stat beside it; report and babeltrace2 read it here, on another machine; and what is lost,
# killed, full or too large is told. Without the kills on other lines than 6.1.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror
# The driver of 5.10 brings nothing back at a request, only at a CPU fault, a page at a time.
P=23 back=tosys
[ "$LINE" != 5.10 ] || P=1 back=touch
mmuscope=$ROOT/build/mmuscope
out_of() { cat "$tmp/patched/$1"; }
exits() { # NAME EXPECTED
	is "$1: exit status" "$(out_of "$1.status")" "$2"
}

# --- what babeltrace2 prints

# records DIR: each record as words, that name what follows; times are the clock's ns.
records() {
	[ -e "$1.printed" ] || babeltrace2 --clock-cycles "$1" 2> "$tmp/babeltrace2.err" | sed -nE '
		s/^\[0*([0-9]+)\] .*\) ([a-z_]+): \{ crc32 = [^}]*cpu_id = ([0-9]+) \}, \{ (.*) \}$/\2 ns \1 cpu \3 \4/; T
		s/\( "([^"]*)" : container = [0-9]+ \)/\1/g; s/ = / /g; s/,//g
		# One event, where nothing of either is lost by it.
		/^notification_and_callback/ { s/^[a-z_]+/callback/p; s/^callback/notification/ }; p' > "$1.printed"
	cat "$1.printed"
}

# kinds DIR: "notification 23", how many of each kind.
kinds() { records "$1" | cut -d' ' -f1 | LC_ALL=C sort | uniq -c | awk '{ print $2, $1 }'; }

# The same, as report says it.
kept() {
	jq -r '.recording.kept | to_entries[] | select(.value > 0) | "\(.key) \(.value)"' "$1" |
		sed 's/^fault/device_fault/; /^pages/!s/s / /' | LC_ALL=C sort
}

# reported NAME STATUS [STDERR-REGEX]: report and babeltrace2 read it, and find the same.
reported() {
	local dir=$tmp/patched/$1

	run "$mmuscope" report --json -o "$tmp/$1.json" "$dir"
	is "$1: report's exit status" "$status" "$2"
	[ $# -gt 2 ] && like "$1: what report says" "$err" "$3" || is "$1: report says nothing" "$err" ""
	is "$1: babeltrace2 has the same records" "$(kinds "$dir")" "$(kept "$tmp/$1.json")"
	is "$1: babeltrace2 says nothing" "$(grep -vE 'Tracer (discarded|may have discarded) ' "$tmp/babeltrace2.err")" ""
}

# whole NAME: nothing is lost, nothing is missing, and the counters said the same.
whole() {
	reported "$1" 0
	json "$1: compared with the counters, and every invariant holds" "$tmp/$1.json" '
		.recording.complete and .recording.compared and .recording.orphans == 0 and .recording.removed == 0
		and all(.recording.lost[]; . == 0) and all(.invariants[]; .holds)
		and any(.invariants[]; .name == "each row is as it was counted")
		# Closing the device is a migration, but on 5.10.
		and (.recording.kept.migrations > 0) as $migrations
		| (.invariants | length) >= (if $migrations then 9 else 8 end)
		and any(.invariants[]; .name == "asked = migrated + reasons") == $migrations'
}

# accounts DIR: of all migrations: how many; whose phases are not the whole time; with a
# page that is not accounted for.
accounts() {
	records "$1" | awk '
		{ for (i = 2; i < NF; i += 2) v[$i] = $(i + 1) }
		/^migration/ {
			n++
			phases += v["took"] != v["setup"] + v["copy"] + v["pages"] + v["finalize"]
			pages += v["asked"] != v["migrated"] + v["not_collected"] + v["hole"] + v["not_selected"] \
				+ v["other_owner"] + v["busy"] + v["no_destination"] + v["changed"]
		}
		END { print n " migrations, " phases + 0 " do not add up in time, " pages + 0 " in pages" }'
}

# parents DIR: how many notifications and callbacks each migration of pages has around
# it in time, in its own thread, in all and at least and at most; and those that are
# in none.
parents() {
	records "$1" | awk '
		{
			split("", v)
			for (i = 2; i < NF; i += 2) v[$i] = $(i + 1)
			key = v["task"] " " v["migration"]
		}
		/^(notification|callback)/ && v["migration"] {
			# Records of a task come in the order of its time, so its migration is the next.
			if (!(key in first)) first[key] = v["ns"] - v["took"]
			if ($1 == "notification") n[key]++; else c[key]++
			if (key in process && process[key] != v["tgid"]) strays++
			process[key] = v["tgid"]
		}
		/^migration/ && v["direction"] != "evict" {
			m++
			ns += n[key]; cs += c[key]
			if (m == 1 || n[key] < nmin) nmin = n[key]
			if (n[key] > nmax) nmax = n[key]
			if (m == 1 || c[key] < cmin) cmin = c[key]
			if (c[key] > cmax) cmax = c[key]
			if (key in first && first[key] < v["ns"] - v["took"] || key in process && process[key] != v["tgid"]) strays++
			delete n[key]; delete c[key]; delete first[key]; delete process[key]
		}
		END {
			for (key in n) strays += n[key]
			for (key in c) strays += c[key]
			print m " migrations, " ns " notifications (" nmin " to " nmax "), " cs " callbacks (" cmin " to " cmax "), " strays + 0 " strays"
		}'
}

# --- one run, recorded in four ways and counted
guest patched << END
P=$P back=$back
$(cat << 'IN'
cp /root/mirror mirror
trap "rm -f mirror full-disk/fill" EXIT
done_said() { wait_for grep -q done said; }
# started NAME STDERR COMMAND...: in the background, and it counts.
started() {
	local name=$1
	shift
	"$@" 2> $name.stderr > $name.stdout & pid=$!
	eval "pid_$name=\$pid"
}
stop() { # NAME
	local pid
	eval "pid=\$pid_$1"
	kill -INT $pid
	wait $pid && echo 0 > $1.status || echo $? > $1.status
}
./mirror map:$P write open:0 say:ready wait:/tmp/go loop:997 migrate $back end say:done wait:/tmp/end > said & mirror=$!
wait_for grep -q ready said
started stat mmuscope stat -p $mirror -j -o stat.json
started plain mmuscope record -p $mirror -o plain
started counts mmuscope record -p $mirror --no-latency -o counts
started registry mmuscope record -p $mirror --via registry -o registry
for pid in $pid_stat $pid_plain $pid_counts $pid_registry; do counting $pid; done
touch /tmp/go
done_said
for name in stat plain counts registry; do stop $name; done
touch /tmp/end
wait $mirror

# As fast as one CPU can.
status fast mmuscope record -o fast -- ./mirror map:1 write open:0 loop:49999 dontneed touch end
# A ring of one page, which nobody empties.
rm /tmp/go /tmp/end
./mirror map:1 write open:0 say:ready wait:/tmp/go loop:997 dontneed touch end say:done wait:/tmp/end > said & mirror=$!
wait_for grep -q ready said
started ring mmuscope record -p $mirror --ring-size 4096 -o ring
counting $pid_ring
kill -STOP $pid_ring
touch /tmp/go
done_said
kill -CONT $pid_ring
stop ring
touch /tmp/end
wait $mirror

status size mmuscope record -o size --size 512K -- ./mirror map:1 write open:0 loop:19997 dontneed touch end
du -sb size > size.bytes
cat size/records* | wc -c > size.records
mkdir full-disk
mount -t tmpfs -o size=256k tmpfs full-disk
status full mmuscope record -o full-disk/full -- ./mirror map:1 write open:0 loop:9973 dontneed touch end
cp -r full-disk/full full
umount full-disk
status again mmuscope record -o fast -- true
IN
)
END
n=$((997 * P))
expected=$(sorted << END
callback MIGRATE setup delivered 1994 performed 0 skipped 1994 pages $((2 * n)) acted 0
migration to_device calls 997 pages $n collected $n migrated $n excess 0
migration to_system calls 997 pages $n collected $n migrated $n excess 0
notification MIGRATE setup calls 1994 pages $((2 * n))
END
)
is "stat: the rows" "$(rows "$tmp/patched/stat.json")" "$expected"
for name in plain counts registry; do
	exits $name 0
	like "$name: record says what it has, and that nothing was lost" "$(out_of $name.stderr)" \
		"^mmuscope record: $name: 1994 migrations, 1994 notifications, 1994 callbacks, 0 device faults in [0-9.]+ s; [0-9.]+ MiB, 0 records lost\. 'mmuscope report $name' reads it\.$"
	whole $name
	is "$name: the rows of report are those of stat" "$(rows "$tmp/$name.json")" "$expected"
	is "$name: every migration adds up" "$(accounts "$tmp/patched/$name")" \
		"1994 migrations, 0 do not add up in time, 0 in pages"
	is "$name: every notification is in its migration" "$(parents "$tmp/patched/$name")" \
		"1994 migrations, 1994 notifications (1 to 1), 1994 callbacks (1 to 1), 0 strays"
done
json "no latency: null, with a reason" "$tmp/counts.json" 'all(.callbacks[]; .latency_ns == null)
	and any(.unobservable[]; .metric == "callbacks.latency_ns")'
json "latency: of every callback" "$tmp/plain.json" '.callbacks | all(.[]; .latency_ns.count == .delivered)'
json "ping-pong: $P pages, there and back 997 times" "$tmp/plain.json" \
	'.ping_pong | .pages == $p and .trips == $p * 997 and .unknown == 0' --argjson p $P

# --- the highest rate
exits fast 0
whole fast
is "fast: the rows" "$(rows "$tmp/fast.json")" "$(sorted << END
callback CLEAR outside delivered 49999 performed 49999 skipped 0 pages 49999 acted 49999
callback RELEASE outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
callback UNMAP outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
migration evict calls 1 pages 65536 collected 0 migrated 0 excess 0
notification CLEAR outside calls 49999 pages 49999
notification UNMAP outside calls 1 pages 0 whole 1
END
)"
exits again 1
is "a folder that is not empty" "$(out_of again.stderr)" \
	"mmuscope record: fast is not empty; name another folder with --output, or remove it."

# --- the ring: 64 slots, whoever comes later is lost
exits ring 3
reported ring 3 '^mmuscope report: the report is incomplete: no record was lost: 965 notifications, 965 callbacks, 0 faults, 0 migrations, '
like "ring: the losses are said" "$(out_of ring.stderr)" '^mmuscope record: 1930 records were lost, the ring is full: name a larger --ring-size, or less to record\.'
json "ring: kept + lost = counted" "$tmp/ring.json" '.recording.kept.notifications == 32 and .recording.kept.callbacks == 32
	and .recording.lost == {notifications: 965, callbacks: 965, faults: 0, migrations: 0, pages: 0, stacks: 0}
	and ([.invariants[] | select(.holds | not) | .name] == ["no record was lost"])
	and any(.invariants[]; .name == "kept + lost = counted"
		and (.detail | test("notifications 32 \\+ 965 = 997, callbacks 32 \\+ 965 = 997")))'

# --- a bound
exits size 0
ok "size: the records stay in it" test "$(out_of size.records)" -le 524288
comment <<< "--size 512K: $(out_of size.records) bytes of records, $(out_of size.bytes) in all"
reported size 3 '^mmuscope report: the report is incomplete: nothing was removed: [0-9]+ of the oldest records made room for others'
json "size: kept + removed = all" "$tmp/size.json" '.recording | .removed > 0 and .complete and (.compared | not)
	and .removed + (.kept | add) == 19997 * 2 + 3 + $evictions and all(.lost[]; . == 0)' \
	--argjson evictions $EVICTIONS
like "size: and it is said" "$(out_of size.stderr)" \
	" s, of which the oldest $(jq .recording.removed "$tmp/size.json") were dropped \(--size\); "

# --- a full disk
exits full 1
is "a full disk: one sentence" "$(out_of full.stderr)" \
	"mmuscope record: cannot write the recording full-disk/full: No space left on device; what was written before can be read."
reported full 3 'the report is incomplete: recorded to the end: it was broken off: the last counts are missing'
json "a full disk: what was written opens" "$tmp/full.json" '.recording | (.complete | not) and .kept.notifications > 0
	and .damage.packets == 0 and .damage.bytes == 0 and .damage.packets_missing == 0 and .orphans <= 1'

# --- what is no command line of its own: it needs no rights
for options in '-- true' "-o $tmp/none --size 1 -- true" "-o $tmp/none --size 12Q -- true" \
	"-o $tmp/none --ring-size 4095 -- true" "-o $tmp/none --sample 7 -- true" "-o $tmp/none --event NONE -- true" \
	"-o $tmp/none --range 9-8 -- true" "-o $tmp/none -a -- true"; do
	# shellcheck disable=SC2086 # words
	run "$mmuscope" record $options
	is "record ${options//"$tmp"\//}: usage" "$status" 2
	like "record ${options//"$tmp"\//}: a sentence" "$err" '^mmuscope record: '
done
ok "and makes no folder" test ! -e "$tmp/none"

# --- side by side
guest patched --cpus 2 << 'END'
cp /root/mirror one
cp /root/mirror two
trap "rm -f one two ready.*" EXIT
mmuscope stat -a -j -o stat.json & stat=$!
mmuscope record -a -o all 2> all.stderr & record=$!
counting $stat
counting $record
./one map:23 write open:0 say:ready wait:/tmp/go loop:97 migrate touch end > ready.one & one=$!
./two map:31 write open:1 say:ready wait:/tmp/go loop:89 migrate touch end > ready.two & two=$!
wait_for test -s ready.one
wait_for test -s ready.two
touch /tmp/go
wait $one
wait $two
kill -INT $record
wait $record && echo 0 > all.status || echo $? > all.status
kill -INT $stat
wait $stat

threads="thread map:23 write meet open:0 meet loop:97 migrate touch end end
	thread map:31 write meet open:1 meet loop:89 migrate touch end end reap"
status threads mmuscope record -o threads -- ./one $threads
processes="fork map:23 write open:0 loop:97 dontneed touch end end fork map:31 write open:1 loop:89 dontneed touch end end reap"
status children-stat mmuscope stat --children -j -o children-stat.json -- ./one $processes
status children mmuscope record --children --stack -o children -- ./one $processes
END
ends='callback RELEASE outside delivered 2 performed 2 skipped 0 pages 0 acted 0 whole 2
callback UNMAP outside delivered 2 performed 2 skipped 0 pages 0 acted 0 whole 2
migration evict calls 2 pages 131072 collected 0 migrated 0 excess 0'
n=$((97 * 23)) m=$((89 * 31))
# loops MIRRORS ACT: those that hear of it, and those of them that act.
loops() {
	local calls=$((97 + 89 + n + m)) pages=$((2 * (n + m)))

	cat << END
callback MIGRATE setup delivered $((calls * $1)) performed $((calls * $2)) skipped $((calls * ($1 - $2))) pages $((pages * $1)) acted $((pages * $2))
migration to_device calls 97 pages $n collected $n migrated $n excess 0
migration to_device calls 89 pages $m collected $m migrated $m excess 0
migration to_system calls $n pages $n collected $n migrated $n excess 0
migration to_system calls $m pages $m collected $m migrated $m excess 0
notification MIGRATE setup calls $calls pages $pages
END
}
exits all 0
whole all
is "all: the rows of report are those of stat" "$(rows "$tmp/all.json")" "$(rows "$tmp/patched/stat.json")"
for name in one two; do
	[ $name = one ] && a=97 b=$n || a=89 b=$m
	is "all: process $name" "$(rows "$tmp/all.json" $name)" "$(sorted << END
callback MIGRATE setup delivered $((a + b)) performed 0 skipped $((a + b)) pages $((2 * b)) acted 0
callback RELEASE outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
callback UNMAP outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
migration evict calls 1 pages 65536 collected 0 migrated 0 excess 0
migration to_device calls $a pages $b collected $b migrated $b excess 0
migration to_system calls $b pages $b collected $b migrated $b excess 0
notification MIGRATE setup calls $((a + b)) pages $((2 * b))
notification UNMAP outside calls 1 pages 0 whole 1
END
)"
done
calls=$((97 + 89 + n + m))
is "all: every notification is in its own migration" "$(parents "$tmp/patched/all")" \
	"$calls migrations, $calls notifications (1 to 1), $calls callbacks (1 to 1), 0 strays"

exits threads 0
whole threads
is "threads: the rows" "$(rows "$tmp/threads.json" | grep -v '^callback MIGRATE')" \
	"$(printf '%s\n' "$(loops 2 1 | grep -v '^callback')" "$ends" 'notification UNMAP outside calls 1 pages 0 whole 1' | sorted)"
is "threads: every notification is in its own migration" "$(parents "$tmp/patched/threads")" \
	"$calls migrations, $calls notifications (1 to 1), $((2 * calls)) callbacks (2 to 2), 0 strays"
is "threads: every migration adds up" "$(accounts "$tmp/patched/threads")" \
	"$((calls + 2 * EVICTIONS)) migrations, 0 do not add up in time, 0 in pages"
is "threads: two of them, each with its own migrations" \
	"$(records "$tmp/patched/threads" | awk '{ for (i = 2; i < NF; i += 2) v[$i] = $(i + 1) }
		/^migration/ && v["direction"] != "evict" { n[v["task"]]++; p[v["tgid"]] } END { for (t in n) print n[t]; print length(p) }' | sort -n)" \
	"$(printf '%s\n' 1 $((97 + n)) $((89 + m)) | sort -n)"

exits children 0
whole children
is "children: the rows of report are those of stat, of another run" "$(rows "$tmp/children.json")" \
	"$(rows "$tmp/patched/children-stat.json")"
of_child() { # CALLS PAGES
	sorted << END
callback CLEAR outside delivered $1 performed $1 skipped 0 pages $2 acted $2
callback RELEASE outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
callback UNMAP outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
migration evict calls 1 pages 65536 collected 0 migrated 0 excess 0
notification CLEAR outside calls $1 pages $2
notification UNMAP outside calls 1 pages 0 whole 1
END
}
is "children: the rows" "$(rows "$tmp/children.json")" \
	"$(printf '%s\n' "$(of_child 97 $n)" "$(of_child 89 $m)" | sorted)"
"$mmuscope" report --json --by cause,event -o "$tmp/causes.json" "$tmp/patched/children"
json "children: every CLEAR is of a madvise()" "$tmp/causes.json" \
	'[.groups[] | select(.event == "CLEAR") | [.cause, .notifications]] == [["madvise", 97 + 89]]'

# --- killed
# The moment is chance, in the two seconds from when there is something to read. On one CPU:
# emulated, another one may run into a function that is being patched.
if [ "$LINE" = 6.1 ]; then
	seed=${SEED:-$RANDOM}
	comment <<< "SEED=$seed"
	guest patched --timeout 900 << END
seed=$seed
$(cat << 'IN'
/root/mirror map:23 write open:0 loop:0 migrate tosys sleep:1 end & busy=$!
for n in $(seq 20); do
	ms=$(awk -v seed=$((seed + n)) 'BEGIN { srand(seed); print int(rand() * 2000) }')
	# It has the CPU for itself until then.
	kill -STOP $busy
	mmuscope record -a --no-latency -o killed-$n 2> killed-$n.stderr & pid=$!
	wait_for test -e killed-$n/metadata
	kill -CONT $busy
	usleep $((ms * 1000))
	kill -9 $pid
	wait $pid 2> /dev/null || echo $? >> killed
done
kill -9 $busy
IN
)
END
	is "killed: all by the signal" "$(sort "$tmp/patched/killed" | uniq -c | xargs)" "20 137"
	for n in $(seq 20); do
		run "$mmuscope" report --json -o "$tmp/killed.json" "$tmp/patched/killed-$n"
		is "killed, $n: report's exit status" "$status" 3
		like "killed, $n: report says that it was not ended" "$err" \
			'the report is incomplete: recorded to the end: it was broken off: the last counts are missing'
		is "killed, $n: babeltrace2 has the same records" "$(kinds "$tmp/patched/killed-$n")" "$(kept "$tmp/killed.json")"
		is "killed, $n: babeltrace2 says nothing" "$(cat "$tmp/babeltrace2.err")" ""
		json "killed, $n: nothing of it is damaged" "$tmp/killed.json" '.recording | (.complete | not)
			and .damage == {packets: 0, packets_missing: 0, bytes: 0, files: 0, metadata: false}'
		comment <<< "killed, $n: $(kept "$tmp/killed.json" | paste -sd' ')"
	done
fi
done_testing
