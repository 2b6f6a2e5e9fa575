/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by bpf/order.bpf.c and user space: what happened to a range, one record each.
 * Fixed widths, natural alignment. Includes nothing of ours.
 */
#ifndef MMUSCOPE_ORDER_H
#define MMUSCOPE_ORDER_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum order_step {
	ORDER_SETUP = 0,	/* migrate_vma_setup() entered */
	ORDER_SETUP_LEFT,
	ORDER_TOLD,		/* __mmu_notifier_invalidate_range_start() left */
	ORDER_TOLD_END,		/* __mmu_notifier_invalidate_range_end() entered */
	ORDER_PAGES,		/* migrate_vma_pages() entered: it updates the page table */
	ORDER_PAGES_LEFT,
	ORDER_FINALIZED,	/* migrate_vma_finalize() left */
	ORDER_FAULT,		/* hmm_range_fault() entered: a device fault */
	ORDER_FAULT_LEFT,
	ORDER_STEP_MAX,
};

struct order_record {
	__u64 ns;		/* CLOCK_MONOTONIC */
	__u64 from, to;		/* the range of the call, not cut to the one watched */
	__u32 task;		/* pid of the thread */
	__s32 result;		/* what the function returned, where it returns an int */
	__u8 step;		/* enum order_step */
	__u8 event;		/* enum mmu_notifier_event, of ORDER_TOLD and ORDER_TOLD_END */
	__u8 pad[6];
};

#endif
