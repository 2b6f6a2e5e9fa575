#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# bisect.sh with stand-ins for kernels and guests, and a real `git bisect run` over a
# history in which one commit is bad, one does not build and one does not boot.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

mkdir -p "$tmp"/tool/{scripts,build,kernel/patches/6.1/patched} "$tmp/linux"
cp "$ROOT"/scripts/{lib,bisect}.sh "$tmp/tool/scripts"
ln -s "$ROOT/build/mmuscope" "$tmp/tool/build/mmuscope"
# What the tree says in `state` becomes of its kernel; its result is of this tool's making.
cat > "$tmp/tool/scripts/kernel-build.sh" << 'END'
#!/bin/bash
echo "$*" >> "$CALLS"
while [ "$1" != --source ]; do shift; done
[ "$(cat "$2/state")" != broken ] || exit 1
cat "$2/state"
END
cat > "$tmp/tool/scripts/vm-run.sh" << 'END'
#!/bin/bash
while [ "$1" != -- ]; do
	[ "$1" != --copy-out ] || to=${2#*:}
	[ "$1" != --log ] || echo console > "$2"
	kernel=$1
	shift
done
echo "$*" >> "$CALLS"
case $kernel in
hangs) exit 125 ;;
lossy) loss=1 ;;
esac
cp "$RESULTS/$kernel.json" "$to"
[ -z "${loss-}" ] || exit 3
END
chmod +x "$tmp"/tool/scripts/*
export CALLS=$tmp/calls RESULTS=$tmp/results
mkdir "$RESULTS"
# A result as the tool writes it, of a kernel that performs none, or all.
result() { # PERFORMED LOST
	jq -n --argjson p "$1" --argjson lost "$2" '
		{tool: {version: "0", libbpf: "0"}, clock: "ns", kernel: {release: "6.1.0", version: "#1",
			machine: "x86_64", variant: null, accel: "tcg", config_sha256: null, boot_id: "0"}} as $all
		| $all + {schema: "mmuscope-bench/1",
		device: {driver: "test_hmm", path: "/dev/hmm_dmirror0", chunk_pages: 64},
		results: [{workload: {name: "migrate-mixed", params: {pages: 64, iterations: 1}, left_out: []},
			samples: [{iteration: 0, times: {migrate: 5}, ours: {notifications: 1, delivered: 1,
				performed: $p, skipped: (1 - $p), failed: 0, undetermined: 0, avoidable: 0,
				pages_performed: (64 * $p), migrations: 1, collected: 64, migrated: 64, excess: 0,
				refaults: 0}, driver: {}}],
			checks: [],
			stat: ($all + {schema: "mmuscope-stat/1", scope: {pid: 1}, command: null, duration_ns: 5,
				notifications: [{pid: 1, comm: "a", event: "MIGRATE",
					phase: "setup", calls: 1, pages: 64, failed: 0, whole: 0}],
				callbacks: [{pid: 1, comm: "a", symbol: "f", module: "test_hmm", kind: "interval",
					event: "MIGRATE", phase: "setup", delivered: 1, performed: $p,
					skipped: (1 - $p), failed: 0, undetermined: 0, avoidable: 0, pages: 64,
					pages_performed: (64 * $p), whole: 0, latency_ns: null, source: "fentry"}],
				migrations: [{pid: 1, comm: "a", direction: "to_device", owner: null, calls: 1,
					pages: 64, collected: 64, migrated: 64, excess: 0}],
				faults: {calls: 0, pages: 0, retries: 0},
				lost: {events: 0, counters: $lost, recursion: 0}, invariants: [],
				unobservable: []})}]}'
}
result 0 0 > "$RESULTS/good.json"
result 1 0 > "$RESULTS/bad.json"
result 1 2 > "$RESULTS/lossy.json"

cd "$tmp/linux" || exit
touch Kconfig Makefile
git init -q .
commit() { # STATE
	echo "$1" > state
	echo "$RANDOM$count" > other
	git add -A
	git -c user.name=a -c user.email=a@example.org commit -qm "$1"
}
for state in good good broken good hangs bad bad broken bad; do
	count=$((count + 1))
	commit $state
done
count=0
bisect=("$tmp/tool/scripts/bisect.sh" --fail-on 'performed > 0' --out "$tmp/out")

for case in good:0 bad:1 broken:125 hangs:125 lossy:125; do
	echo "${case%:*}" > state
	run "${bisect[@]}"
	is "$case: exit status" "$status" "${case#*:}"
	is "$case: one line of it, at least" "$(grep -c ': ' <<< "$err")" "$([ "${case%:*}" = bad ] && echo 2 || echo 1)"
done
like "why it is bad" "$(echo bad > state; "${bisect[@]}" 2>&1)" \
	"the limit 'performed > 0' is exceeded: performed is 1"
run "${bisect[@]}" --workload migrate-holes --variant patched --line 6.1 -- --pages 23
is "what is built" "$(tail -n 2 "$CALLS" | head -n 1)" "--line 6.1 --variant patched --source ."
is "what is run" "$(tail -n 1 "$CALLS")" "-- mmuscope bench migrate-holes --pages 23 --json -o /tmp/result.json"
git checkout -q state

git bisect start HEAD HEAD~8 > /dev/null 2>&1
run git bisect run "${bisect[@]}"
# Between the last good and the first bad one lies the one that does not boot.
is "git bisect run: exit status, where what is left was skipped" "$status" 2
like "it names the first bad commit, and the one that does not boot" "$(sort <<< "$out")" \
	"$(printf '%s\n' "$(git rev-parse refs/bisect/bad)" "$(git rev-parse refs/bisect/bad~1)" | sort | paste -sd'|' | sed 's/|/(\n.*)*\n/')"
is "the bad one is that" "$(git log -1 --format=%s refs/bisect/bad~1) $(git log -1 --format=%s refs/bisect/bad)" "hangs bad"
git bisect reset > /dev/null 2>&1

# Whatever is wrong with the command ends the bisection, and is no word on a commit.
for wrong in "--fail-on" "--bogus" "--line 9.9" "--tree /nowhere" "surplus"; do
	# shellcheck disable=SC2086 # words
	run "${bisect[@]}" $wrong
	is "$wrong: exit status" "$status" 129
done
run "${bisect[@]}" --fail-on 'bogus > 1' --out "$tmp/unused"
is "a metric that is none" "$status" 129
like "a metric that is none: is named" "$err" "there is no metric 'bogus'"
ok "a metric that is none: before anything is built" test ! -e "$tmp/unused"
for limit in 'delta:performed > 0' 'pct: performed > 5'; do
	run "${bisect[@]}" --fail-on "$limit"
	is "$limit: exit status" "$status" 129
	like "$limit: sentence" "$err" "'$limit' compares two kernels"
done
run "${bisect[@]}" --workload hole-race
is "a workload without counts" "$status" 129
run "$tmp/tool/scripts/bisect.sh"
is "no limit" "$status" 129
done_testing
