/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_VARIANTS_H
#define MMUSCOPE_BENCH_VARIANTS_H

/*
 * What each variant of the series (kernel/patches/<line>/<variant>) makes of a migration
 * to test_hmm: the letters of the workloads' formulas, 0 or 1 each.
 */
#include <linux/types.h>

struct variant {
	const char *name;
	__u64 acts;		/* A: the driver acts on what migrate_vma_setup() raises */
	__u64 holes;		/* S: migrate_vma_pages() raises one where there are holes */
	__u64 holes_acts;	/* H: the driver acts on that one */
	__u64 avoidable;	/* O: what A acts on is a MIGRATE of its own */
	__u64 holes_avoidable;	/* P: what H acts on is one */
	int since, before;	/* kernel_info__version(); 0: no bound */
};

/*
 * That of the running kernel: by the name in its release; one without a name is
 * upstream's, "patched" from 5.9 on. NULL: of another name, or older.
 */
const struct variant *variant__running(void);

/* By name, on a kernel of that kernel_info__version(); NULL: there is none. */
const struct variant *variant__find(const char *name, int version);

#endif
