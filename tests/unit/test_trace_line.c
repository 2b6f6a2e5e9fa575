// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "records.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "trace_line.h"

enum { UNMAP, CLEAR, MIGRATE = 6 };	/* enum mmu_notifier_event */

#define OWNER 0xffffffffa0005440ULL
#define STARTED 1000000000ULL
#define HEADING                                                                                \
	"     TIME s PROCESS              DIRECTION  ASKED COLLEC MIGRAT SETUP us  COPY us "  \
	"PAGES us FINAL us PERF SKIP AVOID EXCESS RANGE, OWNER\n"

/* The lines of what is put into `stream`. */
struct lines {
	struct stream stream;
	struct names names;
	struct trace_style style;
	FILE *out;
	char *text;
	size_t size;
};

static void set_up(struct lines *l)
{
	memset(l, 0, sizeof(*l));
	l->stream.ns = STARTED;
	assert_int_equal(names__add_process(&l->names, 10, 7ULL << 20, "hmm-prog"), 0);
	assert_int_equal(names__add_callback(&l->names, "mod_invalidate", "mod", "interval",
					     "fentry"),
			 0);
	assert_int_equal(names__add_owner(&l->names, OWNER, "devices+0x0 [mod]"), 0);
	l->style.names = &l->names;
	l->style.started = STARTED;
}

static int print(void *ctx, const struct activity *a)
{
	struct lines *l = ctx;

	return trace_line__print(&l->style, a, l->out);
}

static const char *text_of(struct lines *l)
{
	struct activities *as = activities__new(print, l);

	assert_non_null(as);
	l->out = open_memstream(&l->text, &l->size);
	assert_non_null(l->out);
	for (size_t i = 0; i < l->stream.count; i++)
		assert_int_equal(activities__add(as, &l->stream.items[i].head), 0);
	assert_int_equal(activities__finish(as), 0);
	activities__free(as);
	assert_int_equal(fclose(l->out), 0);
	return l->text;
}

static void tear_down(struct lines *l)
{
	free(l->stream.items);
	free(l->text);
	names__clear(&l->names);
}

/* A migration of 23 pages, of which 20 move, with a MIGRATE that acts; 3 excess pages. */
static void put_one(struct lines *l)
{
	struct mmuscope_record_migration *m;
	struct mmuscope_record *r;

	l->stream.ns = STARTED + 1000000;
	r = put_call(&l->stream, RECORD_CALLBACK, 11, 0x10000, 23, 5);
	r->event = MIGRATE;
	r->phase = PHASE_SETUP;
	r->took = 1500;
	r->flags |= RECORD_AVOIDABLE;
	r = put_call(&l->stream, RECORD_NOTIFICATION, 11, 0x10000, 23, 5);
	r->event = MIGRATE;
	r->phase = PHASE_SETUP;
	l->stream.ns = STARTED + 1999990;
	m = put_migration(&l->stream, 11, 0x10000, 23, 5, 0, 1500000);
	m->head.what = OWNER;
	m->setup = 700000;
	m->copy = 500000;
	m->pages = 200000;
	m->finalize = 100000;
	m->collected = 21;
	m->migrated = 20;
	m->pages_performed = 23;
	m->outcome[OUTCOME_PERFORMED] = 1;
	m->avoidable = 1;
	m->place[PAGE_BUSY - 1] = 2;
	m->place[PAGE_CHANGED - 1] = 1;
}

#define LINE                                                                                   \
	"   0.002000 hmm-prog:10          to_device     23     21     20    700.0    500.0 "   \
	"   200.0    100.0    1    0     1      3 10000-27000 devices+0x0 [mod]; not migrated: " \
	"2 busy, 1 changed\n"

static void a_line_for_a_migration(void **state)
{
	struct lines l;

	(void)state;
	set_up(&l);
	put_one(&l);
	assert_string_equal(text_of(&l), HEADING LINE);
	tear_down(&l);
}

static void what_is_in_it_is_indented(void **state)
{
	struct lines l;

	(void)state;
	set_up(&l);
	l.style.events = true;
	put_one(&l);
	assert_string_equal(
		text_of(&l),
		HEADING LINE
		"   0.001000   notification MIGRATE setup 10000-27000 1.5 us\n"
		"   0.001000     callback mod_invalidate performed (avoidable) 10000-27000 1.5 us\n");
	tear_down(&l);
}

/* Outside of migrations each line says whose it is. */
static void what_is_outside(void **state)
{
	struct lines l;
	struct mmuscope_record *r;

	(void)state;
	set_up(&l);
	l.style.events = true;
	r = put_call(&l.stream, RECORD_NOTIFICATION, 11, 0, 1, 0);
	r->event = UNMAP;
	r->to = ~0ULL;
	put_call(&l.stream, RECORD_NOTIFICATION, 11, 0x1000, 1, 0)->flags |= RECORD_FAILED;
	put_call(&l.stream, RECORD_FAULT, 11, 0x1000, 1, 0)->took = 2000;
	r = put_call(&l.stream, RECORD_FAULT, 11, 0x1000, 1, 0);
	r->what = (__u64)-EBUSY;
	r->flags = RECORD_RETRY;
	put_call(&l.stream, RECORD_FAULT, 11, 0x1000, 1, 0)->what = (__u64)-EFAULT;
	r = put_call(&l.stream, RECORD_CALLBACK, 21, 0x1000, 1, 0);
	r->what = 99;
	r->flags = OUTCOME_UNDETERMINED << RECORD_OUTCOME_SHIFT | RECORD_UNTIMED;
	put_call(&l.stream, RECORD_FAULT, 1, 0x1000, 1, 0)->took = 0;
	assert_string_equal(text_of(&l), HEADING
		"   0.000000 hmm-prog:10 notification UNMAP outside whole address space\n"
		"   0.000000 hmm-prog:10 notification UNMAP outside 1000-2000 failed\n"
		"   0.000000 hmm-prog:10 device fault 1000-2000 2.0 us\n"
		"   0.000000 hmm-prog:10 device fault, to be tried again 1000-2000 0.0 us\n"
		"   0.000000 hmm-prog:10 device fault: Bad address 1000-2000 0.0 us\n"
		/* tgid 0 is not known. */
		"   0.000000 (unknown):0 device fault 1000-2000 0.0 us\n"
		"   0.000000 ?:20 callback ? undetermined 1000-2000\n");
	tear_down(&l);
}

static void an_eviction_has_no_range(void **state)
{
	struct mmuscope_record_migration *m;
	struct lines l;

	(void)state;
	set_up(&l);
	m = put_migration(&l.stream, 11, 0, 0, 1, 0, 0);
	m->head.phase = DIR_EVICT;
	m->asked = 65536;
	m = put_migration(&l.stream, 11, 0x1000, 1, 2, 0, 0);
	m->head.flags = RECORD_FAILED;
	m->migrated = m->collected = 0;
	assert_string_equal(text_of(&l), HEADING
		"   0.000000 hmm-prog:10          evict      65536      0      0      0.0      0.0 "
		"     0.0      0.0    0    0     0      0\n"
		"   0.000000 hmm-prog:10          to_device      1      0      0      0.0      0.0 "
		"     0.0      0.0    0    0     0      0 1000-2000; migrate_vma_setup() failed\n");
	tear_down(&l);
}

static void the_heading_comes_again(void **state)
{
	struct lines l;
	size_t headings = 0, lines = 0;

	(void)state;
	set_up(&l);
	for (__u32 i = 0; i < 97; i++)
		put_migration(&l.stream, 11, 0x1000, 1, i + 1, 0, 0);
	for (const char *at = text_of(&l); *at; at = strchr(at, '\n') + 1) {
		assert_int_equal(!strncmp(at, HEADING, 30), lines % 41 == 0);
		headings += lines++ % 41 == 0;
	}
	assert_int_equal(headings, 3);
	assert_int_equal(lines, 100);
	tear_down(&l);
}

/* ---- JSON ---- */

static json_t *json_of(struct lines *l)
{
	json_error_t error;
	json_t *o;

	l->style.json = true;
	o = json_loads(text_of(l), 0, &error);
	if (!o)
		fail_msg("%s: %s", error.text, l->text);
	return o;
}

static json_int_t number(json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static void is_string(json_t *o, const char *key, const char *expected)
{
	assert_true(json_is_string(json_object_get(o, key)));
	assert_string_equal(json_string_value(json_object_get(o, key)), expected);
}

static void a_migration_as_json(void **state)
{
	json_t *o, *unmoved;
	struct lines l;
	json_int_t sum = 0;
	json_t *value;
	const char *key;

	(void)state;
	set_up(&l);
	put_one(&l);
	o = json_of(&l);
	is_string(o, "type", "migration");
	is_string(o, "comm", "hmm-prog");
	is_string(o, "direction", "to_device");
	is_string(o, "owner", "devices+0x0 [mod]");
	assert_int_equal(number(o, "pid"), 10);
	assert_int_equal(number(o, "tid"), 11);
	assert_int_equal(number(o, "from"), 0x10000);
	assert_int_equal(number(o, "to"), 0x27000);
	assert_int_equal(number(o, "end_ns"), STARTED + 2000000);
	assert_int_equal(number(o, "took_ns"), 1500000);
	assert_int_equal(number(o, "setup_ns") + number(o, "copy_ns") + number(o, "pages_ns") +
				 number(o, "finalize_ns"),
			 1500000);
	assert_int_equal(number(o, "excess"), 3);
	assert_int_equal(number(o, "avoidable"), 1);
	assert_int_equal(number(json_object_get(o, "callbacks"), "performed"), 1);
	unmoved = json_object_get(o, "unmoved");
	json_object_foreach(unmoved, key, value)
		sum += json_integer_value(value);
	assert_int_equal(json_object_size(unmoved), PAGE_MAX - 1);
	assert_int_equal(number(o, "asked"), number(o, "migrated") + sum);
	assert_true(json_is_false(json_object_get(o, "failed")));
	assert_null(json_object_get(o, "children"));
	assert_null(json_object_get(o, "stack"));
	json_decref(o);
	tear_down(&l);
}

static void children_as_json(void **state)
{
	json_t *o, *n, *c;
	struct lines l;

	(void)state;
	set_up(&l);
	l.style.events = true;
	put_one(&l);
	o = json_of(&l);
	assert_int_equal(json_array_size(json_object_get(o, "children")), 1);
	n = json_array_get(json_object_get(o, "children"), 0);
	is_string(n, "type", "notification");
	is_string(n, "event", "MIGRATE");
	is_string(n, "phase", "setup");
	assert_int_equal(json_array_size(json_object_get(n, "children")), 1);
	c = json_array_get(json_object_get(n, "children"), 0);
	is_string(c, "type", "callback");
	is_string(c, "symbol", "mod_invalidate");
	is_string(c, "outcome", "performed");
	assert_true(json_is_true(json_object_get(c, "avoidable")));
	assert_null(json_object_get(c, "children"));
	json_decref(o);
	tear_down(&l);
}

/* What cannot be told is null, never 0. */
static void nulls_as_json(void **state)
{
	struct mmuscope_record *r;
	struct lines l;
	json_t *o;

	(void)state;
	set_up(&l);
	l.style.events = true;
	r = put_call(&l.stream, RECORD_NOTIFICATION, 11, 0, 1, 0);
	r->to = ~0ULL;
	o = json_of(&l);
	assert_true(json_is_null(json_object_get(o, "to")));
	assert_true(json_is_null(json_object_get(o, "took_ns")));
	json_decref(o);
	tear_down(&l);

	set_up(&l);
	put_migration(&l.stream, 11, 0x1000, 1, 1, 0, 0);
	o = json_of(&l);
	assert_true(json_is_null(json_object_get(o, "owner")));
	json_decref(o);
	tear_down(&l);
}

/* ---- stacks ---- */

static struct ksyms *symbols(void)
{
	static const char text[] = "ffffffff81000000 T __mmu_notifier_invalidate_range_start\n"
				   "ffffffff81001000 T migrate_vma_setup\n"
				   "ffffffff81002000 t driver_ioctl\n"
				   "ffffffff81003000 T entry\n";
	char path[] = "/tmp/symbols-XXXXXX";
	int fd = mkstemp(path);
	struct ksyms *k;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(ksyms__read(&k, path, KSYMS_FUNCTIONS), 0);
	unlink(path);
	return k;
}

static void a_stack_begins_with_who_called(void **state)
{
	const __u64 ip[MMUSCOPE_STACK_DEPTH] = { 0xffffffff81001010, 0xffffffff81002020,
						 0xffffffff81003030 };
	struct causes causes = { .every = 1, .ksyms = symbols() };
	json_t *o, *frames;
	struct lines l;

	(void)state;
	assert_int_equal(causes__add_stack(&causes, 3, ip), 0);
	for (int json = 0; json < 2; json++) {
		set_up(&l);
		l.style.stacks = true;
		l.style.causes = &causes;
		put_migration(&l.stream, 11, 0x1000, 1, 1, 0, 0)->stack = 3;
		/* One that is not known. */
		put_migration(&l.stream, 11, 0x1000, 1, 2, 0, 0)->stack = json ? 3 : 4;
		if (json) {
			l.stream.count = 1;
			o = json_of(&l);
			frames = json_object_get(json_object_get(o, "stack"), "frames");
			assert_int_equal(json_array_size(frames), 2);
			assert_string_equal(json_string_value(json_array_get(frames, 0)),
					    "driver_ioctl");
			json_decref(o);
		} else {
			char *by = strstr(text_of(&l), "\n              by migration: ");

			assert_non_null(by);
			assert_int_equal(strncmp(by + 1,
						 "              by migration: driver_ioctl < entry\n",
						 48),
					 0);
			assert_null(strstr(by + 1, "\n              by"));
		}
		tear_down(&l);
	}
	causes__clear(&causes);
}

/* A trampoline that was jumped to (7.2) leaves nothing of migrate_vma_setup() on the stack. */
static void a_migration_is_a_migration_without_its_function(void **state)
{
	const __u64 ip[MMUSCOPE_STACK_DEPTH] = { 0xffffffff81002020, 0xffffffff81003030 };
	struct causes causes = { .every = 1, .ksyms = symbols() };
	struct lines l;
	json_t *o;

	(void)state;
	assert_int_equal(causes__add_stack(&causes, 3, ip), 0);
	assert_string_equal(causes__stack(&causes, 3)->cause, CAUSE_OTHER);
	set_up(&l);
	l.style.stacks = true;
	l.style.causes = &causes;
	put_migration(&l.stream, 11, 0x1000, 1, 1, 0, 0)->stack = 3;
	o = json_of(&l);
	is_string(json_object_get(o, "stack"), "cause", "migration");
	json_decref(o);
	tear_down(&l);
	causes__clear(&causes);
}

static void a_full_disk_is_told(void **state)
{
	struct activity a = {};
	struct names names = {};
	struct trace_style style = { .names = &names };
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	a.head.kind = RECORD_MIGRATION;
	a.stack = -1;
	setvbuf(full, NULL, _IONBF, 0);
	assert_int_equal(trace_line__print(&style, &a, full), -EIO);
	style.json = true;
	assert_int_equal(trace_line__print(&style, &a, full), -EIO);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_for_a_migration),
		cmocka_unit_test(what_is_in_it_is_indented),
		cmocka_unit_test(what_is_outside),
		cmocka_unit_test(an_eviction_has_no_range),
		cmocka_unit_test(the_heading_comes_again),
		cmocka_unit_test(a_migration_as_json),
		cmocka_unit_test(children_as_json),
		cmocka_unit_test(nulls_as_json),
		cmocka_unit_test(a_stack_begins_with_who_called),
		cmocka_unit_test(a_migration_is_a_migration_without_its_function),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
