// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "metrics.h"

#include <string.h>

#define N SECTION_NOTIFICATIONS
#define C SECTION_CALLBACKS
#define M SECTION_MIGRATIONS
#define F SECTION_FAULTS

/* clang-format off */
const struct metric metrics[METRIC_COUNT] = {
	[METRIC_NOTIFICATIONS] = { "notifications", "notifi-\ncations", "notifications",
		"calls", "lower", N, "calls", "notifications", false },
	[METRIC_NOTIFICATION_PAGES] = { "notification_pages", "pages", "pages notified",
		"pages", "lower", N, "pages", NULL, false },
	[METRIC_NOTIFICATIONS_FAILED] = { "notifications_failed", "failed", "failed notifications",
		"calls", "lower", N, "failed", NULL, false },
	[METRIC_DELIVERED] = { "delivered", "delivered", "callbacks delivered",
		"callbacks", "lower", C, "delivered", "delivered", true },
	[METRIC_PERFORMED] = { "performed", "performed", "callbacks performed",
		"callbacks", "lower", C, "performed", "performed", true },
	[METRIC_SKIPPED] = { "skipped", "skipped", "callbacks skipped",
		"callbacks", "none", C, "skipped", "skipped", true },
	[METRIC_FAILED] = { "failed", "failed", "callbacks failed",
		"callbacks", "lower", C, "failed", "failed", false },
	[METRIC_UNDETERMINED] = { "undetermined", "undeter-\nmined", "callbacks undetermined",
		"callbacks", "none", C, "undetermined", "undetermined", false },
	[METRIC_AVOIDABLE] = { "avoidable", "avoid-\nable", "avoidable callbacks",
		"callbacks", "lower", C, "avoidable", NULL, false },
	[METRIC_CALLBACK_PAGES] = { "callback_pages", "pages", "pages of callbacks",
		"pages", "none", C, "pages", NULL, false },
	[METRIC_PAGES_PERFORMED] = { "pages_performed", "pages\ninvali-\ndated",
		"pages invalidated", "pages", "lower", C, "pages_performed", "pages_performed", true },
	[METRIC_MIGRATIONS] = { "migrations", "calls", "migrations",
		"calls", "none", M, "calls", NULL, false },
	[METRIC_MIGRATION_PAGES] = { "migration_pages", "pages", "pages asked to migrate",
		"pages", "none", M, "pages", NULL, false },
	[METRIC_COLLECTED] = { "collected", "collected", "pages collected",
		"pages", "none", M, "collected", NULL, false },
	[METRIC_MIGRATED] = { "migrated", "pages\nmigrated", "pages migrated",
		"pages", "higher", M, "migrated", "migrated", true },
	[METRIC_EXCESS] = { "excess", "excess\npages", "excess pages",
		"pages", "lower", M, "excess", "excess", true },
	[METRIC_REFAULTS] = { "refaults", "device\nrefaults", "device refaults",
		"calls", "lower", F, "calls", "refaults", true },
	[METRIC_FAULT_PAGES] = { "fault_pages", "pages", "pages of device faults",
		"pages", "lower", F, "pages", NULL, false },
	[METRIC_FAULT_RETRIES] = { "fault_retries", "retries", "device fault retries",
		"calls", "lower", F, "retries", NULL, false },
};
/* clang-format on */

const char *metric_section__name(enum metric_section section)
{
	static const char *const names[SECTION_COUNT] = {
		[N] = "notifications",
		[C] = "callbacks",
		[M] = "migrations",
		[F] = "faults",
	};

	return names[section];
}

enum metric_id metric__find(const char *name)
{
	int id;

	for (id = 0; id < METRIC_COUNT; id++)
		if (!strcmp(metrics[id].name, name))
			break;
	return (enum metric_id)id;
}

int64_t count__add(int64_t a, int64_t b)
{
	int64_t sum;

	if (a == COUNT_UNKNOWN || b == COUNT_UNKNOWN)
		return COUNT_UNKNOWN;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}
