/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_WORKLOAD_H
#define MMUSCOPE_BENCH_WORKLOAD_H

/*
 * A workload: what is done to a range that a device maps, and a closed formula for the
 * counts that it must cause on each kind of kernel.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "dmirror.h"

struct session;
struct variant;

struct workload_params {
	size_t pages;
	unsigned int resident_pct;
	unsigned int iterations;
	unsigned int warmup;
	__u64 seed;
	unsigned int device;
};

/* Metrics that a formula speaks of, by the names of the JSON. */
enum expected_metric {
	EXPECT_NOTIFICATIONS,
	EXPECT_DELIVERED,
	EXPECT_PERFORMED,
	EXPECT_SKIPPED,
	EXPECT_AVOIDABLE,
	EXPECT_PAGES_PERFORMED,
	EXPECT_MIGRATIONS,
	EXPECT_COLLECTED,
	EXPECT_MIGRATED,
	EXPECT_EXCESS,
	EXPECT_REFAULTS,
	EXPECT_COMPOUND,
	EXPECT_MAX,
};

struct expectation {
	const char *formula;	/* in words of the parameters; NULL: none for this metric */
	bool known;		/* false: depends on the variant, which is unknown */
	__u64 value;		/* for one iteration */
};

#define SAMPLE_STEPS 16

struct sample_step {
	const char *name;	/* static: "migrate", "read", ... */
	__u64 cost;		/* in the clock's unit */
	bool has_ledger;
	/*
	 * The cost is what migrations to the device took, from setup to finalize, as
	 * counted, and not the whole ioctl: test_hmm reads the range back inside it,
	 * which an unpatched kernel breaks off at the first dropped mapping.
	 */
	bool is_migration;
	__u64 call;		/* cost of the whole ioctl, kept beside the ledger */
	struct dmirror_result ledger;
};

struct sample {
	unsigned int step_count;
	struct sample_step step[SAMPLE_STEPS];
};

/* An operation that cannot be done here. */
struct left_out {
	const char *operation;	/* one of the workload's `optional` */
	char reason[160];	/* a clause without a full stop */
};

#define OPTIONAL_MAX 2

/* What a running workload works on; set up by the runner, the buffers by prepare(). */
struct run {
	const struct workload *workload;
	struct workload_params params;
	const struct variant *variant;	/* NULL: an unknown kernel */
	struct dmirror device;	/* of a workload that has no device of its own */
	struct session *session;
	bool counting;		/* false while warming up, and where nobody watches */
	bool quiet;		/* what is left out is said elsewhere */
	unsigned char *range;	/* params.pages pages, which the device maps */
	unsigned char *buffer;	/* as many, what the device read */
	bool *resident;		/* per page: lives on the device when measuring starts */
	size_t resident_pages, first_resident;
	__u64 salt;		/* of this iteration's data */
	void *private;
	struct left_out left_out[OPTIONAL_MAX];	/* set by the device's open() */
	unsigned int left_out_count;
	char failure[160];	/* why verify() or a step failed, for the message */
};

/* What a workload without test_hmm works on. */
struct workload_device {
	const char *driver, *path;
	/*
	 * Once for a run, which has its buffer by then. 0, or -errno after one sentence;
	 * -ENODEV: it is not there. close() is called in any case.
	 */
	int (*open)(struct run *run);
	void (*close)(struct run *run);
};

struct workload {
	const char *name;
	const char *summary;
	bool uses_resident;
	bool huge;		/* of huge pages: --pages is a multiple of HUGE_PAGES */
	int since;		/* kernel_info__version() from which it is possible; 0: any */
	const struct workload_device *device;	/* NULL: a mirror of test_hmm */
	/* Operations that not every machine can do, NULL at the end; each a parameter, 0 or 1. */
	const char *optional[OPTIONAL_MAX + 1];
	/* Brings memory into the state that the measurement starts from. */
	int (*prepare)(struct run *run);
	/* The measured region; switches counting on and off around each step. */
	int (*measure)(struct run *run, struct sample *sample);
	/* Compares every byte that the device and the CPU see with what was written. */
	int (*verify)(struct run *run);
	void (*expected)(const struct run *run, struct expectation out[EXPECT_MAX]);
};

extern const struct workload *const workloads[];
extern const size_t workload_count;

/* ---- for workloads ---- */

#define PAGE_BYTES 4096UL
#define HUGE_PAGES 512UL

/* Counting on for this run's process; no effect while warming up. */
void run__count(struct run *run, bool on);
/* Now, in ns of CLOCK_MONOTONIC_RAW: guest instructions under -icount. */
__u64 run__clock(void);
/* Starts a step: names it and returns it, its cost still 0. NULL never. */
struct sample_step *sample__step(struct sample *sample, const char *name);
/* Maps params.pages fresh pages, no huge ones, alone in their mapping. 0 or -errno. */
int run__map(struct run *run);
/*
 * The same in huge pages, params.pages being a multiple of HUGE_PAGES, which begin where
 * a huge page does; none of it is there yet. -EINVAL: no CONFIG_TRANSPARENT_HUGEPAGE.
 */
int run__map_huge(struct run *run);
void run__unmap(struct run *run);
/* Pages of their own: nothing is left of the mapping if their flags change. NULL: no memory. */
void *run__map_buffer(size_t size);
/* Writes this iteration's data by the CPU, params.pages pages. */
void run__fill(const struct run *run, unsigned char *to);
/* Is `got` (params.pages pages) this iteration's data? Sets failure and gives -EIO if not. */
int run__check(struct run *run, const unsigned char *got, const char *who);
int run__check_zero(struct run *run, const unsigned char *got, const char *who);
/*
 * Says (unless quiet) that the operation is not done in this run, and why; it is in the
 * result too.
 */
void run__leave_out(struct run *run, const char *operation, const char *reason);
bool run__has(const struct run *run, const char *operation);
/* Sets failure from an ioctl that should have worked. Returns its error. */
int run__failed(struct run *run, const char *what, int err);

#endif
