#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Windows inside windows, side by side, and left by a task that dies: each count
# is of its own migration, process and mirror.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# Splitting a huge page, which the first chunk of 64 pages makes collect do, raises
# two CLEARs of the whole of it, one after the other: __split_huge_pmd() and
# try_to_migrate_one() (mm/huge_memory.c, mm/rmap.c).
#
# A process that ends: exit_mmap() releases the mirror and unmaps everything, and
# closing the device looks for pages of its chunk of 256 MiB to take back.
ends='callback RELEASE outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
callback UNMAP outside delivered 1 performed 1 skipped 0 pages 0 acted 0 whole 1
migration evict calls 1 pages 65536 collected 0 migrated 0 excess 0
notification UNMAP outside calls 1 pages 0 whole 1'

# expect NAME FILE ROWS [PROCESS]: exactly these rows and those of its end.
expect() { is "$1" "$(rows "$2" "${4-}")" "$(printf '%s\n' "$3" "$ends" | sed '/^$/d' | sorted)"; }

# With 64 pages the split is the whole story, with 512 seven chunks follow that
# find small pages; since 6.19 a whole huge page migrates as one instead, to a chunk of
# device memory that the driver adds for such. Without latency it is the same: the
# driver declines no CLEAR, so that one inside a window that is open already can be
# told too.
check_split() { # VARIANT PAGES
	local variant=$1 n=$2 chunks=$(($2 / 64)) clears=$SPLIT_CLEARS first=64 compound=0 expected='' name
	local split calls pages

	[ "$n$LINE" != 5127.2 ] || chunks=1 clears=0 first=512 compound=1
	split=$((clears * 512))
	if [ "$variant" = patched ]; then
		[ $clears = 0 ] || expected="
callback CLEAR setup delivered $clears performed $clears skipped 0 pages $split acted $split
notification CLEAR setup calls $clears pages $split"
		expected+="
callback MIGRATE setup delivered $chunks performed 0 skipped $chunks pages $n acted 0
migration to_device calls $chunks pages $n collected $n migrated $n excess $((split > first ? split - first : 0))
notification MIGRATE setup calls $chunks pages $n"
	else
		calls=$((chunks + clears)) pages=$((n + split))
		expected="
callback CLEAR setup delivered $calls performed $calls skipped 0 pages $pages acted $pages
migration to_device calls $chunks pages $n collected $n migrated $n excess $split
notification CLEAR setup calls $calls pages $pages"
	fi
	for name in split-$n split-$n-count; do
		is "$variant: $name: a split inside collect" "$(rows "$tmp/$variant/$name.json")" \
			"$(printf '%s\n' "fault calls $((512 / FAULT_PAGES)) pages 512 retries 0$expected" \
				"${ends/evict calls 1 pages 65536/evict calls $((1 + compound)) pages $((65536 * (1 + compound)))}" |
				sorted)"
		json "$variant: $name: huge pages that migrated whole" "$tmp/$variant/$name.json" \
			'[.migrations[] | select(.direction == "to_device") | .compound] == [$c]' --argjson c $compound
	done
}

# One window, two mirrors of one process: the callback is called twice in it.
check_two_mirrors() { # VARIANT
	local variant=$1 dir=$tmp/$1 event=MIGRATE own='performed 0 skipped 2 pages 46 acted 0' other excess=0

	other='performed 1 skipped 1 pages 46 acted 23'
	if [ "$variant" = unpatched ]; then
		event=CLEAR own='performed 2 skipped 0 pages 46 acted 46' other=$own excess=23
	fi
	both_end='callback RELEASE outside delivered 2 performed 2 skipped 0 pages 0 acted 0 whole 2
callback UNMAP outside delivered 4 performed 4 skipped 0 pages 46 acted 46 whole 2
migration evict calls 2 pages 131072 collected 0 migrated 0 excess 0
notification UNMAP outside calls 2 pages 23 whole 1'
	for mirrors in one other; do
		[ $mirrors = one ] || own=$other
		is "$variant: two mirrors of $mirrors device" "$(rows "$dir/mirrors-$mirrors.json")" \
			"$(sorted <<< "callback $event setup delivered 2 $own
migration to_device calls 1 pages 23 collected 23 migrated 23 excess $excess
notification $event setup calls 1 pages 23
$both_end")"
	done
}

# The pages of a device that is closed come back one by one, each with a
# notification that no mirror is left to hear.
check_evict() { # VARIANT
	local event=MIGRATE outcome='performed 0 skipped 1 pages 23 acted 0'

	[ "$1" = patched ] || event=CLEAR outcome='performed 1 skipped 0 pages 23 acted 23'
	is "$1: a device closed with pages on it" "$(rows "$tmp/$1/evict.json")" \
		"$(sorted <<< "callback $event setup delivered 1 $outcome
migration evict calls 1 pages 65536 collected 23 migrated 23 excess 0
migration to_device calls 1 pages 23 collected 23 migrated 23 excess 0
notification $event setup calls 1 pages 23
notification CLEAR evict calls 23 pages 23
notification UNMAP outside calls 1 pages 0 whole 1")"
}

# loops EVENT MIRRORS-THAT-ACT MIRRORS EXCESS [ITERATIONS PAGES]...: the rows of
# migrations to the device and faults back, all at once.
loops() {
	local event=$1 act=$2 mirrors=$3 excess=$4 calls=0 pages=0 n

	shift 4
	while [ $# -gt 0 ]; do
		n=$(($1 * $2))
		calls=$((calls + $1 + n)) pages=$((pages + n))
		echo "migration to_device calls $1 pages $n collected $n migrated $n excess $((n * excess))"
		echo "migration to_system calls $n pages $n collected $n migrated $n excess $((n * excess))"
		shift 2
	done
	cat << END
callback $event setup delivered $((calls * mirrors)) performed $((calls * act)) skipped $((calls * (mirrors - act))) pages $((2 * pages * mirrors)) acted $((2 * pages * act))
notification $event setup calls $calls pages $((2 * pages))
END
}

check_processes() { # VARIANT
	local variant=$1 file=$tmp/$1/processes.json event=MIGRATE act=0

	[ "$variant" = patched ] || event=CLEAR act=1
	expect "$variant: two processes at once: one" "$file" "$(loops $event $act 1 0 97 23)" one
	expect "$variant: two processes at once: the other" "$file" "$(loops $event $act 1 0 89 31)" two
	json "$variant: two processes at once: no row of anything else" "$file" \
		'[.notifications, .callbacks, .migrations | .[].comm] | unique == ["one", "two"]'
}

# Two threads with a mirror each, both of which hear of everything: on a patched
# kernel a migration's own mirror declines and the other one acts. Without latency,
# and until the work function is watched, the outcome of a MIGRATE may be unknown
# while the other thread's window is open, but none is wrong; a wrong one shows in
# the excess too, which is of single migrations.
check_threads() { # VARIANT
	local variant=$1 event=MIGRATE act=1 excess=0 calls n=$((97 * 23)) m=$((89 * 31)) name

	[ "$variant" = patched ] || event=CLEAR act=2 excess=1
	calls=$((97 + 89 + n + m))
	for name in threads threads-at-once threads-count; do
		# Undetermined callbacks have no pages in the excess: it cannot be exact there.
		[ $name != threads ] && cut='s/ excess .*//' || cut=''
		is "$variant: $name: two at once" \
			"$(rows "$tmp/$variant/$name.json" | grep -v "callback $event" | sed "$cut")" \
			"$(sorted <<< "callback RELEASE outside delivered 2 performed 2 skipped 0 pages 0 acted 0 whole 2
callback UNMAP outside delivered 2 performed 2 skipped 0 pages 0 acted 0 whole 2
migration evict calls 2 pages 131072 collected 0 migrated 0 excess 0
migration to_device calls 97 pages $n collected $n migrated $n excess $((excess * n))
migration to_system calls $n pages $n collected $n migrated $n excess $((excess * n))
migration to_device calls 89 pages $m collected $m migrated $m excess $((excess * m))
migration to_system calls $m pages $m collected $m migrated $m excess $((excess * m))
notification $event setup calls $calls pages $((2 * (n + m)))
notification UNMAP outside calls 1 pages 0 whole 1" | sed "$cut")"
		json "$variant: $name: outcomes" "$tmp/$variant/$name.json" '
			[.callbacks[] | select(.phase == "setup")] | length == 1 and (.[0] | .event == $event
			and .delivered == 2 * $calls and .performed <= $act * $calls
			and .skipped <= (2 - $act) * $calls and .failed == 0 and .pages == 4 * $pages
			and .performed + .skipped + .undetermined == .delivered
			and (.undetermined == 0 or $name != "threads" and $act == 1))' \
			--arg name $name --arg event $event --argjson calls $calls --argjson act $act --argjson pages $((n + m))
		comment <<< "$name: $(rows "$tmp/$variant/$name.json" | grep "callback $event")"
	done
}

# Each of 20 processes is killed at its own moment; all that it began is ended.
check_killed() { # VARIANT
	local variant=$1 file=$tmp/$1/killed.json

	is "$variant: killed: all by the signal" "$(sort -u "$tmp/$variant/killed.how")" 137
	json "$variant: killed: 20 processes, each released once" "$file" '
		[.callbacks[] | select(.event == "RELEASE")]
		| length == 20 and all(.[]; .delivered == 1 and .performed == 1)'
	json "$variant: killed: each in the middle of its work" "$file" '
		([.migrations[] | select(.direction == "to_device") | .pid] | unique | length) == 20'
	json "$variant: killed: a notification and a callback for each migration" "$file" '
		def sums(f): group_by(.pid) | map({(.[0].pid | tostring): (map(f) | add)}) | add;
		([.migrations[] | select(.direction != "evict")] | sums(.calls)) as $migrations
		| $migrations == ([.notifications[] | select(.phase == "setup")] | sums(.calls))
		and $migrations == ([.callbacks[] | select(.phase == "setup")] | sums(.delivered))'
	json "$variant: killed: starts = ends, setups = finalizes, none abandoned" "$file" '
		[.invariants[] | select(.name | test("starts|setups")) | .detail
		| test(" 0 abandoned")] == [true, true]'
}

for variant in patched unpatched; do
	has $variant || continue
	guest $variant << 'END'
mirror=/root/mirror
split() {
	local n=$1
	status split-$n mmuscope stat -j -o split-$n.json -- $mirror thp:1 open:0 read migrate:$n
	status split-$n-count mmuscope stat --no-latency -j -o split-$n-count.json -- \
		$mirror thp:1 open:0 read migrate:$n
}
split 64
status mirrors-one mmuscope stat -j -o mirrors-one.json -- $mirror map:23 write open:0 open:0 migrate unmap
status mirrors-other mmuscope stat -j -o mirrors-other.json -- \
	$mirror map:23 write open:1 open:0 migrate unmap
status evict mmuscope stat -j -o evict.json -- $mirror map:23 write open:0 migrate close
# Last: device memory for huge pages stays, and every later close looks at it.
split 512
END
	for n in 64 512; do check_split $variant $n; done
	check_two_mirrors $variant
	check_evict $variant
	for name in split-64 split-512 split-64-count split-512-count mirrors-one mirrors-other evict; do
		is "$variant: $name: exit status, nothing said" \
			"$(cat "$tmp/$variant/$name".{status,stdout,stderr})" 0
		sound "$variant: $name" "$tmp/$variant/$name.json"
	done

	guest $variant --cpus 2 << 'END'
cp /root/mirror one
cp /root/mirror two
mmuscope stat -a -j -o processes.json & stat=$!
counting $stat
./one map:23 write open:0 say:ready wait:/tmp/go loop:97 migrate touch end > ready.one & one=$!
./two map:31 write open:1 say:ready wait:/tmp/go loop:89 migrate touch end > ready.two & two=$!
wait_for test -s ready.one
wait_for test -s ready.two
touch /tmp/go
wait $one
wait $two
kill -INT $stat
wait $stat

# threads START: two, and what they do before they migrate.
threads() {
	echo thread map:23 write meet open:0 meet ${1-} loop:97 migrate touch end end \
		thread map:31 write meet open:1 meet ${1-} loop:89 migrate touch end end reap
}
status threads-at-once mmuscope stat -j -o threads-at-once.json -- ./one $(threads)
status threads-count mmuscope stat --no-latency -j -o threads-count.json -- ./one $(threads)
rm /tmp/go
# The second thread makes stat watch the driver's work function from then on.
links() { ls -l /proc/$1/fd | grep -c -e bpf_link -e perf_event; }
mmuscope stat -j -o threads.json -- ./one say:alone wait:/tmp/second $(threads wait:/tmp/go) > threads.said & stat=$!
wait_for test -s threads.said
alone=$(links $stat)
touch /tmp/second
more_links() { test "$(links $stat)" -eq $((alone + 1)); }
wait_for more_links
touch /tmp/go
wait $stat && echo 0 > threads.status || echo $? > threads.status

mmuscope stat -a -j -o killed.json & stat=$!
counting $stat
for n in $(seq 20); do
	./one map:23 write open:$((n % 2)) say:ready loop:0 migrate touch end > ready.$n & pid=$!
	wait_for test -s ready.$n
	usleep $((50000 + RANDOM % 50 * 1000))
	kill -9 $pid
	wait $pid 2> /dev/null || echo $? >> killed.how
done
kill -INT $stat
wait $stat
rm one two ready.* threads.said
END
	check_processes $variant
	check_threads $variant
	check_killed $variant
	for name in processes threads threads-at-once threads-count killed; do
		sound "$variant: $name" "$tmp/$variant/$name.json"
	done
	is "$variant: threads: exit status" "$(cat "$tmp/$variant"/threads{,-at-once,-count}.status)" $'0\n0\n0'
done
done_testing
