#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What is lost or does not add up is said, with how much of it, and gives exit
# status 3: a full map, a ring too small, a result that somebody changed.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

guest patched << 'END'
mmuscope stat -a -j -o full.json & full=$!
mmuscope stat -a --max-rows 2 -j -o few.json 2> few.stderr & few=$!
counting $full
counting $few
for n in 1 2 3 4 5; do /root/mirror map:23 write open:0 read migrate touch; done
kill -INT $full $few
wait $full && echo 0 > full.status || echo $? > full.status
wait $few && echo 0 > few.status || echo $? > few.status

status bench-few mmuscope bench mmops --max-rows 2 -n 23 -i 3 -j -o bench-few.json
status bench mmuscope bench migrate-mixed -r 0,50 -n 23 -i 3 -j -o bench.json
status stat mmuscope stat -j -o stat.json -- /root/mirror map:23 write open:0 read migrate touch

mmuscope stat -a --ring-size 4096 -j -o ring.json 2> ring.stderr & stat=$!
counting $stat
kill -STOP $stat
for n in $(seq 200); do /root/mirror open:0; done
kill -INT $stat
kill -CONT $stat
wait $stat && echo 0 > ring.status || echo $? > ring.status
END
dir=$tmp/patched
broken() { jq -r '[.invariants[] | select(.holds | not) | .name] | sort | join(", ")' "$1"; }

# --- no room for rows
is "room for 2 rows of a kind: exit status" "$(cat "$dir/few.status")" 3
is "room for all: exit status" "$(cat "$dir/full.status")" 0
calls='([.notifications[].calls] + [.callbacks[].delivered] + [.migrations[].calls] + [.faults.calls]) | add'
is "what has no row is counted as lost, exactly" "$(jq .lost.counters "$dir/few.json")" \
	"$(($(jq "$calls" "$dir/full.json") - $(jq "$calls" "$dir/few.json")))"
is "by the formula" "$(jq "$calls" "$dir/full.json")" \
	$((5 * (3 * (1 + 23) + 1 + 2 + 1 + EVICTIONS)))
json "2 rows of each kind are there" "$dir/few.json" '(.callbacks | length) == 2
	and (.notifications | length) + (.migrations | length) <= 2'
is "the invariants that break" "$(broken "$dir/few.json")" \
	"delivered = sum of outcomes, nothing lost, phases sum to the total"
like "and are said" "$(cat "$dir/few.stderr")" \
	"^mmuscope stat: the result is incomplete: delivered = sum of outcomes: [0-9]+ entered"
like "what is lost is said" "$(cat "$dir/few.stderr")" \
	"nothing lost: 0 ring events \(--ring-size\), $(jq .lost.counters "$dir/few.json") counts without a row \(--max-rows\)"
is "bench with 2 rows: exit status" "$(cat "$dir/bench-few.status")" 3
json "bench with 2 rows: checks do not hold" "$dir/bench-few.json" \
	'any(.results[0].checks[]; .holds == false) and .results[0].stat.lost.counters > 0'

# --- no room in the ring: 4 new rows of each process, or 3 without its eviction, one
# message each, of 72 bytes and a header of 8; 51 of them fit into 4096.
is "a ring too small: exit status" "$(cat "$dir/ring.status")" 3
is "a ring too small: what is lost, exactly" "$(jq -c .lost "$dir/ring.json")" \
	"{\"events\":$((200 * (3 + EVICTIONS) - 51)),\"counters\":0,\"recursion\":0}"
is "a ring too small: the invariant that breaks" "$(broken "$dir/ring.json")" "nothing lost"
like "a ring too small: is said" "$(cat "$dir/ring.stderr")" \
	"^mmuscope stat: the result is incomplete: nothing lost: $((200 * (3 + EVICTIONS) - 51)) ring events"
json "a ring too small: the counts are right all the same" "$dir/ring.json" '
	[.callbacks[] | select(.event == "RELEASE") | .delivered] | length == 200 and add == 200'

# --- a result that somebody changed
forge() { # NAME FILE FILTER STATUS [WORDS]
	jq "$3" "$dir/$2" > "$tmp/forged.json"
	ok "$1: is another file" sh -c "! cmp -s '$tmp/forged.json' '$dir/$2'"
	for order in forged-last forged-first; do
		if [ $order = forged-last ]; then
			run "$ROOT/build/mmuscope" diff "$dir/$2" "$tmp/forged.json"
		else
			run "$ROOT/build/mmuscope" diff "$tmp/forged.json" "$dir/$2"
		fi
		is "$1, $order: exit status" "$status" "$4"
		[ $# = 4 ] || like "$1: is said" "$out$err" "$5"
	done
}
run "$ROOT/build/mmuscope" diff "$dir/bench.json" "$dir/bench.json"
is "the same twice: exit status" "$status" 0
run "$ROOT/build/mmuscope" diff "$dir/stat.json" "$dir/stat.json"
is "the same stat twice: exit status" "$status" 0
forge "bench: an outcome more" bench.json '.results[1].stat.callbacks[0].performed += 1' 3
forge "bench: a delivery less" bench.json '.results[0].stat.callbacks[0].delivered -= 1' 3
forge "bench: a notification more" bench.json '.results[0].stat.notifications[0].calls += 1' 3
forge "bench: a check that does not hold" bench.json \
	'.results[0].checks[0] |= (.measured += 1 | .holds = false)' 3
forge "bench: a check that lies" bench.json '.results[0].checks[0].measured += 1' 3
forge "bench: a sample changed" bench.json '.results[0].samples[0].ours.delivered += 1' 3
forge "bench: something lost" bench.json '.results[0].stat.lost.counters = 1' 3
forge "stat: an outcome more" stat.json '.callbacks[0].skipped += 1' 3
forge "stat: an invariant that does not hold" stat.json '.invariants[0].holds = false' 3
forge "stat: something lost" stat.json '.lost.events = 1' 3
forge "stat: a histogram that lost a call" stat.json '.callbacks[0].latency_ns.buckets[0].count -= 1' 3
done_testing
