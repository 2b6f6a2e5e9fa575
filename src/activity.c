// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts records together, task by task. What waits for a parent that was lost must not
 * wait for ever, and must not fall to a stranger: each record of a task tells which of
 * its migrations are over.
 */
#include "activity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "keyed.h"
#include "record.h"

/* Migrations nest no deeper in the kernel side; a damaged recording may say anything. */
#define DEPTH_MAX 4
/* enum mmu_notifier_event: of an address space that goes, told without a notification. */
#define EVENT_RELEASE 5
/* Of one task; where all parents are left out of a recording children would pile up. */
#define WAITING_MAX (1 << 18)

struct node {
	struct activity a;	/* first: what others see */
	unsigned int depth;	/* of the migrations in it */
};

struct list {
	struct activity **items;
	size_t count;
};

/* A migration that a task has open, by what says that it is inside. */
struct frame {
	__u32 id;
	unsigned int depth;	/* of the migrations in it */
	struct list children;
	struct mmuscope_record_pages *pages;
	size_t page_records;
};

struct task {
	__u32 tid;
	__s32 stack;		/* of the next notification, below 0: none */
	__u64 stack_from, stack_to; /* what that is about, 0, 0: the record does not tell */
	struct list callbacks;	/* that wait for it */
	struct frame frames[DEPTH_MAX]; /* the outermost first */
	size_t frame_count;
};

struct task_entry {
	__u32 tid;
	struct task *task;
};

struct activities {
	int (*done)(void *ctx, const struct activity *a);
	void *ctx;
	int err;		/* of the record that is being taken */
	struct keyed tasks;	/* struct task_entry */
};

enum mmuscope_outcome activity__outcome(const struct activity *a)
{
	return record__outcome(&a->head);
}

/* ---- pages ---- */

/* The record whose range has the page; they lie apart and are sorted. */
static const struct mmuscope_record_pages *pages_at(const struct activity *a, __u64 page)
{
	size_t low = 0, high = a->page_records;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (a->pages[mid].head.from > page)
			high = mid;
		else
			low = mid + 1;
	}
	return low && page < a->pages[low - 1].head.to ? &a->pages[low - 1] : NULL;
}

enum mmuscope_page activity__page(const struct activity *a, __u64 page)
{
	const struct mmuscope_record_migration *m = &a->migration;
	const struct mmuscope_record_pages *p;
	unsigned int fate;
	__u64 i;

	if (page < a->head.from || page >= a->head.to)
		return PAGE_MAX;
	/* Where all fared alike nothing more need be recorded. */
	if (m->migrated == m->asked)
		return PAGE_MIGRATED;
	for (int fate = 1; fate < PAGE_MAX; fate++)
		if (m->place[fate - 1] == m->asked)
			return (enum mmuscope_page)fate;
	p = pages_at(a, page);
	i = p ? (page - p->head.from) >> 12 : RECORD_PAGES_MAX;
	if (i >= RECORD_PAGES_MAX)
		return PAGE_MAX;
	fate = p->page[i / 2] >> (i % 2 * 4) & 0xf;
	return fate < PAGE_MAX ? (enum mmuscope_page)fate : PAGE_MAX;
}

static int compare_pages(const void *a, const void *b)
{
	const struct mmuscope_record_pages *x = a, *y = b;

	return x->head.from < y->head.from ? -1 : x->head.from > y->head.from;
}

/* ---- lists ---- */

static void activity__free(struct activity *a)
{
	for (size_t i = 0; i < a->child_count; i++)
		activity__free(a->children[i]);
	free(a->children);
	free(a->pages);
	free(a);
}

/* Takes the activity over, with or without memory for it. */
static void list__add(struct activities *as, struct list *l, struct activity *a)
{
	struct activity **items = grow(l->items, l->count, sizeof(*items));

	if (!items) {
		as->err = as->err ? as->err : -ENOMEM;
		activity__free(a);
		return;
	}
	l->items = items;
	items[l->count++] = a;
}

/* Hands it over and frees it; after an error of this record it is only freed. */
static void deliver(struct activities *as, struct activity *a)
{
	if (!as->err)
		as->err = as->done(as->ctx, a);
	activity__free(a);
}

static void deliver_orphan(struct activities *as, struct activity *a)
{
	a->orphan = true;
	deliver(as, a);
}

static void deliver_orphans(struct activities *as, struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		deliver_orphan(as, l->items[i]);
	free(l->items);
	*l = (struct list){};
}

/* ---- frames ---- */

static void drop_frame(struct activities *as, struct frame *f)
{
	deliver_orphans(as, &f->children);
	free(f->pages);
	*f = (struct frame){};
}

/* Only the outermost `n` are still open: the others have ended, and were not recorded. */
static void keep_frames(struct activities *as, struct task *t, size_t n)
{
	while (t->frame_count > n)
		drop_frame(as, &t->frames[--t->frame_count]);
}

/* NULL where nothing of this migration was recorded so far. What is inside it has ended. */
static struct frame *find_frame(struct activities *as, struct task *t, __u32 id)
{
	for (size_t i = t->frame_count; i; i--) {
		if (t->frames[i - 1].id != id)
			continue;
		keep_frames(as, t, i);
		return &t->frames[i - 1];
	}
	return NULL;
}

/* The innermost open migration of the task is this. */
static struct frame *open_frame(struct activities *as, struct task *t, __u32 id)
{
	struct frame *f = find_frame(as, t, id);

	if (f)
		return f;
	/* No task has as many open: one was lost, and the oldest is the likeliest. */
	if (t->frame_count == DEPTH_MAX) {
		drop_frame(as, &t->frames[0]);
		memmove(&t->frames[0], &t->frames[1], (DEPTH_MAX - 1) * sizeof(*f));
		t->frame_count--;
	}
	f = &t->frames[t->frame_count++];
	*f = (struct frame){ .id = id };
	return f;
}

/* Gives it to the migration it is in, or to done() where there is none. */
static void settle(struct activities *as, struct task *t, struct activity *a, __u32 parent)
{
	unsigned int depth = ((struct node *)a)->depth;
	struct frame *f;

	if (!parent) {
		keep_frames(as, t, 0);
		deliver(as, a);
		return;
	}
	f = open_frame(as, t, parent);
	/* Not of the kernel's making: no parent has room for it. */
	if (depth >= DEPTH_MAX) {
		deliver_orphan(as, a);
		return;
	}
	if (f->children.count >= WAITING_MAX)
		deliver_orphans(as, &f->children);
	if (f->depth < depth)
		f->depth = depth;
	list__add(as, &f->children, a);
}

/* ---- records ---- */

static struct activity *new_activity(struct activities *as, const struct mmuscope_record *rec)
{
	struct node *n = malloc(sizeof(*n));
	struct activity *a;

	if (!n) {
		as->err = -ENOMEM;
		return NULL;
	}
	a = &n->a;
	n->depth = 0;
	/* The rest of the union is a migration's alone, and it is never looked at else. */
	if (rec->kind == RECORD_MIGRATION)
		memcpy(&a->migration, rec, sizeof(a->migration));
	else
		a->head = *rec;
	a->timed = !(rec->flags & RECORD_UNTIMED);
	a->begin = record__begin(rec);
	a->stack = -1;
	a->children = NULL;
	a->child_count = 0;
	a->pages = NULL;
	a->page_records = 0;
	a->orphan = false;
	return a;
}

static bool is_callback_of(const struct mmuscope_record *c, const struct mmuscope_record *n)
{
	return c->from == n->from && c->to == n->to && c->event == n->event &&
	       c->phase == n->phase && c->migration == n->migration;
}

/* Their notification was lost; the migration around both is known all the same. */
static void orphan_callbacks(struct activities *as, struct task *t)
{
	struct list l = t->callbacks;

	t->callbacks = (struct list){};
	for (size_t i = 0; i < l.count; i++) {
		l.items[i]->orphan = true;
		settle(as, t, l.items[i], l.items[i]->head.migration);
	}
	free(l.items);
}

static void take_callback(struct activities *as, struct task *t, struct activity *a)
{
	/* Those of one notification come one after the other. */
	if (t->callbacks.count &&
	    (t->callbacks.count >= WAITING_MAX ||
	     !is_callback_of(&t->callbacks.items[0]->head, &a->head)))
		orphan_callbacks(as, t);
	if (a->head.event == EVENT_RELEASE)
		settle(as, t, a, a->head.migration);
	else
		list__add(as, &t->callbacks, a);
}

static void take_notification(struct activities *as, struct task *t, struct activity *a)
{
	/* All that wait are of one notification: take_callback(). */
	if (t->callbacks.count && !is_callback_of(&t->callbacks.items[0]->head, &a->head))
		orphan_callbacks(as, t);
	a->children = t->callbacks.items;
	a->child_count = t->callbacks.count;
	t->callbacks = (struct list){};
	for (size_t i = 0; i < a->child_count && a->head.flags & RECORD_UNTIMED; i++) {
		if (a->children[i]->begin < a->begin)
			a->begin = a->children[i]->begin;
		a->timed |= a->children[i]->timed;
	}
	if (!t->stack_to || (t->stack_from == a->head.from && t->stack_to == a->head.to))
		a->stack = t->stack;
	t->stack = -1;
	settle(as, t, a, a->head.migration);
}

/*
 * The children of a frame, for its migration. An id may be used again: what ended before
 * this one began was in another, which was lost.
 */
static void adopt(struct activities *as, struct activity *a, struct frame *f)
{
	struct list old = f->children, l = {};
	size_t kept = 0;

	for (size_t i = 0; i < old.count; i++) {
		if (old.items[i]->head.ns < a->begin)
			list__add(as, &l, old.items[i]);
		else
			old.items[kept++] = old.items[i];
	}
	a->children = old.items;
	a->child_count = kept;
	for (size_t i = 0; i < f->page_records; i++)
		if (f->pages[i].head.ns >= a->begin)
			f->pages[a->page_records++] = f->pages[i];
	a->pages = f->pages;
	if (a->page_records)
		qsort(a->pages, a->page_records, sizeof(*a->pages), compare_pages);
	*f = (struct frame){};
	deliver_orphans(as, &l);
}

static void take_migration(struct activities *as, struct task *t, struct activity *a)
{
	struct frame *f = find_frame(as, t, a->head.migration);

	a->stack = a->migration.stack;
	((struct node *)a)->depth = 1;
	if (f) {
		((struct node *)a)->depth = f->depth + 1;
		t->frame_count--;
		adopt(as, a, f);
	}
	/* One that says it is in itself is damaged, and its frame would be its own. */
	settle(as, t, a, a->migration.parent == a->head.migration ? 0 : a->migration.parent);
}

static void take_pages(struct activities *as, struct task *t, const struct mmuscope_record *rec)
{
	struct frame *f = open_frame(as, t, rec->migration);
	struct mmuscope_record_pages *pages = grow(f->pages, f->page_records, sizeof(*pages));

	if (!pages) {
		as->err = as->err ? as->err : -ENOMEM;
		return;
	}
	f->pages = pages;
	memcpy(&pages[f->page_records++], rec, sizeof(*pages));
}

static struct task *task_of(struct activities *as, __u32 tid)
{
	struct task_entry *e = keyed__get(&as->tasks, &tid);

	if (e && !e->task) {
		e->task = calloc(1, sizeof(*e->task));
		if (e->task) {
			e->task->tid = tid;
			e->task->stack = -1;
		}
	}
	return e ? e->task : NULL;
}

static void take(struct activities *as, struct task *t, const struct mmuscope_record *rec)
{
	struct activity *a = new_activity(as, rec);

	if (!a)
		return;
	if (rec->kind == RECORD_CALLBACK) {
		take_callback(as, t, a);
		return;
	}
	if (rec->kind == RECORD_NOTIFICATION) {
		take_notification(as, t, a);
		return;
	}
	/* Nothing comes between callbacks and their notification: that was lost. */
	orphan_callbacks(as, t);
	t->stack = -1;
	if (rec->kind == RECORD_MIGRATION)
		take_migration(as, t, a);
	else
		settle(as, t, a, rec->migration);
}

int activities__add(struct activities *as, const struct mmuscope_record *rec)
{
	struct task *t;

	as->err = 0;
	if (rec->kind == RECORD_NONE || rec->kind >= RECORD_KINDS)
		return 0;
	t = task_of(as, rec->task);
	if (!t)
		return -ENOMEM;
	switch (rec->kind) {
	case RECORD_STACK:
		t->stack = (__s32)rec->what;
		t->stack_from = rec->from;
		t->stack_to = rec->to;
		break;
	case RECORD_PAGES:
		take_pages(as, t, rec);
		break;
	default:
		take(as, t, rec);
	}
	return as->err;
}

int activities__finish(struct activities *as)
{
	as->err = 0;
	for (size_t i = 0; i < as->tasks.count; i++) {
		struct task_entry *e = keyed__at(&as->tasks, i);

		if (!e->task)
			continue;
		orphan_callbacks(as, e->task);
		keep_frames(as, e->task, 0);
		free(e->task);
	}
	keyed__clear(&as->tasks);
	return as->err;
}

struct activities *activities__new(int (*done)(void *ctx, const struct activity *a), void *ctx)
{
	struct activities *as = calloc(1, sizeof(*as));

	if (!as)
		return NULL;
	as->done = done;
	as->ctx = ctx;
	as->tasks = keyed__of(sizeof(__u32), sizeof(struct task_entry));
	return as;
}

static int ignore(void *ctx, const struct activity *a)
{
	(void)ctx;
	(void)a;
	return 0;
}

void activities__free(struct activities *as)
{
	if (!as)
		return;
	as->done = ignore;
	activities__finish(as);
	free(as);
}
