// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the walk of registry.bpf.h needs beside the notifications. */
#include "registry.bpf.h"

struct walk_scratch_map walk_scratch SEC(".maps");
struct callbacks_map callbacks SEC(".maps");

#define MMU_NOTIFY_RELEASE_EVENT 5

/*
 * An address space ends. Its intervals are called with MMU_NOTIFY_RELEASE and no
 * notification, all of them and before anything else (mn_itree_release()); the
 * drivers may take them away in what follows. They cannot decline in the sense of
 * the protocol, which warns of a false.
 */
static __always_inline int release(struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs;
	struct walk w = {.end = ~0ULL, .release = 1, .slot = WALK_RELEASE};
	struct rb_node *root;

	if (!control.enabled || !control.registry || !find_process(&w.process, mm))
		return 0;
	subs = mm->notifier_subscriptions;
	root = subs->itree.rb_root.rb_node;
	if (!root)
		return 0;
	w.event = MMU_NOTIFY_RELEASE_EVENT;
	w.phase = current_phase();
	w.mm = (u64)mm;
	walk_tree(&w, (u64)root);
	return 0;
}

SEC("?fentry/__mmu_notifier_release")
int BPF_PROG(registry_release, struct mm_struct *mm)
{
	return release(mm);
}

/*
 * What is remembered of a lone interval may no longer be so: it has company, or its
 * memory was used again. Nothing is remembered from before the insertion begins
 * until the kernel has the interval in its tree or in its list of deferred ones.
 */
static __always_inline int inserting(void)
{
	__sync_fetch_and_add(&control.registry_inserting, 1);
	__sync_fetch_and_add(&control.registry_epoch, 1);
	return 0;
}

static __always_inline int inserted(void)
{
	__sync_fetch_and_add(&control.registry_inserting, -1);
	return 0;
}

SEC("?fentry/mmu_interval_notifier_insert")
int BPF_PROG(insert_enter)
{
	return inserting();
}

SEC("?fexit/mmu_interval_notifier_insert")
int BPF_PROG(insert_leave)
{
	return inserted();
}

SEC("?fentry/mmu_interval_notifier_insert_locked")
int BPF_PROG(insert_locked_enter)
{
	return inserting();
}

SEC("?fexit/mmu_interval_notifier_insert_locked")
int BPF_PROG(insert_locked_leave)
{
	return inserted();
}
