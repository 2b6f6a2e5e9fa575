// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process does to its own memory, on a mirrored range: fork, COW,
 * mprotect, mremap, MADV_DONTNEED, munmap. No migration, so the series changes
 * nothing here: the control of an experiment, and the cost that stays.
 *
 * Notifications of 6.1 (V: mappings that fork must copy):
 *	fork		V	PROTECTION_PAGE, copy_page_range()
 *	COW		N	CLEAR of one page, wp_page_copy()
 *	mprotect	1	PROTECTION_VMA, change_pmd_range(), one for each 1 GiB
 *	mremap		2	UNMAP, move_page_tables() and the unmapping of the old place
 *	DONTNEED	1	CLEAR, zap_page_range_single()
 *	munmap		1	UNMAP, unmap_vmas()
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops.h"

/* The device maps the range (anew), which is then this iteration's data or zeros. */
static int mirror(struct run *run, bool zero)
{
	struct dmirror_result result;
	int err = dmirror__read(&run->device, run->range, run->buffer, run->params.pages, &result);

	if (err)
		return run__failed(run, "reading the range on the device", err);
	return zero ? run__check_zero(run, run->buffer, "the device") :
		      run__check(run, run->buffer, "the device");
}

static int prepare(struct run *run)
{
	int err;

	run->private = calloc(1, sizeof(struct ops));
	if (!run->private)
		return run__failed(run, "memory", -ENOMEM);
	err = ops__map(run, run->private);
	return err ? err : mirror(run, false);
}

static int measure_cow(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "cow");
	__u64 start;

	run__count(run, true);
	start = run__clock();
	for (size_t page = 0; page < run->params.pages; page++) {
		volatile unsigned char *p = run->range + page * PAGE_BYTES;

		*p = *p;
	}
	step->cost = run__clock() - start;
	run__count(run, false);
	return mirror(run, false);
}

static int measure(struct run *run, struct sample *sample)
{
	struct ops *ops = run->private;
	int err;

	err = ops__fork(run, ops, sample);
	/* Fork made the pages read-only: the device maps them again to see the COW. */
	err = err ? err : mirror(run, false);
	err = err ? err : measure_cow(run, sample);
	ops__reap(ops);
	err = err ? err : ops__call(run, ops, sample, "mprotect", OPS_READONLY);
	err = err ? err : mirror(run, false);
	err = err ? err : ops__call(run, ops, sample, "mremap", OPS_AWAY);
	err = err ? err : mirror(run, false);
	if (!err)
		err = run__check(run, run->range, "the CPU");
	err = err ? err : ops__call(run, ops, sample, "dontneed", OPS_DONTNEED);
	err = err ? err : mirror(run, true);
	if (!err)
		err = run__check_zero(run, run->range, "the CPU");
	return err ? err : ops__call(run, ops, sample, "munmap", OPS_UNMAP);
}

/* After the munmap nobody may read the range any more. */
static int verify(struct run *run)
{
	struct ops *ops = run->private;
	struct dmirror_result result;
	int err = dmirror__read(&run->device, run->range, run->buffer, run->params.pages, &result);

	run->range = NULL;
	free(ops);
	run->private = NULL;
	if (err == -EFAULT)
		return 0;
	snprintf(run->failure, sizeof(run->failure),
		 "the device could still read the range after munmap");
	return -EIO;
}

static void expected(const struct run *run, struct expectation out[EXPECT_MAX])
{
	const struct ops *ops = run->private;
	__u64 n = run->params.pages;

	ops__expect(out, "V + N + 5", ops->copied + n + 5, "pages of V + 6 N",
		    ops->copied_pages + 6 * n);
}

const struct workload workload_mmops = {
	.name = "mmops",
	.summary = "fork, COW, mprotect, mremap, MADV_DONTNEED and munmap of a mirrored range",
	.prepare = prepare,
	.measure = measure,
	.verify = verify,
	.expected = expected,
};
