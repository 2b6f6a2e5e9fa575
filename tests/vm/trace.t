#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# trace: a line for each migration, what is in it under it, and nothing that is not; what
# the filters leave; the sums, which are the counters'; and what is said of what was lost.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror
mmuscope=$ROOT/build/mmuscope
out_of() { cat "$tmp/patched/$1"; }
exits() { # NAME EXPECTED
	is "$1: exit status" "$(out_of "$1.status")" "$2"
}
lines() { # NAME EXPECTED
	is "$1: lines" "$(wc -l < "$tmp/patched/$1.stdout")" "$2"
}
# all_json NAME FILTER [ARG]...: jq FILTER is true for the array of all lines.
all_json() {
	local name=$1 file=$2 filter=$3

	shift 3
	jq -s . "$tmp/patched/$file.stdout" > "$tmp/$file.json" 2> /dev/null
	json "$name" "$tmp/$file.json" "$filter" "$@"
}

guest patched --cpus 2 << 'END'
cp /root/mirror mirror
trap "rm -f mirror" EXIT
names='' pids=''
# traced NAME OPTION...: traces $mirror in the background.
traced() {
	local name=$1
	shift
	mmuscope trace -p $mirror "$@" > $name.stdout 2> $name.stderr &
	names="$names $name" pids="$pids $!"
}
all_counting() { local pid; for pid in $pids; do counting $pid; done; }
ended() { # PID NAME
	wait $1 && echo 0 > $2.status || echo $? > $2.status
}
# Ends all with Ctrl-C.
stop() {
	local name pid
	set -- $pids
	for name in $names; do
		pid=$1
		shift
		kill -INT $pid 2> /dev/null || true
		ended $pid $name
	done
	names='' pids=''
}
# mirror OP...: begins, and goes on when told to.
begin() {
	rm -f /tmp/go /tmp/end
	: > said
	./mirror "$@" say:done wait:/tmp/end > said & mirror=$!
	wait_for grep -q ready said
}
go() {
	touch /tmp/go
	wait_for grep -q done said
}
end() {
	touch /tmp/end
	wait $mirror
}

begin map:23 write open:0 say:ready wait:/tmp/go \
	loop:97 migrate tosys dontneed write end loop:7 migrate:1 tosys:1 end
traced table
traced events --events --stack --json
traced first -n 5 --json
traced of-event --no-latency --events --json --event CLEAR --outcome performed,failed
traced of-driver --json --phase setup --outcome skipped --driver test_hmm
traced of-range --json --range 40000200000-0x40000201000 --min-us 1
all_counting
go
# It has ended by itself.
set -- $pids
ended $3 first
names='table events of-event of-driver of-range'
pids="$1 $2 $4 $5 $6"
stop
end

# A huge page that is split in the middle.
begin thp:1 open:0 say:ready wait:/tmp/go read migrate:64 tosys:64
traced split --events --json --stack
traced split-table --events
all_counting
go
stop
end

# A ring of one page, which nobody empties.
begin map:1 write open:0 say:ready wait:/tmp/go loop:997 dontneed touch end
traced ring --events --json --ring-size 4096
all_counting
kill -STOP $pids
go
kill -CONT $pids
stop
end

# Side by side: two processes, and two threads of one.
rm /tmp/go
mmuscope trace -a --events --json > all.stdout 2> all.stderr & trace=$!
counting $trace
: > said
for n in 0 1; do
	./mirror map:2$n write open:$n say:ready wait:/tmp/go loop:97 migrate tosys end say:done wait:/tmp/end >> said &
done
wait_for sh -c 'test $(grep -c ready said) = 2'
touch /tmp/go
wait_for sh -c 'test $(grep -c done said) = 2'
touch /tmp/end
wait_for sh -c '! pidof mirror'
./mirror thread map:23 write meet open:0 meet loop:97 migrate tosys end end \
	thread map:31 write meet open:1 meet loop:89 migrate tosys end end reap
kill -INT $trace
ended $trace all

# As fast as it goes, to its end: single notifications may be too many to print.
status fast mmuscope trace --events -- ./mirror map:1 write open:0 loop:49999 dontneed touch end
grep -cE ' (notification|callback|evict) ' fast.stdout > fast
rm fast.stdout
status migrations mmuscope trace -- ./mirror map:1 write open:0 loop:4999 migrate tosys end
status full sh -c 'mmuscope trace -- ./mirror map:23 write open:0 migrate tosys > /dev/full'
rm said
END

# 97 times 23 pages there and back, and given up; 7 times one page.
pages=$((2 * (97 * 23 + 7)))
sums="208 migrations, $pages of $pages pages migrated, 0 excess; 305 notifications; 305 callbacks: 97 performed, 208 skipped, 0 avoidable; 0 device faults."
for name in table first events of-event of-driver of-range; do
	exits $name 0
	if [ $name = first ]; then
		like "first: the sums" "$(out_of $name.stderr)" '^mmuscope trace: counted in [0-9.]+ s: [0-9]+ migrations, '
	else
		is "$name: the sums are the counters', whatever is shown" \
			"$(out_of $name.stderr | sed 's/counted in [0-9.]* s/counted/')" "mmuscope trace: counted: $sums"
	fi
done
# A heading for every 40 lines.
lines table $((208 + 6))
is "table: a heading, and once more after 40 lines" "$(grep -n '^ *TIME s PROCESS ' "$tmp/patched/table.stdout" | cut -d: -f1 | paste -sd' ')" \
	"1 42 83 124 165 206"
number='[0-9]+\.[0-9]'
for want in "to_device 23 97" "to_system 23 97" "to_device 1 7" "to_system 1 7"; do
	read -r direction n times <<< "$want"
	is "table: $want" "$(grep -cE "^ +[0-9]+\.[0-9]{6} mirror:[0-9]+ +$direction +$n +$n +$n +$number +$number +$number +$number +0 +1 +0 +0 400001ff000-[0-9a-f]+ [a-z_]+\+0x[0-9a-f]+ \[test_hmm\]$" \
		"$tmp/patched/table.stdout")" "$times"
done
lines first 5
all_json "first: migrations, in their order" first 'map(.type) == ["migration", "migration", "migration", "migration", "migration"]
	and map(.direction) == ["to_device", "to_system", "to_device", "to_system", "to_device"]'

lines events $((208 + 97))
all_json "events: as many as were counted" events '
	([.[] | select(.type == "migration")] | length) == 208
	and ([.[], .[].children[] | select(.type == "notification")] | length) == 305
	and ([.. | objects | select(.type == "callback")] | length) == 305
	and ([.. | objects | select(.type == "callback" and .outcome == "performed")] | length) == 97'
# children_fit: what is in something has its task, and its time.
children_fit='def fit: . as $p | all(.children[]?; .tid == $p.tid and .pid == $p.pid and .end_ns <= $p.end_ns
		and ($p.took_ns == null or .end_ns - .took_ns >= $p.end_ns - $p.took_ns) and fit);
	all(.[]; fit)'
all_json "events: children are of their parents' task and time" events "$children_fit"
all_json "events: each migration has its notification, and that its callback" events '
	all(.[] | select(.type == "migration"); [.children[] | [.type, .event, .phase, .from, .to]] == [["notification", "MIGRATE", "setup", .from, .to]]
		and (.children[0].children | map([.type, .event, .phase, .symbol, .outcome]))
			== [["callback", "MIGRATE", "setup", "dmirror_interval_invalidate", "skipped"]]
		and .setup_ns + .copy_ns + .pages_ns + .finalize_ns == .took_ns
		and .asked == .migrated + (.unmoved | add) and .callbacks.skipped == 1)'
all_json "events: what is outside is no migration" events '
	all(.[] | select(.type != "migration"); .type == "notification" and .event == "CLEAR" and .phase == "outside"
		and (.children | map([.type, .outcome])) == [["callback", "performed"]])'
all_json "stack: it begins with who called" events '
	all(.[]; . as $a | .stack.frames[0] as $f | if .type == "migration" then .stack.cause == "migration"
			and ($f | startswith("dmirror_migrate_to_" + $a.direction[3:]))
		else .stack.cause == "madvise" end)
	and all(.[].children[] | select(.type == "notification"); .stack.cause == "migration"
		and .stack.frames[0] == "migrate_vma_setup"
		# On 7.2 the trampoline that calls the watched function stands between, without a name.
		and (.stack.frames[1:] | map(select(startswith("0x") | not))[0] | startswith("dmirror_migrate_to_")))'

lines of-event 97
all_json "--event --outcome" of-event 'all(.[]; .type == "notification" and .event == "CLEAR"
	and (.children | map([.type, .outcome])) == [["callback", "performed"]])'
lines of-driver 208
all_json "--phase --outcome --driver: the migrations with such callbacks, and nothing in them" of-driver \
	'all(.[]; .type == "migration" and .callbacks.skipped == 1 and (has("children") | not))'
lines of-range 194
all_json "--range: the second page" of-range 'all(.[]; .from < $to and .to > $from)' \
	--argjson from $((0x40000200000)) --argjson to $((0x40000201000))

# --- a huge page
exits split 0
exits split-table 0
lines split $((512 / FAULT_PAGES + 2))
all_json "split: the CLEARs of the split are in the migration that splits" split '
	[.[] | select(.type == "migration")] | length == 2
	and (.[0] | .direction == "to_device" and .asked == 64 and .migrated == 64
		and .excess == (if $clears == 0 then 0 else $clears * 512 - 64 end)
		and ([.children[] | [.event, .phase, (.to - .from) / 4096, .children[0].outcome]] | sort)
			== ([["MIGRATE", "setup", 64, "skipped"], (range($clears) | ["CLEAR", "setup", 512, "performed"])] | sort))
	and (.[1] | .direction == "to_system" and ([.children[] | .event] == ["MIGRATE"]))' --argjson clears $SPLIT_CLEARS
all_json "split: and their cause is" split "[.[].children[]? | select(.event == \"CLEAR\") | .stack.cause] == [range($SPLIT_CLEARS) | \"thp split\"]"
all_json "split: device faults are outside" split '
	[.[] | select(.type == "device_fault") | .result, .retry] | . == [range(length / 2) | 0, false]'
all_json "split: children are of their parents' task and time" split "$children_fit"
is "split: the table has the same, indented" \
	"$(sed -nE 's/^ *[0-9.]+ (mirror:[0-9]+ )?( *)(device fault|to_device|to_system|notification [A-Z]+|callback [a-z_]+ [a-z]+).*/\2\3/p; s/^ *[0-9.]+ mirror:[0-9]+ +(to_[a-z]+) .*/\1/p' \
		"$tmp/patched/split-table.stdout" | sed 's/^ *to_/to_/' | uniq -c | awk '{ n = $1; sub(/^ *[0-9]+ /, ""); print n ":" $0 }')" \
	"$(
		echo "$((512 / FAULT_PAGES)):device fault"
		echo "1:to_device"
		printf '1:  notification MIGRATE\n1:    callback dmirror_interval_invalidate skipped\n'
		for ((i = 0; i < SPLIT_CLEARS; i++)); do
			printf '1:  notification CLEAR\n1:    callback dmirror_interval_invalidate performed\n'
		done
		echo "1:to_system"
		printf '1:  notification MIGRATE\n1:    callback dmirror_interval_invalidate skipped\n'
	)"

# --- the ring: 64 slots, whoever comes later is lost
exits ring 3
lines ring 32
all_json "ring: the first 32, whole" ring 'all(.[]; .type == "notification" and (.children | length) == 1)'
like "ring: 1994 - 64 are lost, and the counters have all" "$(out_of ring.stderr)" \
	'^mmuscope trace: 1930 records were lost, the ring is full: name a larger --ring-size, or less to trace\.
mmuscope trace: counted in [0-9.]+ s: 0 migrations, 0 of 0 pages migrated, 0 excess; 997 notifications; 997 callbacks: 997 performed, 0 skipped, 0 avoidable; 0 device faults\.$'

# --- side by side
exits all 0
all_json "all: children are of their parents' task and time" all "$children_fit"
all_json "all: two processes and two threads, each with its own" all '
	[.[] | select(.type == "migration" and .direction != "evict")] | group_by([.pid, .tid])
	| map([length, ([.[].children[]] | length), ([.[].children[].children[]] | length), (map(.asked) | unique)])
	| sort == ([[194, 194, 194, [20]], [194, 194, 194, [21]], [194, 194, 388, [23]], [178, 178, 356, [31]]] | sort)'
all_json "all: the two threads are of one process" all '
	[.[] | select(.direction == "to_device" and (.asked == 23 or .asked == 31))] | (map(.pid) | unique | length) == 1
	and (map(.tid) | unique | length) == 2'

# --- fast
lost=$(sed -n 's/^mmuscope trace: \([0-9]*\) records were lost.*/\1/p' "$tmp/patched/fast.stderr" | paste -sd+)
lost=$((${lost:-0}))
comment <<< "fast: $lost records were lost"
exits fast $((lost ? 3 : 0))
like "fast: the sums have all" "$(out_of fast.stderr)" '; 50000 notifications; 50001 callbacks: 50001 performed, '
is "fast: shown + lost = counted" "$(($(out_of fast) + lost))" $((50000 + 50001 + EVICTIONS))
exits migrations 0
is "migrations: each is shown" "$(grep -cE 'mirror:[0-9]+ +to_(device|system) +1 +1 +1 ' "$tmp/patched/migrations.stdout")" 9998
like "migrations: nothing is lost" "$(out_of migrations.stderr)" \
	"^mmuscope trace: counted in [0-9.]+ s: $((9998 + EVICTIONS)) migrations, 9998 of $((9998 + 65536 * EVICTIONS)) pages migrated, "
exits full 1
like "full: says why" "$(out_of full.stderr)" 'mmuscope trace: cannot write standard output: No space left on device'

# --- what is no command line of its own: it needs no rights
for options in '--event NONE' '--phase nowhere' '--outcome good' '--range 9-8' '--range 9' '--min-us 0' '-n 0' \
	'--ring-size 4095' '--driver' '-a -p 1' '--children' '--strange'; do
	# shellcheck disable=SC2086 # words
	run "$mmuscope" trace $options
	is "trace $options: usage" "$status" 2
	like "trace $options: a sentence" "$err" '^mmuscope trace: '
done
done_testing
