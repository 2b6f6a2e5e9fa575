// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report_rows.h"

#include "json_text.h"
#include "words.h"

#define put_integer(t, name, n) json_text__key_integer(t, name, (json_int_t)(n))
#define put_word(t, name, s) (json_text__key(t, name), json_text__word(t, s))
#define put_string(t, name, s) (json_text__key(t, name), json_text__string(t, s))

static void put_process(const struct report *r, struct text *t, const struct mmuscope_row_key *k)
{
	put_integer(t, "pid", k->tgid);
	put_string(t, "comm", names__comm(r->names, k->tgid, k->start));
}

static void write_notification(const struct report *r, struct text *t,
			       const struct mmuscope_row *row)
{
	put_process(r, t, &row->key);
	put_word(t, "event", event_name(row->key.event));
	put_word(t, "phase", phase_name(row->key.phase));
	put_integer(t, "calls", row->count[NOTIFICATION_CALLS]);
	put_integer(t, "pages", row->count[NOTIFICATION_PAGES]);
	put_integer(t, "failed", row->count[NOTIFICATION_FAILED]);
	put_integer(t, "whole", row->count[NOTIFICATION_WHOLE]);
	put_integer(t, "empty", row->count[NOTIFICATION_EMPTY]);
}

/* Powers of two: what is below 2^b and not below the one before; the last has no end. */
static void write_histogram(struct text *t, const __u64 *bucket, int n)
{
	size_t list = json_text__begin(t);

	for (int b = 0; b < n; b++) {
		if (!bucket[b])
			continue;
		text__literal(t, ",{\"lt\":");
		if (b == n - 1)
			json_text__null(t);
		else
			json_text__integer(t, (json_int_t)1 << b);
		put_integer(t, "count", bucket[b]);
		text__literal(t, "}");
	}
	json_text__end(t, list, '[', ']');
}

static void write_latency(const struct report *r, struct text *t,
			  const struct mmuscope_callback_row *row)
{
	size_t latency = json_text__begin(t);

	put_integer(t, "count", callback_row__delivered(row));
	put_integer(t, "sum", row->latency_sum);
	/* The extremes of an interval are not the difference of two extremes. */
	if (r->interval) {
		text__literal(t, ",\"min\":null,\"max\":null");
	} else {
		put_integer(t, "min", ~row->latency_min);
		put_integer(t, "max", row->latency_max);
	}
	json_text__key(t, "buckets");
	write_histogram(t, row->bucket, MMUSCOPE_BUCKETS);
	json_text__end(t, latency, '{', '}');
}

static void write_callback(const struct report *r, struct text *t,
			   const struct mmuscope_callback_row *row)
{
	const struct name_callback *c = names__callback(r->names, row->key.what);
	const bool timed = report__has_latency(r, row);

	put_process(r, t, &row->key);
	put_string(t, "symbol", c ? c->symbol : "?");
	put_string(t, "module", c && c->module[0] ? c->module : NULL);
	put_word(t, "kind", c ? c->kind : "interval");
	put_word(t, "event", event_name(row->key.event));
	put_word(t, "phase", phase_name(row->key.phase));
	put_integer(t, "delivered", callback_row__delivered(row));
	put_integer(t, "performed", row->outcome[OUTCOME_PERFORMED]);
	put_integer(t, "skipped", row->outcome[OUTCOME_SKIPPED]);
	put_integer(t, "failed", row->outcome[OUTCOME_FAILED]);
	put_integer(t, "undetermined", row->outcome[OUTCOME_UNDETERMINED]);
	put_integer(t, "avoidable", row->avoidable);
	put_integer(t, "avoidable_pages", row->avoidable_pages);
	json_text__key(t, "avoidable_ns");
	if (timed)
		json_text__integer(t, (json_int_t)row->avoidable_time);
	else
		json_text__null(t);
	put_word(t, "owner_by", c ? c->owner_by : OWNER_BY_MIGRATION);
	put_integer(t, "pages", row->pages);
	put_integer(t, "pages_performed", row->pages_performed);
	put_integer(t, "whole", row->whole);
	json_text__key(t, "sizes");
	write_histogram(t, row->size, MMUSCOPE_SIZES);
	json_text__key(t, "latency_ns");
	if (timed)
		write_latency(r, t, row);
	else
		json_text__null(t);
	put_word(t, "source", c ? c->source : "?");
}

static void write_select(struct text *t, unsigned int flags)
{
	size_t list = json_text__begin(t);

	for (unsigned int bit = 0; bit < SELECT_BITS; bit++) {
		if (!(flags >> bit & 1))
			continue;
		json_text__comma(t);
		json_text__word(t, select_name(bit));
	}
	json_text__end(t, list, '[', ']');
}

static void write_migration(const struct report *r, struct text *t, const struct mmuscope_row *row)
{
	put_process(r, t, &row->key);
	put_word(t, "direction", direction_name(row->key.direction));
	json_text__key(t, "select");
	write_select(t, row->key.event);
	put_string(t, "owner", row->key.what ? names__owner(r->names, row->key.what) : NULL);
	put_integer(t, "calls", row->count[MIGRATION_CALLS]);
	put_integer(t, "pages", row->count[MIGRATION_PAGES]);
	put_integer(t, "collected", row->count[MIGRATION_COLLECTED]);
	put_integer(t, "migrated", row->count[MIGRATION_MIGRATED]);
	put_integer(t, "compound", row->count[MIGRATION_COMPOUND]);
	put_integer(t, "excess", row->count[MIGRATION_EXCESS]);
	put_integer(t, "time_ns", row->count[MIGRATION_TIME]);
}

static void write_rows(const struct report *r, struct text *t, enum mmuscope_row_kind kind,
		       void (*write)(const struct report *r, struct text *t,
				     const struct mmuscope_row *row))
{
	size_t list = json_text__begin(t);

	for (size_t i = 0; i < r->snap->row_count; i++) {
		const struct mmuscope_row *row = &r->snap->rows[i];
		size_t begin;

		if (row->key.kind != kind)
			continue;
		json_text__comma(t);
		begin = json_text__begin(t);
		write(r, t, row);
		json_text__end(t, begin, '{', '}');
	}
	json_text__end(t, list, '[', ']');
}

static void write_callbacks(const struct report *r, struct text *t)
{
	size_t list = json_text__begin(t);

	for (size_t i = 0; i < r->snap->callback_count; i++) {
		size_t begin;

		json_text__comma(t);
		begin = json_text__begin(t);
		write_callback(r, t, &r->snap->callbacks[i]);
		json_text__end(t, begin, '{', '}');
	}
	json_text__end(t, list, '[', ']');
}

void report_rows__write(const struct report *r, struct text *t)
{
	json_text__key(t, "notifications");
	write_rows(r, t, ROW_NOTIFICATION, write_notification);
	json_text__key(t, "callbacks");
	/* Rows of a module that was removed since stay true. */
	if (!r->snap->callback_count && report__unobservable(r, "callbacks"))
		json_text__null(t);
	else
		write_callbacks(r, t);
	json_text__key(t, "migrations");
	if (report__unobservable(r, "migrations"))
		json_text__null(t);
	else
		write_rows(r, t, ROW_MIGRATION, write_migration);
}
