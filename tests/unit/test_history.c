// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "records.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "history.h"
#include "latency.h"
#include "measurement.h"
#include "msg.h"
#include "recorder.h"
#include "words.h"

/* ---- a run: four threads of two processes, and what was counted of it ---- */

#define PROCESS_A 120		/* threads 120 and 121 */
#define PROCESS_B 130
#define START_A 0x123456789aULL
#define START_B 0x223456789aULL
#define CHUNK (512 * PAGE)

struct run {
	struct stream stream;
	struct snapshot counted;	/* independently of src/recount.c */
	struct recording_info info;
	struct recording_damage damage;
	struct history history;
	struct history_result result;
	json_t *doc;
};

static __u64 start_of(__u32 tgid)
{
	return tgid == PROCESS_A ? START_A : tgid == PROCESS_B ? START_B : 0;
}

static struct mmuscope_row_key key_of(const struct mmuscope_record *r, enum mmuscope_row_kind kind)
{
	struct mmuscope_row_key key = { .start = start_of(r->tgid), .tgid = r->tgid, .kind = kind };

	if (kind == ROW_NOTIFICATION || kind == ROW_CALLBACK) {
		key.event = r->event;
		key.phase = r->phase;
	}
	if (kind == ROW_MIGRATION) {
		key.event = r->event;
		key.direction = r->phase;
	}
	if (kind == ROW_MIGRATION || kind == ROW_CALLBACK)
		key.what = r->what;
	return key;
}

/* Slowly, and by another way than the code under test. */
static void count_callback(struct snapshot *snap, const struct mmuscope_record *r)
{
	struct mmuscope_row_key key = key_of(r, ROW_CALLBACK);
	struct mmuscope_callback_row *row = NULL;
	__u64 pages = (r->to - r->from) / PAGE;
	unsigned int outcome = r->flags / 16, b = 0, s = 0;

	for (size_t i = 0; i < snap->callback_count; i++)
		if (!memcmp(&snap->callbacks[i].key, &key, sizeof(key)))
			row = &snap->callbacks[i];
	row = row ? row : snapshot__add_callback(snap, &key);
	assert_non_null(row);
	row->outcome[outcome]++;
	if (r->to == ~0ULL && !r->from) {
		row->whole++;
		pages = 0;
	} else {
		while (s < MMUSCOPE_SIZES - 1 && pages >= 1ULL << s)
			s++;
		row->size[s]++;
	}
	row->pages += pages;
	if (outcome == OUTCOME_PERFORMED)
		row->pages_performed += pages;
	if (outcome == OUTCOME_PERFORMED && r->flags & RECORD_AVOIDABLE) {
		row->avoidable++;
		row->avoidable_pages += pages;
		row->avoidable_time += r->took;
	}
	if (r->flags & RECORD_UNTIMED)
		return;
	while (b < MMUSCOPE_BUCKETS - 1 && r->took >= 1ULL << b)
		b++;
	row->bucket[b]++;
	row->latency_sum += r->took;
	if (!row->latency_min || r->took < ~row->latency_min)
		row->latency_min = ~r->took;
	if (r->took > row->latency_max)
		row->latency_max = r->took;
}

static void count(struct snapshot *snap, const union any_record *rec)
{
	static const enum mmuscope_row_kind kinds[RECORD_KINDS] = {
		[RECORD_NOTIFICATION] = ROW_NOTIFICATION,
		[RECORD_FAULT] = ROW_FAULT,
		[RECORD_MIGRATION] = ROW_MIGRATION,
	};
	const struct mmuscope_record *r = &rec->head;
	struct mmuscope_row *row = NULL;
	struct mmuscope_row_key key;
	bool whole = r->to == ~0ULL && !r->from;

	if (r->kind == RECORD_CALLBACK)
		count_callback(snap, r);
	if (!kinds[r->kind] || (r->kind == RECORD_MIGRATION && r->flags & RECORD_FAILED))
		return;
	key = key_of(r, kinds[r->kind]);
	for (size_t i = 0; i < snap->row_count; i++)
		if (!memcmp(&snap->rows[i].key, &key, sizeof(key)))
			row = &snap->rows[i];
	row = row ? row : snapshot__add_row(snap, &key);
	assert_non_null(row);
	row->count[0]++;
	if (r->kind == RECORD_MIGRATION) {
		__u64 performed = rec->migration.pages_performed, moved = rec->migration.migrated;

		row->count[MIGRATION_PAGES] += rec->migration.asked;
		row->count[MIGRATION_COLLECTED] += rec->migration.collected;
		row->count[MIGRATION_MIGRATED] += moved;
		row->count[MIGRATION_COMPOUND] += rec->migration.compound;
		row->count[MIGRATION_EXCESS] += performed > moved ? performed - moved : 0;
		row->count[MIGRATION_TIME] += r->took;
		return;
	}
	if (!whole || r->kind == RECORD_FAULT)
		row->count[1] += (r->to - r->from) / PAGE;
	if (r->kind == RECORD_FAULT) {
		row->count[FAULT_RETRIES] += r->flags & RECORD_RETRY ? 1 : 0;
		return;
	}
	row->count[NOTIFICATION_FAILED] += r->flags & RECORD_FAILED ? 1 : 0;
	row->count[NOTIFICATION_WHOLE] += whole;
	row->count[NOTIFICATION_EMPTY] += r->from >= r->to;
}

static void add_cause(struct recording_info *info, __s32 id, const char *cause)
{
	size_t n = (info->stack_count + 1) * sizeof(*info->stacks);

	info->stacks = realloc(info->stacks, n);
	assert_non_null(info->stacks);
	info->stacks[info->stack_count++] = (struct recording_stack){ .id = id, .cause = cause };
}

static int set_up(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	struct names *names;

	assert_non_null(run);
	names = &run->info.names;
	fill_plan(&run->info.plan);
	assert_int_equal(names__add_process(names, PROCESS_A, START_A, "alpha"), 0);
	assert_int_equal(names__add_process(names, PROCESS_B, START_B, "beta"), 0);
	assert_int_equal(names__add_callback(names, "dmirror_interval_invalidate", "test_hmm",
					     "interval", "fentry"), 0);
	assert_int_equal(names__add_callback(names, "kvm_mmu_notifier_invalidate_range_start", "",
					     "notifier", "fentry"), 1);
	assert_int_equal(names__add_callback(names, "dmirror_other", "test_hmm", "interval",
					     "registry"), 2);
	assert_int_equal(names__add_owner(names, OWNER, "dmirror_devices+0x0 [test_hmm]"), 0);
	run->info.about = json_pack("{s:{s:s}, s:{s:s}, s:s, s:{s:b}, s:[], s:b, s:b, s:[]}", "tool",
				    "version", "0", "kernel", "release", "6.1.0", "clock", "ns",
				    "scope", "all", 1, "command", "children", 0, "latency", 1,
				    "filter");
	assert_non_null(run->info.about);
	add_cause(&run->info, 5, "migrate_vma");
	add_cause(&run->info, 6, "munmap");
	add_cause(&run->info, 9, "munmap");
	run->info.complete = true;
	*state = run;
	return 0;
}

static int tear_down(void **state)
{
	struct run *run = *state;

	json_decref(run->doc);
	history__clear(&run->history);
	snapshot__clear(&run->counted);
	json_decref(run->info.about);
	json_decref(run->info.counters);
	names__clear(&run->info.names);
	plan__clear(&run->info.plan);
	free(run->info.stacks);
	free(run->stream.items);
	free(run);
	return 0;
}

static void own(struct run *run)
{
	for (size_t i = 0; i < run->stream.count; i++) {
		struct mmuscope_record *r = &run->stream.items[i].head;

		r->start = (__u32)(start_of(r->tgid) >> 20);
	}
}

/* What the counters would have written, unless a test has put something else there. */
static void count_all(struct run *run)
{
	struct report report = {
		.snap = &run->counted,
		.names = &run->info.names,
		.plan = &run->info.plan,
		.latency = true,
		.command_status = -1,
		.duration_ns = 4321,
		.given = run->result.invariants,
	};

	own(run);
	for (size_t i = 0; i < run->stream.count; i++)
		count(&run->counted, &run->stream.items[i]);
	run->info.counters = report__json(&report);
	assert_non_null(run->info.counters);
}

/* Reads the stream; records for which left_out() is true are not there. */
static void read_some(struct run *run, const struct history_options *options,
		      bool (*left_out)(const struct mmuscope_record *r, size_t i))
{
	struct history *h = &run->history;

	own(run);
	assert_int_equal(history__init(h, &run->info, options), 0);
	for (size_t i = 0; i < run->stream.count; i++)
		if (!left_out || !left_out(&run->stream.items[i].head, i))
			assert_int_equal(history__add(h, &run->stream.items[i].head), 0);
	assert_int_equal(history__finish(h), 0);
	assert_int_equal(history__check(h, &run->damage, &run->result), 0);
	run->doc = history__json(h, &run->result);
	assert_non_null(run->doc);
}

static void read_all(struct run *run)
{
	static const struct history_options options = { .top = 10 };

	read_some(run, &options, NULL);
}

/* ---- what is in the answer ---- */

static json_t *at(json_t *root, const char *path)
{
	char *copy = strdup(path), *rest = copy, *key;

	assert_non_null(copy);
	while ((key = strsep(&rest, ".")) && *key) {
		root = json_is_array(root) ? json_array_get(root, (size_t)atoi(key)) :
					     json_object_get(root, key);
		assert_non_null(root);
	}
	free(copy);
	return root;
}

static json_int_t number(json_t *root, const char *path)
{
	assert_true(json_is_integer(at(root, path)));
	return json_integer_value(at(root, path));
}

static const char *text(json_t *root, const char *path)
{
	assert_true(json_is_string(at(root, path)));
	return json_string_value(at(root, path));
}

static json_int_t sum(json_t *rows, const char *key)
{
	json_int_t n = 0;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		n += number(row, key);
	return n;
}

/* 1 holds, 0 does not, -1 is not there. */
static int holds(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->result.invariant_count; i++)
		if (!strcmp(run->result.invariants[i].name, name))
			return run->result.invariants[i].holds;
	return -1;
}

static void assert_same_snapshot(const struct snapshot *a, const struct snapshot *b)
{
	assert_int_equal(a->row_count, b->row_count);
	assert_int_equal(a->callback_count, b->callback_count);
	for (size_t i = 0; i < a->row_count; i++)
		assert_memory_equal(&a->rows[i], &b->rows[i], sizeof(*a->rows));
	for (size_t i = 0; i < a->callback_count; i++)
		assert_memory_equal(&a->callbacks[i], &b->callbacks[i], sizeof(*a->callbacks));
}

/* ---- streams ---- */

static __u32 draw(__u32 n)
{
	static __u32 random = 1;

	random = random * 1664525 + 1013904223;
	return (random >> 8) % n;
}

/* Anything that the kernel side could write, and more. */
static void put_anything(struct stream *s)
{
	static const __u32 tasks[] = { 120, 121, 130, 131, 7 };
	static const enum mmuscope_record_kind kinds[] = {
		RECORD_NOTIFICATION, RECORD_CALLBACK, RECORD_CALLBACK, RECORD_FAULT,
		RECORD_MIGRATION,
	};
	enum mmuscope_record_kind kind = kinds[draw(5)];
	union any_record *r = put_record(s, kind, tasks[draw(5)]);

	if (r->head.task == 7)
		r->head.tgid = 0;
	r->head.from = 0x100000000ULL + draw(64) * PAGE * 64;
	r->head.to = r->head.from + draw(3) * (PAGE << draw(12));
	if (!draw(50)) {
		r->head.from = 0;
		r->head.to = ~0ULL;
	}
	r->head.took = draw(2) ? draw(5) : (__u64)draw(1 << 20) << draw(20);
	r->head.migration = draw(4);
	r->head.phase = (__u8)draw(PHASE_MAX);
	r->head.event = (__u8)draw(8);
	if (kind == RECORD_NOTIFICATION)
		r->head.flags = (__u8)draw(4);
	if (kind == RECORD_CALLBACK) {
		r->head.what = draw(3);
		r->head.flags = (__u8)(draw(OUTCOME_MAX) << RECORD_OUTCOME_SHIFT);
		r->head.flags |= draw(2) ? RECORD_AVOIDABLE : 0;
		if (r->head.what == 2) {
			r->head.flags |= RECORD_UNTIMED;
			r->head.took = 0;
		}
	}
	if (kind == RECORD_FAULT)
		r->head.flags = draw(3) ? 0 : RECORD_RETRY;
	if (kind == RECORD_MIGRATION) {
		r->head.phase = (__u8)draw(DIR_MAX);
		r->head.flags = draw(9) ? 0 : RECORD_FAILED;
		r->head.what = draw(2) ? OWNER : 0;
		r->migration.asked = draw(600);
		r->migration.collected = draw((__u32)r->migration.asked + 1);
		r->migration.migrated = draw((__u32)r->migration.collected + 1);
		r->migration.pages_performed = draw(900);
		r->migration.place[draw(7)] =
			(__u32)(r->migration.asked - r->migration.migrated);
		r->migration.stack = -1;
	}
}

/*
 * 997 migrations of 16 pages, in turn by four threads: in each a notification of setup with
 * two callbacks, of which the first is performed and avoidable, and one of pages with one
 * that is skipped. Every third leaves 3 pages behind, one busy and two not selected.
 */
static void put_a_prime_number(struct stream *s)
{
	static const __u32 tasks[] = { 120, 121, 130, 131 };

	for (__u32 i = 0; i < 997; i += 4)
		for (int step = 0; step < 7; step++)
			for (__u32 j = 0; j < 4 && i + j < 997; j++) {
				__u32 n = i + j, task = tasks[j];
				__u64 from = 0x7f0000000000ULL + n * 16 * PAGE;
				struct mmuscope_record_migration *m;
				struct mmuscope_record *r = NULL;
				union any_record *pages;

				if (step == 0 || step == 1 || step == 3)
					r = put_call(s, RECORD_CALLBACK, task, from, 16, n + 1);
				else if (step == 2 || step == 4)
					r = put_call(s, RECORD_NOTIFICATION, task, from, 16, n + 1);
				if (r) {
					r->event = 6;
					r->phase = step < 3 ? PHASE_SETUP : PHASE_PAGES;
					r->took = r->kind == RECORD_CALLBACK ? 600 : 0;
				}
				if (step == 0)
					r->flags |= RECORD_AVOIDABLE;
				if (step == 1)
					r->what = 1;
				if (step == 3)
					r->flags = OUTCOME_SKIPPED << RECORD_OUTCOME_SHIFT;
				if ((step == 2 || step == 4) && r)
					r->what = OWNER;
				if (step == 5 && n % 3 == 2) {
					pages = put_record(s, RECORD_PAGES, task);
					pages->head.migration = n + 1;
					pages->head.from = from;
					pages->head.to = from + 16 * PAGE;
					pages->pages.page[0] = PAGE_BUSY | PAGE_NOT_SELECTED << 4;
					pages->pages.page[7] = PAGE_NOT_SELECTED << 4;
				}
				if (step < 6)
					continue;
				m = put_migration(s, task, from, 16, n + 1, 0, 500 + n);
				m->head.what = OWNER;
				m->stack = 5;
				m->pages_performed = 32;
				if (n % 3 == 2) {
					m->migrated = 13;
					m->collected = 14;
					m->place[PAGE_BUSY - 1] = 1;
					m->place[PAGE_NOT_SELECTED - 1] = 2;
				}
			}
}

/* ---- tests ---- */

static void records_give_what_was_counted(void **state)
{
	struct run *run = *state;

	for (int i = 0; i < 9973; i++)
		put_anything(&run->stream);
	count_all(run);
	read_all(run);
	assert_same_snapshot(&run->history.counts.snap, &run->counted);
	assert_string_equal(run->result.not_compared, "");
	assert_int_equal(holds(run, "kept + lost = counted"), 1);
	assert_int_equal(holds(run, "each row is as it was counted"), 1);
	assert_int_equal(holds(run, "asked = migrated + reasons"), 1);
	assert_int_equal(run->result.broken, 0);
	for (int i = 0; i < 4; i++) {
		static const char *const sections[] = { "notifications", "callbacks", "migrations",
							"faults" };

		assert_true(json_equal(at(run->doc, sections[i]),
				       at(run->info.counters, sections[i])));
	}
	assert_string_equal(text(run->doc, "schema"), "mmuscope-report/1");
	assert_string_equal(text(run->doc, "kernel.release"), "6.1.0");
	assert_int_equal(number(run->doc, "duration_ns"), 4321);
}

/* The counters list their rows by their places, the records by time: theirs is the order. */
static void rows_come_in_the_order_of_the_counters(void **state)
{
	static const char *const sections[] = { "notifications", "callbacks", "migrations" };
	struct run *run = *state;

	for (int i = 0; i < 997; i++)
		put_anything(&run->stream);
	count_all(run);
	for (int i = 0; i < 3; i++) {
		json_t *rows = at(run->info.counters, sections[i]), *turned = json_array();

		for (size_t n = json_array_size(rows); n; n--)
			json_array_append(turned, json_array_get(rows, n - 1));
		json_object_set_new(run->info.counters, sections[i], turned);
	}
	read_all(run);
	assert_int_equal(run->result.broken, 0);
	for (int i = 0; i < 3; i++)
		assert_true(json_equal(at(run->doc, sections[i]),
				       at(run->info.counters, sections[i])));
}

static void a_prime_number_of_migrations(void **state)
{
	struct run *run = *state;

	put_a_prime_number(&run->stream);
	count_all(run);
	read_all(run);
	assert_int_equal(run->result.broken, 0);
	assert_same_snapshot(&run->history.counts.snap, &run->counted);
	assert_int_equal(sum(at(run->doc, "migrations"), "calls"), 997);
	assert_int_equal(sum(at(run->doc, "notifications"), "calls"), 2 * 997);
	assert_int_equal(sum(at(run->doc, "callbacks"), "delivered"), 3 * 997);
	assert_int_equal(sum(at(run->doc, "callbacks"), "skipped"), 997);
	assert_int_equal(sum(at(run->doc, "callbacks"), "avoidable"), 997);
	assert_int_equal(run->history.orphans, 0);
	/* 332 of them are 2 modulo 3. */
	assert_int_equal(json_array_size(at(run->doc, "unmoved")), 1);
	assert_int_equal(number(run->doc, "unmoved.0.asked"), 16 * 997);
	assert_int_equal(number(run->doc, "unmoved.0.migrated"), 16 * 997 - 3 * 332);
	assert_int_equal(number(run->doc, "unmoved.0.busy"), 332);
	assert_int_equal(number(run->doc, "unmoved.0.not_selected"), 2 * 332);
	assert_int_equal(number(run->doc, "unmoved.0.hole"), 0);
	for (unsigned int p = 0; p < PAGE_MAX; p++)
		assert_true(number(at(run->doc, "unmoved.0"), page_name(p)) >= 0);
	assert_int_equal(sum(at(run->doc, "migrations"), "excess"), 16 * 997 + 3 * 332);
}

static void the_longest_come_first(void **state)
{
	struct run *run = *state;
	json_t *rows;

	put_a_prime_number(&run->stream);
	count_all(run);
	read_all(run);
	rows = at(run->doc, "longest");
	assert_int_equal(json_array_size(rows), 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(number(json_array_get(rows, i), "took_ns"), 1496 - (int)i);
	/* 19 pages too many where 3 stayed, and of equals the first. */
	rows = at(run->doc, "most_excess");
	for (size_t i = 0; i < 10; i++) {
		json_t *row = json_array_get(rows, i);

		assert_int_equal(number(row, "excess"), 19);
		assert_int_equal(number(row, "from"),
				 0x7f0000000000 + (json_int_t)((3 * i + 2) * 16 * PAGE));
	}
	assert_string_equal(text(run->doc, "longest.0.comm"), "alpha");
	assert_string_equal(text(run->doc, "longest.0.owner"), "dmirror_devices+0x0 [test_hmm]");
}

static json_t *group(struct run *run, const char *column, const char *value)
{
	json_t *row;
	size_t i;

	json_array_foreach(at(run->doc, "groups"), i, row)
	{
		json_t *is = json_object_get(row, column);

		if (value ? json_is_string(is) && !strcmp(json_string_value(is), value) :
			    json_is_null(is))
			return row;
	}
	fail_msg("no group where %s is %s", column, value ? value : "null");
	return NULL;
}

static void group_by(struct run *run, const enum group_key *by, size_t n)
{
	struct history_options options = { .by_count = n, .slice_ns = 1000, .top = 1000000 };

	memcpy(options.by, by, n * sizeof(*by));
	read_some(run, &options, NULL);
}

static void groups_by_process_and_phase(void **state)
{
	static const enum group_key by[] = { GROUP_PROCESS, GROUP_PHASE };
	struct run *run = *state;
	json_t *groups;

	put_a_prime_number(&run->stream);
	group_by(run, by, 2);
	groups = at(run->doc, "groups");
	/* Two processes; setup and pages, and migrations, which have no phase. */
	assert_int_equal(json_array_size(groups), 6);
	assert_int_equal(sum(groups, "notifications"), 2 * 997);
	assert_int_equal(sum(groups, "pages"), 32 * 997);
	assert_int_equal(sum(groups, "delivered"), 3 * 997);
	assert_int_equal(sum(groups, "migrations"), 997);
	assert_int_equal(sum(groups, "excess"), 16 * 997 + 3 * 332);
	/* Of alpha are those that are 0 or 1 modulo 4. */
	assert_string_equal(text(groups, "0.comm"), "alpha");
	assert_string_equal(text(groups, "0.phase"), "setup");
	assert_int_equal(number(groups, "0.notifications"), 499);
	assert_int_equal(number(groups, "0.performed"), 2 * 499);
	assert_int_equal(number(groups, "0.pages_performed"), 32 * 499);
	assert_int_equal(number(groups, "0.p99_below_ns"), 1024);
	assert_int_equal(number(groups, "0.max_ns"), 600);
	assert_string_equal(text(run->doc, "by.1"), "phase");
}

static void groups_by_driver_cause_owner_and_event(void **state)
{
	static const enum group_key by[][1] = { { GROUP_DRIVER }, { GROUP_CAUSE }, { GROUP_OWNER },
						{ GROUP_EVENT } };
	static const char *const columns[] = { "driver", "cause", "owner", "event" };
	static const char *const values[] = { "kvm_mmu_notifier_invalidate_range_start", NULL,
					      "dmirror_devices+0x0 [test_hmm]", "MIGRATE" };
	static const int notifications[] = { 997, 7, 2 * 997, 2 * 997 };
	static const int delivered[] = { 997, 0, 3 * 997, 3 * 997 };
	struct run *run = *state;

	put_a_prime_number(&run->stream);
	/* Seven without a stack, and five of either that say munmap(). */
	for (int i = 0; i < 17; i++) {
		if (i >= 7)
			put_record(&run->stream, RECORD_STACK, 120)->head.what = i % 2 ? 6 : 9;
		put_call(&run->stream, RECORD_NOTIFICATION, 120, 0x10000, 1, 0);
	}
	for (int i = 0; i < 4; i++) {
		json_t *row;

		group_by(run, by[i], 1);
		row = group(run, columns[i], values[i]);
		assert_int_equal(number(row, "notifications"), notifications[i]);
		assert_int_equal(number(row, "delivered"), delivered[i]);
		if (i == 0) {
			row = group(run, "driver", "test_hmm");
			assert_int_equal(number(row, "notifications"), 2 * 997);
			assert_int_equal(number(row, "delivered"), 2 * 997);
			assert_int_equal(number(group(run, "driver", NULL), "migrations"), 997);
		}
		if (i == 1) {
			row = group(run, "cause", "migrate_vma");
			assert_int_equal(number(row, "notifications"), 2 * 997);
			assert_int_equal(number(row, "migrations"), 997);
			row = group(run, "cause", "munmap");
			assert_int_equal(number(row, "notifications"), 10);
		}
		if (i == 3)
			break;
		json_decref(run->doc);
		history__clear(&run->history);
	}
}

static void groups_by_address_and_slice(void **state)
{
	static const enum group_key by[] = { GROUP_ADDRESS };
	static const enum group_key slice[] = { GROUP_SLICE };
	struct run *run = *state;
	json_t *groups;

	/* 300 pages before the border of two chunks and 200 behind it. */
	put_call(&run->stream, RECORD_CALLBACK, 120, 10 * CHUNK - 300 * PAGE, 500, 0);
	put_call(&run->stream, RECORD_NOTIFICATION, 120, 10 * CHUNK - 300 * PAGE, 500, 0);
	put_migration(&run->stream, 120, 10 * CHUNK - 300 * PAGE, 500, 1, 0, 7)->pages_performed =
		900;
	put_call(&run->stream, RECORD_FAULT, 120, 10 * CHUNK, 512, 0);
	/* The same address in another process is another. */
	put_call(&run->stream, RECORD_FAULT, 130, 10 * CHUNK, 1, 0);
	put_call(&run->stream, RECORD_NOTIFICATION, 130, 0, 1 << 20, 0);
	put_call(&run->stream, RECORD_NOTIFICATION, 130, 0, 0, 0)->to = ~0ULL;
	group_by(run, by, 1);
	groups = at(run->doc, "groups");
	assert_int_equal(json_array_size(groups), 5);
	/* Of as many calls that with more faults comes first. */
	assert_int_equal(number(groups, "1.address"), 9 * CHUNK);
	assert_int_equal(number(groups, "1.pages"), 300);
	assert_int_equal(number(groups, "1.pages_performed"), 300);
	assert_int_equal(number(groups, "1.migrated"), 300);
	assert_int_equal(number(groups, "1.excess"), 400);
	assert_int_equal(number(groups, "0.address"), 10 * CHUNK);
	assert_int_equal(number(groups, "0.pages"), 200);
	assert_int_equal(number(groups, "0.migrations"), 1);
	assert_int_equal(number(groups, "0.excess"), 0);
	assert_int_equal(number(groups, "0.fault_pages"), 512);
	assert_string_equal(text(groups, "0.range"), "2 MiB");
	assert_int_equal(number(group(run, "range", "over 2 GiB"), "pages"), 1 << 20);
	assert_int_equal(number(group(run, "range", "all memory"), "notifications"), 1);
	json_decref(run->doc);
	history__clear(&run->history);

	/* 7 records, 10 ns apart, by 1 us: one slice; 100 later a second. */
	for (int i = 0; i < 100; i++)
		put_call(&run->stream, RECORD_FAULT, 120, 0x10000, 1, 0);
	group_by(run, slice, 1);
	groups = at(run->doc, "groups");
	assert_int_equal(json_array_size(groups), 2);
	assert_int_equal(number(groups, "0.faults"), 95);
	assert_int_equal(number(groups, "1.faults"), 7);
}

static void refaults_are_chained_to_what_was_dropped(void **state)
{
	struct run *run = *state;
	struct stream *s = &run->stream;

	/* Dropped twice, at 10 and at 20, and half of it is asked for from 25 on. */
	put_call(s, RECORD_CALLBACK, 120, 0x200000, 8, 0);
	put_call(s, RECORD_CALLBACK, 121, 0x200000, 8, 0);
	/* Skipped, and of another process, and elsewhere: no chain. */
	put_call(s, RECORD_CALLBACK, 120, 0x200000, 8, 0)->flags = 0;
	put_call(s, RECORD_CALLBACK, 130, 0x200000, 8, 0);
	put_call(s, RECORD_CALLBACK, 120, 0x208000, 8, 0);
	/* Nor of a plain notifier, which is not listed, nor of all that was mapped at once. */
	put_call(s, RECORD_CALLBACK, 120, 0x200000, 8, 0)->what = 1;
	put_call(s, RECORD_CALLBACK, 120, 0, 0, 0)->to = ~0ULL;
	/* One that collided. */
	put_call(s, RECORD_FAULT, 120, 0x204000, 4, 0)->flags = RECORD_RETRY;
	put_call(s, RECORD_FAULT, 121, 0x204000, 4, 0)->took = 65;
	/* The second fault finds nothing left. */
	put_call(s, RECORD_FAULT, 120, 0x200000, 8, 0);
	read_all(run);
	assert_int_equal(json_array_size(at(run->doc, "refaults")), 2);
	assert_int_equal(number(run->doc, "refaults.0.performed"), 4);
	assert_int_equal(number(run->doc, "refaults.0.performed_pages"), 24);
	assert_int_equal(number(run->doc, "refaults.0.chains"), 2);
	assert_int_equal(number(run->doc, "refaults.0.pages"), 8);
	assert_int_equal(number(run->doc, "refaults.0.min_ns"), 5);
	assert_int_equal(number(run->doc, "refaults.0.max_ns"), 15);
	assert_int_equal(number(run->doc, "refaults.0.p50_below_ns"), 8);
	assert_int_equal(number(run->doc, "refaults.0.p99_below_ns"), 16);
	assert_int_equal(number(run->doc, "refaults.0.sum_ns"), 20);
	assert_string_equal(text(run->doc, "refaults.1.comm"), "beta");
	assert_int_equal(number(run->doc, "refaults.1.chains"), 0);
	assert_true(json_is_null(at(run->doc, "refaults.1.min_ns")));
}

struct heard {
	__u64 records, activities, refaults, dropped_ns, dropped_by, dropped_begin;
};

static int hear_record(void *ctx, const struct mmuscope_record *rec)
{
	struct heard *heard = ctx;

	assert_int_equal(rec->ns, 10 * ++heard->records);
	return 0;
}

static int hear_activity(void *ctx, const struct activity *a)
{
	((struct heard *)ctx)->activities += 1 + a->child_count;
	return 0;
}

static int hear_refault(void *ctx, const struct refault *r)
{
	struct heard *heard = ctx;

	heard->refaults++;
	heard->dropped_ns = r->dropped_ns;
	heard->dropped_by = r->dropped_by;
	heard->dropped_begin = r->dropped_begin;
	return r->fault->task == 121 ? -EPIPE : 0;
}

static void sinks_hear_of_activities_and_refaults(void **state)
{
	struct heard heard = {};
	struct history_options options = {
		.top = 10,
		.sinks = { { hear_record, hear_activity, NULL, &heard },
			   { NULL, NULL, hear_refault, &heard } },
		.sink_count = 2,
	};
	struct run *run = *state;
	struct mmuscope_record *last;

	put_call(&run->stream, RECORD_CALLBACK, 121, 0x200000, 8, 0);
	put_call(&run->stream, RECORD_NOTIFICATION, 121, 0x200000, 8, 0);
	put_call(&run->stream, RECORD_FAULT, 120, 0x204000, 4, 0);
	put_call(&run->stream, RECORD_CALLBACK, 120, 0x200000, 8, 0);
	read_some(run, &options, NULL);
	assert_int_equal(heard.activities, 4);
	assert_int_equal(heard.refaults, 1);
	assert_int_equal(heard.dropped_ns, 10);
	assert_int_equal(heard.dropped_by, 121);
	assert_int_equal(heard.dropped_begin, 5);
	assert_int_equal(heard.records, 4);
	/* What a sink returns ends it. */
	last = put_call(&run->stream, RECORD_FAULT, 121, 0x204000, 4, 0);
	own(run);
	assert_int_equal(history__add(&run->history, last), -EPIPE);
}

/* Against all pairs, ranges of one page to some GiB. */
static void refaults_are_those_of_all_pairs(void **state)
{
	struct run *run = *state;
	__u64 chains = 0, pages = 0, time = 0;
	bool *over;

	for (int i = 0; i < 1999; i++) {
		struct mmuscope_record *r =
			put_call(&run->stream, draw(3) ? RECORD_CALLBACK : RECORD_FAULT, 120,
				 draw(1 << 10) * PAGE, 1ULL << draw(8), 0);

		r->from <<= draw(10);
		r->to = r->from + ((__u64)(1 + draw(3)) * PAGE << draw(draw(4) ? 8 : 20));
	}
	over = calloc(run->stream.count, sizeof(*over));
	assert_non_null(over);
	for (size_t f = 0; f < run->stream.count; f++) {
		const struct mmuscope_record *fault = &run->stream.items[f].head;

		for (size_t i = 0; i < f && fault->kind == RECORD_FAULT; i++) {
			const struct mmuscope_record *c = &run->stream.items[i].head;

			if (c->kind != RECORD_CALLBACK || over[i] || c->to <= fault->from ||
			    fault->to <= c->from)
				continue;
			over[i] = true;
			chains++;
			pages += ((c->to < fault->to ? c->to : fault->to) -
				  (c->from > fault->from ? c->from : fault->from)) / PAGE;
			time += fault->ns - fault->took - c->ns;
		}
	}
	free(over);
	read_all(run);
	assert_true(chains > 100);
	assert_int_equal(number(run->doc, "refaults.0.chains"), chains);
	assert_int_equal(number(run->doc, "refaults.0.pages"), pages);
	assert_int_equal(number(run->doc, "refaults.0.sum_ns"), time);
}

static void put_move(struct stream *s, __u32 task, __u64 page, __u64 pages,
		     enum mmuscope_direction direction)
{
	put_migration(s, task, page * PAGE, pages, 1, 0, 5)->head.phase = direction;
}

static void ping_pong_counts_ways_back(void **state)
{
	struct run *run = *state;
	struct mmuscope_record_migration *m;
	struct stream *s = &run->stream;
	union any_record *pages;

	/* 600 pages across a border go and come back twice, the last 100 a third time. */
	for (int i = 0; i < 2; i++) {
		put_move(s, 120, 1000, 600, DIR_TO_DEVICE);
		put_move(s, 121, 1000, 600, DIR_TO_SYSTEM);
	}
	put_move(s, 120, 1500, 100, DIR_TO_DEVICE);
	put_move(s, 120, 1500, 100, DIR_TO_SYSTEM);
	/* They came back already; an eviction does not say what. */
	put_move(s, 120, 1500, 100, DIR_TO_SYSTEM);
	put_migration(s, 120, 0, 9, 1, 0, 5)->head.phase = DIR_EVICT;
	/* The same addresses of another process went, and stayed. */
	put_move(s, 130, 1000, 600, DIR_TO_DEVICE);
	/* Of three one stays where it is; it does not come back. */
	pages = put_record(s, RECORD_PAGES, 130);
	pages->head.migration = 1;
	pages->head.from = 5000 * PAGE;
	pages->head.to = 5003 * PAGE;
	pages->pages.page[0] = PAGE_BUSY << 4;
	m = put_migration(s, 130, 5000 * PAGE, 3, 1, 0, 15);
	m->migrated = 2;
	m->place[PAGE_BUSY - 1] = 1;
	put_move(s, 130, 5000, 3, DIR_TO_SYSTEM);
	read_all(run);
	assert_int_equal(json_array_size(at(run->doc, "ping_pong.ranges")), 4);
	assert_int_equal(number(run->doc, "ping_pong.ranges.0.trips"), 3);
	assert_int_equal(number(run->doc, "ping_pong.ranges.0.from"), 1500 * PAGE);
	assert_int_equal(number(run->doc, "ping_pong.ranges.0.pages"), 100);
	assert_int_equal(number(run->doc, "ping_pong.ranges.1.trips"), 2);
	assert_int_equal(number(run->doc, "ping_pong.ranges.1.from"), 1000 * PAGE);
	assert_int_equal(number(run->doc, "ping_pong.ranges.1.to"), 1500 * PAGE);
	assert_int_equal(number(run->doc, "ping_pong.ranges.2.from"), 5000 * PAGE);
	assert_int_equal(number(run->doc, "ping_pong.ranges.3.from"), 5002 * PAGE);
	assert_int_equal(number(run->doc, "ping_pong.pages"), 602);
	assert_int_equal(number(run->doc, "ping_pong.trips"), 1302);
	assert_int_equal(number(run->doc, "ping_pong.evicted"), 9);
	assert_int_equal(number(run->doc, "ping_pong.unknown"), 0);
}

/* ---- kept, lost, counted ---- */

static bool every_seventh_notification(const struct mmuscope_record *r, size_t i)
{
	return r->kind == RECORD_NOTIFICATION && !(i % 7);
}

static void what_was_lost_is_added(void **state)
{
	static const struct history_options options = { .top = 10 };
	struct run *run = *state;
	__u64 lost = 0;

	put_a_prime_number(&run->stream);
	count_all(run);
	for (size_t i = 0; i < run->stream.count; i++)
		lost += every_seventh_notification(&run->stream.items[i].head, i);
	run->info.lost[RECORD_NOTIFICATION] = lost;
	read_some(run, &options, every_seventh_notification);
	assert_true(lost > 100);
	assert_int_equal(holds(run, "kept + lost = counted"), 1);
	assert_int_equal(holds(run, "no record was lost"), 0);
	assert_int_equal(run->result.broken, 1);
	/* Their callbacks are orphans, inside their migrations. */
	assert_true(run->history.orphans > 100);
	assert_int_equal(number(run->doc, "recording.lost.notifications"), lost);
	assert_int_equal(number(run->doc, "recording.kept.notifications"), 2 * 997 - lost);
}

static void what_is_missing_and_not_lost_is_a_broken_invariant(void **state)
{
	static const struct history_options options = { .top = 10 };
	struct run *run = *state;

	put_a_prime_number(&run->stream);
	count_all(run);
	read_some(run, &options, every_seventh_notification);
	assert_int_equal(holds(run, "kept + lost = counted"), 0);
	assert_int_equal(holds(run, "each row is as it was counted"), 0);
	assert_int_equal(run->result.broken, 2);
}

static void a_row_that_differs_is_told(void **state)
{
	struct run *run = *state;

	put_a_prime_number(&run->stream);
	count_all(run);
	assert_int_equal(json_object_set_new(at(run->info.counters, "callbacks.0"), "pages",
					     json_integer(1)), 0);
	read_all(run);
	assert_int_equal(holds(run, "kept + lost = counted"), 1);
	assert_int_equal(holds(run, "each row is as it was counted"), 0);
	for (size_t i = 0; i < run->result.invariant_count; i++)
		if (!run->result.invariants[i].holds)
			assert_non_null(strstr(run->result.invariants[i].detail,
					       "first callbacks.pages: "));
}

static void what_cannot_be_compared_is_said(void **state)
{
	struct run *run = *state;

	put_a_prime_number(&run->stream);
	count_all(run);
	json_array_append_new(json_object_get(run->info.about, "filter"), json_string("--pid 7"));
	read_all(run);
	assert_string_equal(run->result.not_compared, "the recording was filtered: [\"--pid 7\"]");
	assert_int_equal(run->result.broken, 0);
	assert_int_equal(holds(run, "kept + lost = counted"), -1);
	json_array_clear(json_object_get(run->info.about, "filter"));
	json_decref(run->doc);
	history__clear(&run->history);

	run->info.complete = false;
	run->damage.bytes = 17;
	read_all(run);
	assert_string_equal(run->result.not_compared, "the recording was broken off");
	assert_int_equal(holds(run, "recorded to the end"), 0);
	assert_int_equal(holds(run, "the files are whole"), 0);
	assert_int_equal(run->result.broken, 2);
	assert_int_equal(number(run->doc, "recording.damage.bytes"), 17);
}

static void a_page_without_a_reason_is_a_broken_invariant(void **state)
{
	struct run *run = *state;

	put_migration(&run->stream, 120, 0x100000, 8, 1, 0, 5)->migrated = 7;
	read_all(run);
	assert_int_equal(holds(run, "asked = migrated + reasons"), 0);
}

static void an_empty_recording_is_one(void **state)
{
	struct run *run = *state;
	char *out;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	count_all(run);
	read_all(run);
	assert_int_equal(run->result.broken, 0);
	assert_non_null(f);
	assert_int_equal(history__print(&run->history, &run->result, f), 0);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(out, "Longest migrations: none\n"));
	assert_non_null(strstr(out, "invariants hold, nothing was lost"));
	free(out);
}

/* No look-up of what another machine had at an address. */
static void an_owner_without_a_name_is_a_number(void **state)
{
	struct run *run = *state;

	put_migration(&run->stream, 120, 0x100000, 8, 1, 0, 5)->head.what = 0xffffffff81000000;
	read_all(run);
	assert_string_equal(text(run->doc, "longest.0.owner"), "0xffffffff81000000");
}

/* A checksum would have stopped most of this; the sanitizers watch. */
static void random_records_do_no_harm(void **state)
{
	static const enum group_key all[] = { GROUP_PROCESS, GROUP_DRIVER, GROUP_EVENT, GROUP_PHASE,
					      GROUP_CAUSE, GROUP_OWNER, GROUP_ADDRESS,
					      GROUP_SLICE };
	struct run *run = *state;
	char *out;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	for (int i = 0; i < 4999; i++) {
		union any_record *r = put_record(&run->stream, RECORD_NONE, 0);

		for (size_t b = 0; b < sizeof(*r); b++)
			((__u8 *)r)[b] = (__u8)draw(256);
		r->head.kind = (__u8)draw(RECORD_KINDS + 1);
		/* Or nothing would ever meet. */
		r->head.task = draw(3);
		r->head.migration = draw(3);
		r->migration.parent = draw(2) ? r->migration.parent : draw(3);
		if (draw(2)) {
			r->head.from &= 0xffff000;
			r->head.to &= 0xfffffff;
		}
	}
	group_by(run, all, 8);
	assert_non_null(f);
	assert_int_equal(history__print(&run->history, &run->result, f), 0);
	assert_int_equal(fclose(f), 0);
	free(out);
}

/* ---- the command ---- */

#define FOLDER 64

static void remove_folder(const char *folder)
{
	char command[FOLDER + 16];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

/* On two CPUs, as a run would write it. `last`: it ended in order. */
static void write_recording(struct run *run, char folder[FOLDER], bool last)
{
	struct recorder_options options = { .cpus = 2, .about = run->info.about };
	const struct names *n = &run->info.names;
	const __u64 lost[2] = {};
	struct recorder *r;

	snprintf(folder, FOLDER, "/tmp/mmuscope-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	options.dir = folder;
	assert_int_equal(recorder__open(&r, &options), 0);
	for (size_t i = 0; i < n->process_count; i++)
		assert_int_equal(recorder__process(r, &n->processes[i]), 0);
	for (size_t i = 0; i < n->callback_count; i++)
		assert_int_equal(recorder__callback(r, i, &n->callbacks[i]), 0);
	for (size_t i = 0; i < n->owner_count; i++)
		assert_int_equal(recorder__owner(r, n->owners[i].address, n->owners[i].symbol), 0);
	for (size_t i = 0; i < run->info.plan.count; i++)
		assert_int_equal(recorder__target(r, &run->info.plan.targets[i]), 0);
	for (size_t i = 0; i < run->info.stack_count; i++)
		assert_int_equal(recorder__stack(r, run->info.stacks[i].id,
						 run->info.stacks[i].cause, NULL, 0), 0);
	for (size_t i = 0; i < run->stream.count; i++)
		assert_int_equal(recorder__record(r, run->stream.items[i].head.task % 2,
						  &run->stream.items[i].head), 0);
	assert_int_equal(recorder__lost(r, run->info.lost, lost), 0);
	assert_int_equal(recorder__counters(r, run->info.counters, last), 0);
	assert_int_equal(recorder__close(r), 0);
}

/* `report FOLDER OUTPUT PATH OPTION...` */
static int report_to(const char *folder, const char *output, const char *path, const char *option,
		     const char *value)
{
	char *argv[8] = { (char *)"report", (char *)folder, (char *)output, (char *)path };
	int argc = 4;

	if (option)
		argv[argc++] = (char *)option;
	if (value)
		argv[argc++] = (char *)value;
	optind = 0;
	return cmd_report(argc, argv);
}

/*
 * To a file beside the folder, by --perfetto or else --output; `out` gets what it wrote, to
 * be freed.
 */
static int report(const char *folder, char **out, const char *option, const char *value)
{
	const bool timeline = option && !value && !strcmp(option, "--perfetto");
	char path[FOLDER + 8];
	int status;
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s.out", folder);
	status = timeline ? report_to(folder, option, path, NULL, NULL) :
			    report_to(folder, "-o", path, option, value);
	*out = NULL;
	if (stat(path, &st))
		return status;
	f = fopen(path, "r");
	assert_non_null(f);
	*out = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(*out);
	assert_int_equal(fread(*out, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	assert_int_equal(unlink(path), 0);
	return status;
}

static void a_recording_on_disk_gives_the_same(void **state)
{
	static const char *const sections[] = { "notifications", "callbacks", "migrations",
						"faults", "unobservable", "command" };
	struct run *run = *state;
	char folder[FOLDER], *out;
	json_t *doc;

	put_a_prime_number(&run->stream);
	put_call(&run->stream, RECORD_FAULT, 131, 0x7f0000000000, 16, 0);
	count_all(run);
	write_recording(run, folder, true);
	assert_int_equal(report(folder, &out, "--json", NULL), STATUS_OK);
	doc = json_loads(out, 0, NULL);
	free(out);
	assert_non_null(doc);
	for (int i = 0; i < 6; i++)
		if (json_object_get(run->info.counters, sections[i]))
			assert_true(json_equal(at(doc, sections[i]),
					       i == 5 ? at(run->info.about, "command") :
							at(run->info.counters, sections[i])));
	assert_int_equal(number(doc, "unmoved.0.busy"), 332);
	assert_int_equal(number(doc, "recording.kept.pages"), 332);
	assert_int_equal(number(doc, "recording.orphans"), 0);
	json_decref(doc);

	assert_int_equal(report(folder, &out, NULL, NULL), STATUS_OK);
	assert_non_null(strstr(out, "invariants hold, nothing was lost."));
	assert_non_null(strstr(out, "whole system, 0.000 s of Linux 6.1.0\n"));
	free(out);
	assert_int_equal(report(folder, &out, "--by", "process,phase"), STATUS_OK);
	assert_non_null(strstr(out, "alpha:120 setup"));
	free(out);
	remove_folder(folder);
}

/* ---- a timeline and stacks ---- */

/*
 * The 997 migrations; alpha's device asks for all, beta's for what was in one of them. And
 * what is no migration, and what has no time.
 */
static void put_more(struct stream *s)
{
	s->ns = 1000000;
	put_a_prime_number(s);
	put_call(s, RECORD_FAULT, 121, 0x7f0000000000, 997 * 16, 0);
	put_call(s, RECORD_FAULT, 131, 0x7f0000000000 + 2 * 16 * PAGE, 16, 0);
	put_migration(s, 120, 0x10000, 0, 998, 0, 7)->head.flags = RECORD_FAILED;
	put_call(s, RECORD_NOTIFICATION, 120, 0x10000, 4, 0);
}

/* Events of a type, and of a category where one is given. */
static size_t events(json_t *doc, const char *type, const char *category)
{
	json_t *event;
	size_t i, n = 0;

	json_array_foreach(at(doc, "traceEvents"), i, event)
		n += !strcmp(text(event, "ph"), type) &&
		     (!category || !strcmp(text(event, "cat"), category));
	return n;
}

static json_int_t last_counter(json_t *doc, json_int_t pid)
{
	json_int_t pages = 0;
	json_t *event;
	size_t i;

	json_array_foreach(at(doc, "traceEvents"), i, event)
		if (!strcmp(text(event, "ph"), "C") && number(event, "pid") == pid)
			pages = number(event, "args.pages on the device");
	return pages;
}

static void a_recording_on_disk_gives_a_timeline(void **state)
{
	json_int_t alpha = 0, beta = 0;
	struct run *run = *state;
	char folder[FOLDER], *out;
	json_t *doc;

	put_more(&run->stream);
	count_all(run);
	write_recording(run, folder, true);
	assert_int_equal(report(folder, &out, "--perfetto", NULL), STATUS_OK);
	doc = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
	free(out);
	assert_non_null(doc);
	assert_int_equal(events(doc, "B", "migration"), 997);
	assert_int_equal(events(doc, "B", "failed_setup"), 1);
	assert_int_equal(events(doc, "B", "phase"), 997);
	assert_int_equal(events(doc, "B", "notification"), 2 * 997 + 1);
	assert_int_equal(events(doc, "B", "callback"), 3 * 997);
	assert_int_equal(events(doc, "B", "driver"), 3 * 997);
	assert_int_equal(events(doc, "B", "fault"), 2);
	assert_int_equal(events(doc, "E", NULL), events(doc, "B", NULL));
	/* 499 are alpha's. */
	assert_int_equal(events(doc, "s", NULL), 500);
	assert_int_equal(events(doc, "f", NULL), 500);
	assert_int_equal(events(doc, "C", NULL), 997);
	for (int n = 0; n < 997; n++)
		*(n % 4 < 2 ? &alpha : &beta) += n % 3 == 2 ? 13 : 16;
	assert_int_equal(last_counter(doc, PROCESS_A), alpha);
	assert_int_equal(last_counter(doc, PROCESS_B), beta);
	json_decref(doc);

	/* As many arrows as the report has chains. */
	assert_int_equal(report(folder, &out, "--json", NULL), STATUS_OK);
	doc = json_loads(out, 0, NULL);
	free(out);
	assert_int_equal(sum(at(doc, "refaults"), "chains"), 500);
	assert_int_equal(number(doc, "recording.setups_failed"), 1);
	json_decref(doc);
	assert_int_equal(report_to(folder, "--perfetto", "/dev/full", NULL, NULL), STATUS_FAILED);
	assert_int_equal(report_to(folder, "--perfetto", "/nonexistent/file", NULL, NULL),
			 STATUS_FAILED);
	remove_folder(folder);
}

static json_int_t weigh(const char *folder, const char *weight, int status)
{
	char *out, *rest, *line;
	json_int_t n = 0;

	assert_int_equal(report(folder, &out, "--folded", weight), status);
	for (rest = out; (line = strsep(&rest, "\n")) && *line;)
		n += atoll(strrchr(line, ' '));
	free(out);
	return n;
}

static void a_recording_on_disk_gives_stacks(void **state)
{
	struct run *run = *state;
	char folder[FOLDER], *out;

	put_more(&run->stream);
	count_all(run);
	write_recording(run, folder, true);
	assert_int_equal(report(folder, &out, "--folded", "calls"), STATUS_OK);
	assert_string_equal(out,
		"alpha;outside;UNMAP(no callback) 1\n"
		"alpha;to_device;pages;MIGRATE;dmirror_interval_invalidate(skipped) 499\n"
		"alpha;to_device;setup;MIGRATE;dmirror_interval_invalidate(performed) 499\n"
		"beta;to_device;pages;MIGRATE;dmirror_interval_invalidate(skipped) 498\n"
		"beta;to_device;setup;MIGRATE;dmirror_interval_invalidate(performed) 498\n");
	free(out);
	assert_int_equal(weigh(folder, "calls", STATUS_OK),
			 sum(at(run->info.counters, "notifications"), "calls"));
	assert_int_equal(weigh(folder, "pages", STATUS_OK),
			 sum(at(run->info.counters, "notifications"), "pages"));
	assert_int_equal(weigh(folder, "calls", STATUS_OK), 2 * 997 + 1);
	assert_int_equal(weigh(folder, "pages", STATUS_OK), 2 * 997 * 16 + 4);
	/*
	 * From the begin of the first callback, 600 ns before its end, and two rounds of four
	 * records later, or one; the last has no neighbours. One was not timed.
	 */
	assert_int_equal(weigh(folder, "time", STATUS_INCOMPLETE),
			 996 * (680 + 640) + 620 + 610);
	assert_int_equal(report_to(folder, "-o", "/dev/full", "--folded", "calls"),
			 STATUS_FAILED);
	remove_folder(folder);
}

static void a_broken_recording_is_incomplete(void **state)
{
	struct run *run = *state;
	char folder[FOLDER], *out;

	put_a_prime_number(&run->stream);
	count_all(run);
	/* One record less than was counted. */
	run->stream.count--;
	write_recording(run, folder, true);
	assert_int_equal(report(folder, &out, NULL, NULL), STATUS_INCOMPLETE);
	assert_non_null(strstr(out, "BROKEN: kept + lost = counted: "));
	free(out);
	remove_folder(folder);

	write_recording(run, folder, false);
	assert_int_equal(report(folder, &out, "--refaults", NULL), STATUS_INCOMPLETE);
	free(out);
	remove_folder(folder);
}

static void bad_usage_is_told(void **state)
{
	static const char *const bad[][2] = {
		{ "--by", "colour" },	{ "--by", "" },		{ "--by", "phase,phase" },
		{ "--by", "phase," },	{ "--slice", "0" },	{ "--top", "-1" },
		{ "--csv", NULL },	{ "--frob", NULL },	{ "-x", NULL },
		{ "another", NULL },	{ "--by", NULL },	{ "--unmoved", "--refaults" },
		{ "--json", "--csv" },	{ "--slice=5", "--by=excess" },
		{ "--folded", "page" }, { "--folded", NULL },	{ "--perfetto", "it" },
		{ "--json", "--folded=calls" },		{ "--csv", "--folded=calls" },
		{ "--unmoved", "--folded=calls" },	{ "--perfetto=-", "--folded=calls" },
	};
	char *out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(report("/nonexistent", &out, bad[i][0], bad[i][1]), STATUS_USAGE);
	assert_int_equal(report("/nonexistent", &out, NULL, NULL), STATUS_FAILED);
	assert_null(out);
}

/* ---- tables and CSV ---- */

static void a_view_as_csv(void **state)
{
	static const struct view_column columns[] = {
		{ "process", "PROCESS", VIEW_PROCESS },
		{ "text", "TEXT", VIEW_TEXT },
		{ "address", NULL, VIEW_ADDRESS },
		{ "n", "N", VIEW_NUMBER },
	};
	struct view *v = view__new(columns, 4);
	struct run *run = *state;
	char *out;
	size_t size;
	FILE *f;

	assert_non_null(v);
	view__process(v, &run->info.names, PROCESS_A, (__u32)(START_A >> 20));
	view__text(v, "a \"b\", c");
	view__number(v, 0xabc000);
	view__number(v, ~0ULL >> 1);
	view__process(v, &run->info.names, 0, 0);
	view__text(v, NULL);
	view__none(v);
	view__number(v, 0);
	f = open_memstream(&out, &size);
	assert_non_null(f);
	assert_int_equal(view__csv(v, f), 0);
	assert_int_equal(view__print(v, "Title", f), 0);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(out, "pid,comm,text,address,n\n"
				 "120,alpha,\"a \"\"b\"\", c\",0xabc000,9223372036854775807\n"
				 "0,(unknown),,,0\n"
				 "Title\n"
				 "PROCESS     TEXT                       N\n"
				 "alpha:120   a \"b\", c 9223372036854775807\n"
				 "(unknown):0 -                          0\n\n");
	free(out);
	view__free(v);
}

static void buckets_are_powers_of_two(void **state)
{
	__u64 bucket[MMUSCOPE_BUCKETS] = { [3] = 50, [5] = 49, [31] = 1 };

	(void)state;
	assert_int_equal(latency__bucket(0), 0);
	for (unsigned int b = 1; b < 64; b++) {
		unsigned int limited = b < 31 ? b : 31;

		assert_int_equal(latency__bucket(1ULL << (b - 1)), limited);
		assert_int_equal(latency__bucket((1ULL << b) - 1), limited);
	}
	assert_int_equal(latency__bucket(~0ULL), 31);
	assert_int_equal(latency__size(0), 0);
	assert_int_equal(latency__size(512), 10);
	assert_int_equal(latency__size(~0ULL), 15);
	assert_int_equal(latency__below(bucket, 100, 50), 8);
	assert_int_equal(latency__below(bucket, 100, 51), 32);
	assert_int_equal(latency__below(bucket, 100, 99), 32);
	assert_true(latency__below(bucket, 100, 100) == LATENCY_INFINITE);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(records_give_what_was_counted),
		test(rows_come_in_the_order_of_the_counters),
		test(a_prime_number_of_migrations),
		test(the_longest_come_first),
		test(groups_by_process_and_phase),
		test(groups_by_driver_cause_owner_and_event),
		test(groups_by_address_and_slice),
		test(refaults_are_chained_to_what_was_dropped),
		test(sinks_hear_of_activities_and_refaults),
		test(refaults_are_those_of_all_pairs),
		test(ping_pong_counts_ways_back),
		test(what_was_lost_is_added),
		test(what_is_missing_and_not_lost_is_a_broken_invariant),
		test(a_row_that_differs_is_told),
		test(what_cannot_be_compared_is_said),
		test(a_page_without_a_reason_is_a_broken_invariant),
		test(an_empty_recording_is_one),
		test(an_owner_without_a_name_is_a_number),
		test(random_records_do_no_harm),
		test(a_recording_on_disk_gives_the_same),
		test(a_recording_on_disk_gives_a_timeline),
		test(a_recording_on_disk_gives_stacks),
		test(a_broken_recording_is_incomplete),
		test(bad_usage_is_told),
		test(a_view_as_csv),
		cmocka_unit_test(buckets_are_powers_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
