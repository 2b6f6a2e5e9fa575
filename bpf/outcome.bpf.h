/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a callback's row gets, whichever way the callback was seen. */
#ifndef MMUSCOPE_OUTCOME_BPF_H
#define MMUSCOPE_OUTCOME_BPF_H

#include "state.bpf.h"

static __always_inline bool may_decline(u32 declines, u32 event)
{
	return declines >> (event & (MMUSCOPE_EVENTS - 1)) & 1;
}

/*
 * Where nothing watched the entry of a callback: a sequence number that is current
 * proves nothing where another invalidation of this mm is open, or was open when
 * ours began: what a second thread may have done meanwhile leaves no trace
 * (measured with two threads: 110 of 10352 wrong if only the first is asked).
 */
static __noinline bool other_window_open(struct mm_struct *mm)
{
	struct task_struct *cur = (void *)bpf_get_current_task();

	return BPF_CORE_READ(mm, notifier_subscriptions, active_invalidate_ranges) > 1 ||
	       BPF_CORE_READ(cur, signal, nr_threads) > 1;
}

/* Adds one callback. Returns the pages of which the device lost its mappings. */
static __always_inline u64 count_callback(struct mmuscope_callback_row *row,
					  enum mmuscope_outcome outcome, u64 start, u64 end)
{
	u64 pages = add_pages(&row->pages, &row->whole, start, end);

	/* A store each: an index that is not constant would cost more. */
	switch (outcome) {
	case OUTCOME_PERFORMED:
		row->outcome[OUTCOME_PERFORMED]++;
		row->pages_performed += pages;
		barrier();
		return pages;
	case OUTCOME_SKIPPED:
		row->outcome[OUTCOME_SKIPPED]++;
		break;
	case OUTCOME_FAILED:
		row->outcome[OUTCOME_FAILED]++;
		break;
	default:
		row->outcome[OUTCOME_UNDETERMINED]++;
	}
	return 0;
}

#endif
