// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The very handlers of the drivers' callbacks, in programs that BPF_PROG_RUN can run:
 * on structures that a test lays out in the memory of a map, for drivers whose hardware
 * is not there. In the form for kprobes, which reads everything through
 * bpf_probe_read_kernel() and so does not ask where it lies.
 */
#define PER_CALLBACK volatile	/* one object for all: loading it takes seconds */
#include "bpf/callbacks.bpf.c"
#include "bpf/nouveau.bpf.c"
#include "bpf/registry.bpf.h"
#include "tests/bpf/synthetic.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u8[ARENA_BYTES]);
} arena SEC(".maps");

u64 result = 0;

SEC("?raw_tp")
int BPF_PROG(arena_address)
{
	u32 zero = 0;

	result = (u64)bpf_map_lookup_elem(&arena, &zero);
	return 0;
}

SEC("?raw_tp")
int BPF_PROG(enter_interval, u64 subscription, u64 range, u64 seq)
{
	return callback_enter((void *)subscription, (void *)range, seq, 0, INTERVAL, false, false);
}

SEC("?raw_tp")
int BPF_PROG(leave_interval, u64 failed)
{
	return callback_leave(NULL, NULL, 0, failed, 0, INTERVAL, false, false);
}

SEC("?raw_tp")
int BPF_PROG(enter_notifier, u64 subscription, u64 range)
{
	return callback_enter((void *)subscription, (void *)range, 0, 0, NOTIFIER, false, false);
}

SEC("?raw_tp")
int BPF_PROG(leave_notifier, u64 failed)
{
	return callback_leave(NULL, NULL, 0, failed, 0, NOTIFIER, false, false);
}

SEC("?raw_tp")
int BPF_PROG(work)
{
	return mark_worked();
}

/* A migration of this task, with an owner; 0: it ends. */
SEC("?raw_tp")
int BPF_PROG(migration, u64 owner)
{
	struct task_state *st = task_state(true);

	if (!st)
		return 1;
	st->migrations = owner ? 1 : 0;
	st->migration[0].owner = owner;
	st->migration[0].phase = PHASE_SETUP;
	st->migration[0].generation = control.generation;
	control.migrations_open = st->migrations;
	return 0;
}

SEC("?raw_tp")
int BPF_PROG(owner, u64 reader, u64 subscription)
{
	result = own_owner(reader, subscription, open_migration());
	return 0;
}

SEC("?raw_tp")
int BPF_PROG(walked, u64 range, u64 event)
{
	walk_all(0, cfg.tgid, range, event, 0);
	return 0;
}

SEC("?raw_tp")
int BPF_PROG(pgt_written, u64 n, u64 map)
{
	return table_written(n, map, TABLE_PGT);
}

SEC("?raw_tp")
int BPF_PROG(pd0_written, u64 n, u64 map)
{
	return table_written(n, map, TABLE_PD0);
}
