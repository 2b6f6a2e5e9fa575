#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Where the BPF programs write that other CPUs read or write as well: as docs/scale.md has
# it, and nowhere else. Read from the compiled programs; no rights are needed.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# Debian's own: another python3 may come first in PATH.
stores() { /usr/bin/python3 "$ROOT/tests/scripts/stores.py" "$@"; }

# ---- does it see what is there? ----

cat > "$tmp/program.bpf.c" << 'END'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct value { __u64 a, b[8]; };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct value);
} one SEC(".maps"), two SEC(".maps");
struct { __u64 first, second[8]; } control SEC(".data.control");

static __noinline int through(struct value *v, __u32 i)
{
	if (!v)
		return 1;
	v->b[i & 7]++;
	return 0;
}

static __noinline struct value *of(void *map, __u32 i)
{
	return bpf_map_lookup_elem(map, &i);
}

SEC("?fentry/reads")
int reads(__u64 *ctx)
{
	struct value *v = of(&one, ctx[0]);

	return v ? v->a + control.first : 0;
}

SEC("?fentry/writes")
int writes(__u64 *ctx)
{
	__sync_fetch_and_add(&control.second[2], 1);
	return through(of(&two, ctx[0]), ctx[1]);
}

SEC("?fentry/updates")
int updates(__u64 *ctx)
{
	struct value v = { .a = ctx[0] };
	__u32 i = 0;

	control.first = ctx[1];
	return bpf_map_update_elem(&one, &i, &v, 0);
}
END
clang -g -O2 -target bpf -mcpu=v3 -I"/usr/include/$(gcc -print-multiarch)" -c -o "$tmp/program.bpf.o" \
	"$tmp/program.bpf.c" || exit
is "stores, atomics and helpers are found, through functions too, and nothing else" \
	"$(stores "$tmp/program.bpf.o")" "$(printf '%s\n' 'writes atomic control+24' \
	'writes store two' 'updates store control+0' 'updates update one')"

# ---- the programs ----

objects=("$ROOT"/build/{core,core_record,nouveau}.bpf.o)
ok "the programs are built" ls "${objects[@]}"
for object in "${objects[@]}"; do stores "$object"; done > "$tmp/stores"
ok "there are such" test -s "$tmp/stores"
is "each pointer that is written through was followed" "$(grep -F '?' "$tmp/stores")" ""

# control+OFFSET by the name of the field.
fields=$(sed -n '/^struct mmuscope_control {/,/^};/s/^\t__u[0-9]* \([a-z_0-9]*\).*/\1/p' "$ROOT/bpf/mmuscope.h")
{
	printf '#include <stddef.h>\n#include <stdio.h>\n#include "bpf/mmuscope.h"\nint main(void)\n{\n'
	for field in $fields; do
		printf '\tprintf("s/+%%zu$/.%s/\\n", offsetof(struct mmuscope_control, %s));\n' "$field" "$field"
	done
	echo '}'
} > "$tmp/fields.c"
cc -I"$ROOT" -o "$tmp/fields" "$tmp/fields.c" && "$tmp/fields" > "$tmp/fields.sed" || exit
sed -i -f "$tmp/fields.sed" "$tmp/stores"
is "each field of control that is written has a name" "$(grep -F 'control+' "$tmp/stores")" ""

# Each CPU's own part of an array, per-CPU arrays, and the state of the running task.
own=' cpus rows callback_rows records walks stack_scratch counts fates table_entries task_storage '
hot='^(notification_|target_|interval_|two_pass_|notifier_[fk]|second_pass_|work_|window_end)'
shared() { # [!]: of the programs that run with a notification, or of the others
	awk -v own="$own" -v hot="$hot" -v other="${1-}" 'index(own, " " $3 " ") == 0 &&
		($1 ~ hot) == (other == "") { print $2, $3 }' "$tmp/stores" | sort -u
}
# The tables of the document: | `PLACE` | HOW | ...
# shellcheck disable=SC2016 # the quotes of the document
told() { # HEADING
	sed -n "/^## $1\$/,/^## /p" "$ROOT/docs/scale.md" |
		sed -nE 's/^\| `([a-z_.]+)` \| ([a-z_, ]+) \| .*/\1 \2/p' | tr -d , |
		awk '{ for (i = 2; i <= NF; i++) print $i, $1 }' | sort -u
}
is "what notifications and callbacks share between CPUs is in docs/scale.md" "$(shared)" \
	"$(told 'What a notification writes that is shared')"
is "what the other programs share is there too" "$(shared !)" \
	"$(told 'What other programs write that is shared')"

# What a notification costs always: without --windows, --by cause or a second pass.
plain='^(notification_(start|timed|enter|end)|target_(start|timed|count|end|fentry|fexit)|interval_f(entry|exit)|notifier_f(entry|exit)) '
is "atomics of the plain hot path" \
	"$(grep -E "$plain" "$tmp/stores" | awk '$2 == "atomic" { print $3 }' | sort -u | paste -sd' ')" \
	"control.contended cpus"
# In the line that all read there is no counter.
"$tmp/fields" | sed -nE 's,^s/\+([0-9]+)\$/\.([a-z_0-9]+)/$,\1 \2,p' > "$tmp/offsets"
is "what programs write in the line of the switch" \
	"$(awk 'NR == FNR { if ($1 < 64) first["control." $2] = 1; next } $3 in first { print $2, $3 }' \
		"$tmp/offsets" "$tmp/stores" | sort -u | paste -sd' ')" \
	"store control.registry store control.target_mm"
done_testing
