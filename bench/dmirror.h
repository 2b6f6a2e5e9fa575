/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_DMIRROR_H
#define MMUSCOPE_BENCH_DMIRROR_H

/*
 * A thin wrapper over the kernel's HMM test device (lib/test_hmm.c,
 * lib/test_hmm_uapi.h). Opening it mirrors the whole address space of the
 * caller. Calls give 0 or -errno of the ioctl; only dmirror__explain() prints.
 */
#include <linux/types.h>
#include <stddef.h>

struct dmirror {
	int fd;
	int claim;			/* held while it is open */
	unsigned int index;
	char path[64];
	unsigned int chunk_pages;	/* pages for each migrate_vma_setup() */
	unsigned int fault_pages;	/* pages for each hmm_range_fault() */
};

/* The driver's own ledger of one call; valid only where the ioctl succeeded. */
struct dmirror_result {
	int error;			/* 0 or a positive errno */
	__u64 cpages;			/* pages read, written or migrated */
	__u64 faults;			/* rounds of device faults */
};

/*
 * Opens device `index` (0 or 1): /dev/hmm_dmirror<index>, else a node made from
 * the major number in /proc/devices (5.10 makes none). The ioctl numbers are
 * chosen by the running kernel's version. -ENODEV: test_hmm is not loaded;
 * -EBUSY: another mmuscope has it open; -EACCES and others as open(2).
 */
int dmirror__open(struct dmirror *d, unsigned int index);
/* One sentence on what dmirror__open() gave, which it left `d` after. */
void dmirror__explain(const struct dmirror *d, int err);
void dmirror__close(struct dmirror *d);

/*
 * `npages` pages of 4 KiB from the page-aligned `addr`; `buffer` receives or
 * holds as many bytes. migrate_to_device() reads the range back into `buffer`
 * through the device; where that finds a page unmapped the error is ENOENT
 * although the migration took place.
 */
int dmirror__read(struct dmirror *d, void *addr, void *buffer, size_t npages,
		  struct dmirror_result *result);
int dmirror__write(struct dmirror *d, void *addr, void *buffer, size_t npages,
		   struct dmirror_result *result);
int dmirror__migrate_to_device(struct dmirror *d, void *addr, void *buffer, size_t npages,
			       struct dmirror_result *result);
/*
 * The device's next allocation of a huge page fails, and it takes small ones
 * (HMM_DMIRROR_FLAG_FAIL_ALLOC, since 6.19). 0 or -errno: -ENOTTY before.
 */
int dmirror__fail_alloc(struct dmirror *d);

#endif
