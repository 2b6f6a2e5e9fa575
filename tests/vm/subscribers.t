#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# subscribers: who is registered, of which process, exactly, and what is said where
# it cannot be known. test_hmm registers one interval, the whole address space, for
# each open device, and one of $FAULT_PAGES pages for the time of a snapshot.
# The driver takes milliseconds to close a device, so mirrors of thousands are left to
# be ended with the guest; they hold none of its outputs, which it waits for.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
program mirror
# x86's KVM had no use for invalidate_range after 6.6, and change_pte is gone since 6.10.
case $LINE in
6.12 | 7.2) kvm_change='' kvm_range='' ;;
*) kvm_change='"change_pte",' kvm_range=',"invalidate_range"' ;;
esac
kvm_ops='["release","clear_flush_young","clear_young","test_young",'$kvm_change'"invalidate_range_start","invalidate_range_end"'$kvm_range']'

# The rows of a result as words, the pids as the letters that they have in pids.
rows_of() { # VARIANT NAME
	jq -r --rawfile pids "$tmp/$1/pids" '
		($pids | split("\n") | map(select(. != "") | split(" ") | {(.[1]): .[0]}) | add) as $letter
		| .subscribers[] | "\(.comm):\($letter[.pid | tostring] // "?") \(.kind) \(.callback) \(.module) \(.driver)"
			+ " count \(.count) intervals \(.intervals) whole \(.whole)"
			+ " pages \(.pages) \(.min_pages) \(.max_pages)"' "$tmp/$1/$2.stdout"
}
row() { # LETTER COUNT
	echo "mirror:$1 interval dmirror_interval_invalidate test_hmm test_hmm count $2 intervals $2 whole $2 pages null null null"
}
quiet() { # VARIANT NAME STATUS
	is "$1: $2: exit status" "$(cat "$tmp/$1/$2.status")" "$3"
	[ "$3" != 0 ] || is "$1: $2: nothing on stderr" "$(cat "$tmp/$1/$2.stderr")" ""
	is "$1: $2: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; subscribers' "$tmp/$1/$2.stdout" 2>&1 | sort | uniq -c)" ""
}

for kernel in patched unpatched; do
	has $kernel || continue
	guest $kernel << 'END'
cp /root/mirror mirror
trap "rm -f mirror" EXIT
ready() { wait_for grep -q "$1" said; }
# there LETTER OP...: a mirror that has come to the end of its operations
there() {
	local letter=$1
	shift
	./mirror "$@" say:"$letter" wait:/nowhere >> said 2>&1 & echo "$letter $!" >> pids
	ready "$letter"
}
status none mmuscope subscribers
status none-json mmuscope subscribers -a --json
there A open:0
status one mmuscope subscribers --json
there B open:0 open:1
status two mmuscope subscribers --json
there C open:0 thread end thread end thread open:1 end reap
there D opens:100
# Its child has the same memory, and the higher pid.
./mirror open:0 say:E vfork >> said 2>&1 & parent=$!
echo "E $parent" >> pids
ready E
child() { grep -l "^PPid:.$parent\$" /proc/[0-9]*/status 2> /dev/null | cut -d / -f 3 | grep .; }
wait_for child > /dev/null
echo "F $(child)" >> pids
status all mmuscope subscribers -a --json
status table mmuscope subscribers
for letter in A B C D E F; do
	status pid-$letter mmuscope subscribers --json -p $(sed -n "s/^$letter //p" pids)
done
status kernel-thread mmuscope subscribers --json -p 2
status self mmuscope subscribers --json -p $$
if [ -e /vm/modules/kvm.ko ]; then
	for module in irqbypass kvm kvm-amd; do insmod /vm/modules/$module.ko; done
	./mirror open:0 kvm kvm say:K wait:/nowhere >> said 2>&1 & echo "K $!" >> pids
	ready K
	status kvm mmuscope subscribers --json -p $!
	status kvm-table mmuscope subscribers -p $!
	kill $!
	wait $! || :
fi
status exactly mmuscope subscribers --json --max 100
status cut mmuscope subscribers --json --max 99
echo 2 > /proc/sys/kernel/kptr_restrict
status hidden mmuscope subscribers --json
echo 0 > /proc/sys/kernel/kptr_restrict
status full sh -c "mmuscope subscribers > /dev/full"
status full-json sh -c "mmuscope subscribers --json > /dev/full"
status gone mmuscope subscribers -p 4194303
status both mmuscope subscribers -a -p 1
status zero mmuscope subscribers --max 0
status argument mmuscope subscribers 1
END
	is "$kernel: none: the table" "$(cat "$tmp/$kernel/none.stdout")" "Subscribers: none"
	is "$kernel: none: exit status" "$(cat "$tmp/$kernel/none.status")" 0
	quiet $kernel none-json 0
	is "$kernel: none: no rows" "$(jq -c '[.subscribers, .incomplete]' "$tmp/$kernel/none-json.stdout")" "[[],[]]"
	is "$kernel: one process" "$(rows_of $kernel one)" "$(row A 1)"
	is "$kernel: two mirrors of a second one" "$(rows_of $kernel two)" "$(row A 1; row B 2)"
	is "$kernel: threads and those who share their memory count once" "$(rows_of $kernel all)" \
		"$(row A 1; row B 2; row C 2; row D 100; row E 1)"
	for name in one two all exactly kernel-thread self; do quiet $kernel $name 0; done
	is "$kernel: as many as --max are not too many" "$(rows_of $kernel exactly)" "$(rows_of $kernel all)"
	for letter in A:1 B:2 C:2 D:100 E:1 F:1; do
		quiet $kernel pid-${letter%:*} 0
		is "$kernel: --pid of ${letter%:*}: it alone, by its own pid" \
			"$(rows_of $kernel pid-${letter%:*})" "$(row "${letter%:*}" "${letter#*:}")"
	done
	if [ -e "$tmp/$kernel/kvm.status" ]; then
		quiet $kernel kvm 0
		is "$kernel: two guests of KVM beside a mirror" "$(rows_of $kernel kvm)" "$(row K 1
			echo "mirror:K notifier kvm_mmu_notifier_invalidate_range_start kvm kvm count 2 intervals null whole null pages null null null")"
		is "$kernel: what KVM implements" "$(jq -c '.subscribers[1].ops' "$tmp/$kernel/kvm.stdout")" \
			"$kvm_ops"
		like "$kernel: the table says so" "$(cat "$tmp/$kernel/kvm-table.stdout")" \
			'kvm_mmu_notifier_invalidate_range_start \[kvm\] implements release, clear_flush_young, '
	else
		skip "$kernel: KVM" "this kernel has no KVM"
	fi
	is "$kernel: a kernel thread has none" "$(jq -c .subscribers "$tmp/$kernel/kernel-thread.stdout")" "[]"
	is "$kernel: a process without any" "$(jq -c .subscribers "$tmp/$kernel/self.stdout")" "[]"
	quiet $kernel cut 3
	is "$kernel: more than --max: counted so far, the others whole" "$(rows_of $kernel cut)" \
		"$(row A 1; row B 2; row C 2; row D 99; row E 1)"
	pid=$(sed -n 's/^D //p' "$tmp/$kernel/pids")
	is "$kernel: more than --max is said" "$(cat "$tmp/$kernel/cut.stderr")" \
		"mmuscope subscribers: mirror:$pid has more subscribers than were looked at; see --max in mmuscope-subscribers(1)."
	is "$kernel: and in the JSON" "$(jq -r '.incomplete[]' "$tmp/$kernel/cut.stdout")" \
		"$(sed 's/^mmuscope subscribers: //' "$tmp/$kernel/cut.stderr")"
	pid=$(sed -n 's/^B //p' "$tmp/$kernel/pids")
	like "$kernel: the table" "$(cat "$tmp/$kernel/table.stdout")" \
		"PROCESS +KIND +DRIVER +CALLBACK +COUNT +MM PAGES MIN MAX
.*
mirror:$pid +interval test_hmm dmirror_interval_invalidate +2 +2 +- +- +-
"
	is "$kernel: the table's width" "$(awk 'length > 100' "$tmp/$kernel/table.stdout")" ""
	is "$kernel: hidden addresses: exit status" "$(cat "$tmp/$kernel/hidden.status")" 0
	json "$kernel: hidden addresses: no name, the same counts" "$tmp/$kernel/hidden.stdout" \
		'[.subscribers[].count] == [1, 2, 2, 100, 1] and all(.subscribers[];
		(.callback | test("^0x[0-9a-f]{16}$")) and .module == null and .driver == null)'
	like "$kernel: hidden addresses: are said" "$(cat "$tmp/$kernel/hidden.stderr")" \
		'^mmuscope subscribers: 1 of 1 functions .* kernel\.kptr_restrict'
	for name in full full-json gone; do
		is "$kernel: $name: exit status" "$(cat "$tmp/$kernel/$name.status")" 1
		is "$kernel: $name: says one sentence" "$(wc -l < "$tmp/$kernel/$name.stderr")" 1
	done
	like "$kernel: a process that is not there" "$(cat "$tmp/$kernel/gone.stderr")" 'there is no process 4194303\.$'
	for name in both zero argument; do
		is "$kernel: $name: exit status" "$(cat "$tmp/$kernel/$name.status")" 2
	done
done

# --- what comes and goes
guest patched --cpus 2 << 'END'
cp /root/mirror mirror
trap "rm -f mirror" EXIT
./mirror opens:100 thread map:128 open:1 say:racing loop:0 snapshot end end reap > said 2>&1 & echo "A $!" > pids
wait_for grep -q racing said
for i in $(seq 23); do status race-$i mmuscope subscribers --json -p $(sed 's/^A //' pids); done
kill $! && wait $! || :

# A walk of so many takes longer than the pause, so no two can see the same.
./mirror opens:20000 say:growing loop:0 open:0 sleep:1 end > said 2>&1 & echo "B $!" >> pids
wait_for grep -q growing said
status growing mmuscope subscribers --json -p $!
END
whole=0 said=0 snapshots=0 strange=''
for i in $(seq 23); do
	file=$tmp/patched/race-$i
	case $(cat "$file.status") in
	0)
		whole=$((whole + 1))
		rows_of patched "race-$i" > "$tmp/rows"
		if [ "$(grep -c . "$tmp/rows")" = 2 ]; then
			snapshots=$((snapshots + 1))
			row="mirror:A interval dmirror_snapshot_invalidate test_hmm test_hmm count 1 intervals 1 whole 0 pages $FAULT_PAGES $FAULT_PAGES $FAULT_PAGES"
			[ "$(sed -n 2p "$tmp/rows")" = "$row" ] || strange+="$i: $(sed -n 2p "$tmp/rows") "
		fi
		[ "$(head -n 1 "$tmp/rows")" = "$(row A 101)" ] || strange+="$i: $(head -n 1 "$tmp/rows") "
		;;
	3)
		said=$((said + 1))
		grep -qE '^mmuscope subscribers: (the subscribers of mirror:[0-9]+ changed|an invalidation of mirror)' \
			"$file.stderr" || strange+="$i: $(cat "$file.stderr") "
		;;
	*) strange+="$i: status $(cat "$file.status") " ;;
	esac
done
comment <<< "of 23 walks beside snapshots: $whole settled, $snapshots of them with one; $said said that they did not"
is "a tree that changes: 101 each time, or it is said" "$strange" ""
ok "and most walks settle" test $whole -ge 12
ok "a snapshot's interval is seen, of $FAULT_PAGES pages" test $snapshots -ge 1

quiet patched growing 3
pid=$(sed -n 's/^B //p' "$tmp/patched/pids")
is "a tree that never stays the same is said" "$(cat "$tmp/patched/growing.stderr")" \
	"mmuscope subscribers: the subscribers of mirror:$pid changed while they were counted; run it again."
json "and in the JSON" "$tmp/patched/growing.stdout" '(.incomplete | length == 1) and .subscribers[0].count > 20000'

# --- ten thousand
guest patched << 'END'
cp /root/mirror mirror
trap "rm -f mirror" EXIT
./mirror opens:10000 say:ready wait:/nowhere > said 2>&1 & echo "A $!" > pids
wait_for grep -q ready said
status many mmuscope subscribers --json
status many-cut mmuscope subscribers --json --max 9999
END
quiet patched many 0
is "many: 10,000 intervals" "$(rows_of patched many)" "$(row A 10000)"
quiet patched many-cut 3
is "many-cut: one fewer" "$(rows_of patched many-cut)" "$(row A 9999)"
done_testing
