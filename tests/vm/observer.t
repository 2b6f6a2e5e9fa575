#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How much of a benchmark's cost is ours: the JSON's figures follow from the samples that
# it keeps, repeat from run to run, and are what `bench overhead` says of a notification,
# in another process; the table and diff show them; and the counts are those of a run
# that was not repeated unwatched.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# In per cent: between two runs; and of a step's share for a notification from what
# overhead says. That is of one MADV_DONTNEED of one page; the others are of other
# sizes, and what the kernel does around them differs.
repeats=1 margin=20
N=128

guest patched --icount --timeout 1200 << END
status overhead mmuscope bench overhead --iterations 5 --json -o overhead.json
for run in 1 2; do
	status mmops-\$run mmuscope bench mmops -n $N --json -o mmops-\$run.json
	status mixed-\$run mmuscope bench migrate-mixed --json -o mixed-\$run.json
done
status counted mmuscope bench mmops -n $N --no-latency --json -o counted.json
status table mmuscope bench migrate-mixed
status off mmuscope bench migrate-mixed --no-calibration --json -o off.json
status off-table mmuscope bench migrate-mixed -i 2 --no-calibration
status few mmuscope bench migrate-mixed -i 2 --json -o few.json
END
dir=$tmp/patched
for name in overhead {mmops,mixed}-{1,2} counted table off off-table few; do
	is "$name: exit status, nothing said" "$(cat "$dir/$name".{status,stderr})" 0
done

# within PER_CENT A B: A differs from B by at most so much
within() { jq -n -e "($2 - $3 | fabs) <= $1 / 100 * ($3 | fabs)" > /dev/null; }
# ours FILE STEP: what is ours of it
ours() { jq --arg s "$2" '.results[0].observer | if $s == "all" then .all.ours else
	.steps[] | select(.step == $s) | .ours end' "$dir/$1.json"; }

for name in {mmops,mixed}-{1,2} counted off few; do
	is "$name: the JSON is as the schema says" \
		"$(jq -r -L "$VM" 'include "schema"; bench' "$dir/$name.json" 2>&1 | sort | uniq -c)" ""
done
for name in mmops-1 mixed-1; do
	json "$name: of 20 iterations watched and 10 unwatched" "$dir/$name.json" '.clock == "guest-insn"
		and (.results[0].observer.steps | length >= 2 and all(.[]; .watched.n == 20 and .unwatched.n == 10))'
	json "$name: the steps are those of the samples" "$dir/$name.json" '.results[0]
		| [.observer.steps[].step] == (.samples[0].times | keys_unsorted)'
	json "$name: each figure follows" "$dir/$name.json" '
		def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
		def is($b): (. - $b | fabs) < 0.001;
		.results[0] | .samples as $all | .observer as $o | ($o.steps | all(.[]; . as $s
			| ([$all[] | if $s.whole_call then .driver[$s.step].call else .times[$s.step] end]
				| median) as $watched
			| (.watched.median | is($watched)) and (.unwatched.median | is($s.unwatched.costs | median))
			and (.ours | is($s.watched.median - $s.unwatched.median))
			and (.percent | is(100 * $s.ours / $s.watched.median))))
		and ($o.all.watched | is([$o.steps[].watched.median] | add))
		and ($o.all.unwatched | is([$o.steps[].unwatched.median] | add))
		and ($o.all.ours | is($o.all.watched - $o.all.unwatched))
		and ($o.all.per_notification | is($o.all.ours * ($all | length)
			/ ([$all[].ours.notifications] | add)))'
done

# A second run says the same.
for step in cow mprotect mremap munmap all; do
	ok "mmops, $step: $(ours mmops-1 $step) and $(ours mmops-2 $step), within $repeats %" \
		within $repeats "$(ours mmops-1 $step)" "$(ours mmops-2 $step)"
done
ok "migrate-mixed, migrate: $(ours mixed-1 migrate) and $(ours mixed-2 migrate), within $repeats %" \
	within $repeats "$(ours mixed-1 migrate)" "$(ours mixed-2 migrate)"
json "the call of migrate is told from noise" "$dir/mixed-1.json" '.results[0].observer.steps[]
	| select(.step == "migrate") | .whole_call and .verdict == "seen"'
json "and so are cow and mprotect" "$dir/mmops-1.json" '[.results[0].observer.steps[]
	| select(.step | IN("cow", "mprotect")) | .verdict] == ["seen", "seen"]'
json "nothing is ours where nothing is notified" "$dir/mixed-1.json" '.results[0].observer.steps[]
	| select(.step == "read") | .verdict == "noise"'
json "of two iterations nothing is told" "$dir/few.json" '.results[0].observer
	| .all.verdict == "too few samples" and all(.steps[]; .unwatched.n == 2 and .verdict == "too few samples")'

# STEP:NOTIFICATIONS
added() { jq --arg w "$1" '.watchers[] | select(.watcher == $w) | .added' "$dir/overhead.json"; }
for step in cow:$N mprotect:1 mremap:2 munmap:1; do
	each=$(jq -n "$(ours mmops-1 "${step%:*}") / ${step#*:}") expected=$(added "stat -- COMMAND")
	ok "${step%:*}: $each for a notification, overhead says $expected, within $margin %" \
		within $margin "$each" "$expected"
done
each=$(jq -n "$(ours counted cow) / $N") expected=$(added "stat --no-latency -- COMMAND")
ok "--no-latency, cow: $each for a notification, overhead says $expected, within $margin %" \
	within $margin "$each" "$expected"

# ---- the counts ----

counts='[.results[0].samples[].ours]'
is "migrate-mixed counts as it does without" "$(jq -c "$counts" "$dir/mixed-1.json")" \
	"$(jq -c "$counts" "$dir/off.json")"
json "and holds its formulas" "$dir/mixed-1.json" '.results[0].checks | length > 0 and all(.[]; .holds)'
json "without: why is there" "$dir/off.json" '.results[0].observer
	== {steps: [], all: null, reason: "--no-calibration was given"}'

# ---- the table ----

row() { sed -nE "s/^ +([0-9]+ % )?$2 +([0-9].*)/\2/p" "$dir/$1.stdout"; }
read -r cost unwatched added _ < <(row table 'migrate, call')
ok "the table has the same: $added of $cost, $unwatched unwatched" \
	within $repeats "${added#+}" "$(ours mixed-1 migrate)"
# Each is rounded.
ok "and its figures agree" within 1 "${added#+}" "$((cost - unwatched))"
like "read is noise" "$(row table read)" ' noise$'
like "migrate itself is not observable unwatched" "$(row table migrate)" '^[0-9]+ +n/o +n/o +n/o +n/o$'
like "without: the costs" "$(row off-table read)" '^[0-9]+ +n/o +n/o +n/o +n/o$'
is "without: and why no more" "$(tail -n 1 "$dir/off-table.stdout")" \
	'n/o: not measured unwatched: --no-calibration was given.'

# ---- diff ----

run "$ROOT/build/mmuscope" diff "$dir/mixed-1.json" "$dir/mixed-2.json"
is "diff takes it" "$status$err" 0
like "and shows it" "$out" "mmuscope's own part, of the whole call: [0-9.]+ % on base, [0-9.]+ % on new\."
for n in 1 2; do
	jq 'del(.results[].observer)' "$dir/mixed-$n.json" > "$tmp/old-$n.json"
done
run "$ROOT/build/mmuscope" diff "$tmp/old-1.json" "$tmp/old-2.json"
is "diff takes results that have none" "$status$err" 0
is "and says nothing of it" "$(grep -c 'own part' <<< "$out")" 0
done_testing
