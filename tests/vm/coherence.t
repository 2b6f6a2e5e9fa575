#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bench --check-coherence: where the kernel tells of the holes that it fills, a mirror is
# never stale, although pages were mapped at the worst moment; where it does not (patch 6
# of the series), it is, each stale page is counted, and the order of events is the proof.
# shellcheck disable=SC2016 # the variables of jq and of the guest
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

PAGES=64 ITERATIONS=300
script="status race mmuscope bench hole-race -n $PAGES -i $ITERATIONS -j -o race.json
status other mmuscope bench --check-coherence --device 1 -n 23 -i 23 -j -o other.json
status text mmuscope bench --check-coherence -n $PAGES -i 23"
stale_is_told='.stale | .pages == .untouched + .zero_page and .pages == .after_device and .after_cpu == 0
	and .corrupt == 0'
for variant in patched unpatched patch6; do
	has $variant || continue
	guest $variant --cpus 2 <<< "$script"
	out=$tmp/$variant
	for name in race other; do
		is "$variant: $name: the JSON is as the schema says" \
			"$(jq -r -L "$VM" 'include "schema"; coherence' "$out/$name.json" 2>&1 | sort | uniq -c)" ""
	done
	json "$variant: each page read after each writer, and no event lost" "$out/race.json" \
		'.checked == 2 * $p * $i and .params == {pages: $p, iterations: $i} and .lost.events == 0
		and .unobservable == []' --argjson p $PAGES --argjson i $ITERATIONS
	json "$variant: who migrates and who reads" "$out/race.json" \
		'.device | .migrates == "/dev/hmm_dmirror0" and .reads == "/dev/hmm_dmirror1"'
	json "$variant: --device 1: the other way" "$out/other.json" \
		'.device.migrates == "/dev/hmm_dmirror1" and .device.reads == "/dev/hmm_dmirror0"
		and .checked == 2 * 23 * 23'
	json "$variant: the moment was met" "$out/race.json" '.exposed >= 23'
	if [ $variant = patch6 ]; then
		is "$variant: exit status" "$(cat "$out/race.status")" 1
		json "$variant: stale pages, all of them after the device wrote" "$out/race.json" \
			".stale.pages >= 23 and .stale.pages >= .exposed and ($stale_is_told)"
		is "$variant: is said" "$(cat "$out/race.stderr")" "mmuscope bench: the mirror of\
 /dev/hmm_dmirror1 is not coherent: $(jq .stale.pages "$out/race.json") of $((2 * PAGES * ITERATIONS)) pages read were stale."
		# Read: what was there before, the zero page. And nobody was told after it was mapped.
		json "$variant: the evidence of 16" "$out/race.json" '.evidence | length == 16
			and all(.[]; .read == 0 and .expected > 0 and .writer == "device"
			and .was == (if .page % 2 == 1 then "zero page" else "untouched" end))'
		json "$variant: each was mapped after the last notification of it" "$out/race.json" '
			.device.reads as $reads | .evidence | all(.[]; .order
			| (map(.step == "notification began") | rindex(true)) as $told
			| (map(.step == "hmm_range_fault() left" and .device == $reads and .error == null)
				| rindex(true)) as $mapped
			| (map(.step == "migrate_vma_pages() left") | index(true)) as $filled
			| $told < $mapped and $mapped < $filled and .[0].ns == 0
			and (map(.ns) | . == sort))'
		like "$variant: the text shows it" "$(cat "$out/text.stdout")" \
			'dmirror1 hmm_range_fault\(\) left +[0-9]+
(.*
)*.*dmirror0 migrate_vma_pages\(\) left .*
(.*
)*/dev/hmm_dmirror1 mapped the page after the last notification of it: nobody told it to let go\.$'
		is "$variant: the text's width" "$(awk 'length > 100' "$out/text.stdout")" ""
	else
		is "$variant: exit status, nothing said" "$(cat "$out/race.status" "$out/race.stderr")" 0
		json "$variant: not one stale page" "$out/race.json" \
			'.stale.pages == 0 and .evidence == [] and (.stale | add == 0)'
		is "$variant: the text" "$(sed -n 4p "$out/text.stdout" | awk '{ print $1, $2, NF }')" \
			"$((2 * PAGES * 23)) 0 7"
		like "$variant: what it is worth" "$(tail -n 1 "$out/text.stdout")" \
			'^(Coherent: [0-9]+ pages were exposed, and none was stale\.|No page was exposed, so .*)$'
	fi
done
done_testing
