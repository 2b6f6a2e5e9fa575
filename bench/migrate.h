/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_MIGRATE_H
#define MMUSCOPE_BENCH_MIGRATE_H

/* What the workloads that migrate to test_hmm share. */
#include "variants.h"
#include "workload.h"

/* `chunk` pages at a time, the last may have fewer. */
__u64 migrate__chunks(size_t pages, unsigned int chunk);

void migrate__expect(struct expectation *e, const char *formula, __u64 value);
/* For what the series changed; a kernel of which nothing is known has no formula. */
void migrate__expect_of(const struct run *run, struct expectation *e, const char *formula,
			__u64 value);
/* run->variant, or one that does nothing. Never NULL. */
const struct variant *migrate__variant(const struct run *run);

/* Counted steps: the range to the device; the device reads it; the CPU touches each page. */
int migrate__step_migrate(struct run *run, struct sample *sample);
int migrate__step_read(struct run *run, struct sample *sample);
int migrate__step_fault_back(struct run *run, struct sample *sample);

/* What the device read, and what the CPU reads, which brings every page back. */
int migrate__verify(struct run *run);

#endif
