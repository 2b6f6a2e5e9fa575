#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Counts are exact with 1, 2, 4 and 8 processors that all cause notifications at once, of
# several processes and of the threads of one, and with 1,000 processes (10,000 of them
# with scripts/check.sh --all, as their forks take minutes in an emulated guest); what has
# no room is told, just where the room ends; and what it costs does not grow with who is
# there.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program scale
program mirror
# Of each process; threads of one process make processors wait for each other at each.
N=997 T=97
crowd=1000
[ -z "${MMUSCOPE_ALL-}" ] || crowd=10000

# begin NAME KIND COUNT N: they wait; go NAME: and have done it; stop NAME:STAT...: ends
# these; end NAME.
guest_lib+='
begin() {
	local name=$1
	shift
	/root/scale "$@" $name &
	wait_for test -e $name.ready
}
go() {
	touch $1.go
	wait_for test -e $1.done
}
stop() {
	local stat
	for stat; do kill -INT ${stat#*:}; done
	for stat; do
		wait ${stat#*:} && echo 0 > ${stat%:*}.status || echo $? > ${stat%:*}.status
	done
}
end() { touch $1.end; }
'

# counts FILE: PID CALLS DELIVERED PERFORMED of the event that the producers cause.
counts() {
	jq -r '(reduce (.notifications[] | select(.event == "CLEAR")) as $n ({}; .["\($n.pid)"] += $n.calls)) as $calls
		| .callbacks[] | select(.event == "CLEAR")
		| "\(.pid) \($calls["\(.pid)"]) \(.delivered) \(.performed)"' "$1" | sort
}
lines() { # PID COUNT...
	local pid
	while read -r pid; do echo "$pid $1 $1 $1"; done | sort
}

# Windows that end on another CPU than they began on: each end finds its start.
guest patched --cpus 2 << 'END'
notifier_test
/root/mirror map:1 write notifier act:1 hop stay:4000 say:ready wait:/tmp/go loop:97 send:1 end \
	ledger say:done wait:/tmp/end > hop.said & pid=$!
wait_for grep -q ready hop.said
mmuscope stat -a -j -o hop-all.json 2> hop-all.stderr & all=$!
mmuscope stat -p $pid -j -o hop-one.json 2> hop-one.stderr & one=$!
counting $all; counting $one
touch /tmp/go
wait_for grep -q done hop.said
stop hop-all:$all hop-one:$one
touch /tmp/end
wait $pid
END
dir=$tmp/patched
hops=$(sed -n 's/^hops //p' "$dir/hop.said")
ok "windows end elsewhere: $hops of 97" test "${hops:-0}" -gt 48
for scope in all one; do
	is "windows that end elsewhere, $scope: status, nothing said" \
		"$(cat "$dir/hop-$scope".{status,stderr})" 0
	is "windows that end elsewhere, $scope: counts" "$(counts "$dir/hop-$scope.json" | cut -d' ' -f2-)" "97 97 97"
	json "windows that end elsewhere, $scope: each end is paired" "$dir/hop-$scope.json" \
		'.invariants[] | select(.name == "starts = ends + failed starts") | .holds
			and (.detail | test("^(?<n>[0-9]+) = \\k<n> \\+ 0, and 0 abandoned by a dying task$"))'
done

for cpus in 1 2 4 8; do
	all=$((cpus * T)) at="$cpus processors"
	guest patched --cpus $cpus --timeout 600 << END
begin processes processes $cpus $N
begin threads threads $cpus $T
pid=\$(cat threads.ready)
mmuscope stat -a -j -o all.json 2> all.stderr & all=\$!
mmuscope stat -p \$pid -j -o one.json 2> one.stderr & one=\$!
mmuscope stat -p \$(head -n 1 processes.ready) -j -o other.json 2> other.stderr & other=\$!
for stat in \$all \$one \$other; do counting \$stat; done
go processes
go threads
stop all:\$all one:\$one other:\$other
end processes
end threads
wait
status command mmuscope stat -j -o command.json -- /root/scale threads $cpus $T
END
	dir=$tmp/patched
	is "$at: exit status of all, nothing said" \
		"$(cat "$dir"/{all,one,other,command}.{status,stderr} | paste -sd' ')" "0 0 0 0"
	is "$at: there is a process for each" "$(wc -l < "$dir/processes.ready")" $cpus
	is "$at: -a has each process and all threads of one, exactly" "$(counts "$dir/all.json")" \
		"$({ lines $N < "$dir/processes.ready"; lines $all < "$dir/threads.ready"; } | sort)"
	is "$at: -p has the threads of one, exactly" "$(counts "$dir/one.json")" \
		"$(lines $all < "$dir/threads.ready")"
	is "$at: -p has one of the processes, exactly" "$(counts "$dir/other.json")" \
		"$(head -n 1 "$dir/processes.ready" | lines $N)"
	for f in all one other command; do sound "$at: $f" "$dir/$f.json"; done
	# Before the second thread there was no need to watch what the driver does.
	json "$at: a command's threads, exactly" "$dir/command.json" '
		[.callbacks[] | select(.event == "CLEAR") | .delivered, .performed + .undetermined]
		== [$n, $n] and [.notifications[] | select(.event == "CLEAR") | .calls] == [$n]' --argjson n $all
done

guest patched --cpus 2 --mem 4096 --timeout 900 << END
echo 32768 > /proc/sys/kernel/pid_max
begin many turns $crowd 3
mmuscope stat -a --max-rows 16384 --ring-size 8388608 -j -o many.json 2> many.stderr & many=\$!
counting \$many
go many
stop many:\$many
end many
wait
status absent mmuscope bench scale
for n in 16 17; do
	begin n\$n processes \$n 3
	mmuscope stat -a --max-rows 16 -j -o n\$n.json 2> n\$n.stderr & stat=\$!
	mmuscope stat -a --no-latency --max-rows 16 -j -o c\$n.json 2> c\$n.stderr & count=\$!
	counting \$stat
	counting \$count
	go n\$n
	stop n\$n:\$stat c\$n:\$count
	end n\$n
	wait
done
END
dir=$tmp/patched
is "$crowd processes: exit status, nothing said" "$(cat "$dir"/many.{status,stderr})" 0
is "$crowd processes: they are there" "$(sort -u "$dir/many.ready" | wc -l)" $crowd
counts "$dir/many.json" > "$tmp/got"
lines 3 < "$dir/many.ready" > "$tmp/wanted"
ok "$crowd processes: each has its rows, exactly" cmp "$tmp/got" "$tmp/wanted"
json "$crowd processes: each has its name" "$dir/many.json" 'all(.callbacks[], .notifications[]; .comm == "scale")'
sound "$crowd processes" "$dir/many.json"

made='[.notifications[].calls, .callbacks[].delivered] | add'
for f in n c; do
	is "$f: as many rows as there is room for: exit status, nothing said" \
		"$(cat "$dir/${f}16".{status,stderr})" 0
	json "$f: all are there, and nothing is lost" "$dir/${f}16.json" \
		".lost.counters == 0 and (.callbacks | length) == 16 and ($made) == 16 * 3 * 2"
	is "$f: one more: exit status" "$(cat "$dir/${f}17.status")" 3
	like "$f: one more: is said" "$(cat "$dir/${f}17.stderr")" "6 counts without a row \(--max-rows\)"
	json "$f: one more: all others are there, and kept + lost is what was made" "$dir/${f}17.json" \
		".lost.counters == 6 and (.callbacks | length) == 16 and ($made) + .lost.counters == 17 * 3 * 2"
done

# ---- bench scale ----

is "bench without the module: exit status" "$(cat "$dir/absent.status")" 4
is "bench without the module: is said" "$(cat "$dir"/absent.{stdout,stderr})" \
	"mmuscope bench: cannot subscribe: there is no /dev/notifier_test; load notifier_test.ko, which kernel/module has."
scale() { # DRIVERS BENCH-OPTION...
	run "$ROOT/scripts/scale.sh" --line "$LINE" --mem 2048 --timeout 900 --drivers "$1" -- --iterations 1 "${@:2}"
}
scale 4 --most 10 --json
is "bench: exit status, nothing said" "$status$err" 0
file=$tmp/scale.json
echo "$out" > "$file"
json "bench: schema, clock, populations" "$file" '.schema == "mmuscope-scale/1" and .clock == "guest-insn"
	and .iterations == 100 and .cpus == 1 and [.populations[] | "\(.of) \(.count)"]
	== ["subscribers 1", "processes 1", "processes 10", "drivers 1", "drivers 4"]'
json "bench: a row of each kind for each process and driver" "$file" '
	all(.populations[]; . as $p | (.watchers | length) == 2 and .reason == null and all(.watchers[];
		.rows == (if $p.of == "processes" then $p.count else 1 end)
		and .callback_rows == (if $p.of == "subscribers" then 1 else $p.count end)))'
# The rows of 4096, at the least.
json "bench: the maps hold what their sizes say" "$file" '
	all(.populations[].watchers[]; .max_rows == 4096 and .map_bytes >= 4096 * (128 + 512))'
json "bench: who is alone is never in turn" "$file" '
	all(.populations[]; . as $p | all(.watchers[]; (.in_turn == null) == ($p.of != "processes" or $p.count == 1)))'
of='def of($w; $n; $l): .populations[] | select(.of == $w and .count == $n) | .watchers[] | select(.latency == $l);'
for latency in true false; do
	json "bench: hot among 10 processes costs what it costs alone, to a fifth (latency: $latency)" "$file" "$of"'
		of("processes"; 1; $l).hot as $one | of("processes"; 10; $l).hot | . - $one | fabs <= $one / 5' \
		--argjson l $latency
done
scale 0 --most 4
is "bench: a table: exit status, nothing said" "$status$err" 0
comment <<< "$out"
is "bench: a table: its rows, and what is not there" "$(awk 'NR > 2 { print $1, $2, $3 }' <<< "$out" | paste -sd,)" \
	"subscribers 1 yes,subscribers 1 no,processes 1 yes,processes 1 no,drivers 1 yes,drivers 1 no,drivers, 4: n/o:"
like "bench: why" "$out" "n/o: there is no /dev/notifier_te00$"
done_testing
