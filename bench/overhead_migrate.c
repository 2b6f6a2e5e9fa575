// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What watching adds to migrations: to one cycle of migrate_vma_setup(), _pages() and
 * _finalize(), or to several where the driver migrates a range in parts. Its page faults
 * and the way back are not measured. What one page more adds is too little to be the
 * difference of two migrations, which differ by how full the allocators' lists are: for
 * that the kernel's account of the time in BPF programs is asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dmirror.h"
#include "overhead_impl.h"
#include "workload.h"

#define MOST_PAGES 512
#define ITERATIONS 8	/* of a round */

static const struct {
	const char *name;
	struct session_options session;
} modes[] = {
	{ "stat -- COMMAND", { .scope = SCOPE_PROCESS, .latency = true } },
	{ "stat --no-latency -- COMMAND", { .scope = SCOPE_PROCESS } },
	{ "record -- COMMAND",
	  { .scope = SCOPE_PROCESS, .latency = true, .records = SESSION_RECORDS } },
};

#define MODES (sizeof(modes) / sizeof(modes[0]))

static const size_t sizes[] = { 1, 64, MOST_PAGES };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
_Static_assert(SIZES <= KINDS, "a kind for each size");

/* Of the worker, once it has it; of who asks for its chunk before. */
static struct dmirror mirror;

static int open_mirror(unsigned char *pages, const void *device)
{
	(void)pages;
	return dmirror__open(&mirror, *(const unsigned int *)device);
}

/* Fresh pages are migrated; the device's are given back by unmapping them. */
static int migrate(unsigned char *pages, const void *argument, unsigned char size,
		   struct watched_cost *cost)
{
	static unsigned char copy[MOST_PAGES * PAGE_BYTES];
	struct watched_cost start, end;
	struct dmirror_result result;
	size_t n = sizes[size];
	int err;

	(void)argument;
	memset(copy, 0, n * PAGE_BYTES);
	for (size_t i = 0; i < n; i++)
		*(volatile unsigned char *)(pages + i * PAGE_BYTES) = 1;
	start = watched__now();
	err = dmirror__migrate_to_device(&mirror, pages, copy, n, &result);
	end = watched__now();
	if (!err && result.cpages != n)
		err = -EIO;
	if (!err && madvise(pages, n * PAGE_BYTES, MADV_DONTNEED))
		err = -errno;
	cost->own = end.own - start.own;
	cost->elapsed = end.elapsed - start.elapsed;
	return err;
}

/* Cycles of one migration of so many pages. */
static size_t cycles(size_t pages)
{
	return (pages + mirror.chunk_pages - 1) / mirror.chunk_pages;
}

/* What each mode and its floor cost, of each size. */
struct figures {
	struct watched_cost base[SIZES], mode[MODES][SIZES], floor[MODES][SIZES];
	double in_programs[MODES][SIZES];
	struct floor_set programs[MODES];
	bool floor_known[MODES];
};

#define RUNS (ITERATIONS * WATCHED_ROUNDS)

static double added(const struct figures *f, size_t mode, size_t size)
{
	return f->mode[mode][size].elapsed - f->base[size].elapsed;
}

static int measure(const struct watched *worker, struct figures *f)
{
	struct floors *floors = calloc(1, sizeof(*floors));
	struct watched_counts counts = {};
	int err = floors ? 0 : -ENOMEM;

	for (unsigned char i = 0; i < SIZES && !err; i++) {
		/* A notification for each cycle, and that of giving the pages back. */
		counts.migrations += RUNS * cycles(sizes[i]);
		counts.callbacks += RUNS * (cycles(sizes[i]) + 1);
		err = watched__measure(worker, i, &f->base[i]);
	}
	for (size_t m = 0; m < MODES && !err; m++) {
		const struct watched_trial trial = {
			.session = &modes[m].session, .name = modes[m].name, .counts = counts,
			.kinds = SIZES, .programs = &f->programs[m],
			.in_programs = f->in_programs[m],
		};

		err = watched__measure_with(worker, &trial, f->mode[m]);
		f->floor_known[m] = !err && f->programs[m].count &&
				    !floors__cost(floors, worker, &f->programs[m], SIZES,
						  f->floor[m]);
	}
	free(floors);
	return err;
}

static json_t *watchers_json(const struct figures *f, size_t size)
{
	json_t *rows = json_array();

	for (size_t m = 0; m < MODES; m++) {
		double under = f->floor[m][size].elapsed - f->base[size].elapsed;
		bool known = f->floor_known[m];

		json_array_append_new(rows,
				      json_pack("{s:s, s:f, s:f, s:o, s:o}", "watcher",
						modes[m].name, "added", added(f, m, size),
						"in_programs", f->in_programs[m][size] / RUNS,
						"floor",
						known ? floor_json(&f->programs[m], under) :
							json_null(),
						"to_floor",
						known ? ratio_json(added(f, m, size), under) :
							json_null()));
	}
	return rows;
}

static json_t *figures_json(const struct figures *f)
{
	json_t *all = json_array(), *page = json_array();
	size_t from = 0, to = 0;

	for (size_t i = 0; i < SIZES; i++) {
		json_array_append_new(all,
				      json_pack("{s:I, s:I, s:f, s:o}", "pages",
						(json_int_t)sizes[i], "cycles",
						(json_int_t)cycles(sizes[i]), "cost",
						f->base[i].elapsed, "watchers",
						watchers_json(f, i)));
		/* The two largest that are one cycle differ in nothing but their pages. */
		if (cycles(sizes[i]) == 1) {
			from = to;
			to = i;
		}
	}
	for (size_t m = 0; m < MODES; m++)
		json_array_append_new(page,
				      json_pack("{s:s, s:f}", "watcher", modes[m].name, "added",
						(f->in_programs[m][to] - f->in_programs[m][from]) /
							RUNS / (double)(sizes[to] - sizes[from])));
	return json_pack("{s:o, s:[I, I], s:o}", "sizes", all, "page_sizes",
			 (json_int_t)sizes[from], (json_int_t)sizes[to], "page", page);
}

int overhead__migrations(unsigned int device, json_t **doc)
{
	const struct watched_work work = {
		.pages = MOST_PAGES, .iterations = ITERATIONS, .subscribe = open_mirror,
		.iterate = migrate, .kinds = SIZES, .argument = &device,
	};
	struct watched worker = { .go = -1, .cost = -1 };
	struct figures *f = calloc(1, sizeof(*f));
	int err = f ? dmirror__open(&mirror, device) : -ENOMEM;

	/* For the driver's chunk; only one bench has it at a time. */
	dmirror__close(&mirror);
	err = err ? err : watched__start(&worker, &work);
	if (err)
		msg("cannot migrate pages to /dev/hmm_dmirror%u: %s; see dmesg.", device,
		    strerror(-err));
	err = err ? err : measure(&worker, f);
	watched__end(&worker);
	*doc = err ? NULL : figures_json(f);
	free(f);
	return err;
}
