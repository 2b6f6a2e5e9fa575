#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/kernel-surface.sh [--check]
#
# Prints docs/kernel-surface.md: each function, field, type and enum value that the BPF
# programs ask of a kernel, and which kernels have it. Those are the kernels of
# scripts/kernel-build.sh, and Debian's own, that are in the cache.
#
#   --check   print nothing, and hold docs/kernel-surface.md against the kernels that are
#             there: 1 if it says anything else of one of them
#
# example: scripts/kernel-surface.sh > docs/kernel-surface.md
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

be_owner "$@"
check=''
while [ $# -gt 0 ]; do
	case $1 in
	--check) check=1 ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
tool=$ROOT/build/mmuscope doc=$ROOT/docs/kernel-surface.md
[ -x "$tool" ] || die "there is no build/mmuscope: run make."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A column for each kernel: a file of "kind TAB name TAB state TAB otherwise".
labels=()
column() { # LABEL BTF
	"$tool" probes --json --btf "$2" | jq -r '.items[]
		| [.kind, .name, .state, .otherwise // "-"] | @tsv' > "$scratch/$1"
	labels+=("$1")
}
for line in 5.10 6.1 6.12 7.2; do
	# A kernel of Debian's keeps its BTF in itself; it tells when it runs.
	if kernel=$("$ROOT/scripts/kernel-stock.sh" --line $line --print-dir 2> /dev/null); then
		"$ROOT/scripts/vm-run.sh" --no-test-hmm --copy-out "/sys/kernel/btf/vmlinux:$scratch/btf" \
			"$kernel" -- true || die "Debian's kernel of $line does not boot, see above."
		column "$line-Debian" "$scratch/btf"
	fi
	if kernel=$("$ROOT/scripts/kernel-build.sh" --line $line --variant patched --print-dir 2> /dev/null); then
		column "$line" "$kernel/vmlinux.btf"
	fi
done
[ ${#labels[@]} -gt 0 ] || die "there is no kernel in $CACHE/kernels: run scripts/kernel-build.sh or kernel-stock.sh."

cells() { # LABEL: of the document, as column() has them, without the last
	awk -F ' *[|] *' -v label="$1" '
		/^[|] kind / { for (i = 2; i < NF; i++) if ($i == label) at = i }
		at && /^[|] [^-]/ && !/^[|] kind / { gsub("`", "", $3); print $2 "\t" $3 "\t" $at }' "$doc"
}
if [ -n "$check" ]; then
	status=0
	for label in "${labels[@]}"; do
		if ! diff -u --label "$doc, $label" --label "the kernel" <(cells "$label") <(cut -f 1-3 "$scratch/$label") >&2; then
			say "$doc is not what $label has: run scripts/kernel-surface.sh > docs/kernel-surface.md."
			status=1
		fi
	done
	exit $status
fi

cat << END
# What mmuscope asks of a kernel

Each function and tracepoint that the BPF programs are attached to, and each field,
type and enum value that they read, as \`mmuscope probes --btf\` finds it in the BTF of
these kernels: *present*; *absent*, which may also be a function that was inlined; or of
a *module*, whose BTF these are not. *6.1-Debian* is Debian's own kernel of that line,
*6.1* that of \`scripts/kernel-build.sh\`. Made by \`scripts/kernel-surface.sh\`, and held
against the kernels by the tests.

END
{
	printf '| kind | name |'
	printf ' %s |' "${labels[@]}"
	printf ' where it is absent |\n|---|---|'
	printf -- '---|%.0s' "${labels[@]}"
	printf -- '---|\n'
	n=0
	while IFS=$'\t' read -r kind name _ otherwise; do
		n=$((n + 1))
		printf "| %s | \`%s\` |" "$kind" "$name"
		for label in "${labels[@]}"; do
			printf ' %s |' "$(sed -n "${n}p" "$scratch/$label" | cut -f 3)"
		done
		[ "$otherwise" != - ] || otherwise=''
		printf ' %s |\n' "$otherwise"
	done < "$scratch/${labels[0]}"
}
