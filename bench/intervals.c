// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "intervals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/module/notifier_test.h"
#include "kernel_info.h"
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

static int add(int fd, unsigned long start, unsigned long stride, unsigned int count)
{
	const struct notifier_test_add a = {
		.start = start,
		.length = PAGE_BYTES,
		.stride = stride,
		.count = count,
		.kind = NOTIFIER_TEST_ACT,
	};

	return ioctl(fd, NOTIFIER_TEST_ADD, &a) ? -errno : 0;
}

/* One half of the others below the page and one above, a page apart. The file stays open. */
static int subscribe(unsigned char *page, const void *population)
{
	const unsigned long far = 1UL << 40, apart = 2 * PAGE_BYTES;
	const struct population *p = population;
	unsigned int others = p->intervals - p->overlapping;
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = add(fd, (unsigned long)page, 0, p->overlapping);
	err = err ? err : add(fd, (unsigned long)page - far, apart, others / 2);
	return err ? err : add(fd, (unsigned long)page + far, apart, others - others / 2);
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
	const struct session_options options = { .scope = SCOPE_PROCESS, .pid = getpid() };
	struct session *s = NULL;
	json_t *rows;
	int err;

	*doc = NULL;
	/* Whether it may trace at all; and libbpf keeps its words to itself from here on. */
	err = session__open(&s, &options);
	session__free(s);
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
