#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/overhead.sh [OPTION]...
#
# What watching a notification costs, in instructions of a guest: `mmuscope bench overhead`
# there, with the competitors that are installed here. Prints its tables. Or holds such a
# result against the figures that were recorded, and against the budgets.
#
#   --line LINE      6.1, or another line of scripts/kernel-build.sh (6.1)
#   --variant V      of the series (patched)
#   --only LIST      what is measured, as of mmuscope bench overhead (all)
#   -o, --output F   the result as JSON
#   --check FILE     no guest: hold the result in FILE against tests/vm/overhead.budgets. A
#                    line for each figure: VERDICT, tab, and both figures and the budget
#   --record         measure ours and the migrations, or take the result in --check FILE,
#                    and record its figures in place of those of its line
#   --budgets FILE   in place of tests/vm/overhead.budgets
#
# Verdicts: `holds`; `fell`, by more than 3 %, so it should be recorded; `missed`, the
# budget, but no more than before; and those that fail: `grown`, by more than 3 % of what
# was recorded, and 5 instructions; `exceeded`, a budget that was met; `lost`, a figure that
# was recorded and is not there; `new`, one that never was. Exit status 1 where one fails.
#
# A competitor that is not installed has no figure, and the table says so: bpftrace is
# there by scripts/setup.sh, perf, trace-cmd and funclatency are in Debian's packages
# linux-perf, trace-cmd and libbpf-tools, which nothing else here needs.
# example: scripts/overhead.sh --line 7.2 -o overhead.json
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

line=6.1 variant=patched only='' output='' check='' record='' budgets=$ROOT/tests/vm/overhead.budgets
while [ $# -gt 0 ]; do
	case $1 in
	--line) need "$@"; line=$2; shift ;;
	--variant) need "$@"; variant=$2; shift ;;
	--only) need "$@"; only=$2; shift ;;
	-o | --output) need "$@"; output=$2; shift ;;
	--check) need "$@"; check=$2; shift ;;
	--record) record=1 ;;
	--budgets) need "$@"; budgets=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[ -z "$record$only" ] || [ -z "$record" ] || [ -z "$only" ] ||
	usage_error "--record has its own choice of what is measured: leave --only out."
command -v jq > /dev/null || die "jq is not installed: run scripts/setup.sh."

tmp=$(mktemp -d "${TMPDIR:-/tmp}/mmuscope-overhead.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# NAME<tab>FIGURE<tab>FLOOR of a result. What follows from two figures is one as well.
figures() {
	jq -r '
		def round($digits): . * pow(10; $digits) | round / pow(10; $digits);
		def floor_of: (.floor // {}).added // "" | if . == "" then . else round end;
		def added($name): [.watchers[] | select(.watcher == $name) | .added][0];
		# The floors are of the kernel, and none of ours.
		(.watchers[] | select(.kind == "mmuscope" and .added != null)
			| "\(.watcher)\t\(.added | round(1))\t\(floor_of)"),
		(added("stat --by cause --sample 64 -- COMMAND") as $with | added("stat -- COMMAND") as $without
			| select($with != null and $without != null)
			| "cause of one in 64\t\($with - $without | round(1))\t"),
		(.migrations // {sizes: [], page: []}
			# What was added is the difference of two migrations, and too rough.
			| (.sizes[] | "BPF programs in a migration of \(.pages)" as $size | .watchers[]
				| "\($size), \(.watcher)\t\(.in_programs | round(0))\t"),
			(.page[] | "page of a migration, \(.watcher)\t\(.added | round(2))\t"))' "$1"
}

line_of() { # FILE: 6.1.192-mmuscope-patched is of line 6.1
	jq -er 'select(.schema == "mmuscope-overhead/2" and .clock == "guest-insn")
		| .kernel.release | capture("^(?<line>[0-9]+\\.[0-9]+)").line' "$1" 2> /dev/null ||
		die "$1 has no result of 'mmuscope bench overhead --json' in guest instructions."
}

verdicts() { # FILE
	local of

	of=$(line_of "$1")
	figures "$1" > "$tmp/figures"
	awk -F '\t' -v line="$of" -v again="scripts/overhead.sh --line $of --record" '
		function say(verdict, name, got, was, budget) {
			printf "%s\t%s: %s instructions%s, %s recorded, budget %s%s\n", verdict, name, got,
				under[name] == "" ? "" : " (floor " under[name] ")", was,
				budget == "-" ? "none" : budget,
				verdict ~ /^(fell|new|lost)$/ ? "; recorded anew by: " again : ""
			failed += verdict ~ /^(grown|exceeded|lost|new)$/
		}
		NR == FNR { got[$1] = $2; under[$1] = $3; order[++n] = $1; next }
		/^#/ || $1 != line { next }
		{
			known[$2] = 1
			if (!($2 in got)) { say("lost", $2, "no", $4, $3); next }
			if ($4 == "-") { say("new", $2, got[$2], "none", $3); next }
			g = got[$2]
			# Boots of 7.2 differ by 3 to 5 instructions; a page has digits.
			slack = $2 ~ /^page/ ? 0.1 : 5
			if (g > $4 * 1.03 && g > $4 + slack) say("grown", $2, g, $4, $3)
			else if ($3 != "-" && g > $3 + 0 && $4 + 0 <= $3 + 0) say("exceeded", $2, g, $4, $3)
			else if (g < $4 * 0.97 && g < $4 - slack) say("fell", $2, g, $4, $3)
			else if ($3 != "-" && g > $3 + 0) say("missed", $2, g, $4, $3)
			else say("holds", $2, g, $4, $3)
		}
		END {
			for (i = 1; i <= n; i++)
				if (!(order[i] in known)) say("new", order[i], got[order[i]], "none", "-")
			exit failed > 0
		}' "$tmp/figures" "$budgets"
}

# Budgets stay; a figure without one gets `-`.
take_down() { # FILE
	local of

	of=$(line_of "$1")
	figures "$1" > "$tmp/figures"
	awk -F '\t' -v OFS='\t' -v line="$of" '
		NR == FNR { got[$1] = $2; order[++n] = $1; next }
		/^#/ || $1 != line { other[++others] = $0; next }
		{ budget[$2] = $3 }
		END {
			for (i = 1; i <= others; i++) print other[i]
			for (i = 1; i <= n; i++)
				print line, order[i], order[i] in budget ? budget[order[i]] : "-", got[order[i]]
		}' "$tmp/figures" "$budgets" > "$tmp/budgets"
	cp "$tmp/budgets" "$budgets" || die "cannot write $budgets."
	say "$PROG: recorded $(wc -l < "$tmp/figures") figures of $of in $budgets."
}

[ -r "$budgets" ] || [ -z "$check$record" ] || die "cannot read $budgets."
if [ -n "$check" ]; then
	[ -r "$check" ] || die "cannot read $check."
	if [ -n "$record" ]; then take_down "$check"; else verdicts "$check"; fi
	exit
fi

[ -x "$ROOT/build/mmuscope" ] || die "there is no build/mmuscope: run make."
kernel=$("$ROOT/scripts/kernel-build.sh" --print-dir --line "$line" --variant "$variant") ||
	die "there is no kernel: scripts/kernel-build.sh --line $line --variant $variant builds it."
[ -z "$record" ] || only=ours,migrations
PATH=$PATH:/usr/sbin
vm=(--icount --mem 2048 --timeout 3600 --copy-out "/root/overhead.json:$tmp/result.json")
for tool in perf trace-cmd funclatency; do
	file=$(command -v $tool) || continue
	vm+=(--add "$file:/bin/$tool")
done
! command -v bpftrace > /dev/null || vm+=(--bpftrace)
"$ROOT/scripts/vm-run.sh" "${vm[@]}" "$kernel" -- \
	mmuscope bench overhead ${only:+--only "$only"} --json --table -o overhead.json
[ -z "$output" ] || cp "$tmp/result.json" "$output" || die "cannot write $output."
[ -z "$record" ] || take_down "$tmp/result.json"
