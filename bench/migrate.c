// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Migrations to the device: of a mixed range, to and fro, and of holes.
 *
 * In the formulas N is the pages, r those that live on the device already, f
 * the first of them, C the pages of one migrate_vma_setup() and F those of one
 * hmm_range_fault() (dmirror_migrate_to_device(), dmirror_fault() in
 * lib/test_hmm.c); A, S, H, O and P are the kernel's, see variants.h.
 */
#include "migrate.h"

#include <errno.h>
#include <string.h>

__u64 migrate__chunks(size_t pages, unsigned int chunk)
{
	return (pages + chunk - 1) / chunk;
}

void migrate__expect(struct expectation *e, const char *formula, __u64 value)
{
	e->formula = formula;
	e->known = true;
	e->value = value;
}

void migrate__expect_of(const struct run *run, struct expectation *e, const char *formula,
			__u64 value)
{
	e->formula = formula;
	e->known = run->variant;
	e->value = run->variant ? value : 0;
}

const struct variant *migrate__variant(const struct run *run)
{
	static const struct variant unknown;

	return run->variant ? run->variant : &unknown;
}

/* Moves every stretch of pages that should be resident, then lets the device map all. */
static int prepare_mixed(struct run *run)
{
	size_t n = run->params.pages;
	struct dmirror_result result;
	int err;

	err = run__map(run);
	if (err)
		return run__failed(run, "mmap", err);
	run__fill(run, run->range);
	for (size_t at = 0, end; at < n; at = end) {
		for (end = at; end < n && run->resident[end] == run->resident[at]; end++)
			;
		if (!run->resident[at])
			continue;
		err = dmirror__migrate_to_device(&run->device, run->range + at * PAGE_BYTES,
						 run->buffer, end - at, &result);
		if (err)
			return run__failed(run, "making pages resident", err);
	}
	err = dmirror__read(&run->device, run->range, run->buffer, n, &result);
	if (err)
		return run__failed(run, "mapping the range on the device", err);
	return run__check(run, run->buffer, "the device (before)");
}

/*
 * The migration's own read-back fails with ENOENT where mappings of resident
 * pages were dropped: the effect under study on an unpatched kernel.
 */
int migrate__step_migrate(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "migrate");
	__u64 start;
	int err;

	step->has_ledger = true;
	step->is_migration = true;
	run__count(run, true);
	start = run__clock();
	err = dmirror__migrate_to_device(&run->device, run->range, run->buffer, run->params.pages,
					 &step->ledger);
	step->call = run__clock() - start;
	run__count(run, false);
	return err && err != -ENOENT ? run__failed(run, "migrating the range", err) : 0;
}

int migrate__step_read(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "read");
	__u64 start;
	int err;

	step->has_ledger = true;
	memset(run->buffer, 0xa5, run->params.pages * PAGE_BYTES);
	run__count(run, true);
	start = run__clock();
	err = dmirror__read(&run->device, run->range, run->buffer, run->params.pages,
			    &step->ledger);
	step->cost = step->call = run__clock() - start;
	run__count(run, false);
	return err ? run__failed(run, "reading the range on the device", err) : 0;
}

static int measure_mixed(struct run *run, struct sample *sample)
{
	int err = migrate__step_migrate(run, sample);

	return err ? err : migrate__step_read(run, sample);
}

int migrate__verify(struct run *run)
{
	int err = run__check(run, run->buffer, "the device");

	/* The CPU's reads bring every page back. */
	return err ? err : run__check(run, run->range, "the CPU");
}

static void expected_mixed(const struct run *run, struct expectation out[EXPECT_MAX])
{
	__u64 n = run->params.pages, r = run->resident_pages, f = run->first_resident;
	__u64 c = migrate__chunks(n, run->device.chunk_pages);
	__u64 refaults = r ? migrate__chunks(n - f, run->device.fault_pages) : 0;
	const struct variant *v = migrate__variant(run);
	__u64 a = v->acts;

	migrate__expect(&out[EXPECT_NOTIFICATIONS], "ceil(N/C)", c);
	migrate__expect(&out[EXPECT_DELIVERED], "ceil(N/C)", c);
	migrate__expect_of(run, &out[EXPECT_PERFORMED], "A ceil(N/C)", a * c);
	migrate__expect_of(run, &out[EXPECT_SKIPPED], "(1 - A) ceil(N/C)", (1 - a) * c);
	migrate__expect_of(run, &out[EXPECT_AVOIDABLE], "O A ceil(N/C)", v->avoidable * a * c);
	migrate__expect_of(run, &out[EXPECT_PAGES_PERFORMED], "A N", a * n);
	migrate__expect(&out[EXPECT_MIGRATIONS], "ceil(N/C)", c);
	migrate__expect(&out[EXPECT_COLLECTED], "N - r", n - r);
	migrate__expect(&out[EXPECT_MIGRATED], "N - r", n - r);
	migrate__expect_of(run, &out[EXPECT_EXCESS], "A r", a * r);
	migrate__expect_of(run, &out[EXPECT_REFAULTS], "A ceil((N - f)/F), 0 where r = 0",
			   a * refaults);
}

const struct workload workload_migrate_mixed = {
	.name = "migrate-mixed",
	.summary = "migrate a range of which R per cent is on the device already, then read it "
		   "there",
	.uses_resident = true,
	.prepare = prepare_mixed,
	.measure = measure_mixed,
	.verify = migrate__verify,
	.expected = expected_mixed,
};

/* ---- to the device and back by CPU faults ---- */

int migrate__step_fault_back(struct run *run, struct sample *sample)
{
	struct sample_step *step = sample__step(sample, "fault_back");
	__u64 start, sum = 0;

	run__count(run, true);
	start = run__clock();
	for (size_t page = 0; page < run->params.pages; page++)
		sum += *(volatile unsigned char *)(run->range + page * PAGE_BYTES);
	step->cost = run__clock() - start;
	run__count(run, false);
	(void)sum;
	return 0;
}

static int measure_pingpong(struct run *run, struct sample *sample)
{
	int err = migrate__step_migrate(run, sample);

	return err ? err : migrate__step_fault_back(run, sample);
}

static void expected_pingpong(const struct run *run, struct expectation out[EXPECT_MAX])
{
	__u64 n = run->params.pages, c = migrate__chunks(n, run->device.chunk_pages);
	const struct variant *v = migrate__variant(run);
	__u64 a = v->acts;

	migrate__expect(&out[EXPECT_NOTIFICATIONS], "ceil(N/C) + N", c + n);
	migrate__expect(&out[EXPECT_DELIVERED], "ceil(N/C) + N", c + n);
	migrate__expect_of(run, &out[EXPECT_PERFORMED], "A (ceil(N/C) + N)", a * (c + n));
	migrate__expect_of(run, &out[EXPECT_SKIPPED], "(1 - A) (ceil(N/C) + N)", (1 - a) * (c + n));
	migrate__expect_of(run, &out[EXPECT_AVOIDABLE], "O A (ceil(N/C) + N)",
			   v->avoidable * a * (c + n));
	migrate__expect_of(run, &out[EXPECT_PAGES_PERFORMED], "2 A N", 2 * a * n);
	migrate__expect(&out[EXPECT_MIGRATIONS], "ceil(N/C) + N", c + n);
	migrate__expect(&out[EXPECT_COLLECTED], "2 N", 2 * n);
	migrate__expect(&out[EXPECT_MIGRATED], "2 N", 2 * n);
	migrate__expect(&out[EXPECT_EXCESS], "0", 0);
	migrate__expect(&out[EXPECT_REFAULTS], "0", 0);
}

const struct workload workload_migrate_pingpong = {
	.name = "migrate-pingpong",
	.summary = "migrate a range to the device, then let CPU faults bring every page back",
	.prepare = prepare_mixed,
	.measure = measure_pingpong,
	.verify = migrate__verify,
	.expected = expected_pingpong,
};

/* ---- holes ---- */

static int prepare_holes(struct run *run)
{
	int err = run__map(run);

	return err ? run__failed(run, "mmap", err) : 0;
}

static int verify_holes(struct run *run)
{
	int err = run__check_zero(run, run->buffer, "the device");

	return err ? err : run__check_zero(run, run->range, "the CPU");
}

/* The second notification, in migrate_vma_pages(), is the one patch 6 wanted to drop. */
static void expected_holes(const struct run *run, struct expectation out[EXPECT_MAX])
{
	__u64 n = run->params.pages, c = migrate__chunks(n, run->device.chunk_pages);

	const struct variant *v = migrate__variant(run);
	__u64 sent = 1 + v->holes, acts = v->acts + v->holes_acts;

	migrate__expect_of(run, &out[EXPECT_NOTIFICATIONS], "(1 + S) ceil(N/C)", sent * c);
	migrate__expect_of(run, &out[EXPECT_DELIVERED], "(1 + S) ceil(N/C)", sent * c);
	migrate__expect_of(run, &out[EXPECT_PERFORMED], "(A + H) ceil(N/C)", acts * c);
	migrate__expect_of(run, &out[EXPECT_SKIPPED], "(1 + S - A - H) ceil(N/C)", (sent - acts) * c);
	migrate__expect_of(run, &out[EXPECT_AVOIDABLE], "(O A + P H) ceil(N/C)",
			   (v->avoidable * v->acts + v->holes_avoidable * v->holes_acts) * c);
	migrate__expect_of(run, &out[EXPECT_PAGES_PERFORMED], "(A + H) N", acts * n);
	migrate__expect(&out[EXPECT_MIGRATIONS], "ceil(N/C)", c);
	migrate__expect(&out[EXPECT_COLLECTED], "N", n);
	migrate__expect(&out[EXPECT_MIGRATED], "N", n);
	migrate__expect_of(run, &out[EXPECT_EXCESS], "A H N", v->acts * v->holes_acts * n);
	migrate__expect(&out[EXPECT_REFAULTS], "0", 0);
}

const struct workload workload_migrate_holes = {
	.name = "migrate-holes",
	.summary = "migrate a range that was never touched: two notifications for each chunk",
	.prepare = prepare_holes,
	.measure = measure_mixed,
	.verify = verify_holes,
	.expected = expected_holes,
};
