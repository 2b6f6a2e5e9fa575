// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a process does to its own memory while an RDMA device reads and writes it by
 * on-demand paging: fork, COW by the device, mprotect, mremap, MADV_DONTNEED, munmap.
 * The device hears of it through an interval notifier of just that range, acts on
 * all, and faults in again what it meets next: hmm_range_fault() in
 * ib_umem_odp_map_dma_and_lock() (drivers/infiniband/core/umem_odp.c).
 *
 * Notifications of 7.2 (V: mappings that fork must copy), and those that are the
 * region's:
 *	fork		V	1	PROTECTION_PAGE, copy_page_range()
 *	COW		N	N	CLEAR of one page, wp_page_copy() in hmm_range_fault()
 *	mprotect	1 + 1	1 + 1	PROTECTION_VMA, change_pud_range(), read-only and back
 *	mremap		2 + 2	2 + 0	UNMAP, away and back: at the other place is no region
 *	DONTNEED	1	1	CLEAR, zap_page_range_single()
 *	munmap		1	1	UNMAP, unmap_vmas()
 *
 * Faults: rxe works packet by packet, at most a page each, and faults in the page
 * that the first of its packets finds unmapped: N calls for a read of all. A COW is
 * in the middle of such a call, whose own invalidation makes it try again: 2 N.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg.h"
#include "ops.h"
#include "rdma.h"

struct odp {
	struct ops ops;
	struct rdma rdma;
	struct sample_step *refault; /* all reads of what was invalidated */
};

/* Filled in by open; they outlive the device. */
static char driver[64], path[64];

static int open_rdma(struct run *run)
{
	struct odp *o = calloc(1, sizeof(*o));
	int err;

	run->private = o;
	if (!o) {
		msg("out of memory.");
		return -ENOMEM;
	}
	err = rdma__open(&o->rdma, run->buffer, run->params.pages * PAGE_BYTES);
	if (err) {
		msg("%s.", o->rdma.why);
		switch (-err) {
		case EACCES:
		case EPERM:
		case ENOMEM:
		case EADDRNOTAVAIL:
			/* Nothing failed: it cannot be measured as things are. */
			return -ENODEV;
		}
		return err;
	}
	snprintf(driver, sizeof(driver), "%s", o->rdma.driver[0] ? o->rdma.driver : "unknown");
	snprintf(path, sizeof(path), "%s", o->rdma.path);
	return 0;
}

static void close_rdma(struct run *run)
{
	struct odp *o = run->private;

	if (!o)
		return;
	rdma__close(&o->rdma);
	free(o);
	run->private = NULL;
}

static int failed(struct run *run, const char *what, int err)
{
	const struct rdma *r = &((struct odp *)run->private)->rdma;

	/* HMM_RANGE_DEFAULT_TIMEOUT: the kernel gives up a fault that it had to try again. */
	if (err == -EFAULT && r->took_ms >= 1000)
		snprintf(run->failure, sizeof(run->failure),
			 "%s was refused after %u ms: a device fault must not take a second; is the "
			 "machine overloaded?",
			 what, r->took_ms);
	else if (!r->why[0])
		return run__failed(run, what, err);
	else
		snprintf(run->failure, sizeof(run->failure), "%s: %.120s", what, r->why);
	return err;
}

/*
 * Is it this iteration's data, or zero? rxe of 7.2 copies to and from the beginning of
 * a page, wherever in it the packet belongs (__rxe_odp_mr_copy()): right only where a
 * packet takes the whole page.
 */
static int check(struct run *run, const unsigned char *got, const char *who, bool zero)
{
	const struct rdma *r = &((struct odp *)run->private)->rdma;
	int err = zero ? run__check_zero(run, got, who) : run__check(run, got, who);
	size_t length = strlen(run->failure);

	if (err && !strcmp(r->driver, "rxe") && r->packet < PAGE_BYTES)
		snprintf(
			run->failure + length, sizeof(run->failure) - length,
			", as rxe does with packets of %u bytes: give its interface an MTU of 4200",
			r->packet);
	return err;
}

/* The device reads what the process wrote, and faults in all of it: counted. */
static int refault(struct run *run, bool zero)
{
	struct odp *o = run->private;
	__u64 start;
	int err;

	run__count(run, true);
	start = run__clock();
	err = rdma__read(&o->rdma);
	o->refault->cost += run__clock() - start;
	run__count(run, false);
	if (err)
		return failed(run, "reading the range on the device", err);
	return check(run, run->buffer, "the device", zero);
}

/* Other data, and not by so little that it could be another page's of before. */
static void renew(struct run *run)
{
	run->salt += 1ULL << 32;
	run__fill(run, run->buffer);
}

static int device_writes(struct run *run)
{
	int err;

	renew(run);
	err = rdma__write(&((struct odp *)run->private)->rdma);
	return err ? failed(run, "writing the range on the device", err) :
		     check(run, run->range, "the CPU", false);
}

/* A mapping that had stayed would let the device do it, to a page that is not ours any more. */
static int device_may_not(struct run *run, bool write, const char *after)
{
	struct rdma *r = &((struct odp *)run->private)->rdma;
	int err = write ? rdma__write(r) : rdma__read(r);

	if (err == -EFAULT)
		return 0;
	if (err)
		return failed(run, after, err);
	snprintf(run->failure, sizeof(run->failure), "the device could still %s the range after %s",
		 write ? "write" : "read", after);
	return -EIO;
}

static int prepare(struct run *run)
{
	struct odp *o = run->private;
	int err;

	err = ops__map(run, &o->ops);
	if (err)
		return err;
	err = rdma__register(&o->rdma, run->range);
	if (err)
		return run__failed(run, "registering the range with the device", err);
	err = rdma__read(&o->rdma);
	if (err)
		return failed(run, "reading the range on the device", err);
	err = check(run, run->buffer, "the device", false);
	return err ? err : device_writes(run);
}

static int measure_cow(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "cow");
	struct odp *o = run->private;
	__u64 start;
	int err;

	renew(run);
	run__count(run, true);
	start = run__clock();
	err = rdma__write(&o->rdma);
	step->cost = run__clock() - start;
	run__count(run, false);
	return err ? failed(run, "writing the range on the device", err) :
		     check(run, run->range, "the CPU", false);
}

static int measure(struct run *run, struct sample *sample)
{
	struct odp *o = run->private;
	struct ops *ops = &o->ops;
	int err;

	o->refault = sample__step(sample, "refault");
	err = ops__fork(run, ops, sample);
	err = err ? err : refault(run, false);
	err = err ? err : measure_cow(run, sample);
	ops__reap(ops);
	err = err ? err : ops__call(run, ops, sample, "mprotect", OPS_READONLY);
	err = err ? err : device_may_not(run, true, "mprotect");
	err = err ? err : refault(run, false);
	err = err ? err : ops__call(run, ops, sample, "mprotect_back", OPS_WRITABLE);
	err = err ? err : refault(run, false);
	err = err ? err : device_writes(run);
	err = err ? err : ops__call(run, ops, sample, "mremap", OPS_AWAY);
	err = err ? err : device_may_not(run, false, "mremap");
	err = err ? err : ops__call(run, ops, sample, "mremap_back", OPS_HOME);
	err = err ? err : refault(run, false);
	err = err ? err : device_writes(run);
	err = err ? err : ops__call(run, ops, sample, "dontneed", OPS_DONTNEED);
	err = err ? err : refault(run, true);
	if (!err)
		err = check(run, run->range, "the CPU", true);
	err = err ? err : device_writes(run);
	return err ? err : ops__call(run, ops, sample, "munmap", OPS_UNMAP);
}

static int verify(struct run *run)
{
	struct odp *o = run->private;
	int err;

	run->range = NULL;
	err = device_may_not(run, false, "munmap");
	rdma__deregister(&o->rdma);
	return err;
}

static void expected(const struct run *run, struct expectation out[EXPECT_MAX])
{
	const struct odp *o = run->private;
	__u64 n = run->params.pages;

	ops__expect(out, "N + 7", n + 7, "8 N", 8 * n);
	out[EXPECT_NOTIFICATIONS] =
		(struct expectation){ "V + N + 8", true, o->ops.copied + n + 8 };
	/* How much a device of hardware faults in at a time is its own choice. */
	out[EXPECT_REFAULTS] = (struct expectation){ "7 N", !strcmp(o->rdma.driver, "rxe"), 7 * n };
}

static const struct workload_device device = {
	.driver = driver,
	.path = path,
	.open = open_rdma,
	.close = close_rdma,
};

const struct workload workload_rdma_odp = {
	.name = "rdma-odp",
	.summary =
		"fork, COW, mprotect, mremap, MADV_DONTNEED and munmap of what RDMA maps on demand",
	.device = &device,
	.prepare = prepare,
	.measure = measure,
	.verify = verify,
	.expected = expected,
};
