#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/matrix.sh [OPTION]...
#
# What each patch of the series does, on each line of kernels: builds the kernels that
# are missing, boots each once, runs the migrating workloads and hole-race in it, and
# prints one table, and what is not observable where. Hours, where nothing is built.
#
#   --lines L,L       lines of kernels (all that kernel/patches has)
#   --variants V,V    variants (all that a line has)
#   --out DIR         where the results go (build/results/matrix): LINE/VARIANT/ with a
#                     file for each workload, which `mmuscope diff` compares, beside it
#                     VARIANT.coherence.json, .probes.json and logs; table.txt, table.json
#
# Exit status: 0 if every formula holds on every kernel, and a mirror is stale only on
# patch6, and there it is; 1 if not; 3 if a kernel could not be had or measured.
# example: scripts/matrix.sh --lines 6.1,7.2 --variants patched,unpatched
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# What cannot be had or measured.
FAILED=3
WORKLOADS="migrate-mixed migrate-pingpong migrate-holes migrate-thp migrate-thp-split"
UNAVAILABLE=4
# Long enough for the race to be met, with one chunk of every line.
RACE=(hole-race --pages 64 --iterations 300)

be_owner "$@"
lines='' variants='' out=$ROOT/build/results/matrix
while [ $# -gt 0 ]; do
	case $1 in
	--lines) need "$@"; lines=$2; shift ;;
	--variants) need "$@"; variants=$2; shift ;;
	--out) need "$@"; out=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[ -n "$lines" ] || lines=$(cd "$ROOT/kernel/patches" && echo * | tr ' ' ',')
[[ ,$lines, != *,,* ]] || usage_error "'$lines' has an empty name."
for line in ${lines//,/ }; do
	[[ $line != */* && -d $ROOT/kernel/patches/$line ]] ||
		usage_error "there is no line '$line': kernel/patches has $(cd "$ROOT/kernel/patches" && echo *)."
done
for variant in ${variants//,/ }; do
	[[ $variant != */* && $variant != common ]] && compgen -G "$ROOT/kernel/patches/*/$variant/series" > /dev/null ||
		usage_error "there is no variant '$variant': see kernel/patches."
done
[ -x "$ROOT/build/mmuscope" ] || die "there is no build/mmuscope: run make."
make_dir "$out"
out=$(cd "$out" && pwd -P)
trap 'say "interrupted: what is measured so far is in $out."; exit 130' INT
trap 'exit 143' TERM

# The order of the series: what is undone, then what was withdrawn.
of_line() { # LINE: its variants
	local variant

	for variant in patched no-hole-owner no-optin no-event unpatched patch6; do
		[ -f "$ROOT/kernel/patches/$1/$variant/series" ] || continue
		[[ -z $variants || ,$variants, = *,$variant,* ]] || continue
		echo "$variant"
	done
}

worst=0
missed() { # LINE VARIANT WHY
	say "$1 $2: $3"
	[ $worst = 1 ] || worst=3
	jq -n --arg line "$1" --arg variant "$2" --arg why "$3" \
		'{line: $line, variant: $variant, workload: null, reason: $why}' >> "$out/rows"
}

# In the guest: one file for each, and what was said and the exit status beside it. The
# table is of counts, so that nobody asks what of a time is ours.
guest="set -u; cd /tmp; mkdir out
for w in $WORKLOADS; do
	mmuscope bench \$w --no-calibration --json -o out/\$w.json 2> out/\$w.said
	echo \$? > out/\$w.status
	[ -s out/\$w.json ] || rm -f out/\$w.json
done
mmuscope bench ${RACE[*]} --json -o out/coherence.json 2> out/coherence.said
mmuscope probes --json > out/probes.json
cat out/*.said >&2"

row_of() { # LINE VARIANT FILE: a row of table.json
	jq -c --arg line "$1" --arg variant "$2" '.kernel.release as $release
		| .results[0] | . as $r | {line: $line, variant: $variant, workload: .workload.name, release: $release}
		+ ([.samples[].ours] | {delivered: map(.delivered) | add, performed: map(.performed) | add,
			avoidable: map(.avoidable) | add, excess: map(.excess) | add,
			refaults: map(.refaults) | add})
		+ {formulas: (.checks | length), hold: ([.checks[] | select(.holds == true)] | length)}
		| .verdict = if .hold == .formulas then "holds" else "BROKEN" end' "$3"
}
race_row() { # LINE VARIANT FILE
	jq -c --arg line "$1" --arg variant "$2" '{line: $line, variant: $variant, workload: "hole-race",
		release: .kernel.release, checked, exposed, stale: .stale.pages, verdict:
		(if .stale.pages == 0 then "coherent" else "STALE" end)}' "$3"
}

measure() { # LINE VARIANT
	local line=$1 variant=$2 kernel status=0 dir=$out/$1/$2 start=$SECONDS workload

	kernel=$("$ROOT/scripts/kernel-build.sh" --line "$line" --variant "$variant") || {
		missed "$line" "$variant" "the kernel cannot be had, see above"
		return
	}
	make_dir "$dir"
	rm -f "$dir"/*.json
	"$ROOT/scripts/vm-run.sh" --cpus 2 --log "$dir.console" --copy-out "/tmp/out:$dir" "$kernel" -- sh -c "$guest" \
		> "$dir.log" 2>&1 || status=$?
	for workload in coherence probes; do
		mv "$dir/$workload.json" "$out/$line/$variant.$workload.json" 2> /dev/null || status=1
	done
	: > "$dir.left"
	for workload in $WORKLOADS; do
		[ ! -s "$dir/$workload.json" ] || continue
		# What this kernel does not have is said in the table, anything else is a failure.
		[ "$(cat "$dir/$workload.status")" = $UNAVAILABLE ] || status=1
		sed 's/^mmuscope bench: \([^,]*\),.*/\1/' "$dir/$workload.said" >> "$dir.left"
	done
	rm -f "$dir"/*.{said,status}
	if [ $status != 0 ]; then
		tail -n 20 "$dir.log" >&2
		missed "$line" "$variant" "no result from its guest; the log is $dir.log"
		return
	fi
	for workload in $WORKLOADS; do
		[ ! -s "$dir/$workload.json" ] ||
			row_of "$line" "$variant" "$dir/$workload.json" >> "$out/rows"
	done
	race_row "$line" "$variant" "$out/$line/$variant.coherence.json" >> "$out/rows"
	say "$line $variant: measured in $((SECONDS - start)) s"
}

rm -f "$out/rows" "$out"/table.{txt,json}
for line in ${lines//,/ }; do
	for variant in $(of_line "$line"); do
		measure "$line" "$variant"
	done
done
[ -s "$out/rows" ] || usage_error "no line of '$lines' has a variant of '$variants' that is measured here: see kernel/patches."

# A stale page where the kernel tells of holes, or none where it does not, is a surprise.
jq -s '{schema: "mmuscope-matrix/1", rows: map(. + {expected: (if .workload == null then null
	elif .workload == "hole-race" then (.verdict == "STALE") == (.variant == "patch6")
	else .verdict == "holds" end)})}' "$out/rows" > "$out/table.json"
rm "$out/rows"

table() {
	echo "$("$ROOT/build/mmuscope" --version), $(date -u +%Y-%m-%d); $(jq -r '[.rows[].release // empty
		| sub("-mmuscope-.*"; "")] | unique | join(", ")' "$out/table.json"); 512 pages, 20 iterations"
	echo
	printf '%-5s %-13s %-17s %9s %9s %9s %7s %8s  %-12s %s\n' LINE VARIANT WORKLOAD DELIVERED PERFORMED \
		AVOIDABLE EXCESS REFAULTS EXPECTED VERDICT
	jq -r '.rows[] | if .workload == null then [.line, .variant, "-", "-", "-", "-", "-", "-", "-", .reason]
		elif .workload == "hole-race" then [.line, .variant, .workload, "-", "-", "-", "-", "-",
			(if .variant == "patch6" then "stale" else "0 stale" end),
			(if .stale == 0 then "coherent, \(.exposed // "n/o") exposed"
			else "\(.stale) of \(.checked) stale" end)]
		else [.line, .variant, .workload, .delivered, .performed, .avoidable, .excess, .refaults,
			"\(.hold) of \(.formulas)", .verdict] end
		| @tsv' "$out/table.json" | while IFS=$'\t' read -r l v w d p a e r x verdict; do
		printf '%-5s %-13s %-17s %9s %9s %9s %7s %8s  %-12s %s\n' "$l" "$v" "$w" "$d" "$p" "$a" "$e" "$r" "$x" \
			"$verdict"
	done
	echo
	echo "Not observable, and why:"
	for line in ${lines//,/ }; do
		# What no variant of the line sees, once.
		cat "$out/$line"/*/migrate-mixed.json 2> /dev/null | jq -rs --arg line "$line" '
			[.[].results[0].stat.unobservable[] | "\(.metric): \(.reason)"] | unique[]
			| "  \($line)  \(.)"'
		cat "$out/$line"/*.left 2> /dev/null | sort -u | sed "s/^/  $line  /"
	done
}
table | tee "$out/table.txt"
say "The results are in $out; build/mmuscope diff compares, for example, the folders $out/LINE/patched of two lines."
jq -e 'all(.rows[]; .expected != false)' "$out/table.json" > /dev/null || worst=1
exit $worst
