// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Migrations of transparent huge pages to the device and back, each as one entry
 * (MIGRATE_VMA_SELECT_COMPOUND, since 6.19), and what a driver causes that has no huge
 * page free: its first is split on the way.
 *
 * In the formulas N is the pages and T = N/512 the huge ones; A, O are the kernel's,
 * see variants.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "migrate.h"

/* Of the mapping that begins at `start`: its AnonHugePages, in bytes. -errno: no smaps. */
static long long huge_bytes(const unsigned char *start)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	long long kib = -1;
	bool ours = false;
	char line[512];

	if (!f)
		return -errno;
	while (kib < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from == (unsigned long)start;
		else if (ours)
			sscanf(line, "AnonHugePages: %lld kB", &kib);
	}
	fclose(f);
	return kib < 0 ? -ENOENT : kib * 1024;
}

static int prepare(struct run *run)
{
	size_t size = run->params.pages * PAGE_BYTES;
	long long huge;
	int err;

	err = run__map_huge(run);
	if (err)
		return run__failed(run, "mapping huge pages, CONFIG_TRANSPARENT_HUGEPAGE", err);
	run__fill(run, run->range);
	huge = huge_bytes(run->range);
	if (huge < 0)
		return run__failed(run, "/proc/self/smaps", (int)huge);
	if ((size_t)huge != size) {
		snprintf(run->failure, sizeof(run->failure),
			 "%lld of %zu KiB are in huge pages; see "
			 "/sys/kernel/mm/transparent_hugepage/enabled, and free memory",
			 huge / 1024, size / 1024);
		return -ENOMEM;
	}
	/* What is there stays huge; nobody makes any of what is split later. */
	if (madvise(run->range, size, MADV_NOHUGEPAGE))
		return run__failed(run, "madvise", -errno);
	return 0;
}

static int measure(struct run *run, struct sample *sample)
{
	int err = migrate__step_migrate(run, sample);

	err = err ? err : migrate__step_read(run, sample);
	return err ? err : migrate__step_fault_back(run, sample);
}

static void expected(const struct run *run, struct expectation out[EXPECT_MAX])
{
	const struct variant *v = migrate__variant(run);
	__u64 n = run->params.pages, t = n / HUGE_PAGES, a = v->acts;

	migrate__expect(&out[EXPECT_NOTIFICATIONS], "2 T", 2 * t);
	migrate__expect(&out[EXPECT_DELIVERED], "2 T", 2 * t);
	migrate__expect_of(run, &out[EXPECT_PERFORMED], "2 A T", 2 * a * t);
	migrate__expect_of(run, &out[EXPECT_SKIPPED], "2 (1 - A) T", 2 * (1 - a) * t);
	migrate__expect_of(run, &out[EXPECT_AVOIDABLE], "2 O A T", 2 * v->avoidable * a * t);
	migrate__expect_of(run, &out[EXPECT_PAGES_PERFORMED], "2 A N", 2 * a * n);
	migrate__expect(&out[EXPECT_MIGRATIONS], "2 T", 2 * t);
	migrate__expect(&out[EXPECT_COLLECTED], "2 N", 2 * n);
	migrate__expect(&out[EXPECT_MIGRATED], "2 N", 2 * n);
	migrate__expect(&out[EXPECT_COMPOUND], "2 T", 2 * t);
	migrate__expect(&out[EXPECT_EXCESS], "0", 0);
	migrate__expect(&out[EXPECT_REFAULTS], "0", 0);
}

const struct workload workload_migrate_thp = {
	.name = "migrate-thp",
	.summary = "migrate huge pages to the device whole, read them there, and let CPU faults "
		   "bring them back",
	.huge = true,
	.since = 6019,
	.prepare = prepare,
	.measure = measure,
	.verify = migrate__verify,
	.expected = expected,
};

static int measure_split(struct run *run, struct sample *sample)
{
	int err = dmirror__fail_alloc(&run->device);

	return err ? run__failed(run, "HMM_DMIRROR_FLAGS", err) : measure(run, sample);
}

static void expected_split(const struct run *run, struct expectation out[EXPECT_MAX])
{
	const struct variant *v = migrate__variant(run);
	__u64 n = run->params.pages, t = n / HUGE_PAGES, a = v->acts;
	__u64 migrations = 2 * t + HUGE_PAGES - 1;

	/* The split's own, in migrate_vma_pages(), is a CLEAR without an owner. */
	migrate__expect(&out[EXPECT_NOTIFICATIONS], "2 T + 511 + 1", migrations + 1);
	migrate__expect(&out[EXPECT_DELIVERED], "2 T + 511 + 1", migrations + 1);
	migrate__expect_of(run, &out[EXPECT_PERFORMED], "A (2 T + 511) + 1", a * migrations + 1);
	migrate__expect_of(run, &out[EXPECT_SKIPPED], "(1 - A) (2 T + 511)", (1 - a) * migrations);
	migrate__expect_of(run, &out[EXPECT_AVOIDABLE], "O A (2 T + 511)",
			   v->avoidable * a * migrations);
	migrate__expect_of(run, &out[EXPECT_PAGES_PERFORMED], "2 A N + 512",
			   2 * a * n + HUGE_PAGES);
	migrate__expect(&out[EXPECT_MIGRATIONS], "2 T + 511", migrations);
	migrate__expect(&out[EXPECT_COLLECTED], "2 N", 2 * n);
	migrate__expect(&out[EXPECT_MIGRATED], "2 N", 2 * n);
	migrate__expect(&out[EXPECT_COMPOUND], "2 (T - 1)", 2 * (t - 1));
	migrate__expect_of(run, &out[EXPECT_EXCESS], "512 A", HUGE_PAGES * a);
	migrate__expect(&out[EXPECT_REFAULTS], "0", 0);
}

const struct workload workload_migrate_thp_split = {
	.name = "migrate-thp-split",
	.summary = "the same while the device has no huge page for the first of them, which the "
		   "kernel splits",
	.huge = true,
	.since = 6019,
	.prepare = prepare,
	.measure = measure_split,
	.verify = migrate__verify,
	.expected = expected_split,
};
