// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "intervals.h"

#include <errno.h>
#include <string.h>

#include "kernel_info.h"
#include "listen.h"
#include "watched.h"
#include "workload.h"

#define DEVICE "/dev/notifier_test"

struct population {
	unsigned int intervals, overlapping;
};

static const struct population populations[] = {
	{ 1, 1 }, { 100, 1 }, { 10000, 1 }, { 10000, 10 }, { 10000, 100 },
};

#define POPULATIONS (sizeof(populations) / sizeof(populations[0]))

static const struct {
	const char *name, *field;
	struct session_options session;
} modes[] = {
	{ "stat", "stat", { .scope = SCOPE_PROCESS, .latency = true } },
	{ "stat --no-latency", "no_latency", { .scope = SCOPE_PROCESS } },
};

#define MODES (sizeof(modes) / sizeof(modes[0]))

static int subscribe(unsigned char *page, const void *population)
{
	const struct population *p = population;

	return listen__to(DEVICE, (unsigned long)page, p->overlapping,
			  p->intervals - p->overlapping);
}

static int measure(const struct population *p, unsigned int iterations, json_t *rows)
{
	struct watched watched = { .go = -1, .cost = -1 };
	json_t *row = json_pack("{s:i, s:i}", "intervals", (int)p->intervals, "overlapping",
				(int)p->overlapping);
	const struct watched_work work = {
		.iterations = iterations, .subscribe = subscribe, .argument = p,
	};
	struct watched_cost cost = {};
	int err = watched__start(&watched, &work);

	if (err)
		msg("cannot subscribe with " DEVICE ": %s; load notifier_test.ko, which "
		    "kernel/module has.", strerror(-err));
	err = err ? err : watched__measure(&watched, 0, &cost);
	json_object_set_new(row, "nothing", json_real(cost.elapsed));
	for (size_t i = 0; i < MODES && !err; i++) {
		const struct watched_trial trial = {
			.session = &modes[i].session, .name = modes[i].name, .kinds = 1,
			.counts.callbacks = (__u64)iterations * WATCHED_ROUNDS * p->overlapping,
		};

		err = watched__measure_with(&watched, &trial, &cost);
		json_object_set_new(row, modes[i].field, json_real(cost.elapsed));
	}
	watched__end(&watched);
	json_array_append_new(rows, row);
	return err;
}

enum status intervals__run(unsigned int iterations, json_t **doc)
{
	json_t *rows;
	int err;

	*doc = NULL;
	err = session__check();
	if (err)
		return session__status(err);
	rows = json_array();
	for (size_t i = 0; i < POPULATIONS && !err; i++)
		err = measure(&populations[i], iterations, rows);
	if (!err)
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:I, s:O}", "schema", "mmuscope-intervals/1",
				 "tool", tool_info__json(), "kernel", kernel_info__json(), "clock",
				 kernel_info__clock(), "iterations",
				 (json_int_t)iterations * WATCHED_ROUNDS, "populations", rows);
	json_decref(rows);
	return err ? session__status(err) : STATUS_OK;
}
