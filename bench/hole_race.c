// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Patch 6 of the series wanted to drop the notification that migrate_vma_pages() raises
 * before it fills a hole: migrate_vma_setup() has told of the whole range already. But
 * between the two another device may fault the zero page in, and nobody would tell it to
 * let go. Here two devices do just that.
 */
#include "hole_race.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmirror.h"
#include "kernel_info.h"
#include "loader.h"
#include "order.h"
#include "table.h"
#include "words.h"

#define EVIDENCE_MAX 16 /* stale pages whose order of events is kept */
#define WORDS (PAGE_BYTES / sizeof(__u64))

enum writer { WRITER_DEVICE, WRITER_CPU, WRITER_MAX };

static const char *const writer_names[] = { "device", "cpu" };

struct race {
	const struct workload_params *params;
	struct dmirror migrates, reads;
	size_t size; /* bytes of the range */
	unsigned char *range;
	unsigned char *source, *seen; /* as large: of the device that migrates; of the other */
	struct order *order; /* NULL: the order of events cannot be seen here */
	char no_order[160]; /* why */
	__u64 lost;
	/* the thread that reads */
	pthread_t thread;
	pthread_barrier_t gate; /* before and after each migration */
	atomic_bool stop, quit;
	__u32 tids[2]; /* of the task that migrates, and the one that reads */
	__u64 raced; /* pages read while the other device migrated */
	__u64 exposed; /* mapped after setup had told of them; of `order` */
	int reader_err;
	/* what came out */
	__u64 checked, stale[WRITER_MAX], stale_zero, stale_untouched, corrupt;
	json_t *evidence;
};

/* What a page holds: of each iteration, writer and page another. Never the zero page's. */
static __u64 pattern(unsigned int iteration, enum writer writer, size_t page)
{
	return (__u64)(iteration + 1) << 32 | (__u64)(writer + 1) << 28 | (__u64)page;
}

static void fill(unsigned char *page, __u64 value)
{
	volatile __u64 *word = (volatile __u64 *)(void *)page;

	for (size_t i = 0; i < WORDS; i++)
		word[i] = value;
}

/* The first word that is not `value`, or `value`. */
static __u64 odd_word(const unsigned char *page, __u64 value)
{
	const __u64 *word = (const __u64 *)(const void *)page;

	for (size_t i = 0; i < WORDS; i++)
		if (word[i] != value)
			return word[i];
	return value;
}

/* Every second page has been read by the CPU, and is the zero page; the others are holes. */
static bool is_zero_page(size_t page)
{
	return page & 1;
}

/*
 * Before 6.0 hmm_range_fault() refuses a page that is private to another device, where
 * it now has it migrated back (mm/hmm.c). Nothing is mapped then, and nothing stale.
 */
static bool cannot_fetch(int err)
{
	return err == -EFAULT && kernel_info__version() < 6000;
}

/* What the other device sees, into r->seen; the CPU fetches what it cannot. 0 or -errno. */
static int read_all(struct race *r)
{
	struct dmirror_result result;
	int err = dmirror__read(&r->reads, r->range, r->seen, r->params->pages, &result);

	if (!cannot_fetch(err))
		return err;
	err = 0;
	for (size_t i = 0; i < r->params->pages && !err; i++) {
		unsigned char *page = r->range + i * PAGE_BYTES, *seen = r->seen + i * PAGE_BYTES;

		err = dmirror__read(&r->reads, page, seen, 1, &result);
		if (cannot_fetch(err)) {
			(void)*(volatile unsigned char *)page;
			err = dmirror__read(&r->reads, page, seen, 1, &result);
		}
	}
	return err;
}

static void *read_pages(void *arg)
{
	struct race *r = arg;
	size_t pages = r->params->pages;
	struct dmirror_result result;

	r->tids[1] = (__u32)syscall(SYS_gettid);
	for (;;) {
		pthread_barrier_wait(&r->gate);
		if (atomic_load(&r->quit))
			return NULL;
		for (size_t i = 0; !atomic_load(&r->stop) && !r->reader_err; i = (i + 1) % pages) {
			int err = dmirror__read(&r->reads, r->range + i * PAGE_BYTES, r->seen, 1,
						&result);

			/* It may have met one invalidation after the other. */
			if (err && err != -EBUSY && !cannot_fetch(err))
				r->reader_err = err;
			r->raced++;
		}
		pthread_barrier_wait(&r->gate);
	}
}

static const char *const step_names[ORDER_STEP_MAX] = {
	[ORDER_SETUP] = "migrate_vma_setup() entered",
	[ORDER_SETUP_LEFT] = "migrate_vma_setup() left",
	[ORDER_TOLD] = "notification began",
	[ORDER_TOLD_END] = "notification ended",
	[ORDER_PAGES] = "migrate_vma_pages() entered",
	[ORDER_PAGES_LEFT] = "migrate_vma_pages() left",
	[ORDER_FINALIZED] = "migrate_vma_finalize() left",
	[ORDER_FAULT] = "hmm_range_fault() entered",
	[ORDER_FAULT_LEFT] = "hmm_range_fault() left",
};

/* Those of `records` that concern the page, up to the end of the migration. */
static json_t *order_json(const struct race *r, const struct order_record *records, size_t count,
			  size_t page)
{
	__u64 base = (__u64)(uintptr_t)r->range, at = base + page * PAGE_BYTES, begin = 0;
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct order_record *o = &records[i];
		bool told = o->step == ORDER_TOLD || o->step == ORDER_TOLD_END;
		const char *error = o->result ? strerrorname_np(-o->result) : NULL;
		__u64 from = o->from < base ? base : o->from;

		if (at < o->from || at >= o->to)
			continue;
		begin = begin ? begin : o->ns;
		json_array_append_new(
			list, json_pack("{s:I, s:s, s:s, s:I, s:I, s:o, s:s?}", "ns",
					(json_int_t)(o->ns - begin), "device",
					o->task == r->tids[0] ? r->migrates.path : r->reads.path,
					"step", step_names[o->step], "first_page",
					(json_int_t)((from - base) / PAGE_BYTES), "pages",
					(json_int_t)((o->to - from) / PAGE_BYTES), "event",
					told ? json_string(event_name(o->event)) : json_null(),
					"error", error));
	}
	return list;
}

/*
 * How many pages the other device mapped, from begin to end after migrate_vma_setup() had
 * told of them and before migrate_vma_pages() could fill their hole: these only the
 * notification of migrate_vma_pages() saves. Those that it meets while it fills are as
 * much in need of it, and are not counted, as their hole may have been filled already. A
 * fault that began before the end of setup is told to try again.
 */
static __u64 count_exposed(const struct race *r, const struct order_record *records, size_t count)
{
	__u64 from = 0, to = 0, last = 0, exposed = 0;
	bool began = false;

	for (size_t i = 0; i < count; i++) {
		const struct order_record *o = &records[i];
		bool migrates = o->task == r->tids[0];

		if (migrates && o->step == ORDER_SETUP_LEFT) {
			from = o->from;
			to = o->to;
			last = 0;
		} else if (migrates && o->step == ORDER_PAGES) {
			to = 0;
			began = false;
		} else if (!migrates && o->step == ORDER_FAULT) {
			began = to != 0;
		} else if (!migrates && o->step == ORDER_FAULT_LEFT && !o->result && began &&
			   o->from >= from && o->from < to && o->from != last) {
			/* Page after page: none comes twice before another has come. */
			last = o->from;
			exposed++;
		}
	}
	return exposed;
}

/* Holds what the other device reads against what was written. */
static int check(struct race *r, unsigned int iteration, enum writer writer,
		 const struct order_record *records, size_t count)
{
	int err = read_all(r);

	if (err)
		return err;
	for (size_t page = 0; page < r->params->pages; page++) {
		__u64 value = pattern(iteration, writer, page);
		__u64 old = writer ? pattern(iteration, writer - 1, page) : 0;
		__u64 got = odd_word(r->seen + page * PAGE_BYTES, value);

		r->checked++;
		if (got == value)
			continue;
		r->stale[writer]++;
		*(is_zero_page(page) ? &r->stale_zero : &r->stale_untouched) += 1;
		if (got != old && got)
			r->corrupt++;
		if (json_array_size(r->evidence) >= EVIDENCE_MAX)
			continue;
		json_array_append_new(
			r->evidence,
			json_pack("{s:I, s:I, s:s, s:s, s:I, s:I, s:o}", "iteration",
				  (json_int_t)iteration, "page", (json_int_t)page, "was",
				  is_zero_page(page) ? "zero page" : "untouched", "writer",
				  writer_names[writer], "expected", (json_int_t)value, "read",
				  (json_int_t)got, "order",
				  r->order ? order_json(r, records, count, page) : json_null()));
	}
	return 0;
}

static int iterate(struct race *r, unsigned int iteration)
{
	const struct order_record *records = NULL;
	size_t pages = r->params->pages, count = 0;
	struct dmirror_result result;
	unsigned char sum = 0;
	__u64 lost = 0;
	int err;

	if (madvise(r->range, r->size, MADV_DONTNEED))
		return -errno;
	for (size_t page = 0; page < pages; page++)
		if (is_zero_page(page))
			sum |= *(volatile unsigned char *)(r->range + page * PAGE_BYTES);
	if (sum)
		return -EIO;
	if (r->order)
		order__record(r->order, true);
	atomic_store(&r->stop, false);
	pthread_barrier_wait(&r->gate);
	err = dmirror__migrate_to_device(&r->migrates, r->range, r->source, pages, &result);
	atomic_store(&r->stop, true);
	pthread_barrier_wait(&r->gate);
	if (r->order)
		order__record(r->order, false);
	/* The read-back of the migration finds what the other has fetched back: unmapped. */
	if (err == -ENOENT)
		err = 0;
	err = err ? err : r->reader_err;
	if (!err && r->order)
		err = order__take(r->order, &records, &count, &lost);
	r->lost += lost;
	r->exposed += count_exposed(r, records, count);
	for (size_t page = 0; page < pages; page++)
		fill(r->source + page * PAGE_BYTES, pattern(iteration, WRITER_DEVICE, page));
	err = err ? err : dmirror__write(&r->migrates, r->range, r->source, pages, &result);
	err = err ? err : check(r, iteration, WRITER_DEVICE, records, count);
	for (size_t page = 0; page < pages && !err; page++)
		fill(r->range + page * PAGE_BYTES, pattern(iteration, WRITER_CPU, page));
	return err ? err : check(r, iteration, WRITER_CPU, records, count);
}

/* Two devices of one process, of which each mirrors all of it. */
static int open_devices(struct race *r)
{
	struct dmirror *d = &r->migrates;
	int err;

	err = dmirror__open(d, r->params->device);
	if (!err) {
		d = &r->reads;
		err = dmirror__open(d, !r->params->device);
	}
	if (err)
		dmirror__explain(d, err);
	return err;
}

static void open_order(struct race *r)
{
	__u64 from = (__u64)(uintptr_t)r->range;
	int err = order__open(&r->order, from, from + r->size);

	if (!err)
		return;
	snprintf(r->no_order, sizeof(r->no_order), "the order of events cannot be seen: %s",
		 strerror(-err));
	order__free(r->order);
	r->order = NULL;
}

static json_t *document(const struct race *r)
{
	__u64 stale = r->stale[WRITER_DEVICE] + r->stale[WRITER_CPU];

	return json_pack(
		"{s:s, s:o, s:o, s:s, s:{s:s, s:s, s:s, s:i}, s:{s:I, s:I}, s:I, s:I, s:o,"
		" s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:O, s:o, s:{s:I}}",
		"schema", "mmuscope-coherence/1", "tool", tool_info__json(), "kernel",
		kernel_info__json(), "clock", kernel_info__clock(), "device", "driver", "test_hmm",
		"migrates", r->migrates.path, "reads", r->reads.path, "chunk_pages",
		(int)r->migrates.chunk_pages, "params", "pages", (json_int_t)r->params->pages,
		"iterations", (json_int_t)r->params->iterations, "checked", (json_int_t)r->checked,
		"raced", (json_int_t)r->raced, "exposed",
		r->order ? json_integer((json_int_t)r->exposed) : json_null(), "stale", "pages",
		(json_int_t)stale, "after_device", (json_int_t)r->stale[WRITER_DEVICE], "after_cpu",
		(json_int_t)r->stale[WRITER_CPU], "untouched", (json_int_t)r->stale_untouched,
		"zero_page", (json_int_t)r->stale_zero, "corrupt", (json_int_t)r->corrupt,
		"evidence", r->evidence, "unobservable",
		r->order ? json_array()
			 : json_pack("[{s:s, s:s}]", "metric", "exposed, evidence[].order",
				     "reason", r->no_order),
		"lost", "events", (json_int_t)r->lost);
}

static int run_iterations(struct race *r)
{
	int err;

	err = -pthread_create(&r->thread, NULL, read_pages, r);
	if (err)
		return err;
	for (unsigned int i = 0; i < r->params->iterations && !err; i++)
		err = iterate(r, i);
	atomic_store(&r->quit, true);
	pthread_barrier_wait(&r->gate);
	pthread_join(r->thread, NULL);
	return err;
}

/* What was found, in a sentence; the status that it has. */
static enum status verdict(const struct race *r)
{
	__u64 stale = r->stale[WRITER_DEVICE] + r->stale[WRITER_CPU];

	if (stale)
		msg("the mirror of %s is not coherent: %ju of %ju pages read were stale.",
		    r->reads.path, (uintmax_t)stale, (uintmax_t)r->checked);
	if (r->lost)
		msg("%ju events were lost: there were too many; take fewer pages with --pages.",
		    (uintmax_t)r->lost);
	if (r->no_order[0])
		msg("%s; the pages are checked all the same.", r->no_order);
	return stale ? STATUS_FAILED : r->lost ? STATUS_INCOMPLETE : STATUS_OK;
}

enum status hole_race__run(const struct workload_params *params, json_t **doc)
{
	struct race r = {
		.params = params,
		.size = params->pages * PAGE_BYTES,
		.tids = { (__u32)getpid() },
		.evidence = json_array(),
	};
	enum status status = STATUS_FAILED;
	int err;

	*doc = NULL;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	pthread_barrier_init(&r.gate, NULL, 2);
	err = open_devices(&r);
	if (err) {
		status = loader__status(err);
		goto cleanup;
	}
	r.range = run__map_buffer(r.size);
	r.source = run__map_buffer(r.size);
	r.seen = run__map_buffer(r.size);
	if (!r.range || !r.source || !r.seen || !r.evidence) {
		msg("out of memory for %zu pages; ask for fewer with --pages.", params->pages);
		goto cleanup;
	}
	open_order(&r);
	err = run_iterations(&r);
	if (err) {
		msg("hole-race: %s; there is no result.", strerror(-err));
		goto cleanup;
	}
	*doc = document(&r);
	status = *doc ? verdict(&r) : STATUS_FAILED;
cleanup:
	order__free(r.order);
	dmirror__close(&r.migrates);
	dmirror__close(&r.reads);
	for (int i = 0; i < 3; i++) {
		void *p = i == 0 ? r.range : i == 1 ? r.source : r.seen;

		if (p)
			munmap(p, r.size);
	}
	pthread_barrier_destroy(&r.gate);
	json_decref(r.evidence);
	return status;
}

/* ---- as a text ---- */

static __u64 number(const json_t *object, const char *field)
{
	return (__u64)json_integer_value(json_object_get(object, field));
}

static const char *text(const json_t *object, const char *field)
{
	const char *s = json_string_value(json_object_get(object, field));

	return s ? s : "";
}

/* Was nobody told any more after the reader had mapped the page? */
static bool is_told_no_more(const json_t *order, const char *reader)
{
	bool mapped = false, told = false;
	json_t *step;
	size_t i;

	json_array_foreach(order, i, step)
	{
		if (!strcmp(text(step, "step"), step_names[ORDER_FAULT_LEFT]) &&
		    !strcmp(text(step, "device"), reader) && !*text(step, "error")) {
			mapped = true;
			told = false;
		}
		if (!strcmp(text(step, "step"), step_names[ORDER_TOLD]))
			told = true;
	}
	return mapped && !told;
}

static int print_order(const json_t *order, FILE *out)
{
	static const struct table_column columns[] = {
		{ "NS", true },
		{ "DEVICE", false },
		{ "STEP", false },
		{ "PAGES", false },
	};
	struct table *table = table__new(columns, 4);
	int err = table ? 0 : -ENOMEM;
	json_t *step;
	size_t i;

	json_array_foreach(order, i, step)
	{
		__u64 first = number(step, "first_page"), pages = number(step, "pages");
		char ns[24], what[80], range[64];
		const char *cells[4] = { ns, text(step, "device"), what, range };

		snprintf(ns, sizeof(ns), "%ju", (uintmax_t)number(step, "ns"));
		if (json_is_string(json_object_get(step, "event")))
			snprintf(what, sizeof(what), "%s: %s", text(step, "step"),
				 text(step, "event"));
		else if (*text(step, "error"))
			snprintf(what, sizeof(what), "%s: %s", text(step, "step"),
				 text(step, "error"));
		else
			snprintf(what, sizeof(what), "%s", text(step, "step"));
		if (pages > 1)
			snprintf(range, sizeof(range), "%ju-%ju", (uintmax_t)first,
				 (uintmax_t)(first + pages - 1));
		else
			snprintf(range, sizeof(range), "%ju", (uintmax_t)first);
		err = err ? err : table__add_row(table, cells);
	}
	err = err ? err : table__print(table, out);
	table__free(table);
	return err;
}

static int print_evidence(const json_t *doc, const json_t *page, FILE *out)
{
	const char *reader = text(json_object_get(doc, "device"), "reads");
	const json_t *order = json_object_get(page, "order");
	int err;

	fprintf(out,
		"\nThe first: page %ju in iteration %ju, %s before. %s wrote 0x%jx,\n"
		"%s read 0x%jx.\n",
		(uintmax_t)number(page, "page"), (uintmax_t)number(page, "iteration"),
		strcmp(text(page, "was"), "untouched") ? "the zero page" : "untouched",
		strcmp(text(page, "writer"), writer_names[WRITER_CPU])
			? text(json_object_get(doc, "device"), "migrates")
			: "The CPU",
		(uintmax_t)number(page, "expected"), reader, (uintmax_t)number(page, "read"));
	if (!json_is_array(order))
		return 0;
	err = print_order(order, out);
	if (is_told_no_more(order, reader))
		fprintf(out,
			"%s mapped the page after the last notification of it: nobody told it to "
			"let "
			"go.\n",
			reader);
	return err;
}

/* It is a race: that nothing was stale says as much as the moment was met. */
static void print_coherent(const json_t *doc, FILE *out)
{
	const json_t *exposed = json_object_get(doc, "exposed");
	uintmax_t n = (uintmax_t)number(doc, "exposed");

	if (!json_is_integer(exposed))
		fputs("No page was stale; how often the race was met is not observable.\n", out);
	else if (n)
		fprintf(out, "Coherent: %ju pages were exposed, and none was stale.\n", n);
	else
		fputs("No page was exposed, so that none could be stale: ask for more --iterations, "
		      "with two CPUs or more.\n", out);
}

enum status hole_race__print(const json_t *doc, FILE *out)
{
	static const struct table_column columns[] = {
		{ "CHECKED", true },   { "STALE", true },     { "AFTER DEVICE", true },
		{ "AFTER CPU", true }, { "UNTOUCHED", true }, { "ZERO PAGE", true },
		{ "EXPOSED", true },
	};
	static const char *const fields[] = { "pages", "after_device", "after_cpu", "untouched",
					      "zero_page" };
	const json_t *stale = json_object_get(doc, "stale"),
		     *params = json_object_get(doc, "params");
	json_t *first = json_array_get(json_object_get(doc, "evidence"), 0);
	struct table *table = table__new(columns, 7);
	char texts[7][24];
	const char *cells[7];
	int err;

	snprintf(texts[0], sizeof(texts[0]), "%ju", (uintmax_t)number(doc, "checked"));
	for (int i = 0; i < 5; i++)
		snprintf(texts[i + 1], sizeof(texts[0]), "%ju",
			 (uintmax_t)number(stale, fields[i]));
	snprintf(texts[6], sizeof(texts[6]), "n/o");
	if (json_is_integer(json_object_get(doc, "exposed")))
		snprintf(texts[6], sizeof(texts[6]), "%ju", (uintmax_t)number(doc, "exposed"));
	for (int i = 0; i < 7; i++)
		cells[i] = texts[i];
	fprintf(out, "hole-race, %ju pages, %ju iterations, on %s\n%s migrates, %s reads\n",
		(uintmax_t)number(params, "pages"), (uintmax_t)number(params, "iterations"),
		text(json_object_get(doc, "kernel"), "release"),
		text(json_object_get(doc, "device"), "migrates"),
		text(json_object_get(doc, "device"), "reads"));
	err = table ? table__add_row(table, cells) : -ENOMEM;
	err = err ? err : table__print(table, out);
	table__free(table);
	if (!err && first)
		err = print_evidence(doc, first, out);
	else if (!err)
		print_coherent(doc, out);
	if (!err)
		return STATUS_OK;
	msg("cannot print the table: out of memory.");
	return STATUS_FAILED;
}
