#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# stat --windows: those that stay open too long and those that are never ended, each
# with its task and the stack of its start, exactly; what a start without an end does
# to a run without it; and nothing of all this where nothing is wrong.
# shellcheck disable=SC2016 # the variables of jq and of the guest
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror

# Of instructions, so that a busy machine makes no window long. CLEAR is event 1.
LIMIT=20000 # us
guest patched --icount --timeout 1500 << END
notifier_test
mirror=/root/mirror
one="map:23 write notifier act:23"
mixed="\$one loop:23 send:1 end stay:50000 loop:7 send:1 end"
windows() { # NAME [OPTION]... -- COMMAND...
	local name=\$1
	shift
	status \$name mmuscope stat --windows $LIMIT -j -o \$name.json "\$@"
}
windows mixed -- \$mirror \$mixed
windows counts --no-latency -- \$mirror \$mixed
windows causes --by cause --sample 1 -- \$mirror \$mixed
status table mmuscope stat --windows $LIMIT -- \$mirror \$mixed
status intervals mmuscope stat --windows $LIMIT -I 100 -j -o intervals.json -- \$mirror \$mixed
windows room --max-rows 64 -- \$mirror \$one stay:25000 loop:71 send:1 end
windows exits -- \$mirror \$one loop:997 leave:1 end
windows normal -- \$mirror map:1 write open:0 loop:997 migrate touch end
status without mmuscope stat -j -o without.json -- \$mirror map:1 write open:0 loop:997 migrate touch end

# A thread that leaves one open and exits; its process goes on, and leaves another.
windows_of_running() { # NAME [OPTION]...
	local name=\$1
	shift
	rm -f /tmp/go /tmp/end
	\$mirror \$one thread map:23 say:ready wait:/tmp/go leave:1 quit end reap \\
		send:1 leave:1 stay:50000 send:1 say:done wait:/tmp/end > said & pid=\$!
	wait_for grep -q ready said
	mmuscope stat "\$@" > \$name.stdout 2> \$name.stderr & stat=\$!
	counting \$stat
	touch /tmp/go
	wait_for grep -q done said
	sleep 1
	kill -INT \$stat
	wait \$stat && echo 0 > \$name.status || echo \$? > \$name.status
	touch /tmp/end
	wait \$pid
}
windows_of_running all --windows $LIMIT -a -j -o all.json
windows_of_running plain -a -j -o plain.json
# The command exits, and the module ends its window with the file.
mmuscope stat -a > plain-exit.stdout 2> plain-exit.stderr & stat=\$!
counting \$stat
\$mirror \$one leave:1
kill -INT \$stat
wait \$stat && echo 0 > plain-exit.status || echo \$? > plain-exit.status
status bad mmuscope stat --windows never -- true
END
out=$tmp/patched
says() { cat "$out/$1.stderr"; }
exits() { is "$1: exit status" "$(cat "$out/$1.status")" "$2"; }

seven='.windows | .limit_ns == 20000000 and .longer == 7 and .unended == 0 and .unlisted == 0
	and (.items | length == 7 and all(.[]; .ended == true and .fate == "ended" and .task == "mirror"
	and .tid == .pid and .comm == "mirror" and .event == "CLEAR" and .phase == "outside"
	and .open_ns >= 50000000 and .open_ns < 70000000
	and (.stack | .[0] == "notifier_test_send" and .[1] == "test_ioctl" and any(.[]; endswith("sys_ioctl")))
	and (.start | test("^0x[0-9a-f]+$"))))
	and (.items | map(.open_ns) | . == (sort | reverse))'
for name in mixed counts causes; do
	exits $name 0
	is "$name: nothing said" "$(says $name)" ""
	json "$name: 7 of 30 are too long, and which" "$out/$name.json" "$seven"
	json "$name: all were counted" "$out/$name.json" \
		'[.notifications[] | select(.event == "CLEAR") | .calls] == [30]'
done
json "their range" "$out/mixed.json" 'def hex: ltrimstr("0x") | explode
	| reduce .[] as $c (0; . * 16 + (if $c > 57 then $c - 87 else $c - 48 end));
	all(.windows.items[]; (.end | hex) - (.start | hex) == 23 * 4096)'
json "with causes: these too" "$out/causes.json" '.sampling.samples == ([.notifications[].calls] | add)'
sound mixed "$out/mixed.json"
sound causes "$out/causes.json"
like "a table" "$(cat "$out/table.stdout")" 'Windows open for more than 20000 us: 7; never ended: 0
TASK +EVENT PAGES OPEN us FATE +STACK
mirror:[0-9]+ CLEAR +23 +[56][0-9]{4} ended notifier_test_send < test_ioctl < __(x64|se)_sys_ioctl
'
is "a table: as many lines" "$(grep -c '^mirror:.* ended notifier_test_send' "$out/table.stdout")" 7
json "--interval: each is in one line" "$out/intervals.json" \
	'length > 3 and ([.[].windows.longer] | add) == 7 and ([.[].windows.items | length] | add) == 7' -s
exits room 0
json "more than there is room for: counted, and how many are not listed" "$out/room.json" \
	'.windows | .longer == 71 and .unlisted == 7 and (.items | length) == 64'
exits exits 0
balance='.invariants[] | select(.name == "starts = ends + failed starts")'
# Before 5.13 nobody looks at a task that exits; here the module ends them then.
if [ "$LINE" != 5.10 ]; then
	like "left open by a process that exits: is said" "$(says exits)" \
		'^mmuscope stat: the kernel has not ended 997 windows\.$'
	json "left open by a process that exits" "$out/exits.json" '.windows | .longer == 0 and .unended == 997
		and .unlisted == 0 and (.items | length == 997 and all(.[]; .ended == false and .fate == "task exited"
		and .task == "mirror" and .stack[0] == "notifier_test_send"))'
	json "left open by a process that exits: the balance" "$out/exits.json" "$balance"' | .holds
		and (.detail | test("^99[89] = [12] \\+ 0, and 997 abandoned by a dying task, 0 left open$"))'
fi
sound "left open by a process that exits" "$out/exits.json"
exits normal 0
is "nothing wrong: nothing said" "$(says normal)" ""
json "nothing wrong: nothing reported" "$out/normal.json" \
	'.windows == {limit_ns: 20000000, longer: 0, unended: 0, unlisted: 0, items: []}'
is "nothing wrong: the counts are those without --windows" "$(rows "$out/normal.json")" \
	"$(rows "$out/without.json")"
json "nothing wrong: 997 there and 997 back" "$out/normal.json" \
	'[.notifications[] | select(.event == "MIGRATE") | .calls] == [1994]'
sound "nothing wrong" "$out/normal.json"
json "without --windows: null" "$out/without.json" '.windows == null'

exits all 0
thread='task exited'
[ "$LINE" != 5.10 ] || thread='still open'
like "left open by a thread and by a process that goes on: is said" "$(says all)" \
	'^mmuscope stat: the kernel has not ended 2 windows\.$'
json "left open by a thread and by a process that goes on" "$out/all.json" '.windows
	| .longer == 1 and .unended == 2 and (.items | map({fate, own: (.tid == .pid)}) | sort)
	== ([{fate: "ended", own: true}, {fate: "still open", own: true}, {fate: $f, own: false}] | sort)' \
	--arg f "$thread"
json "its age" "$out/all.json" '.windows.items[] | select(.fate == "still open" and .tid == .pid)
	| .open_ns >= 1050000000 and .stack[0] == "notifier_test_send"'
json "the balance" "$out/all.json" "$balance"' | .holds
	and (.detail | test("and \($a) abandoned by a dying task, \(2 - $a) left open$"))' \
	--argjson a "$([ "$LINE" = 5.10 ] && echo 0 || echo 1)"
sound "left open by a thread and by a process that goes on" "$out/all.json"

# Which end is missing cannot be told from one that was missed.
exits plain 3
like "a run without --windows: is said" "$(says plain)" \
	'the result is incomplete: starts = ends \+ failed starts: .*, and 1 abandoned by a dying task, 1 without an end: --windows tells whose\.'
exits plain-exit 0
like "a run without --windows, a task that exits: the table" "$(cat "$out/plain-exit.stdout")" \
	'Windows that never ended: 1; --windows tells whose\.'
like "a run without --windows, a task that exits: is said" "$(says plain-exit)" \
	'the kernel has not ended 1 window: --windows tells whose\.'
exits bad 2
done_testing
