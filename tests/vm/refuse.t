#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Where it cannot be measured, or is asked the wrong way: the exit status, one
# sentence on stderr and nothing on stdout.
# shellcheck disable=SC2016 # the variables of jq and of the guests
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# mmuscope is linked to the C library of the guest, which this comes before.
cc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -shared -fPIC -o "$tmp/refuse.so" "$VM/refuse.c" || exit
programs+=(--add "$tmp/refuse.so")

# refused GUEST NAME STATUS SENTENCE
refused() {
	local file=$tmp/patched/$2

	is "$1: $2: exit status" "$(cat "$file.status")" "$3"
	like "$1: $2: sentence" "$(cat "$file.stderr")" "^mmuscope[a-z ]*: $4"
	is "$1: $2: lines of stderr" "$(wc -l < "$file.stderr")" "${5-1}"
	is "$1: $2: nothing on stdout" "$(cat "$file.stdout")" ""
}

guest patched << 'END'
for command in "stat -a" "stat -- id" "bench mmops" "probes" "subscribers" "bench overhead"; do
	name=$(echo "$command" | tr ' ' _)
	status user_$name su user -c "mmuscope $command"
	status forbidden_$name env REFUSE_BPF=1 LD_PRELOAD=/root/refuse.so mmuscope $command
done
for workload in migrate-mixed migrate-pingpong migrate-holes mmops; do
	status busy_$workload env BUSY=1 LD_PRELOAD=/root/refuse.so mmuscope bench $workload
done
status busy_other env BUSY=1 LD_PRELOAD=/root/refuse.so mmuscope bench --device 1 mmops
status preload env LD_PRELOAD=/root/refuse.so mmuscope bench mmops -n 23 -i 1 -o /dev/null
status stale env STALE=3 LD_PRELOAD=/root/refuse.so mmuscope bench --check-coherence mmops -n 23 -i 1
status worthless env STALE=3 LD_PRELOAD=/root/refuse.so mmuscope bench mmops -n 23 -i 1
status coherent mmuscope bench --check-coherence mmops -n 23 -i 1
status no-reader mmuscope bench --check-coherence overhead
status workload mmuscope bench migrate-nothing
status no-workload mmuscope bench
for command in stat bench probes subscribers diff; do status option_$command mmuscope $command --no-such-option; done
status option_top mmuscope --no-such-option
status command mmuscope no-such-command
status nothing mmuscope
status value mmuscope stat --interval often
status scopes mmuscope stat -a -p 1
status pages mmuscope bench mmops --pages 0
status share mmuscope bench migrate-mixed --resident 101
status one-result mmuscope diff x
status probes.json mmuscope probes --json
status probes mmuscope probes
status bench mmuscope bench migrate-mixed -n 23 -i 2 -r 0,50 -j -o bench.json
status stat mmuscope stat -j -o stat.json -- true
END
for command in stat_-a stat_--_id bench_mmops probes subscribers bench_overhead; do
	refused user user_$command 4 'needs root: loading BPF programs takes CAP_BPF and CAP_PERFMON; run it with sudo\.'
	# As under lockdown, which the guest's kernel does not have: by a library that
	# answers bpf(2) with EPERM.
	refused "BPF forbidden" forbidden_$command 4 'the kernel forbids BPF tracing programs to this root'
done
for workload in migrate-mixed migrate-pingpong migrate-holes mmops; do
	refused busy busy_$workload 4 '/dev/hmm_dmirror0 is busy; end the program that holds it, or try --device 1\.'
done
refused busy busy_other 4 '/dev/hmm_dmirror1 is busy; end the program that holds it, or try --device 0\.'
is "the library changes nothing else" "$(cat "$tmp/patched"/preload.{status,stderr})" 0
# The second line names the help.
refused usage workload 2 "there is no workload 'migrate-nothing'; 'mmuscope bench list' has them\." 2
refused usage no-workload 2 "name a workload" 2
for command in stat bench probes subscribers diff; do
	refused usage option_$command 2 "there is no option '--no-such-option'" 2
done
for name in option_top command nothing value scopes pages share one-result; do
	is "usage: $name: exit status" "$(cat "$tmp/patched/$name.status")" 2
	is "usage: $name: nothing on stdout" "$(cat "$tmp/patched/$name.stdout")" ""
	like "usage: $name: names the help" "$(cat "$tmp/patched/$name.stderr")" "--help"
done

# --- a device that reads something else than what was written
wrong='mmops, iteration -?[0-9]+: the device read 0x[0-9a-f]+ in page 3, word 0, where 0x[0-9a-f]+ was written'
refused "a stale read" stale 1 "$wrong: what mirrors this memory is not coherent\."
refused "a wrong read, and no question" worthless 1 "$wrong; the result is worthless and is not written\."
is "the right ones: exit status, nothing said" "$(cat "$tmp/patched/coherent".{status,stderr})" 0
is "the right ones: are coherent" "$(tail -n 1 "$tmp/patched/coherent.stdout")" \
	"Coherent: all that /dev/hmm_dmirror0 and the CPU read was what was written last."
is "coherence of what reads nothing" "$(cat "$tmp/patched/no-reader.status")" 2

# --- what this kernel does not have: migrate_device_pfns() came with 6.15
plan=$tmp/patched/probes.json.stdout
case $LINE in
7.2) absent='[]' seen='{"source":"fentry","reason":null}' row='fentry +-' ;;
*)
	absent='["migrate_device_pfns"]' evictions='[]'
	[ "$LINE" != 5.10 ] || absent='["migrate_device_range","migrate_device_pfns","migrate_device_finalize"]' \
		evictions='["evictions"]'
	seen='{"source":null,"reason":"this kernel has no such function, or it was inlined"}'
	row='not seen +this kernel has no such function, or it was inlined' ;;
esac
is "probes --json: exit status" "$(cat "$tmp/patched/probes.json.status")" 0
json "a function that is absent: not seen, and why" "$plan" '.schema == "mmuscope-probes/1"
	and ([.targets[] | select(.symbol == "migrate_device_pfns") | {source, reason}] == [$seen])' \
	--argjson seen "$seen"
json "and all others are seen, but for drivers that are not there" "$plan" '[.targets[]
	| select(.source == null and (.reason | endswith(" is not loaded") | not)) | .symbol]
	== $absent and (.targets | length) >= 11
	and ([.targets[] | select(.source == null and .module == null) | .symbol] == $absent)' \
	--argjson absent "$absent"
like "the table says the same" "$(cat "$tmp/patched/probes.stdout")" \
	"evictions +migrate_device_pfns +- +$row"
json "and so does a result: evictions are observed all the same, from 6.1 on" "$tmp/patched/stat.json" \
	'[.unobservable[].metric | select(startswith("evictions"))] == $e' --argjson e "${evictions:-[]}"

# --- results that are none
bad() { # NAME FILE SENTENCE
	for order in base new; do
		if [ $order = base ]; then
			run "$ROOT/build/mmuscope" diff "$2" "$tmp/patched/bench.json"
		else
			run "$ROOT/build/mmuscope" diff "$tmp/patched/bench.json" "$2"
		fi
		is "$1, as $order: exit status" "$status" 1
		like "$1, as $order: sentence" "$err" "^mmuscope diff: .*$3"
		is "$1, as $order: one sentence, nothing on stdout" "$(wc -l <<< "$err") $out" "1 "
	done
}
good=$tmp/patched/bench.json bad=$tmp/bad.json
head -c 5000 "$good" > "$bad"; bad "a truncated result" "$bad" "bad\.json' (ends|is cut|is trunc|stops)"
: > "$bad"; bad "an empty result" "$bad" "bad\.json' is empty"
echo 'not a result' > "$bad"; bad "not JSON" "$bad" "bad\.json'.* (not|no) JSON"
head -c 4096 /dev/zero > "$bad"; bad "binary zeros" "$bad" "bad\.json'.* (not|no) JSON"
echo '{"a": 1}' > "$bad"; bad "not ours" "$bad" "bad\.json'"
echo '[1, 2]' > "$bad"; bad "not an object" "$bad" "bad\.json'"
jq '.schema = "mmuscope-bench/99"' "$good" > "$bad"; bad "another schema" "$bad" "mmuscope-bench/99"
jq 'del(.results[0].samples)' "$good" > "$bad"; bad "a part that is missing" "$bad" "bad\.json'.*samples"
jq '.results[0].stat.callbacks[0].delivered = "1"' "$good" > "$bad"; bad "a word for a number" "$bad" "delivered"
jq '.results[0].stat.callbacks[0].delivered = -1' "$good" > "$bad"; bad "a negative count" "$bad" "delivered"
bad "a stat for a bench" "$tmp/patched/stat.json" ""
bad "a file that is not there" "$tmp/nowhere.json" "nowhere\.json"

# --- a kernel without BTF
guest patched --no-btf << 'END'
for command in "stat -a" "stat -- id" "bench mmops" "probes" "subscribers"; do
	status $(echo "$command" | tr ' ' _) mmuscope $command
done
END
for command in stat_-a stat_--_id bench_mmops probes subscribers; do
	refused "no BTF" $command 4 'this kernel shows no BTF \(/sys/kernel/btf/vmlinux: No such file or directory\)'
done

# --- no test device
guest patched --no-test-hmm << 'END'
for workload in migrate-mixed migrate-pingpong migrate-holes mmops; do
	status $workload mmuscope bench $workload -j -o $workload.json
done
status probes.json mmuscope probes --json
status stat mmuscope stat -j -o stat.json -- true
status table mmuscope stat -- true
END
for workload in migrate-mixed migrate-pingpong migrate-holes mmops; do
	refused "no test_hmm" $workload 4 'no test device /dev/hmm_dmirror0: load it with .modprobe test_hmm.'
done
json "no test_hmm: probes says so" "$tmp/patched/probes.json.stdout" '[.targets[] | select(.module == "test_hmm")]
	| length >= 2 and all(.[]; .source == null and .reason == "module test_hmm is not loaded")'
is "no test_hmm: stat works: exit status" "$(cat "$tmp/patched/stat.status")" 0
json "no test_hmm: no callback is none, as any driver would be seen" "$tmp/patched/stat.json" \
	'.callbacks == [] and all(.unobservable[]; .metric != "callbacks")'
like "no test_hmm: the table says so" "$(cat "$tmp/patched/table.stdout")" $'\nCallbacks: none\n'
sound "no test_hmm" "$tmp/patched/stat.json"
done_testing
