#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# compare.sh with stand-ins for the guests and the tool: the order of the boots,
# what is kept, and which exit status comes out. tests/vm has the real thing.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

mkdir -p "$tmp"/tree/{scripts,build,kernel/patches/6.1/{patched,unpatched}} "$tmp"/{built/one,results/{a,b},empty}
cp "$ROOT"/scripts/{lib,compare}.sh "$tmp/tree/scripts"
touch "$tmp/built/one/bzImage" "$tmp"/results/{a,b}/run-1.json
cat > "$tmp/tree/scripts/kernel-build.sh" << 'END'
#!/bin/bash
echo "/kernels/$4"
END
cat > "$tmp/tree/scripts/vm-run.sh" << 'END'
#!/bin/bash
while [ "$1" != -- ]; do
	[ "$1" != --copy-out ] || echo '{}' > "${2#*:}"
	[ "$1" != --log ] || echo console > "$2"
	kernel=$1
	shift
done
echo "$kernel $*" >> "$CALLS"
echo "something was lost" >&2
exit "${VM_STATUS:-0}"
END
cat > "$tmp/tree/build/mmuscope" << 'END'
#!/bin/bash
echo "$*" >> "$CALLS"
echo "the verdict"
exit "${DIFF_STATUS:-0}"
END
chmod +x "$tmp"/tree/{scripts/*,build/mmuscope}
export CALLS=$tmp/calls
compare() {
	rm -f "$CALLS"
	"$tmp/tree/scripts/compare.sh" "$@"
}

out_dir=$tmp/out
run compare --out "$out_dir" --runs 2
is "exit status" "$status" 0
is "the verdict is printed" "$out" "the verdict"
bench="-- mmuscope bench migrate-mixed --pages 512 --resident 0,25,50,75,100 --iterations 20 --json -o /tmp/result.json"
is "boots in turn, then compares" "$(cat "$CALLS")" "/kernels/unpatched $bench
/kernels/patched $bench
/kernels/patched $bench
/kernels/unpatched $bench
diff $out_dir/unpatched $out_dir/patched
diff --json $out_dir/unpatched $out_dir/patched"
is "keeps results, logs and consoles" "$(cd "$out_dir" && find . -type f | sort | xargs)" \
	"./diff.json ./diff.txt ./patched/run-1.console ./patched/run-1.json ./patched/run-1.log ./patched/run-2.console\
 ./patched/run-2.json ./patched/run-2.log ./unpatched/run-1.console ./unpatched/run-1.json ./unpatched/run-1.log\
 ./unpatched/run-2.console ./unpatched/run-2.json ./unpatched/run-2.log"
run compare --out "$out_dir" --runs 1 --workload mmops -- --pages 23
is "an older run does not get into a newer comparison" "$(cd "$out_dir" && echo patched/*.json)" patched/run-1.json
is "another workload" "$(head -n 1 "$CALLS")" "/kernels/unpatched -- mmuscope bench mmops --pages 23 --json -o /tmp/result.json"

export VM_STATUS=3
run compare --out "$out_dir" --runs 1
is "incomplete: 3, and compared all the same" "$status $out" "3 the verdict"
like "incomplete: is said" "$err" 'unpatched: .* s, incomplete: something was lost'
export VM_STATUS=125
run compare --out "$out_dir" --runs 1
is "no result: 1" "$status" 1
like "no result: says where to look" "$err" "run 1 of 2 on unpatched gave no result; its log is $out_dir/unpatched/run-1.log"
export VM_STATUS=4
run compare --out "$out_dir" --runs 1
is "cannot be measured: 4" "$status" 4
unset VM_STATUS
export DIFF_STATUS=5
run compare --out "$out_dir" --runs 1
is "diff's exit status" "$status" 5
unset DIFF_STATUS

run compare --out "$out_dir" --base "$tmp/built/one" --new patched --runs 1
is "a built kernel" "$(head -n 1 "$CALLS")" "$tmp/built/one $bench"
run compare --out "$out_dir" --base patched --new patched --runs 1
is "a kernel with itself" "$(tail -n 1 "$CALLS")" "diff --json $out_dir/patched-base $out_dir/patched-new"
run compare --out "$out_dir" --base "$tmp/results/a" --new "$tmp/results/b"
is "results: no boot" "$(cat "$CALLS")" "diff $tmp/results/a $tmp/results/b
diff --json $tmp/results/a $tmp/results/b"

run compare --out "$out_dir" --base "$tmp/results/a" --new patched
is "results with a kernel: usage" "$status" 2
for args in "--runs 0" "--runs x" "--runs" "--nothing" "--base $tmp/empty" "--new nothing"; do
	read -ra words <<< "$args"
	run compare --out "$out_dir" "${words[@]}"
	is "$args: usage" "$status" 2
	ok "$args: one sentence" test "$(wc -l <<< "$err")" = 1
done
run compare --out /dev/null/x
like "a folder that cannot be written" "$err" 'cannot write to the folder /dev/null/x'
rm "$tmp/tree/build/mmuscope"
run compare --out "$out_dir"
like "no tool: the next step" "$err" 'there is no build/mmuscope: run make'
done_testing
