// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who subscribes to the invalidations of each address space: a walk of
 * mm->notifier_subscriptions, for `mmuscope subscribers`.
 *
 * The kernel changes list and tree under a spinlock that a BPF program cannot take,
 * and counts no changes. So each address space is walked until two walks in
 * succession saw the same subscribers with the same ranges; where that does not come
 * about, or anything could not be read, user space is told. Reads cannot fault, and
 * the depth and the number of steps are bounded, whatever a node that was freed says.
 *
 * An iterator runs in one task at a time: the state of its walk is plain globals,
 * which also lets the step be a global function: the verifier follows each turn of a
 * loop, but such a function only once, so two loops inside each other cost it their
 * sum and not their product.
 */
#include "compat.bpf.h"
#include "subscribers.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define DEPTH 64 /* a power of two above that of any red-black tree of so many nodes */
#define ATTEMPTS 8
#define TURNS 1024

const volatile u32 only_tgid;	/* 0: all processes */
const volatile u32 max_steps = SUBSCRIBERS_MAX;
const volatile u64 gpusvm_function; /* drm_gpusvm_notifier_invalidate(); 0: not here */

u64 lost_processes; /* without room in `processes` */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SUBSCRIBERS_ROWS);
	__type(key, struct subscriber_key);
	__type(value, struct subscriber_row);
} rows SEC(".maps");

/*
 * By struct mm_struct: an address space is walked for the first task that has it,
 * and so once, whatever threads and CLONE_VM make of it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SUBSCRIBERS_ROWS);
	__type(key, u64);
	__type(value, struct subscriber_process);
} processes SEC(".maps");

struct interval {
	u64 left, right, start, last, ops;
};

/* One walk of one address space. */
struct walk {
	struct subscriber_key key; /* of the row at hand */
	u64 attempt;	/* never the same twice */
	u64 task_size;
	u64 seen;	/* subscribers, */
	u64 digest;	/* and a sum over what they are */
	u64 list;	/* the next struct mmu_notifier */
	u64 stack[DEPTH]; /* nodes of the tree to be looked at */
	u32 depth;
	u32 state;
};

static struct walk walk;

static __always_inline void digest_add(u64 a, u64 b, u64 c)
{
	u64 h = walk.key.function + walk.key.inner + walk.key.ops;

	h = (h ^ a) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 32 ^ b) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 32 ^ c) * 0x9e3779b97f4a7c15ULL;
	walk.digest += h ^ h >> 32;
	walk.seen++;
}

/* The row of walk.key, empty if it is of an earlier walk. NULL: no room. */
static __always_inline struct subscriber_row *row_of_walk(void)
{
	static const struct subscriber_row empty;
	struct subscriber_row *row = bpf_map_lookup_elem(&rows, &walk.key);

	if (!row) {
		bpf_map_update_elem(&rows, &walk.key, &empty, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&rows, &walk.key);
	}
	if (!row) {
		walk.state = WALK_NO_ROOM;
		return NULL;
	}
	if (row->attempt != walk.attempt) {
		*row = empty;
		row->attempt = walk.attempt;
	}
	row->count++;
	return row;
}

static __always_inline void count_interval(u64 start, u64 last)
{
	struct subscriber_row *row = row_of_walk();
	u64 pages = 0;

	if (!row)
		return;
	/* Drivers say "all" with several numbers beyond the end. */
	if (!start && last >= walk.task_size - 1) {
		row->whole++;
		return;
	}
	if (last >= walk.task_size)
		last = walk.task_size - 1;
	if (last >= start)
		pages = (last >> PAGE_SHIFT) - (start >> PAGE_SHIFT) + 1;
	if (row->count - row->whole == 1 || pages < row->min_pages)
		row->min_pages = pages;
	if (pages > row->max_pages)
		row->max_pages = pages;
	row->pages += pages;
}

/* xe and others behind drm_gpusvm all have its function; the driver's is one step on. */
static __always_inline u64 inner_function(u64 address, u64 function)
{
	struct drm_gpusvm_notifier *n;

	if (!bpf_core_type_exists(struct drm_gpusvm_notifier) ||
	    !bpf_core_field_exists(((struct drm_gpusvm_ops *)0)->invalidate))
		return 0;
	if (function != gpusvm_function)
		return 0;
	n = (void *)(address - bpf_core_field_offset(struct drm_gpusvm_notifier, notifier));
	return (u64)BPF_CORE_READ(n, gpusvm, ops, invalidate);
}

static __always_inline void visit_interval(u64 address, const struct interval *i)
{
	walk.key.kind = SUBSCRIBER_INTERVAL;
	walk.key.ops = 0;
	walk.key.function = interval_function(i->ops);
	walk.key.inner = inner_function(address, walk.key.function);
	digest_add(address, i->start, i->last);
	count_interval(i->start, i->last);
}

static __always_inline void visit_notifier(u64 address, const struct mmu_notifier_ops *ops)
{
	const struct mmu_notifier_ops___change_pte *pte = (const void *)ops;
	const struct mmu_notifier_ops___tlbs *tlbs = (const void *)ops;
	u64 start = NOTIFIER_OP(ops, invalidate_range_start);
	u64 release = NOTIFIER_OP(ops, release);
	u64 range = NOTIFIER_OP(tlbs, invalidate_range);
	u32 mask = 0;

	if (!range)
		range = NOTIFIER_OP(tlbs, arch_invalidate_secondary_tlbs);
	mask |= (u32)!!release << OP_RELEASE;
	mask |= (u32)!!NOTIFIER_OP(ops, clear_flush_young) << OP_CLEAR_FLUSH_YOUNG;
	mask |= (u32)!!NOTIFIER_OP(ops, clear_young) << OP_CLEAR_YOUNG;
	mask |= (u32)!!NOTIFIER_OP(ops, test_young) << OP_TEST_YOUNG;
	mask |= (u32)!!NOTIFIER_OP(pte, change_pte) << OP_CHANGE_PTE;
	mask |= (u32)!!start << OP_INVALIDATE_RANGE_START;
	mask |= (u32)!!NOTIFIER_OP(ops, invalidate_range_end) << OP_INVALIDATE_RANGE_END;
	mask |= (u32)!!range << OP_INVALIDATE_RANGE;
	mask |= (u32)!!NOTIFIER_OP(ops, alloc_notifier) << OP_ALLOC_NOTIFIER;
	mask |= (u32)!!NOTIFIER_OP(ops, free_notifier) << OP_FREE_NOTIFIER;

	walk.key.kind = SUBSCRIBER_NOTIFIER;
	walk.key.ops = mask;
	walk.key.function = start ? start : range ? range : release;
	walk.key.inner = 0;
	digest_add(address, (u64)ops, 0);
	row_of_walk();
}

static __always_inline void push(u64 node)
{
	u32 i = walk.depth;

	if (!node)
		return;
	/* No tree is that deep: a node was freed, and says what it likes. */
	if (i >= DEPTH) {
		walk.state = WALK_CHANGED;
		return;
	}
	barrier_var(i);
	walk.stack[i & (DEPTH - 1)] = node;
	walk.depth++;
}

static __always_inline long step_list(void)
{
	const struct mmu_notifier *n = (void *)walk.list;
	const struct mmu_notifier_ops *ops;
	u64 next;

	if (bpf_core_read(&next, sizeof(next), &n->hlist.next) ||
	    bpf_core_read(&ops, sizeof(ops), &n->ops)) {
		walk.state = WALK_CHANGED;
		return 1;
	}
	visit_notifier(walk.list, ops);
	walk.list = next;
	return 0;
}

static __always_inline long step_tree(void)
{
	const struct mmu_interval_notifier *n;
	struct interval i;
	u32 top;

	if (!walk.depth)
		return 1;
	top = --walk.depth;
	barrier_var(top);
	n = (void *)walk.stack[top & (DEPTH - 1)];
	if (bpf_core_read(&i.left, sizeof(i.left), &n->interval_tree.rb.rb_left) ||
	    bpf_core_read(&i.right, sizeof(i.right), &n->interval_tree.rb.rb_right) ||
	    bpf_core_read(&i.start, sizeof(i.start), &n->interval_tree.start) ||
	    bpf_core_read(&i.last, sizeof(i.last), &n->interval_tree.last) ||
	    bpf_core_read(&i.ops, sizeof(i.ops), &n->ops)) {
		walk.state = WALK_CHANGED;
		return 1;
	}
	push(i.left);
	push(i.right);
	visit_interval((u64)n, &i);
	return 0;
}

/* The next subscriber. Returns 1 where there is none, or no sense in going on. */
__noinline __weak int step(u32 unused)
{
	if (walk.state != WALK_COMPLETE || walk.seen >= max_steps)
		return 1;
	return walk.list ? step_list() : step_tree();
}

__noinline __weak int steps(u32 unused)
{
	for (u32 i = 0; i < TURNS; i++)
		if (step(i))
			return 1;
	return 0;
}

__noinline __weak int all_steps(u32 unused)
{
	for (u32 i = 0; i < SUBSCRIBERS_MAX / TURNS; i++)
		if (steps(i))
			return 1;
	return 0;
}

static __always_inline bool has_more(void)
{
	return walk.list || walk.depth;
}

static __always_inline bool walk_once(struct mmu_notifier_subscriptions *subs)
{
	u64 before = (u64)BPF_CORE_READ(subs, deferred_list.first);

	walk.attempt++;
	walk.seen = walk.digest = 0;
	walk.state = WALK_COMPLETE;
	walk.list = (u64)BPF_CORE_READ(subs, list.first);
	walk.depth = 0;
	push((u64)BPF_CORE_READ(subs, itree.rb_root.rb_node));
	all_steps(0);
	if (walk.state == WALK_COMPLETE && has_more())
		walk.state = WALK_CUT;
	if (walk.state == WALK_COMPLETE && (before || BPF_CORE_READ(subs, deferred_list.first)))
		walk.state = WALK_UNSETTLED;
	return walk.state == WALK_COMPLETE;
}

static __always_inline void walk_until_same(struct mmu_notifier_subscriptions *subs)
{
	u64 seen = 0, digest = 0;
	bool good = false;

	for (int i = 0; i < ATTEMPTS; i++) {
		bool was_good = good;

		good = walk_once(subs);
		if (good && was_good && walk.seen == seen && walk.digest == digest)
			return;
		if (walk.state == WALK_CUT || walk.state == WALK_NO_ROOM)
			return;
		seen = walk.seen;
		digest = walk.digest;
	}
	if (good)
		walk.state = WALK_CHANGED;
}

/* Whose memory is it? The kernel's answer where it has one, else the first task's. */
static __always_inline void name_process(struct subscriber_process *p, struct task_struct *task,
					 struct mm_struct *mm)
{
	struct task_struct *owner = mm_owner(mm), *leader = task->group_leader;

	/* Who was asked for is not renamed, though the memory be borrowed (vfork). */
	if (!only_tgid && owner && BPF_CORE_READ(owner, mm) == mm)
		leader = BPF_CORE_READ(owner, group_leader);
	p->tgid = BPF_CORE_READ(leader, tgid);
	bpf_core_read_str(p->comm, sizeof(p->comm), &leader->comm);
}

SEC("?iter/task")
int subscribers(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mmu_notifier_subscriptions *subs;
	struct subscriber_process p = {};
	struct mm_struct *mm;

	if (!task || task->flags & PF_KTHREAD || (only_tgid && (u32)task->tgid != only_tgid))
		return 0;
	mm = task->mm;
	if (!mm)
		return 0;
	walk.key.mm = (u64)mm;
	subs = BPF_CORE_READ(mm, notifier_subscriptions);
	if (!subs || bpf_map_lookup_elem(&processes, &walk.key.mm))
		return 0;
	walk.task_size = BPF_CORE_READ(mm, task_size);
	walk_until_same(subs);
	/* It left this memory meanwhile; if another task is still there, that has its turn. */
	if (task->mm != mm || (!walk.seen && walk.state == WALK_COMPLETE))
		return 0;
	name_process(&p, task, mm);
	p.attempt = walk.attempt;
	p.state = walk.state;
	if (bpf_map_update_elem(&processes, &walk.key.mm, &p, BPF_NOEXIST))
		lost_processes++;
	return 0;
}
