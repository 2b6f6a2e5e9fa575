/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs share: configuration, counters by CPU, the state of a
 * task, and how an event finds its process and its row.
 *
 * Rows are found in two steps, because one map look-up by key costs more than
 * all the rest of a handler. Each CPU has its own copy of every row in an
 * array that user space maps; a small table of hints remembers the index that
 * was used last. A hint is only a guess: the row says itself whose it is, so a
 * torn or stale hint costs time and never a count.
 */
#ifndef MMUSCOPE_STATE_BPF_H
#define MMUSCOPE_STATE_BPF_H

#include "compat.bpf.h"
#include "mmuscope.h"

#define MIGRATION_DEPTH 4	/* powers of two: migrations nest when a driver evicts */
#define CALLBACK_DEPTH 4
#define WINDOW_DEPTH 8

struct migration_frame {
	u64 args;		/* struct migrate_vma *, or the array of an eviction */
	u64 owner;
	u64 pages;
	u64 collected;
	u64 migrated;
	u64 compound;		/* entries of a whole huge page among the migrated */
	u64 pages_performed;	/* by every callback inside that acted */
	u64 entered_ns;
	u64 start;		/* the row's key, with the owner */
	u64 key_word;
	u32 phase;
	u32 generation;
	/* For its record, see migration_record.bpf.h. */
	u64 from, to;
	u64 setup_left_ns, pages_entered_ns, pages_left_ns;
	u32 outcome[OUTCOME_MAX];
	u32 avoidable;
	u32 id;
	__s32 stack;
	u32 place[PAGE_MAX - 1];
};

struct callback_frame {
	u64 entry_ns;
	u64 mni;		/* first argument, tells the frame's owner */
	u64 range;
	u64 cur_seq;
	u32 id;
	u32 generation;
	u32 contended;		/* control.contended when it entered */
	u32 met_another;	/* invalidation of its mm, when it entered */
	u32 work;		/* enum mmuscope_work */
	u32 pad;
	u64 finish;		/* of a first pass: where it leaves what the second is called with */
};

struct window_frame {
	u64 range;
	u64 generation;
};

struct task_state {
	u32 migrations;		/* open frames */
	u32 callbacks;
	u32 windows;
	u32 pad;
	u64 started_range;	/* a notification whose CPU's slot was taken */
	u64 started_ns;
	u64 fault_ns;		/* hmm_range_fault() was entered */
	struct migration_frame migration[MIGRATION_DEPTH];
	struct callback_frame callback[CALLBACK_DEPTH];
	struct window_frame window[WINDOW_DEPTH];
};

/*
 * &array[i] for an array of a power of two. The barrier keeps the compiler from
 * dropping the mask that the verifier needs to see.
 */
#define SLOT(array, i) \
	(&(array)[({ \
		u32 slot_ = (i); \
		asm volatile("" : "+r"(slot_)); \
		slot_ & (sizeof(array) / sizeof((array)[0]) - 1); \
	})])

extern const volatile struct mmuscope_config cfg;
extern struct mmuscope_control control;

struct cpus_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);	/* possible CPUs */
	__type(key, u32);
	__type(value, struct mmuscope_cpu);
};

struct rows_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);	/* possible CPUs << row_shift */
	__type(key, u32);
	__type(value, struct mmuscope_row);
};

struct callback_rows_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);	/* possible CPUs << row_shift */
	__type(key, u32);
	__type(value, struct mmuscope_callback_row);
};

struct row_index_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);	/* 2 << row_shift */
	__type(key, struct mmuscope_row_key);
	__type(value, u32);
};

/* Indices that are free, filled by user space: handing one out is atomic on 5.10 too. */
struct free_rows_map {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1);	/* 1 << row_shift */
	__type(value, u32);
};

struct task_storage_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
};

/* Where the kernel has no task storage for tracing (5.10). */
struct task_hash_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct task_state);
};

/* Address of a driver's function -> what its rows are keyed by. */
struct callbacks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct mmuscope_callback_id);
};

/*
 * struct mmu_interval_notifier_finish * -> a callback whose second pass is due: its
 * time is known when that has ended.
 */
struct second_pass {
	u64 time;		/* ns of the first pass */
	u64 entry_ns;		/* of the second, 0: not entered */
	u64 start;		/* the process's, as in the row's key */
	u32 tgid;
	u32 generation;
	u32 event, phase;
	u32 flags;		/* of its record */
	u32 migration;
	u64 from, to;
};

struct second_passes_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct second_pass);
};

/* enum mmuscope_owner_reader -> where the owner is. */
struct owner_paths_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OWNER_READERS);
	__type(key, u32);
	__type(value, struct mmuscope_owner_path);
};

/* tgid -> start of the process, for SCOPE_PROCESSES. */
struct targets_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
};

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct records_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);	/* possible CPUs << record_shift */
	__type(key, u32);
	__type(value, struct mmuscope_record);
};

extern struct cpus_map cpus SEC(".maps");
extern struct rows_map rows SEC(".maps");
extern struct callback_rows_map callback_rows SEC(".maps");
extern struct row_index_map row_index SEC(".maps");
extern struct free_rows_map free_rows SEC(".maps");
extern struct free_rows_map free_callback_rows SEC(".maps");
extern struct task_storage_map task_storage SEC(".maps");
extern struct task_hash_map task_hash SEC(".maps");
extern struct second_passes_map second_passes SEC(".maps");
extern struct owner_paths_map owner_paths SEC(".maps");
extern struct targets_map targets SEC(".maps");
extern struct ring_map ring SEC(".maps");
extern struct records_map records SEC(".maps");

/* The process an event belongs to. */
struct process {
	u64 start;
	u32 tgid;
};

/* ---- counters ---- */

static __always_inline struct mmuscope_cpu *this_cpu(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &cpu);
}

/*
 * Totals are written by several programs on one CPU. On a preemptible kernel
 * one may interrupt another between load and store, so the addition is atomic;
 * the line is the CPU's own and no other CPU waits for it.
 */
static __always_inline void total_add(enum mmuscope_total t, u64 n)
{
	struct mmuscope_cpu *c = this_cpu();

	if (c)
		__sync_fetch_and_add(&c->total[t], n);
}

/* The same where the CPU's slot is at hand. */
static __always_inline void cpu_add(struct mmuscope_cpu *c, enum mmuscope_total t, u64 n)
{
	__sync_fetch_and_add(&c->total[t], n);
}

/* ---- a CPU's slots ---- */

static __always_inline struct mmuscope_cpu *cpu_of(u32 cpu)
{
	return cpu < cfg.cpus ? bpf_map_lookup_elem(&cpus, &cpu) : NULL;
}

/* For who left a slot on a CPU where it no longer is. */
#define for_each_cpu(cpu, c) for (u32 cpu = 0; cpu < 1024 && ((c) = cpu_of(cpu)); (cpu)++)

/*
 * Takes what is 0 where it is free. On a preemptible kernel a handler may interrupt
 * another one between looking and taking, which takes a compare-and-swap then.
 */
static __always_inline bool claim(u64 *slot, u64 range)
{
	if (*slot)
		return false;
	if (cfg.preemptible)
		return !__sync_val_compare_and_swap(slot, 0, range);
	*slot = range;
	return true;
}

static __always_inline void window_leave_slot(struct mmuscope_cpu *c)
{
	/* No task's while nobody has it: see process_exit(). */
	c->window.task = 0;
	barrier();
	c->window.range = 0;
}

/* ---- tasks ---- */

static __always_inline struct task_state *task_state(bool create)
{
	static const struct task_state zero;
	struct task_state *st;
	u64 id;

	if (cfg.task_storage) {
		st = bpf_task_storage_get(&task_storage, (void *)bpf_get_current_task_btf(), NULL,
					  create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	} else {
		id = bpf_get_current_pid_tgid();
		st = bpf_map_lookup_elem(&task_hash, &id);
		if (!st && create) {
			bpf_map_update_elem(&task_hash, &id, &zero, BPF_NOEXIST);
			st = bpf_map_lookup_elem(&task_hash, &id);
		}
	}
	if (!st && create)
		total_add(LOST_STATE, 1);
	return st;
}

static __always_inline u64 current_task(void)
{
	return cfg.task_storage ? (u64)bpf_get_current_task_btf() : bpf_get_current_task();
}

/* The innermost open migration of the running task, or NULL. */
static __always_inline struct migration_frame *migration_top(struct task_state *st)
{
	struct migration_frame *f;
	u32 n;

	if (!st)
		return NULL;
	n = st->migrations;
	if (!n)
		return NULL;
	f = SLOT(st->migration, n - 1);
	return f->generation == control.generation ? f : NULL;
}

/* The same, and no look-up while no task in the system migrates. */
static __always_inline struct migration_frame *open_migration(void)
{
	return control.migrations_open ? migration_top(task_state(false)) : NULL;
}

static __always_inline u32 current_phase(void)
{
	struct migration_frame *f = open_migration();

	return f ? f->phase : PHASE_OUTSIDE;
}

/* ---- ring ---- */

static __always_inline void ring_send(u32 type, const struct process *p, const void *name,
				      u32 name_len)
{
	struct mmuscope_ring_event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		total_add(LOST_EVENTS, 1);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->type = type;
	if (p) {
		e->tgid = p->tgid;
		e->start = p->start;
	}
	/* Who works on the memory of `p` may be another: a kernel thread faults for a device. */
	if (name)
		bpf_probe_read_kernel(e->name, name_len, name);
	else if (!p || bpf_get_current_pid_tgid() >> 32 == p->tgid)
		bpf_get_current_comm(e->name, 16);
	bpf_ringbuf_submit(e, 0);
}

/* ---- processes ---- */

static __always_inline void process_of_task(struct process *p, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	p->tgid = BPF_CORE_READ(task, tgid);
	p->start = BPF_CORE_READ(leader, start_boottime);
}

/*
 * Is the running task where the memory `mm` belongs? A kernel thread that
 * borrowed it is not. An exiting task has given its mm up before the mm goes.
 */
static __always_inline bool current_is_owner(struct mm_struct *cur_mm, u32 flags,
					     struct mm_struct *mm)
{
	if (flags & PF_KTHREAD)
		return false;
	return cur_mm == mm || (!cur_mm && (flags & PF_EXITING));
}

static __always_inline bool in_cgroup(struct task_struct *task)
{
	struct cgroup *cgrp = BPF_CORE_READ(task, cgroups, dfl_cgrp);

	for (int i = 0; i < 64 && cgrp; i++) {
		if (BPF_CORE_READ(cgrp, kn, id) == cfg.cgroup_id)
			return true;
		cgrp = (struct cgroup *)BPF_CORE_READ(cgrp, self.parent);
	}
	return false;
}

static __always_inline bool in_scope(const struct process *p, struct task_struct *task)
{
	u64 *start;

	switch (cfg.scope) {
	case SCOPE_ALL:
		return true;
	case SCOPE_PROCESS:
		return p->tgid == cfg.tgid;
	case SCOPE_PROCESSES:
		start = bpf_map_lookup_elem(&targets, &p->tgid);
		return start && (!*start || *start == p->start);
	default:
		return task && in_cgroup(task);
	}
}

/* The address space's process where the running task is not it: reclaim, a kernel thread. */
static __noinline int process_of_mm(struct process *p, struct mm_struct *mm)
{
	struct task_struct *owner, *cur = (void *)bpf_get_current_task();

	if (!p)
		return 0;
	p->start = 0;
	p->tgid = 0;
	owner = mm_owner(mm);
	/* mm->owner is cleared before the last mmput() of an exit or exec. */
	if (!owner && bpf_core_field_exists(mm->owner) &&
	    !(BPF_CORE_READ(cur, flags) & PF_KTHREAD))
		owner = cur;
	if (owner)
		process_of_task(p, owner);
	return in_scope(p, owner);
}

/*
 * Any scope but one process: eight loads and one call where the task is the owner. Two
 * processes may share their memory (CLONE_VM, a vfork before its exec): then it is that
 * of the one that mm->owner names, as it is for `subscribers`.
 */
static __always_inline bool find_process_slow(struct process *p, struct mm_struct *mm)
{
	struct task_struct *owner;

	if (cfg.task_storage) {
		struct task_struct *cur = (void *)bpf_get_current_task_btf();

		if (current_is_owner(cur->mm, cur->flags, mm)) {
			if (bpf_core_field_exists(mm->owner)) {
				owner = cur->mm->owner;
				if (owner && owner != cur && owner->tgid != cur->tgid)
					cur = owner;
			}
			p->tgid = cur->tgid;
			p->start = cur->group_leader->start_boottime;
			return in_scope(p, cur);
		}
	} else {
		struct task_struct *cur = (void *)bpf_get_current_task();
		struct mm_struct *cur_mm = BPF_CORE_READ(cur, mm);

		if (current_is_owner(cur_mm, BPF_CORE_READ(cur, flags), mm)) {
			owner = cur_mm ? mm_owner(mm) : NULL;
			if (owner)
				cur = owner;
			process_of_task(p, cur);
			return in_scope(p, cur);
		}
	}
	return process_of_mm(p, mm);
}

/*
 * One process, the slow way. Its address space is learned from whoever works on it
 * first: its own tasks, a kernel thread, or another process that shares it.
 */
static __noinline int is_target_slow(struct mm_struct *mm)
{
	struct task_struct *cur = (void *)bpf_get_current_task();
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mm_struct *cur_mm = BPF_CORE_READ(cur, mm);
	struct process p;

	if (tgid == cfg.tgid && cur_mm == mm) {
		control.target_mm = (u64)mm;
		p.tgid = tgid;
		p.start = 0;
		ring_send(RING_PROCESS, &p, NULL, 0);
		return true;
	}
	if (!cur_mm && BPF_CORE_READ(cur, flags) & PF_EXITING)
		return tgid == cfg.tgid;
	return process_of_mm(&p, mm);
}

/*
 * Is `mm` the memory of the one process that is counted? This is on the hot path
 * of every handler. The process's mm is remembered from the start (discover() in
 * registry.bpf.c) and from each exec on, before the new one has subscribers, and
 * forgotten when a thread of it exits (processes.bpf.c). A process has one: while it is
 * known a comparison is enough.
 */
static __always_inline bool is_target(struct mm_struct *mm)
{
	u64 known = control.target_mm;

	return (u64)mm == known || (!known && is_target_slow(mm));
}

/* Finds the process that `mm` belongs to. False where it is out of scope. */
static __always_inline bool find_process(struct process *p, struct mm_struct *mm)
{
	if (cfg.scope != SCOPE_PROCESS)
		return find_process_slow(p, mm);
	/* There is no second process to tell it from by its start. */
	p->tgid = cfg.tgid;
	p->start = 0;
	return is_target(mm);
}

/*
 * The pages of a range. The whole address space, as exit and MMU_NOTIFY_RELEASE give it,
 * is not counted in pages. The barriers keep the compiler from turning what never happens
 * into selections that every call pays for.
 */
#define WHOLE (~0ULL)

static __always_inline u64 pages_of(u64 start, u64 end)
{
	if (end == ~0ULL) {
		barrier();
		if (!start)
			return WHOLE;
	}
	return (end - start) >> PAGE_SHIFT;
}

static __always_inline void add_pages(u64 *sum, u64 *whole, u64 pages)
{
	if (pages == WHOLE) {
		++*whole;
		barrier();
		return;
	}
	*sum += pages;
	barrier();
}

/* ---- rows ---- */

/* Bytes 8 to 15 of a row key as one word, x86 is little-endian. */
static __always_inline u64 key_word(const struct process *p, enum mmuscope_row_kind kind, u32 event,
				    u32 phase, u32 direction)
{
	return (u64)p->tgid | (u64)kind << 32 | (u64)(event & (MMUSCOPE_EVENTS - 1)) << 40 |
	       (u64)phase << 48 | (u64)direction << 56;
}

/*
 * The slow path: index of the row with this key, given out on first use.
 * Returns 1 << row_shift (no row) where there is no room; the event is counted
 * as lost then.
 */
static __noinline u32 row_index_of(u64 start, u64 word, u64 what)
{
	u32 none = 1U << (cfg.row_shift & 31), *found, index;
	/* As three words: the verifier takes the layout from the map. */
	u64 key[3] = { start, word, what };
	const bool callback = (u8)(word >> 32) == ROW_CALLBACK;
	struct process p;

	_Static_assert(sizeof(key) == sizeof(struct mmuscope_row_key), "row key");
	found = bpf_map_lookup_elem(&row_index, key);
	if (found)
		return *found;
	if (callback ? bpf_map_pop_elem(&free_callback_rows, &index) :
		       bpf_map_pop_elem(&free_rows, &index))
		goto taken;
	total_add(callback ? CALLBACK_ROWS_TAKEN : ROWS_TAKEN, 1);
	if (!bpf_map_update_elem(&row_index, key, &index, BPF_NOEXIST)) {
		p.tgid = (u32)word;
		p.start = start;
		ring_send(RING_PROCESS, &p, NULL, 0);
		return index;
	}
	/* Another CPU was first: give the index back and take that one. */
	if (callback)
		bpf_map_push_elem(&free_callback_rows, &index, 0);
	else
		bpf_map_push_elem(&free_rows, &index, 0);
taken:
	found = bpf_map_lookup_elem(&row_index, key);
	if (found)
		return *found;
	total_add(LOST_ROWS, 1);
	return none;
}

/*
 * The row with this key on this CPU. `map` and `slot` (0: rows, 1:
 * callback_rows) belong together. NULL: no room, and counted as lost.
 */
static __always_inline void *row_get(struct mmuscope_cpu *c, u32 cpu, void *map, u32 slot,
				     u64 start, u64 word, u64 what)
{
	/* Event, phase and direction, spread by the process and the callback or owner. */
	u32 *hint = SLOT(c->hint[slot & 1], word >> 40 ^ word >> 47 ^ word >> 56 ^ word ^ what);
	u32 at = cpu << (cfg.row_shift & 31) | *hint, index;
	u64 *row = bpf_map_lookup_elem(map, &at);

	if (row && row[1] == word && row[2] == what &&
	    (cfg.scope == SCOPE_PROCESS || row[0] == start))
		return row;

	index = row_index_of(start, word, what);
	if (index >> (cfg.row_shift & 31))
		return NULL;
	at = cpu << (cfg.row_shift & 31) | index;
	row = bpf_map_lookup_elem(map, &at);
	if (!row)
		return NULL;
	row[0] = start;
	row[1] = word;
	row[2] = what;
	*hint = index;
	return row;
}

/* Out of line, for handlers that hardly ever come here. */
#define RARELY static __noinline __attribute__((unused))

RARELY struct mmuscope_row *row_search(struct mmuscope_cpu *c, u64 start, u64 word, u64 what)
{
	return c ? row_get(c, bpf_get_smp_processor_id(), &rows, 0, start, word, what) : NULL;
}

RARELY struct mmuscope_callback_row *callback_row_search(struct mmuscope_cpu *c, u64 start,
							 u64 word, u64 what)
{
	return c ? row_get(c, bpf_get_smp_processor_id(), &callback_rows, 1, start, word, what) :
		   NULL;
}

/* The same for the one process that is counted. */
RARELY struct mmuscope_row *row_of_target(struct mmuscope_cpu *c, u32 event, u32 phase)
{
	struct process p = { .tgid = cfg.tgid };

	return row_search(c, 0, key_word(&p, ROW_NOTIFICATION, event, phase, 0), 0);
}

RARELY struct mmuscope_callback_row *callback_row_of_target(struct mmuscope_cpu *c, u32 event,
							    u32 phase, u64 what)
{
	struct process p = { .tgid = cfg.tgid };

	return callback_row_search(c, 0, key_word(&p, ROW_CALLBACK, event, phase, 0), what);
}

/* Where one process is counted: a place by event and phase. */
static __always_inline struct mmuscope_row *row_direct(struct mmuscope_cpu *c, u32 event, u32 phase)
{
	return SLOT(c->direct, MMUSCOPE_DIRECT_INDEX(phase, event));
}

static __always_inline struct mmuscope_callback_row *callback_row_direct(struct mmuscope_cpu *c,
									 u32 id, u32 event,
									 u32 phase)
{
	return SLOT(c->direct_callback,
		    id * MMUSCOPE_DIRECT_ROWS + MMUSCOPE_DIRECT_INDEX(phase, event));
}

static __always_inline bool is_direct(u32 event, const bool target)
{
	return (target || cfg.direct) && event < MMUSCOPE_DIRECT_EVENTS;
}

#endif
