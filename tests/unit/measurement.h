/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TEST_MEASUREMENT_H
#define MMUSCOPE_TEST_MEASUREMENT_H

/*
 * One measurement as the kernel side would leave it, in balance, to be bent by
 * each test: process prog:42 migrates 8 chunks of 64 pages to a device, has 3
 * notifications of its own besides, and the device faults 5 times.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define OWNER 0xffffffffc0de0000ULL

struct measurement {
	struct snapshot snap;
	struct names names;
	struct plan plan;
	struct report report;
};

static inline struct mmuscope_row_key row_key(__u32 tgid, enum mmuscope_row_kind kind,
					      unsigned int event, unsigned int phase)
{
	return (struct mmuscope_row_key){
		.start = 7,
		.tgid = tgid,
		.kind = (__u8)kind,
		.event = (__u8)event,
		.phase = (__u8)phase,
	};
}

/* Appends a row; `counts` has `n`. */
static inline struct mmuscope_row *add_row(struct snapshot *snap,
					   const struct mmuscope_row_key *key,
					   const __u64 *counts, size_t n)
{
	struct mmuscope_row *row = snapshot__add_row(snap, key);

	assert_non_null(row);
	memcpy(row->count, counts, n * sizeof(*counts));
	return row;
}

/* Appends a callback's row with `outcome` in the order of the enum, each call 600 ns. */
static inline struct mmuscope_callback_row *add_callback(struct snapshot *snap,
							 const struct mmuscope_row_key *key,
							 const __u64 outcome[OUTCOME_MAX])
{
	struct mmuscope_callback_row *row = snapshot__add_callback(snap, key);
	__u64 calls;

	assert_non_null(row);
	memcpy(row->outcome, outcome, sizeof(row->outcome));
	calls = callback_row__delivered(row);
	row->pages = calls * 64;
	row->pages_performed = outcome[OUTCOME_PERFORMED] * 64;
	row->latency_sum = calls * 600;
	row->latency_min = ~500ULL;
	row->latency_max = 700;
	row->bucket[10] = calls;
	row->size[7] = calls;
	return row;
}

static inline struct plan_target *add_target(struct plan *plan, const char *metric,
					     const char *symbol, const char *module)
{
	struct plan_target *t = plan__add(plan, metric, symbol, module);

	assert_non_null(t);
	t->source = PLAN_FENTRY;
	return t;
}

static inline void fill_plan(struct plan *plan)
{
	add_target(plan, "notifications", "__mmu_notifier_invalidate_range_start", NULL);
	add_target(plan, "notifications.ends", "__mmu_notifier_invalidate_range_end", NULL);
	add_target(plan, "migrations", "migrate_vma_setup", NULL);
	add_target(plan, "migrations", "migrate_vma_pages", NULL);
	add_target(plan, "migrations", "migrate_vma_finalize", NULL);
	add_target(plan, "evictions", "migrate_device_range", NULL);
	add_target(plan, "evictions", "migrate_device_finalize", NULL);
	add_target(plan, "faults", "hmm_range_fault", NULL);
	add_target(plan, "callbacks", "dmirror_interval_invalidate", "test_hmm");
	add_target(plan, "callbacks.evidence", "dmirror_do_update", "test_hmm");
	add_target(plan, "registry", "__mmu_notifier_release", NULL);
	add_target(plan, "callbacks", "dmirror_snapshot_invalidate", "test_hmm");
}

static inline void fill_snapshot(struct snapshot *snap)
{
	/* enum mmu_notifier_event: UNMAP 0, MIGRATE 6. */
	struct mmuscope_row_key migrate = row_key(42, ROW_NOTIFICATION, 6, PHASE_SETUP);
	struct mmuscope_row_key unmap = row_key(42, ROW_NOTIFICATION, 0, PHASE_OUTSIDE);
	struct mmuscope_row_key migration = row_key(42, ROW_MIGRATION, 0, 0);
	struct mmuscope_row_key fault = row_key(42, ROW_FAULT, 0, 0);

	add_row(snap, &migrate, (const __u64[]){ 8, 512, 0, 0 }, 4);
	add_row(snap, &unmap, (const __u64[]){ 3, 10, 1, 1 }, 4);
	migration.direction = DIR_TO_DEVICE;
	migration.event = 1 << SELECT_BIT_SYSTEM | 1 << SELECT_BIT_COMPOUND;
	migration.what = OWNER;
	add_row(snap, &migration, (const __u64[]){ 8, 512, 256, 250, 6, 4000 }, 6);
	add_row(snap, &fault, (const __u64[]){ 5, 320, 2 }, 3);
	migrate.kind = unmap.kind = ROW_CALLBACK;
	/* Skipped, performed, failed, undetermined. */
	add_callback(snap, &migrate, (const __u64[]){ 4, 4, 0, 0 });
	add_callback(snap, &unmap, (const __u64[]){ 0, 1, 1, 1 })->whole = 1;

	snap->total[TOTAL_STARTS] = 11;
	snap->total[TOTAL_STARTS_FAILED] = 1;
	snap->total[TOTAL_ENDS] = 10;
	snap->total[TOTAL_CALLBACK_ENTRIES] = 11;
	snap->total[TOTAL_CALLBACK_EXITS] = 11;
	snap->total[TOTAL_SETUPS] = 8;
	snap->total[TOTAL_FINALIZES] = 8;
}

static inline void fill_names(struct names *names)
{
	assert_int_equal(names__add_process(names, 42, 7, "prog"), 0);
	assert_int_equal(names__add_callback(names, "dmirror_interval_invalidate", "test_hmm",
					     "interval", "fentry"),
			 0);
	/* Known beforehand, so that no test looks into this machine's kallsyms. */
	names->owners = calloc(1, sizeof(*names->owners));
	assert_non_null(names->owners);
	names->owner_count = 1;
	names->owners[0] = (struct name_owner){ OWNER, "dmirror_devices+0x0 [test_hmm]" };
}

static inline int set_up_measurement(void **state)
{
	struct measurement *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	fill_plan(&m->plan);
	fill_snapshot(&m->snap);
	fill_names(&m->names);
	m->report = (struct report){
		.snap = &m->snap,
		.names = &m->names,
		.plan = &m->plan,
		.latency = true,
		.pid = 42,
		.command_status = -1,
		.duration_ns = 1000000,
	};
	*state = m;
	return 0;
}

static inline int tear_down_measurement(void **state)
{
	struct measurement *m = *state;

	snapshot__clear(&m->snap);
	names__clear(&m->names);
	plan__clear(&m->plan);
	free(m);
	return 0;
}

/* Makes every target of a metric not observable. */
static inline void blind(struct measurement *m, const char *metric, const char *reason)
{
	for (size_t i = 0; i < m->plan.count; i++) {
		struct plan_target *t = &m->plan.targets[i];

		if (strcmp(t->metric, metric))
			continue;
		t->source = PLAN_NONE;
		strcpy(t->reason, reason);
	}
}

#endif
