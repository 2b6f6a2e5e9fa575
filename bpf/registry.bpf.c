// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the walk of registry.bpf.h needs beside the notifications: who subscribes, and when. */
#include "registry.bpf.h"

struct walks_map walks SEC(".maps");
struct callbacks_map callbacks SEC(".maps");

/*
 * An address space ends. Its intervals are called with MMU_NOTIFY_RELEASE and no
 * notification, all of them and before anything else (mn_itree_release()); the
 * drivers may take them away in what follows. They cannot decline in the sense of
 * the protocol, which warns of a false.
 */
SEC("?fentry/__mmu_notifier_release")
int BPF_PROG(registry_release, struct mm_struct *mm)
{
	struct process p;
	struct walk *w;

	if (!control.enabled || !control.registry || !find_process(&p, mm))
		return 0;
	w = walk_begin(WALK_RELEASE, mm);
	if (!w)
		return 0;
	w->process = p;
	w->e.event = MMU_NOTIFY_RELEASE;
	if (recorded(RECORD_CALLBACK))
		w->e.ended = bpf_ktime_get_ns();
	w->phase = current_phase();
	w->next = 0;	/* mmu_notifiers have a function of their own for it */
	walk_run(WALK_RELEASE);
	return 0;
}

/*
 * What is remembered of a lone interval may no longer be so: it has company, or its
 * memory was used again. Nothing is remembered from before the insertion begins
 * until the kernel has the interval in its tree or in its list of deferred ones.
 */
static __always_inline int inserting(const struct mmu_interval_notifier_ops *ops)
{
	__sync_fetch_and_add(&control.registry_inserting, 1);
	__sync_fetch_and_add(&control.registry_epoch, 1);
	callback_id_of(interval_function((u64)ops), 0, (u64)ops);
	return 0;
}

static __always_inline int inserted(void)
{
	__sync_fetch_and_add(&control.registry_inserting, -1);
	return 0;
}

SEC("?fentry/mmu_interval_notifier_insert")
int BPF_PROG(insert_enter, struct mmu_interval_notifier *mni, struct mm_struct *mm,
	     unsigned long start, unsigned long length, const struct mmu_interval_notifier_ops *ops)
{
	return inserting(ops);
}

SEC("?fexit/mmu_interval_notifier_insert")
int BPF_PROG(insert_leave)
{
	return inserted();
}

SEC("?fentry/mmu_interval_notifier_insert_locked")
int BPF_PROG(insert_locked_enter, struct mmu_interval_notifier *mni, struct mm_struct *mm,
	     unsigned long start, unsigned long length, const struct mmu_interval_notifier_ops *ops)
{
	return inserting(ops);
}

SEC("?fexit/mmu_interval_notifier_insert_locked")
int BPF_PROG(insert_locked_leave)
{
	return inserted();
}

/* mmu_notifier_register() and mmu_notifier_get_locked() both come through here. */
SEC("?fentry/__mmu_notifier_register")
int BPF_PROG(notifier_registered, struct mmu_notifier *mn)
{
	/* mmu_notifier_get() has no subscription yet, only its ops: met at its first call. */
	if (mn)
		callback_id_of((u64)BPF_CORE_READ(mn, ops, invalidate_range_start), 1, 0);
	return 0;
}

/* Others may work on its memory before it does. */
static __always_inline void learn_target(struct task_struct *task, u64 mm)
{
	struct process p = { .tgid = cfg.tgid };

	if (control.target_mm == mm)
		return;
	control.target_mm = mm;
	ring_send(RING_PROCESS, &p, task->comm, sizeof(task->comm));
}

/* Whoever subscribes already, once for each address space. */
SEC("?iter/task")
int discover(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mm_struct *mm;

	if (!task || task->flags & PF_KTHREAD)
		return 0;
	mm = task->mm;
	if (cfg.scope == SCOPE_PROCESS && (u32)task->tgid == cfg.tgid && mm)
		learn_target(task, (u64)mm);
	if (task->pid != task->tgid)
		return 0;
	if (!mm || !BPF_CORE_READ(mm, notifier_subscriptions))
		return 0;
	if (walk_begin(WALK_DISCOVER, mm))
		walk_run(WALK_DISCOVER);
	return 0;
}
