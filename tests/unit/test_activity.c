// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "records.h"

#include <errno.h>
#include <stdio.h>

#include "activity.h"

/* What done() was given, as text: "M1(N(CC)F)" is a migration with what is in it. */
struct outline {
	char text[4096];
	size_t used;
	__u64 tree_count, migrations, notifications, callbacks, orphans;
	struct activity last;	/* without what it points to */
	int answer;
};

/* What has no room is only counted. */
__attribute__((format(printf, 2, 3))) static void say(struct outline *o, const char *fmt, ...)
{
	va_list ap;

	if (o->used + 32 > sizeof(o->text))
		return;
	va_start(ap, fmt);
	o->used += (size_t)vsnprintf(o->text + o->used, 32, fmt, ap);
	va_end(ap);
}

static void write_outline(struct outline *o, const struct activity *a)
{
	static const char letters[] = "?NCFM";

	o->migrations += a->head.kind == RECORD_MIGRATION;
	o->notifications += a->head.kind == RECORD_NOTIFICATION;
	o->callbacks += a->head.kind == RECORD_CALLBACK;
	o->orphans += a->orphan;
	say(o, "%s%c", a->orphan ? "!" : "", letters[a->head.kind]);
	if (a->head.kind == RECORD_MIGRATION)
		say(o, "%u", a->head.migration);
	if (!a->child_count)
		return;
	say(o, "(");
	for (size_t i = 0; i < a->child_count; i++)
		write_outline(o, a->children[i]);
	say(o, ")");
}

static int done(void *ctx, const struct activity *a)
{
	struct outline *o = ctx;

	if (o->tree_count++)
		say(o, " ");
	write_outline(o, a);
	o->last = *a;
	return o->answer;
}

static void run(struct stream *s, struct outline *o)
{
	struct activities *as = activities__new(done, o);

	assert_non_null(as);
	for (size_t i = 0; i < s->count; i++) {
		/* No slot more than there are: the sanitizers watch. */
		size_t size = s->items[i].head.kind == RECORD_MIGRATION ? 192 :
			      s->items[i].head.kind == RECORD_PAGES	? 128 :
									  64;
		void *copy = malloc(size);

		assert_non_null(copy);
		memcpy(copy, &s->items[i], size);
		assert_int_equal(activities__add(as, copy), 0);
		free(copy);
	}
	assert_int_equal(activities__finish(as), 0);
	activities__free(as);
	free(s->items);
	*s = (struct stream){};
}

static struct outline outline_of(struct stream *s)
{
	struct outline o = {};

	run(s, &o);
	return o;
}

static void nothing_is_nothing(void **state)
{
	struct stream s = {};

	(void)state;
	assert_int_equal(outline_of(&s).tree_count, 0);
	activities__free(NULL);
}

static void a_callback_belongs_to_the_next_notification(void **state)
{
	struct stream s = {};
	struct outline o;

	(void)state;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	o = outline_of(&s);
	assert_string_equal(o.text, "N(CC) N");
}

/* Untimed, it began when its first child did; without one nothing tells. */
static void a_notification_has_the_time_of_its_callbacks(void **state)
{
	struct stream s = {};
	struct outline o;

	(void)state;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0)->took = 7;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0)->took = 7;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	o = outline_of(&s);
	assert_int_equal(o.last.begin, 3);
	assert_int_equal(o.last.head.ns, 30);
	assert_true(o.last.timed);

	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	o = outline_of(&s);
	assert_int_equal(o.last.begin, 10);
	assert_false(o.last.timed);
}

static void callbacks_of_a_lost_notification_are_orphans(void **state)
{
	struct stream s = {};

	(void)state;
	/* Another range, another event, another phase, another migration. */
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 5, 0);
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0)->event = 6;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0)->phase = PHASE_COPY;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	/* And with one between that has its own. */
	put_call(&s, RECORD_CALLBACK, 1, 0x90000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	/* A fault shows that it was lost. */
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	/* So does the end. */
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	assert_string_equal(outline_of(&s).text, "!C N !C N !C N !C N(C) !C F N !C");
}

/* The kernel tells it without a notification; the next one is of something else. */
static void a_release_has_no_parent(void **state)
{
	struct stream s = {};
	struct outline o;

	(void)state;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 1, 0, 1, 0)->event = 5;
	put_call(&s, RECORD_CALLBACK, 1, 0, 1, 0)->event = 5;
	put_call(&s, RECORD_CALLBACK, 1, 0, 1, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0, 1, 0);
	o = outline_of(&s);
	assert_string_equal(o.text, "!C C C N(C)");
	assert_int_equal(o.orphans, 1);
}

static void tasks_stay_apart(void **state)
{
	struct stream s = {};

	(void)state;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 2, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 2, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 2, 0x10000, 4, 0);
	/* Ids are a task's own. */
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 1);
	put_call(&s, RECORD_FAULT, 2, 0x10000, 4, 1);
	put_migration(&s, 2, 0x10000, 4, 1, 0, 20);
	put_migration(&s, 1, 0x10000, 4, 1, 0, 50);
	assert_string_equal(outline_of(&s).text, "N(C) N(CC) M1(F) M1(N)");
}

/* A driver evicts while it allocates for a migration. */
static void migrations_nest(void **state)
{
	struct stream s = {};

	(void)state;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 1);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 1);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 2);
	put_migration(&s, 1, 0x20000, 4, 3, 2, 5);
	put_migration(&s, 1, 0x20000, 4, 2, 1, 30);
	put_migration(&s, 1, 0x30000, 4, 4, 1, 5);
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 1);
	put_migration(&s, 1, 0x10000, 4, 1, 0, 200);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	assert_string_equal(outline_of(&s).text, "M1(N(C)M2(NM3)M4F) N");
}

static void a_lost_callback_parent_still_has_its_migration(void **state)
{
	struct stream s = {};

	(void)state;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 1);
	put_migration(&s, 1, 0x10000, 4, 1, 0, 100);
	assert_string_equal(outline_of(&s).text, "M1(!C)");
}

static void children_of_a_lost_migration_are_orphans(void **state)
{
	struct stream s = {};

	(void)state;
	/* Migration 1 is lost: what comes next is in none. */
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 1);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x20000, 4, 0);
	/* Migration 2 is lost: 3 has none around it. */
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 2);
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 3);
	put_migration(&s, 1, 0x10000, 4, 3, 0, 15);
	/* Migration 5 is lost inside 4. */
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 4);
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 5);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 4);
	put_migration(&s, 1, 0x10000, 4, 4, 0, 500);
	/* Migration 6, around 7, and the end. */
	put_migration(&s, 1, 0x10000, 4, 7, 6, 5);
	assert_string_equal(outline_of(&s).text, "!N N !N M3(F) !F M4(NN) !M7");
}

/* Ids are unique only among those that are open: the next may be 1 again. */
static void a_migration_adopts_nothing_from_before_it_began(void **state)
{
	struct mmuscope_record_pages *p;
	struct stream s = {};
	struct outline o;

	(void)state;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 1);
	p = &put_record(&s, RECORD_PAGES, 1)->pages;
	p->head.migration = 1;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 1);
	put_migration(&s, 1, 0x10000, 4, 1, 0, 15);
	o = outline_of(&s);
	assert_string_equal(o.text, "!N M1(N)");
	assert_int_equal(o.last.page_records, 0);
}

static void memory_is_bounded_where_parents_are_left_out(void **state)
{
	struct stream s = {};
	struct outline o;

	(void)state;
	/* Every record in another migration that never ends: only a few wait. */
	for (__u32 i = 0; i < 997; i++)
		put_call(&s, RECORD_FAULT, 1, 0x10000, 4, i + 1);
	/* A tower of migrations that no kernel builds. */
	for (__u32 i = 0; i < 997; i++)
		put_migration(&s, 2, 0x10000, 4, i + 1, i + 2, 10 * i + 5);
	/* One that is in itself. */
	put_migration(&s, 3, 0x10000, 4, 9, 9, 5);
	o = outline_of(&s);
	assert_int_equal(o.migrations, 998);
	assert_true(o.tree_count > 997 + 997 / 4);
}

static int check_page_records(void *ctx, const struct activity *a)
{
	(void)ctx;
	assert_int_equal(a->page_records, 2);
	assert_int_equal(a->pages[0].head.from, 0x100000);
	assert_int_equal(activity__page(a, 0x100000), PAGE_BUSY);
	assert_int_equal(activity__page(a, 0x100000 + PAGE), PAGE_MIGRATED);
	assert_int_equal(activity__page(a, 0x100000 + 127 * PAGE), PAGE_HOLE);
	/* The record of the second 128 pages was lost. */
	assert_int_equal(activity__page(a, 0x100000 + 128 * PAGE), PAGE_MAX);
	assert_int_equal(activity__page(a, 0x100000 + 255 * PAGE), PAGE_MAX);
	assert_int_equal(activity__page(a, 0x100000 + 256 * PAGE), PAGE_NO_DESTINATION);
	/* Damaged. */
	assert_int_equal(activity__page(a, 0x100000 + 257 * PAGE), PAGE_MAX);
	assert_int_equal(activity__page(a, 0x100000 + 258 * PAGE), PAGE_MIGRATED);
	/* Outside. */
	assert_int_equal(activity__page(a, 0x100000 - PAGE), PAGE_MAX);
	assert_int_equal(activity__page(a, 0x100000 + 300 * PAGE), PAGE_MAX);
	return 0;
}

static void tells_how_a_page_fared(void **state)
{
	struct activities *as = activities__new(check_page_records, NULL);
	struct mmuscope_record_migration *m;
	struct mmuscope_record_pages *p;
	struct stream s = {};

	(void)state;
	assert_non_null(as);
	/* The higher address first: they are sorted. */
	p = &put_record(&s, RECORD_PAGES, 1)->pages;
	p->head.migration = 1;
	p->head.from = 0x100000 + 256 * PAGE;
	p->head.to = 0x100000 + 300 * PAGE;
	p->page[0] = PAGE_NO_DESTINATION | 0xf0;
	p = &put_record(&s, RECORD_PAGES, 1)->pages;
	p->head.migration = 1;
	p->head.from = 0x100000;
	p->head.to = 0x100000 + 128 * PAGE;
	p->page[0] = PAGE_BUSY;
	p->page[63] = PAGE_HOLE << 4;
	m = put_migration(&s, 1, 0x100000, 300, 1, 0, 500);
	m->migrated = 200;
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(activities__add(as, &s.items[i].head), 0);
	activities__free(as);
	free(s.items);
}

/* No records of pages are needed where all fared alike. */
static void pages_that_all_fared_alike(void **state)
{
	struct activity a = { .migration = {
				      .head = { .from = 0x100000, .to = 0x100000 + 8 * PAGE },
				      .asked = 8,
				      .migrated = 8,
			      } };

	(void)state;
	assert_int_equal(activity__page(&a, 0x100000 + 7 * PAGE), PAGE_MIGRATED);
	assert_int_equal(activity__page(&a, 0x100000 + 8 * PAGE), PAGE_MAX);
	a.migration.migrated = 0;
	a.migration.place[PAGE_NOT_SELECTED - 1] = 8;
	assert_int_equal(activity__page(&a, 0x100000), PAGE_NOT_SELECTED);
	a.migration.place[PAGE_NOT_SELECTED - 1] = 7;
	assert_int_equal(activity__page(&a, 0x100000), PAGE_MAX);
	/* An eviction has no range. */
	a = (struct activity){ .migration = { .asked = 8, .migrated = 8 } };
	assert_int_equal(activity__page(&a, 0), PAGE_MAX);
}

static int stacks[8], stack_count;

static int note_stack(void *ctx, const struct activity *a)
{
	(void)ctx;
	assert_true(stack_count < 8);
	stacks[stack_count++] = a->stack;
	return 0;
}

static void a_stack_is_that_of_the_next_notification(void **state)
{
	static const int expected[] = { 11, 12, -1, -1, -1, 15, -1 };
	struct activities *as = activities__new(note_stack, NULL);
	struct mmuscope_record *r;
	struct stream s = {};

	(void)state;
	assert_non_null(as);
	/* Before its callbacks, or after. */
	put_record(&s, RECORD_STACK, 1)->head.what = 11;
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 1, 0x10000, 4, 0);
	put_record(&s, RECORD_STACK, 1)->head.what = 12;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	/* That of a notification which was lost. */
	put_record(&s, RECORD_STACK, 1)->head.what = 13;
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	/* Where it tells what it is of. */
	r = put_call(&s, RECORD_STACK, 1, 0x10000, 4, 0);
	r->what = 15;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	r = put_call(&s, RECORD_STACK, 1, 0x20000, 4, 0);
	r->what = 16;
	put_call(&s, RECORD_NOTIFICATION, 1, 0x10000, 4, 0);
	for (size_t i = 0; i < s.count; i++)
		assert_int_equal(activities__add(as, &s.items[i].head), 0);
	activities__free(as);
	free(s.items);
	assert_int_equal(stack_count, 7);
	assert_memory_equal(stacks, expected, sizeof(expected));
}

static void an_error_of_the_receiver_ends_it(void **state)
{
	struct outline o = { .answer = -EPIPE };
	struct activities *as = activities__new(done, &o);
	struct stream s = {};

	(void)state;
	assert_non_null(as);
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 1);
	put_call(&s, RECORD_FAULT, 1, 0x10000, 4, 0);
	put_call(&s, RECORD_CALLBACK, 2, 0x10000, 4, 0);
	assert_int_equal(activities__add(as, &s.items[0].head), 0);
	assert_int_equal(activities__add(as, &s.items[1].head), -EPIPE);
	/* Only the first was handed over; the other was freed. */
	assert_int_equal(o.tree_count, 1);
	assert_int_equal(activities__add(as, &s.items[2].head), 0);
	assert_int_equal(activities__finish(as), -EPIPE);
	assert_int_equal(activities__finish(as), 0);
	activities__free(as);
	free(s.items);
}

/*
 * Two threads and two processes at once, 997 migrations: each with two notifications of
 * two callbacks, every seventh with one of two more inside.
 */
static void a_prime_number_of_migrations(void **state)
{
	static const __u32 tasks[] = { 120, 121, 130, 131 };
	struct stream s = {};
	struct outline o;

	(void)state;
	for (__u32 i = 0; i < 997; i += 4) {
		for (int step = 0; step < 8; step++) {
			for (__u32 j = 0; j < 4 && i + j < 997; j++) {
				__u32 task = tasks[j], id = i + j + 1;
				__u64 from = 0x10000ULL * id;

				if (step == 7)
					put_migration(&s, task, from, 16, id, 0, 2000);
				else if (step == 6 && !(id % 7))
					put_migration(&s, task, from, 8, id + 1000, id, 30);
				else if (step == 2 || step == 5)
					put_call(&s, RECORD_NOTIFICATION, task, from, 16, id);
				else if (step < 6)
					put_call(&s, RECORD_CALLBACK, task, from, 16, id);
			}
		}
	}
	o = outline_of(&s);
	assert_int_equal(o.tree_count, 997);
	assert_int_equal(o.migrations, 997 + 997 / 7);
	assert_int_equal(o.notifications, 997 * 2);
	assert_int_equal(o.callbacks, 997 * 4);
	assert_int_equal(o.orphans, 0);
	assert_memory_equal(o.text, "M1(N(CC)N(CC)) M2(N(CC)N(CC)) ", 30);
	assert_non_null(strstr(o.text, "M7(N(CC)N(CC)M1007) "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(a_callback_belongs_to_the_next_notification),
		cmocka_unit_test(a_notification_has_the_time_of_its_callbacks),
		cmocka_unit_test(callbacks_of_a_lost_notification_are_orphans),
		cmocka_unit_test(a_release_has_no_parent),
		cmocka_unit_test(tasks_stay_apart),
		cmocka_unit_test(migrations_nest),
		cmocka_unit_test(a_lost_callback_parent_still_has_its_migration),
		cmocka_unit_test(children_of_a_lost_migration_are_orphans),
		cmocka_unit_test(a_migration_adopts_nothing_from_before_it_began),
		cmocka_unit_test(memory_is_bounded_where_parents_are_left_out),
		cmocka_unit_test(tells_how_a_page_fared),
		cmocka_unit_test(pages_that_all_fared_alike),
		cmocka_unit_test(a_stack_is_that_of_the_next_notification),
		cmocka_unit_test(an_error_of_the_receiver_ends_it),
		cmocka_unit_test(a_prime_number_of_migrations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
