// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Timelines of activities made by hand, read back as a viewer reads them. With
 * MMUSCOPE_TIMELINE=FILE the one of timeline.h is kept: tests/scripts/perfetto.t.
 */
#include <errno.h>
#include <math.h>

#include "grow.h"
#include "perfetto.h"
#include "refaults.h"
#include "timeline.h"

#define DRIVER_PID (4U * 1024 * 1024 + 1) /* the first above those of the kernel */

struct trace {
	struct recording_info info;
	struct perfetto *p;
	FILE *out;
	char *text;
	size_t size;
	struct activity **given;	/* told when all records are */
	size_t given_count;
	const struct mmuscope_record **records;
	size_t record_count;
	json_t *json, *events;
};

static void start_in(struct trace *t, FILE *out)
{
	t->out = must_have(out);
	info__init(&t->info);
	t->p = must_have(perfetto__open(t->out, &t->info));
}

static void start(struct trace *t)
{
	memset(t, 0, sizeof(*t));
	start_in(t, open_memstream(&t->text, &t->size));
}

static void add_records(struct trace *t, const struct activity *a)
{
	for (size_t i = 0; i < a->child_count; i++)
		add_records(t, a->children[i]);
	t->records = must_have(grow(t->records, t->record_count, sizeof(*t->records)));
	t->records[t->record_count++] = &a->head;
}

static void give(void *ctx, struct activity *a)
{
	struct trace *t = ctx;

	add_records(t, a);
	t->given = must_have(grow(t->given, t->given_count, sizeof(*t->given)));
	t->given[t->given_count++] = a;
}

static int by_time(const void *a, const void *b)
{
	const struct mmuscope_record *x = *(const struct mmuscope_record *const *)a;
	const struct mmuscope_record *y = *(const struct mmuscope_record *const *)b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

/* As late as activities can come: what is around them ended last. Returns the first error. */
static int tell(struct trace *t)
{
	struct refaults *rf = must_have(refaults__new(&t->info.names, perfetto__refault, t->p));
	int err = 0;

	if (t->record_count)
		qsort(t->records, t->record_count, sizeof(*t->records), by_time);
	for (size_t i = 0; i < t->record_count && !err; i++) {
		err = perfetto__record(t->p, t->records[i]);
		err = err ? err : refaults__add(rf, t->records[i]);
	}
	for (size_t i = 0; i < t->given_count; i++) {
		err = err ? err : perfetto__activity(t->p, t->given[i]);
		free_activity(t->given[i]);
	}
	refaults__free(rf);
	free(t->given);
	free(t->records);
	return err;
}

static void finish(struct trace *t)
{
	json_error_t error;

	assert_int_equal(tell(t), 0);
	assert_int_equal(perfetto__close(t->p), 0);
	assert_int_equal(fclose(t->out), 0);
	t->json = json_loads(t->text, JSON_REJECT_DUPLICATES, &error);
	if (!t->json)
		fail_msg("line %d: %s", error.line, error.text);
	t->events = must_have(json_object_get(t->json, "traceEvents"));
}

static void clear(struct trace *t)
{
	json_decref(t->json);
	free(t->text);
	info__clear(&t->info);
}

static char type_of(const json_t *e)
{
	return json_string_value(json_object_get(e, "ph"))[0];
}

static const char *word(const json_t *e, const char *key)
{
	const char *text = json_string_value(json_object_get(e, key));

	return text ? text : "";
}

static __u32 number(const json_t *e, const char *key)
{
	return (__u32)json_integer_value(json_object_get(e, key));
}

static __u64 ns_of(const json_t *e)
{
	return (__u64)llround(json_number_value(json_object_get(e, "ts")) * 1000);
}

static const json_t *args(const json_t *e)
{
	return json_object_get(e, "args");
}

static const char *arg(const json_t *e, const char *key)
{
	return word(args(e), key);
}

static json_int_t arg_number(const json_t *e, const char *key)
{
	return json_integer_value(json_object_get(args(e), key));
}

static const json_t *event(const struct trace *t, size_t i)
{
	return json_array_get(t->events, i);
}

/* Events of a type whose name is `name`; NULL: any. */
static size_t count(const struct trace *t, char type, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(t->events); i++)
		n += type_of(event(t, i)) == type &&
		     (!name || !strcmp(word(event(t, i), "name"), name));
	return n;
}

/* The `n`th of a type and name. */
static const json_t *find(const struct trace *t, char type, const char *name, size_t n)
{
	for (size_t i = 0; i < json_array_size(t->events); i++) {
		const json_t *e = event(t, i);

		if (type_of(e) == type && !strcmp(word(e, "name"), name) && !n--)
			return e;
	}
	fail_msg("there is no %c of %s", type, name);
	return NULL;
}

/* Of a track, or of the process that it is in. */
static const char *name_of(const struct trace *t, const char *what, __u32 pid, __u32 tid)
{
	for (size_t i = 0; i < json_array_size(t->events); i++) {
		const json_t *e = event(t, i);

		if (type_of(e) == 'M' && !strcmp(word(e, "name"), what) &&
		    number(e, "pid") == pid && number(e, "tid") == tid)
			return arg(e, "name");
	}
	return "";
}

/*
 * Every B has its E, the innermost first, and times never go back, in the track of a
 * thread. Returns the deepest nesting.
 */
static size_t check_nesting(const struct trace *t, __u32 pid, __u32 tid)
{
	const json_t *open[16];
	size_t n = 0, deepest = 0;
	__u64 last = 0;

	for (size_t i = 0; i < json_array_size(t->events); i++) {
		const json_t *e = event(t, i);

		if ((type_of(e) != 'B' && type_of(e) != 'E') || number(e, "pid") != pid ||
		    number(e, "tid") != tid)
			continue;
		assert_true(ns_of(e) >= last);
		last = ns_of(e);
		if (type_of(e) == 'E') {
			assert_true(n > 0);
			n--;
			continue;
		}
		assert_true(n < 16);
		open[n++] = e;
		if (n > deepest)
			deepest = n;
		if (!strcmp(word(e, "cat"), "callback") && n > 1)
			assert_string_equal(word(open[n - 2], "cat"), "notification");
		if (!strcmp(word(e, "cat"), "phase"))
			assert_string_equal(word(open[n - 2], "cat"), "migration");
	}
	assert_int_equal(n, 0);
	return deepest;
}

static void has_every_slice_once(void **state)
{
	struct trace t;
	static const char *const names[] = { "to_device", "to_system", "setup", "copy", "pages",
					     "finalize", "MIGRATE", "CLEAR", "device fault" };
	static const size_t turns[] = { 1, 1, 2, 2, 2, 2, 2, 1, 1 };

	(void)state;
	start(&t);
	give_all(give, &t);
	finish(&t);
	/* And each callback once more in the driver's track. */
	assert_int_equal(count(&t, 'B', NULL), TURNS * THREADS * (TURN_SLICES + 3) + 2);
	assert_int_equal(count(&t, 'E', NULL), TURNS * THREADS * (TURN_SLICES + 3) + 2);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(count(&t, 'B', names[i]),
				 TURNS * THREADS * turns[i] + (i == 8 ? 2 : 0));
	/* In setup the first thread's are performed, and all on the way back. */
	assert_int_equal(count(&t, 'B', "performed: dmirror_interval_invalidate"),
			 TURNS * (THREADS + 1));
	assert_int_equal(count(&t, 'B', "skipped: dmirror_interval_invalidate"),
			 TURNS * (THREADS + 2));
	/* A migration, its phase, a notification in that, its callback. */
	assert_int_equal(check_nesting(&t, 1001, 1001), 4);
	assert_int_equal(check_nesting(&t, 1001, 1002), 4);
	assert_int_equal(check_nesting(&t, 2001, 2001), 4);
	clear(&t);
}

static void names_tracks_once(void **state)
{
	static const struct {
		__u32 pid, tid;
		const char *what, *name;
	} tracks[] = {
		{ 1001, 0, "process_name", "trainer" },
		{ 1001, 1001, "thread_name", "trainer" },
		{ 2001, 0, "process_name", "solver" },
		{ 2001, 2001, "thread_name", "solver" },
		{ DRIVER_PID, 0, "process_name", "driver test_hmm" },
		{ DRIVER_PID, DRIVER_PID + 1, "thread_name", "dmirror_interval_invalidate" },
		{ DRIVER_PID, DRIVER_PID + 2, "thread_name", "dmirror_interval_invalidate (2)" },
	};
	struct trace t;

	(void)state;
	start(&t);
	give_all(give, &t);
	finish(&t);
	assert_int_equal(count(&t, 'M', NULL), 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(name_of(&t, tracks[i].what, tracks[i].pid, tracks[i].tid),
				    tracks[i].name);
	clear(&t);
}

/*
 * Each callback is once in its driver's track, in the first lane that is free: 10 us long,
 * they begin 8 us apart, so the second thread's lie in the second lane.
 */
static void a_driver_has_its_callbacks(void **state)
{
	size_t lanes[2] = {}, performed = 0;
	struct trace t;

	(void)state;
	start(&t);
	give_all(give, &t);
	finish(&t);
	for (size_t i = 0; i < json_array_size(t.events); i++) {
		const json_t *e = event(&t, i), *end = event(&t, i + 1);
		__u32 lane = number(e, "tid") - DRIVER_PID - 1;

		if (type_of(e) != 'B' || number(e, "pid") != DRIVER_PID)
			continue;
		assert_true(lane < 2);
		lanes[lane]++;
		performed += !strcmp(word(e, "name"), "performed");
		assert_string_equal(arg(e, "task"), lane ? "trainer:1002" :
				    lanes[0] % 2 ? "trainer:1001" : "solver:2001");
		assert_int_equal(type_of(end), 'E');
		assert_int_equal(number(end, "tid"), number(e, "tid"));
		assert_int_equal(ns_of(end) - ns_of(e), 10000);
	}
	assert_int_equal(lanes[0], TURNS * 3 * 2);
	assert_int_equal(lanes[1], TURNS * 3);
	assert_int_equal(performed, TURNS * (THREADS + 1));
	assert_int_equal(check_nesting(&t, DRIVER_PID, DRIVER_PID + 1), 1);
	assert_int_equal(check_nesting(&t, DRIVER_PID, DRIVER_PID + 2), 1);
	clear(&t);
}

/* Is there a slice of `name` that begins there and then? */
static bool begins(const struct trace *t, const json_t *at, const char *name)
{
	for (size_t i = 0; i < json_array_size(t->events); i++) {
		const json_t *e = event(t, i);

		if (type_of(e) == 'B' && !strcmp(word(e, "name"), name) &&
		    number(e, "pid") == number(at, "pid") &&
		    number(e, "tid") == number(at, "tid") && ns_of(e) == ns_of(at))
			return true;
	}
	return false;
}

/*
 * The first thread's are performed on the way there, and the fault behind refaults them;
 * everybody's on the way back, and the last faults do.
 */
static void each_arrow_has_two_ends(void **state)
{
	const size_t arrows = TURNS + (size_t)TURNS * THREADS;
	struct trace t;

	(void)state;
	start(&t);
	give_all(give, &t);
	finish(&t);
	assert_int_equal(count(&t, 's', "refault"), arrows);
	assert_int_equal(count(&t, 'f', "refault"), arrows);
	for (size_t i = 0; i < arrows; i++) {
		const json_t *s = find(&t, 's', "refault", i), *f = find(&t, 'f', "refault", i);

		assert_int_equal(number(s, "id"), i + 1);
		assert_int_equal(number(f, "id"), i + 1);
		assert_string_equal(word(f, "bp"), "e");
		assert_true(ns_of(s) < ns_of(f));
		assert_int_equal(number(s, "pid"), number(f, "pid"));
		assert_true(begins(&t, s, "performed: dmirror_interval_invalidate"));
		assert_true(begins(&t, f, "device fault"));
	}
	clear(&t);
}

/* 64 pages in odd turns and 60 in even ones go there, 32 come back. */
static void counters_end_exactly(void **state)
{
	const json_int_t one = TURNS / 2 * 64 + (TURNS + 1) / 2 * 60 - TURNS * 32;
	const char *name = "dmirror_devices+0x0 [test_hmm]:";
	__u64 last_ns[2] = {};
	json_int_t last[2] = {};
	struct trace t;

	(void)state;
	start(&t);
	give_all(give, &t);
	finish(&t);
	assert_int_equal(count(&t, 'C', NULL), TURNS * THREADS * 2);
	for (size_t i = 0; i < (size_t)TURNS * THREADS * 2; i++) {
		const json_t *e = find(&t, 'C', name, i);
		bool solver = number(e, "pid") == 2001;

		assert_true(ns_of(e) >= last_ns[solver]);
		last_ns[solver] = ns_of(e);
		last[solver] = arg_number(e, "pages on the device");
	}
	assert_int_equal(last[0], 2 * one);
	assert_int_equal(last[1], one);
	assert_int_equal(one, 688);
	clear(&t);
}

static void tells_what_a_migration_was(void **state)
{
	struct trace t;
	const json_t *e;

	(void)state;
	start(&t);
	give_all(give, &t);
	finish(&t);
	e = find(&t, 'B', "to_device", 0);
	assert_string_equal(word(e, "cat"), "migration");
	assert_string_equal(arg(e, "owner"), "dmirror_devices+0x0 [test_hmm]");
	assert_string_equal(arg(e, "from"), "0x7f0000000000");
	assert_string_equal(arg(e, "to"), "0x7f0000040000");
	assert_int_equal(arg_number(e, "pages"), 64);
	assert_int_equal(arg_number(e, "asked"), 64);
	assert_int_equal(arg_number(e, "migrated"), 60);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(args(e),
				"not_migrated"), "busy")), 4);
	assert_int_equal(json_object_size(json_object_get(args(e), "not_migrated")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(args(e),
				"callbacks"), "performed")), 1);
	e = find(&t, 'B', "performed: dmirror_interval_invalidate", 0);
	assert_string_equal(arg(e, "driver"), "test_hmm");
	assert_string_equal(arg(e, "event"), "MIGRATE");
	assert_string_equal(arg(e, "phase"), "setup");
	assert_string_equal(arg(e, "outcome"), "performed");
	/* To the ns, and as it stands in the file. */
	assert_non_null(strstr(t.text, "\"tid\":1001,\"ts\":5000000000.123,\"cat\":\"migration\""));
	clear(&t);
}

static void is_whole_when_empty(void **state)
{
	struct trace t;
	const json_t *other;

	(void)state;
	start(&t);
	finish(&t);
	assert_int_equal(json_array_size(t.events), 0);
	other = json_object_get(t.json, "otherData");
	assert_string_equal(word(json_object_get(other, "recording"), "tool"), "made by hand");
	assert_null(json_object_get(t.json, "displayTimeUnit"));
	clear(&t);
	assert_int_equal(perfetto__close(NULL), 0);
}

/* It is in no counter of migrations, so it is in no number of slices of them. */
static void a_failed_setup_is_no_migration(void **state)
{
	struct activity *a = new_migration(1001, 1001, 1000, 1000, DIR_TO_DEVICE, PAGE, 0);
	struct trace t;

	(void)state;
	start(&t);
	a->head.flags = RECORD_FAILED;
	give(&t, a);
	finish(&t);
	assert_int_equal(count(&t, 'B', NULL), 1);
	assert_string_equal(word(find(&t, 'B', "to_device: setup failed", 0), "cat"),
			    "failed_setup");
	assert_int_equal(count(&t, 'C', NULL), 0);
	clear(&t);
}

/* What reaches out of the slice around it is cut there, and that is said. */
static void nests_whatever_the_times_are(void **state)
{
	struct trace t;
	struct activity *a, *n;

	(void)state;
	start(&t);
	a = new_migration(1001, 1001, 1000, 1000, DIR_TO_DEVICE, PAGE, 64);
	/* Begins in setup, which ends at 1100, ends in copy. */
	n = add_notification(a, 1050, 6, PHASE_SETUP, OUTCOME_PERFORMED);
	n->head.ns = 1150;
	/* Its callback as well, and that of the next ends behind the migration. */
	n->children[0]->begin = 1060;
	n->children[0]->head.ns = 1120;
	n = add_notification(a, 1950, 1, PHASE_FINALIZE, OUTCOME_PERFORMED);
	n->children[0]->begin = 1960;
	a->migration.finalize += 500;	/* the phases are longer than all */
	give(&t, a);
	finish(&t);
	assert_int_equal(check_nesting(&t, 1001, 1001), 4);
	assert_int_equal(arg_number(find(&t, 'B', "MIGRATE", 0), "cut_ns"), 50);
	assert_int_equal(arg_number(find(&t, 'B', "CLEAR", 0), "cut_ns"), 14950);
	assert_int_equal(arg_number(find(&t, 'B', "performed: dmirror_interval_invalidate", 0),
				    "cut_ns"), 20);
	assert_null(json_object_get(args(find(&t, 'B', "finalize", 0)), "cut_ns"));
	/* But in the driver's track. */
	for (size_t i = 0; i < json_array_size(t.events); i++)
		assert_true(ns_of(event(&t, i)) <= 2000 || number(event(&t, i), "pid") != 1001);
	clear(&t);
}

/* A migration in the copy phase of another, of which a device fault is the reason. */
static void nests_migrations(void **state)
{
	struct trace t;
	struct activity *outer, *inner;

	(void)state;
	start(&t);
	outer = new_migration(1001, 1001, 100000, 100000, DIR_TO_DEVICE, PAGE, 64);
	inner = new_migration(1001, 1001, 120000, 30000, DIR_EVICT, 0, 10);
	inner->head.from = inner->head.to = 0;
	inner->migration = (struct mmuscope_record_migration){
		.head = inner->head, .setup = 10000, .finalize = 20000, .migrated = 10
	};
	add_notification(inner, 121000, 1, PHASE_EVICT, OUTCOME_SKIPPED)->head.ns = 129000;
	inner->children[0]->children[0]->head.ns = 128000;
	add_child(outer, inner);
	give(&t, outer);
	finish(&t);
	/* to_device, copy, evict, setup, CLEAR, its callback */
	assert_int_equal(check_nesting(&t, 1001, 1001), 6);
	assert_int_equal(count(&t, 'B', "setup"), 2);
	assert_int_equal(count(&t, 'B', "copy"), 1);
	assert_null(json_object_get(args(find(&t, 'B', "evict", 0)), "from"));
	/* In the order of time: what ended first changes the counter first. */
	assert_int_equal(arg_number(find(&t, 'C', "dmirror_devices+0x0 [test_hmm]:", 0),
				    "pages on the device"), -10);
	assert_int_equal(arg_number(find(&t, 'C', "dmirror_devices+0x0 [test_hmm]:", 1),
				    "pages on the device"), 54);
	clear(&t);
}

/*
 * Without times there is a moment for each, in the right order inside each other; of 1 ns,
 * or no arrow could begin there.
 */
static void without_times_there_are_moments(void **state)
{
	struct trace t;
	struct activity *n;

	(void)state;
	start(&t);
	for (unsigned int i = 0; i < 2; i++) {
		n = set_range(new_activity(RECORD_NOTIFICATION, 1001, 1001, 1000 + 5 * i, 0), PAGE,
			      1);
		n->timed = false;
		add_child(n, new_callback(n, 998 + 5 * i, 0, OUTCOME_PERFORMED))->timed = false;
		n->head.flags = RECORD_UNTIMED;
		n->children[0]->head.flags |= RECORD_UNTIMED;
		give(&t, n);
	}
	/* It collides with the second, and asks for what both dropped. */
	give(&t, set_range(new_activity(RECORD_FAULT, 1001, 1002, 1001, 20), PAGE, 1));
	finish(&t);
	assert_int_equal(check_nesting(&t, DRIVER_PID, DRIVER_PID + 1), 1);
	for (unsigned int i = 0; i < 2; i++) {
		const json_t *s = find(&t, 's', "refault", i);

		assert_int_equal(ns_of(s), 997 + 5 * i);
		assert_true(begins(&t, s, "performed: dmirror_interval_invalidate"));
		assert_true(begins(&t, s, "UNMAP"));
		/* Where the fault begins, or not before it is asked for again. */
		assert_int_equal(ns_of(find(&t, 'f', "refault", i)), i ? 1003 : 1001);
	}
	assert_int_equal(check_nesting(&t, 1001, 1001), 2);
	assert_int_equal(count(&t, 'B', "UNMAP"), 2);
	assert_string_equal(arg(find(&t, 'B', "UNMAP", 0), "time"), "not measured");
	clear(&t);
}

/* Names may hold anything, and a damaged recording does. */
static void survives_any_name(void **state)
{
	struct trace t;
	struct activity *a;

	(void)state;
	start(&t);
	strcpy(t.info.names.processes[0].comm, "\"},{\"\n\\\xc3");
	strcpy(t.info.names.callbacks[0].symbol, "f\"\x7f\xff{]");
	strcpy(t.info.names.callbacks[0].module, "m\\\"");
	strcpy(t.info.names.owners[0].symbol, "o\"\x01\xe2\x82");
	a = new_migration(1001, 1001, 1000000, 100000, DIR_TO_DEVICE, PAGE, 64);
	add_notification(a, 1001000, 255, 255, OUTCOME_FAILED)->head.what = 0x123;
	a->head.phase = 200;
	a->head.event = 255;
	give(&t, a);
	a = new_activity(77, 1001, 1001, 2000000, 10);
	give(&t, a);
	a = new_activity(RECORD_CALLBACK, 0, 0, 0, 0);
	a->head.what = ~0ULL;
	a->orphan = true;
	give(&t, a);
	finish(&t);
	assert_string_equal(name_of(&t, "process_name", 1001, 0), "\"},{\"?\\?");
	assert_int_equal(count(&t, 'B', "failed: f\"??{]"), 1);
	assert_string_equal(arg(find(&t, 'B', "?", 0), "owner"), "o\"???");
	assert_string_equal(arg(find(&t, 'B', "skipped: ?", 0), "driver"), "");
	assert_true(json_is_true(json_object_get(args(find(&t, 'B', "skipped: ?",
							    0)), "orphan")));
	assert_string_equal(arg(find(&t, 'B', "?", 1), "owner"), "0x123");
	clear(&t);
}

#define AGAIN (DRIVER_PID + 2)	/* behind the driver's function */

/* A pid that is used again is another process, and unknown memory is none's. */
static void keeps_processes_apart(void **state)
{
	struct activity *a, *n;
	struct trace t;

	(void)state;
	start(&t);
	assert_int_equal(names__add_process(&t.info.names, 1001, (__u64)(START + 1) << 20,
					    "again"), 0);
	give(&t, set_range(new_activity(RECORD_FAULT, 1001, 1001, 1000, 10), PAGE, 1));
	a = set_range(new_activity(RECORD_FAULT, 1001, 1001, 2000, 10), PAGE, 1);
	a->head.start = START + 1;
	give(&t, a);
	give(&t, set_range(new_activity(RECORD_FAULT, 0, 50, 3000, 10), PAGE, 1));
	/* And what a task does to another's memory lies in its own track. */
	a = new_migration(1001, 1001, 4000000, 100000, DIR_TO_DEVICE, PAGE, 64);
	n = add_notification(a, 4000100, 6, PHASE_SETUP, OUTCOME_PERFORMED);
	n->head.tgid = n->children[0]->head.tgid = 2001;
	give(&t, a);
	/* Its owner asks for it. */
	give(&t, set_range(new_activity(RECORD_FAULT, 2001, 2001, 5000000, 10), PAGE, 1));
	finish(&t);
	assert_int_equal(number(find(&t, 's', "refault", 0), "pid"), 1001);
	assert_true(begins(&t, find(&t, 's', "refault", 0),
			   "performed: dmirror_interval_invalidate"));
	assert_int_equal(number(find(&t, 'f', "refault", 0), "pid"), 2001);
	assert_int_equal(number(find(&t, 'B', "device fault", 0), "pid"), 1001);
	assert_int_equal(number(find(&t, 'B', "device fault", 1), "pid"), AGAIN);
	assert_int_equal(number(find(&t, 'B', "device fault", 2), "pid"), AGAIN + 1);
	assert_string_equal(name_of(&t, "process_name", AGAIN, 0), "again");
	assert_string_equal(name_of(&t, "process_name", AGAIN + 1, 0), "(unknown)");
	assert_int_equal(number(find(&t, 'B', "MIGRATE", 0), "pid"), 1001);
	assert_string_equal(arg(find(&t, 'B', "MIGRATE", 0), "memory_of"), "solver:2001");
	clear(&t);
}

/* Neither a plain notifier's nor a skipped one, nor what exit drops, has a refault. */
static void only_a_performed_interval_is_refaulted(void **state)
{
	struct trace t;
	struct activity *c;

	(void)state;
	start(&t);
	for (unsigned int i = 0; i < 4; i++) {
		c = new_activity(RECORD_CALLBACK, 1001, 1001, 1000 + 100 * i, 10);
		c->head.flags = (i == 0 ? OUTCOME_SKIPPED : OUTCOME_PERFORMED)
				<< RECORD_OUTCOME_SHIFT;
		c->head.what = i == 1 ? CALLBACK_NOTIFIER : CALLBACK_INTERVAL;
		if (i == 2)
			c->head.to = ~0ULL;
		else
			set_range(c, PAGE, 1);
		give(&t, c);
	}
	give(&t, set_range(new_activity(RECORD_FAULT, 1001, 1001, 2000, 10), 0, 2));
	finish(&t);
	assert_int_equal(count(&t, 's', NULL), 1);
	assert_int_equal(count(&t, 'f', NULL), 1);
	assert_int_equal(ns_of(find(&t, 's', "refault", 0)), 1300);
	assert_string_equal(arg(find(&t, 'B', "performed: dmirror_interval_invalidate", 0),
				"range"), "the whole address space");
	clear(&t);
}

static void says_that_the_disk_is_full(void **state)
{
	struct trace t = {};

	(void)state;
	start_in(&t, fopen("/dev/full", "we"));
	give_all(give, &t);
	assert_int_equal(tell(&t), -EIO);
	assert_int_equal(perfetto__close(t.p), -EIO);
	fclose(t.out);
	clear(&t);
}

static void keeps_one_for_the_schema(void **state)
{
	const char *path = getenv("MMUSCOPE_TIMELINE");
	struct trace t = {};

	(void)state;
	start_in(&t, fopen(path ? path : "/dev/null", "we"));
	give_all(give, &t);
	assert_int_equal(tell(&t), 0);
	assert_int_equal(perfetto__close(t.p), 0);
	assert_int_equal(fclose(t.out), 0);
	clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_every_slice_once),
		cmocka_unit_test(names_tracks_once),
		cmocka_unit_test(a_driver_has_its_callbacks),
		cmocka_unit_test(each_arrow_has_two_ends),
		cmocka_unit_test(counters_end_exactly),
		cmocka_unit_test(tells_what_a_migration_was),
		cmocka_unit_test(a_failed_setup_is_no_migration),
		cmocka_unit_test(is_whole_when_empty),
		cmocka_unit_test(nests_whatever_the_times_are),
		cmocka_unit_test(nests_migrations),
		cmocka_unit_test(without_times_there_are_moments),
		cmocka_unit_test(survives_any_name),
		cmocka_unit_test(keeps_processes_apart),
		cmocka_unit_test(only_a_performed_interval_is_refaulted),
		cmocka_unit_test(says_that_the_disk_is_full),
		cmocka_unit_test(keeps_one_for_the_schema),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("perfetto", tests, NULL, NULL);
}
