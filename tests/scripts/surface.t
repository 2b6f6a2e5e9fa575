#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# probes --btf: what the programs ask of a kernel and what a BTF has of it, held against
# a kernel that is written here, of a few types; no rights are needed.
# shellcheck disable=SC2016 # the variables of jq
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

tool=$ROOT/build/mmuscope
cat > "$tmp/kernel.c" << 'END'
struct mm_struct { void *notifier_subscriptions; };
/* As from 5.9 to 5.13; a member may lie in an anonymous one. */
struct mmu_notifier_range {
	struct mm_struct *mm;
	union { unsigned long start; unsigned long other; };
	void *migrate_pgmap_owner;
};
enum migrate_vma_direction { MIGRATE_VMA_SELECT_SYSTEM = 1 };
typedef void (*btf_trace_module_load)(void *module);
struct mm_struct mm;
struct mmu_notifier_range range;
enum migrate_vma_direction direction;
btf_trace_module_load trace;
int migrate_vma_setup(struct mmu_notifier_range *args) { return !args; }
END
clang -target bpf -g -O1 -c -o "$tmp/kernel.o" "$tmp/kernel.c" || exit
present='mm_struct.notifier_subscriptions mmu_notifier_range.mm mmu_notifier_range.start
mmu_notifier_range.migrate_pgmap_owner module_load migrate_vma_setup'
run "$tool" probes --json --btf "$tmp/kernel.o"
is "exit status, nothing said" "$status$err" 0
echo "$out" > "$tmp/surface.json"
is "just those are present" "$(jq -r '.items[] | select(.state == "present") | .name' "$tmp/surface.json" | sort)" \
	"$(xargs -n 1 <<< "$present" | sort)"
is "the others are absent, and a module's are a module's" \
	"$(jq -r '[.items[].state] | unique | join(" ")' "$tmp/surface.json")" "absent module present"
ok "what is done without it is said" jq -e '.items[] | select(.name == "mmu_notifier_range.owner")
	| .state == "absent" and (.otherwise | test("migrate_pgmap_owner"))' "$tmp/surface.json"
ok "each once, of a known kind" jq -e '([.items[] | "\(.kind) \(.name)"] | length == (unique | length))
	and ([.items[].kind] | unique == ["enum value", "field", "function", "iterator", "tracepoint", "type"])' \
	"$tmp/surface.json"
# Whatever the programs are attached to by name is among them.
sections=$(readelf -SW "$ROOT"/build/{core_record,subscribers,order}.bpf.o |
	grep -oE '[^.]\??(fentry|fexit|tp_btf)/[a-zA-Z0-9_]+' | sed 's,.*/,,' | sort -u)
ok "there are such" test -n "$sections"
for section in $sections; do
	ok "$section is looked for" jq -e --arg name "$section" 'any(.items[]; .name == $name)' "$tmp/surface.json"
done
run "$tool" probes --btf "$tmp/kernel.o"
is "the table has them too" "$(grep -c ' present ' <<< "$out")" 6
is "and their number" "${out##*$'\n'}" "6 present, $(jq '[.items[] | select(.state == "absent")] | length' \
	"$tmp/surface.json") absent, $(jq '[.items[] | select(.state == "module")] | length' "$tmp/surface.json") in the BTF of a module or nowhere"

for file in "$ROOT/README.md" /bin/true /dev/null; do
	run "$tool" probes --btf "$file"
	is "$file: exit status" "$status" 1
	like "$file: says so" "$err" "^mmuscope probes: $file has no BTF, .*vmlinux\.btf\.$"
done
run "$tool" probes --btf "$tmp/nothing"
is "no file" "$status $err" "1 mmuscope probes: cannot read $tmp/nothing: No such file or directory."
run "$tool" probes --btf "$tmp/kernel.o" --watch
is "--watch" "$status" 2
objcopy -I elf64-little --dump-section .BTF="$tmp/whole" "$tmp/kernel.o" "$tmp/copy.o"
ok "there is something to cut" test -s "$tmp/whole"
crashed=''
for ((n = 0; n < $(stat -c %s "$tmp/whole"); n++)); do
	head -c $n "$tmp/whole" > "$tmp/cut"
	run "$tool" probes --btf "$tmp/cut"
	[ "$status" = 1 ] || crashed+="$n: $status "
done
is "cut at every byte it is refused" "$crashed" ""
done_testing
