// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The tables of `stat`: what people read. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "latency.h"
#include "report.h"
#include "report_cause.h"
#include "report_windows.h"
#include "table.h"
#include "text.h"
#include "words.h"

#define NUMBER 24

static const char *number(char out[NUMBER], __u64 n)
{
	out[NUMBER - 1] = '\0';
	return text__digits(out + NUMBER - 1, n);
}

/* Upper bound of the bucket that holds the p-th per cent of the calls, in ns; the last has none. */
static const char *percentile(char out[NUMBER], const struct mmuscope_callback_row *row,
			      unsigned int p)
{
	__u64 below = latency__below(row->bucket, callback_row__delivered(row), p);

	return below == LATENCY_INFINITE ? "inf" : number(out, below);
}

/* Where every row is of one process its name goes into a heading, not a column. */
static bool one_process(const struct snapshot *snap)
{
	const struct mmuscope_row_key *first = NULL;

	for (size_t i = 0; i < snap->row_count + snap->callback_count; i++) {
		const struct mmuscope_row_key *k =
			i < snap->row_count ? &snap->rows[i].key :
					      &snap->callbacks[i - snap->row_count].key;

		if (!first)
			first = k;
		else if (first->tgid != k->tgid || first->start != k->start)
			return false;
	}
	return true;
}

struct printer {
	const struct report *r;
	FILE *out;
	bool by_process;
	char process[48];
};

static const char *process(struct printer *p, const struct mmuscope_row_key *k)
{
	const char *comm = names__comm(p->r->names, k->tgid, k->start);
	size_t n = strnlen(comm, 15);
	char *at = p->process + sizeof(p->process);

	/* From its end, and without printf(): that would take a third of the time of a row. */
	*--at = '\0';
	at = text__digits(at, k->tgid);
	*--at = ':';
	return memcpy(at - n, comm, n);
}

/* Adds a row whose first column, the process, is shown only where it tells something. */
static int add(struct printer *p, struct table *t, const struct mmuscope_row_key *k,
	       const char **cells)
{
	cells[0] = process(p, k);
	return table__add_row(t, p->by_process ? cells : cells + 1);
}

static struct table *new_table(const struct printer *p, const struct table_column *columns,
			       size_t n)
{
	return p->by_process ? table__new(columns, n) : table__new(columns + 1, n - 1);
}

static int print_table(struct printer *p, const char *title, struct table *t, size_t rows, int err)
{
	if (!err && t) {
		fprintf(p->out, "%s%s\n", title, rows ? "" : ": none");
		if (rows)
			err = table__print(t, p->out);
		fputc('\n', p->out);
	}
	table__free(t);
	return t ? err : -ENOMEM;
}

static int print_notifications(struct printer *p)
{
	static const struct table_column columns[] = {
		{ "PROCESS", false }, { "EVENT", false }, { "PHASE", false },
		{ "CALLS", true },    { "PAGES", true },  { "FAILED", true },
		{ "WHOLE MM", true },
	};
	struct table *t = new_table(p, columns, 7);
	__u64 empty = 0;
	size_t rows = 0;
	int err = 0;

	for (size_t i = 0; t && !err && i < p->r->snap->row_count; i++) {
		const struct mmuscope_row *row = &p->r->snap->rows[i];
		char n[4][NUMBER];
		const char *cells[7] = { NULL, event_name(row->key.event),
					 phase_name(row->key.phase) };

		if (row->key.kind != ROW_NOTIFICATION)
			continue;
		for (int c = 0; c < 4; c++)
			cells[c + 3] = number(n[c], row->count[c]);
		err = add(p, t, &row->key, cells);
		empty += row->count[NOTIFICATION_EMPTY];
		rows++;
	}
	err = print_table(p, "Notifications", t, rows, err);
	if (!err && empty)
		fprintf(p->out, "Of an empty range: %ju of these notifications.\n\n",
			(uintmax_t)empty);
	return err;
}

static void print_avoidable(struct printer *p, const struct name_callback *c, __u64 calls,
			    __u64 pages)
{
	if (!calls)
		return;
	fprintf(p->out,
		"Avoidable: %ju calls, %ju pages: performed for migrations of the driver's own,\n"
		"which it could decline (%s).\n\n",
		(uintmax_t)calls, (uintmax_t)pages,
		strcmp(c->owner_by, OWNER_BY_DRIVER) ?
			"the owner is taken from the migration that the task has open" :
			"its owner is read from its own structures");
}

static int print_callbacks(struct printer *p)
{
	static const struct table_column columns[] = {
		{ "PROCESS", false },	{ "EVENT", false },   { "PHASE", false },
		{ "DELIVERED", true },	{ "PERFORMED", true }, { "SKIPPED", true },
		{ "FAILED", true },	{ "UNDET", true },     { "PAGES INV", true },
		{ "AVG ns", true },	{ "P99 <", true },
	};
	const struct snapshot *snap = p->r->snap;
	int err = 0;

	for (size_t id = 0; id < p->r->names->callback_count && !err; id++) {
		const struct name_callback *c = &p->r->names->callbacks[id];
		struct table *t = new_table(p, columns, 11);
		__u64 avoidable = 0, pages = 0, empty = 0;
		size_t rows = 0;
		char title[200];

		for (size_t i = 0; t && !err && i < snap->callback_count; i++) {
			const struct mmuscope_callback_row *row = &snap->callbacks[i];
			char n[8][NUMBER];

			if (names__callback(p->r->names, row->key.what) != c)
				continue;
			const __u64 delivered = callback_row__delivered(row);
			const bool latency = report__has_latency(p->r, row);
			const char *cells[11] = {
				NULL,
				event_name(row->key.event),
				phase_name(row->key.phase),
				number(n[0], delivered),
				number(n[1], row->outcome[OUTCOME_PERFORMED]),
				number(n[2], row->outcome[OUTCOME_SKIPPED]),
				number(n[3], row->outcome[OUTCOME_FAILED]),
				number(n[4], row->outcome[OUTCOME_UNDETERMINED]),
				number(n[5], row->pages_performed),
				latency ? number(n[6], row->latency_sum / delivered) : "n/o",
				latency ? percentile(n[7], row, 99) : "n/o",
			};
			err = add(p, t, &row->key, cells);
			avoidable += row->avoidable;
			pages += row->avoidable_pages;
			empty += row->size[0];
			rows++;
		}
		/* A driver that nobody called is worth no table. */
		if (!rows) {
			table__free(t);
			continue;
		}
		snprintf(title, sizeof(title), "Callbacks of %s%s%s%s, %s, seen by %s", c->symbol,
			 c->module[0] ? " [" : "", c->module, c->module[0] ? "]" : "",
			 strcmp(c->kind, "notifier") ? "interval notifier" : "mmu_notifier",
			 c->source);
		err = print_table(p, title, t, rows, err);
		print_avoidable(p, c, avoidable, pages);
		if (empty)
			fprintf(p->out, "Of an empty range: %ju of these calls.\n\n",
				(uintmax_t)empty);
	}
	return err;
}

/* "system+compound"; text has room for all. */
static const char *selected(unsigned int flags, char text[64])
{
	size_t n = 0;

	for (unsigned int bit = 0; bit < SELECT_BITS; bit++)
		if (flags >> bit & 1)
			n += (size_t)snprintf(text + n, 64 - n, "%s%s", n ? "+" : "",
					      select_name(bit));
	return n ? text : NULL;
}

static int print_migrations(struct printer *p)
{
	static const struct table_column columns[] = {
		{ "PROCESS", false },	{ "DIRECTION", false }, { "CALLS", true },
		{ "ASKED", true },	{ "COLLECTED", true },	{ "MIGRATED", true },
		{ "EXCESS", true },	{ "SELECTS", false },	{ "OWNER", false },
	};
	struct table *t;
	size_t rows = 0;
	int err = 0;

	if (report__unobservable(p->r, "migrations")) {
		fprintf(p->out, "Migrations: not observable: %s\n\n",
			report__unobservable(p->r, "migrations"));
		return 0;
	}
	t = new_table(p, columns, 9);
	for (size_t i = 0; t && !err && i < p->r->snap->row_count; i++) {
		const struct mmuscope_row *row = &p->r->snap->rows[i];
		char n[5][NUMBER], flags[64];
		const char *cells[9] = { NULL, direction_name(row->key.direction) };

		if (row->key.kind != ROW_MIGRATION)
			continue;
		for (int c = 0; c < 5; c++)
			cells[c + 2] = number(n[c], row->count[c]);
		cells[7] = selected(row->key.event, flags);
		cells[8] = row->key.what ? names__owner(p->r->names, row->key.what) : NULL;
		err = add(p, t, &row->key, cells);
		rows++;
	}
	return print_table(p, "Migrations (pages)", t, rows, err);
}

static void print_ownerless(struct printer *p)
{
	struct snapshot_sums s;

	snapshot__sum(p->r->snap, &s);
	if (s.ownerless)
		fprintf(p->out,
			"Inside migrations and without an owner, which no driver can decline: "
			"%ju\nnotifications, %ju pages\n",
			(uintmax_t)s.ownerless, (uintmax_t)s.ownerless_pages);
}

static void print_faults(struct printer *p)
{
	struct snapshot_sums s;

	if (report__unobservable(p->r, "faults")) {
		fprintf(p->out, "Device faults: not observable: %s\n",
			report__unobservable(p->r, "faults"));
		return;
	}
	snapshot__sum(p->r->snap, &s);
	fprintf(p->out,
		"Device faults: %ju calls of hmm_range_fault(), %ju pages, %ju retries\n",
		(uintmax_t)s.faults, (uintmax_t)s.fault_pages, (uintmax_t)s.fault_retries);
}

static bool is_absent(const struct report *r, const char *metric)
{
	for (size_t i = 0; i < r->plan->count; i++)
		if (!strcmp(r->plan->targets[i].metric, metric) && !r->plan->targets[i].absent)
			return false;
	return true;
}

/* Nothing where there is no nouveau: nobody would miss it. */
static void print_page_table_writes(struct printer *p)
{
	const char *why = report__unobservable(p->r, "page_table_writes");
	const __u64 *t = p->r->snap->total;

	if (is_absent(p->r, "page_table_writes"))
		return;
	if (why)
		fprintf(p->out, "Page-table writes of nouveau: not observable: %s\n", why);
	else
		fprintf(p->out,
			"Page-table writes of nouveau, of all processes: %ju entries asked for, "
			"%ju without a page\n",
			(uintmax_t)t[TOTAL_TABLE_ENTRIES], (uintmax_t)t[TOTAL_TABLE_INVALID]);
}

static void print_invariants(struct printer *p)
{
	struct invariant inv[INVARIANTS_MAX];
	size_t broken, n = report__invariants(p->r, inv, &broken);

	if (!broken) {
		fprintf(p->out, "Checked: all %zu invariants hold, nothing was lost.\n", n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!inv[i].holds)
			fprintf(p->out, "BROKEN: %s: %s\n", inv[i].name, inv[i].detail);
}

/* Callbacks that no row can hold, so that a table that is not there is no zero. */
static void print_unseen_callbacks(struct printer *p)
{
	const char *why = report__unobservable(p->r, "callbacks");

	if (p->r->snap->callback_count && !p->r->latency)
		fputs("Latencies: not observable (n/o): switched off by --no-latency\n\n", p->out);
	if (!why && !p->r->snap->callback_count)
		fputs("Callbacks: none\n\n", p->out);
	if (why)
		fprintf(p->out, "Callbacks: not observable: %s\n\n", why);
	for (size_t i = 0; !why && i < p->r->plan->count; i++) {
		const struct plan_target *t = &p->r->plan->targets[i];

		if (t->source == PLAN_NONE && !t->absent && !strcmp(t->metric, "callbacks"))
			fprintf(p->out, "Callbacks of %s: not observable: %s\n\n", t->symbol,
				t->reason);
	}
}

int report__print(const struct report *r, FILE *out)
{
	struct printer p = { .r = r, .out = out, .by_process = !one_process(r->snap) };
	const struct mmuscope_row_key *first =
		r->snap->row_count ? &r->snap->rows[0].key :
		r->snap->callback_count ? &r->snap->callbacks[0].key : NULL;
	int err;

	if (!p.by_process && first)
		fprintf(out, "Process %s\n\n", process(&p, first));
	err = print_notifications(&p);
	err = err ? err : report_cause__print(r, p.by_process, out);
	err = err ? err : report_windows__print(r, p.by_process, out);
	err = err ? err : print_callbacks(&p);
	if (!err)
		print_unseen_callbacks(&p);
	err = err ? err : print_migrations(&p);
	if (err)
		return err;
	print_ownerless(&p);
	print_faults(&p);
	print_page_table_writes(&p);
	print_invariants(&p);
	return 0;
}
