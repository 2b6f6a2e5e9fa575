// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Records against the counters of the same run. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define U(x) ((uintmax_t)(x))

static void check(struct history_result *r, const char *name, bool holds, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void check(struct history_result *r, const char *name, bool holds, const char *fmt, ...)
{
	struct invariant *i = &r->invariants[r->invariant_count];
	va_list ap;

	if (r->invariant_count == INVARIANTS_MAX)
		return;
	r->invariant_count++;
	i->name = name;
	i->holds = holds;
	va_start(ap, fmt);
	vsnprintf(i->detail, sizeof(i->detail), fmt, ap);
	va_end(ap);
	r->broken += !holds;
}

/* ---- rows ---- */

/* The sections of rows, what tells one row from another, and the rows of a snapshot. */
static const struct section {
	const char *name, *calls;
	enum mmuscope_row_kind kind;
	enum mmuscope_record_kind record;
	const char *identity[9];
} sections[] = {
	{ "notifications", "calls", ROW_NOTIFICATION, RECORD_NOTIFICATION,
	  { "pid", "comm", "event", "phase" } },
	{ "callbacks", "delivered", ROW_CALLBACK, RECORD_CALLBACK,
	  { "pid", "comm", "symbol", "module", "kind", "event", "phase", "source" } },
	{ "migrations", "calls", ROW_MIGRATION, RECORD_MIGRATION,
	  { "pid", "comm", "direction", "select", "owner" } },
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* As text; NULL: no memory. */
static char *identity_of(const struct section *s, json_t *row)
{
	json_t *values = json_array();
	char *text;

	for (size_t i = 0; s->identity[i]; i++) {
		json_t *value = json_object_get(row, s->identity[i]);

		if (value)
			json_array_append(values, value);
		else
			json_array_append_new(values, json_null());
	}
	text = json_dumps(values, JSON_COMPACT);
	json_decref(values);
	return text;
}

/* How the rows of one section compare. */
struct matching {
	size_t *rank;		/* of each of ours, where theirs has it; SIZE_MAX: nowhere */
	size_t differing, missing, more;
	char first[120];	/* the first that differs */
};

static void note_difference(struct matching *m, const struct section *s, json_t *ours,
			    json_t *theirs)
{
	const char *key;
	json_t *value;

	if (m->differing++ || m->first[0])
		return;
	json_object_foreach(theirs, key, value)
	{
		char *a, *b;

		if (json_equal(value, json_object_get(ours, key)))
			continue;
		a = json_dumps(json_object_get(ours, key), JSON_ENCODE_ANY | JSON_COMPACT);
		b = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		snprintf(m->first, sizeof(m->first), ", first %s.%s: %.30s, counted %.30s",
			 s->name, key, a ? a : "?", b ? b : "?");
		free(a);
		free(b);
		return;
	}
}

static int match_rows(const struct section *s, json_t *ours, json_t *theirs, struct matching *m)
{
	size_t n = json_array_size(ours), their_count = json_array_size(theirs), matched = 0;
	char **ids = calloc(n + 1, sizeof(*ids));
	int err = ids ? 0 : -ENOMEM;

	m->rank = malloc((n + 1) * sizeof(*m->rank));
	err = m->rank ? err : -ENOMEM;
	for (size_t i = 0; i < n && !err; i++) {
		m->rank[i] = SIZE_MAX;
		ids[i] = identity_of(s, json_array_get(ours, i));
		err = ids[i] ? 0 : -ENOMEM;
	}
	for (size_t t = 0; t < their_count && !err; t++) {
		json_t *row = json_array_get(theirs, t);
		char *id = identity_of(s, row);
		size_t i = 0;

		err = id ? 0 : -ENOMEM;
		while (id && i < n && (m->rank[i] != SIZE_MAX || strcmp(ids[i], id)))
			i++;
		if (id && i < n) {
			m->rank[i] = t;
			matched++;
			if (!json_equal(json_array_get(ours, i), row))
				note_difference(m, s, json_array_get(ours, i), row);
		}
		free(id);
	}
	m->missing = their_count - matched;
	m->more = n - matched;
	for (size_t i = 0; ids && i < n; i++)
		free(ids[i]);
	free(ids);
	return err;
}

/* ---- order ---- */

struct ranked {
	size_t rank, was;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->was < y->was ? -1 : x->was > y->was;
}

/* The order of ours: ranked[i].was is the row that comes at i. NULL: no memory. */
static struct ranked *order_of(const struct matching *m, size_t n)
{
	struct ranked *order = calloc(n + 1, sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = (struct ranked){ m->rank[i], i };
	if (order)
		qsort(order, n, sizeof(*order), by_rank);
	return order;
}

/* Puts items of `size` at the places at[0..n) into this order. */
static int permute(char *items, size_t size, const size_t *at, size_t n, const struct matching *m)
{
	struct ranked *order = order_of(m, n);
	char *copy = malloc(n * size + 1);
	int err = order && copy ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		memcpy(copy + i * size, items + at[order[i].was] * size, size);
	for (size_t i = 0; i < n && !err; i++)
		memcpy(items + at[i] * size, copy + i * size, size);
	free(order);
	free(copy);
	return err;
}

/* Brings the snapshot's rows of a section into the order that the counters' have. */
static int reorder(struct snapshot *snap, const struct section *s, const struct matching *m)
{
	const bool callbacks = s->kind == ROW_CALLBACK;
	size_t count = callbacks ? snap->callback_count : snap->row_count, n = 0;
	size_t *at = malloc((count + 1) * sizeof(*at));
	int err = at ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !err; i++)
		if (callbacks || snap->rows[i].key.kind == s->kind)
			at[n++] = i;
	if (!err && n)
		err = callbacks ?
			      permute((char *)snap->callbacks, sizeof(*snap->callbacks), at, n, m) :
			      permute((char *)snap->rows, sizeof(*snap->rows), at, n, m);
	free(at);
	return err;
}

/* ---- counts ---- */

static __u64 sum_of(json_t *rows, const char *key)
{
	__u64 sum = 0;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		sum += (__u64)json_integer_value(json_object_get(row, key));
	return sum;
}

static __u64 kept_of(const struct history *h, enum mmuscope_record_kind kind)
{
	return h->counts.kept[kind] - (kind == RECORD_MIGRATION ? h->counts.failed : 0);
}

static __u64 lost_in_all(const struct recording_info *info)
{
	__u64 n = 0;

	for (int k = 0; k < RECORD_KINDS; k++)
		n += info->lost[k];
	return n;
}

/* kept + lost = counted, for one kind; says which numbers. */
static bool adds_up(const struct history *h, enum mmuscope_record_kind kind, const char *name,
		    __u64 counted, char *text, size_t size)
{
	const __u64 kept = kept_of(h, kind), lost = h->info->lost[kind];
	const size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s %ju + %ju = %ju", used ? ", " : "", name, U(kept),
		 U(lost), U(counted));
	/* Those whose setup failed are in no count, and any that was lost may be one. */
	if (kind == RECORD_MIGRATION && lost)
		return kept <= counted && counted <= kept + lost;
	return kept + lost == counted;
}

static void check_kinds(const struct history *h, struct history_result *r)
{
	json_t *counters = h->info->counters, *faults = json_object_get(counters, "faults");
	char text[200] = "";
	bool holds = true;

	for (size_t i = 0; i < SECTIONS; i++) {
		json_t *rows = json_object_get(counters, sections[i].name);

		if (json_is_array(rows))
			holds &= adds_up(h, sections[i].record, sections[i].name,
					 sum_of(rows, sections[i].calls), text, sizeof(text));
	}
	if (json_is_object(faults))
		holds &= adds_up(h, RECORD_FAULT, "faults",
				 (__u64)json_integer_value(json_object_get(faults, "calls")), text,
				 sizeof(text));
	check(r, "kept + lost = counted", holds, "%s", text);
}

/* Row by row; where nothing is missing all of them must be the same. */
static int check_rows(struct history *h, struct history_result *r, json_t *ours)
{
	json_t *counters = h->info->counters;
	size_t differing = 0, missing = 0, more = 0;
	char first[120] = "";
	int err = 0;

	for (size_t i = 0; i < SECTIONS && !err; i++) {
		struct matching m = {};

		err = match_rows(&sections[i], json_object_get(ours, sections[i].name),
				 json_object_get(counters, sections[i].name), &m);
		err = err ? err : reorder(&h->counts.snap, &sections[i], &m);
		differing += m.differing;
		missing += m.missing;
		more += m.more;
		if (!first[0])
			memcpy(first, m.first, sizeof(first));
		free(m.rank);
	}
	if (!json_equal(json_object_get(ours, "faults"), json_object_get(counters, "faults")))
		differing++;
	if (!err && !r->not_compared[0] && !lost_in_all(h->info))
		check(r, "each row is as it was counted", !differing && !missing && !more,
		      "%zu differ, %zu were counted and are not recorded, %zu the other way%s",
		      differing, missing, more, first);
	return err;
}

/* ---- the recording ---- */

/* What the counters said of themselves; in the middle of a run they never balance. */
static void take_counters(const struct history *h, struct history_result *r)
{
	json_t *list = json_object_get(h->info->counters, "invariants"), *i;
	size_t n;

	if (!h->info->complete)
		return;
	json_array_foreach(list, n, i)
	{
		const char *name = json_string_value(json_object_get(i, "name"));
		const char *detail = json_string_value(json_object_get(i, "detail"));

		/* Room is left for our own. */
		if (name && r->invariant_count < INVARIANTS_MAX - 8)
			check(r, name, json_is_true(json_object_get(i, "holds")), "%s",
			      detail ? detail : "");
	}
}

static bool is_damaged(const struct recording_damage *d)
{
	return d->packets || d->packets_missing || d->bytes || d->files || d->metadata;
}

static void check_files(const struct history *h, struct history_result *r)
{
	const struct recording_damage *d = r->damage;
	const __u64 *lost = h->info->lost;

	check(r, "no record was lost", !lost_in_all(h->info),
	      "%ju notifications, %ju callbacks, %ju faults, %ju migrations, %ju of pages, %ju "
	      "stacks for which the ring had no room (record --ring-size)",
	      U(lost[RECORD_NOTIFICATION]), U(lost[RECORD_CALLBACK]), U(lost[RECORD_FAULT]),
	      U(lost[RECORD_MIGRATION]), U(lost[RECORD_PAGES]), U(lost[RECORD_STACK]));
	check(r, "the files are whole", !is_damaged(d),
	      "%ju damaged packets, %ju missing, %ju bytes cut off or damaged, %ju files%s",
	      U(d->packets), U(d->packets_missing), U(d->bytes), U(d->files),
	      d->metadata ? ", and the metadata" : "");
	check(r, "recorded to the end", h->info->complete,
	      "%s", h->info->complete ? "it was ended in order" :
					"it was broken off: the last counts are missing");
	check(r, "nothing was removed", !h->info->dropped,
	      "%ju of the oldest records made room for others (record --size)",
	      U(h->info->dropped));
}

/* asked = migrated + reasons, of the migrations that are there. */
static void check_pages(const struct history *h, struct history_result *r)
{
	struct moves_sum sum = moves__sum(&h->moves);

	if (sum.asked)
		check(r, "asked = migrated + reasons", sum.asked == sum.migrated + sum.unmoved,
		      "%ju = %ju + %ju", U(sum.asked), U(sum.migrated), U(sum.unmoved));
}

/* Why there is nothing that the records could be compared with; "" where there is. */
static void decide(const struct history *h, struct history_result *r)
{
	json_t *filter = json_object_get(h->info->about, "filter");
	char *words = json_array_size(filter) ? json_dumps(filter, JSON_COMPACT) : NULL;
	const char *why = "";

	if (words)
		why = "the recording was filtered: ";
	else if (!h->info->counters || !h->info->complete)
		why = "the recording was broken off";
	else if (h->info->dropped)
		why = "the oldest records were removed";
	else if (is_damaged(r->damage))
		why = "the files are damaged";
	snprintf(r->not_compared, sizeof(r->not_compared), "%s%.150s", why, words ? words : "");
	free(words);
}

static void make_report(struct history *h, struct history_result *r)
{
	json_t *about = h->info->about, *duration = json_object_get(h->info->counters, "duration_ns");

	r->report = (struct report){
		.snap = &h->counts.snap,
		.names = &h->names,
		.plan = &h->info->plan,
		.latency = json_is_true(json_object_get(about, "latency")),
		.command_status = -1,
		.duration_ns = json_is_integer(duration) ?
				       (__u64)json_integer_value(duration) :
				       h->counts.last_ns - h->counts.first_ns,
		.given = r->invariants,
	};
}

int history__check(struct history *h, const struct recording_damage *damage,
		   struct history_result *r)
{
	json_t *ours;
	int err;

	*r = (struct history_result){ .damage = damage };
	decide(h, r);
	make_report(h, r);
	take_counters(h, r);
	check_files(h, r);
	check_pages(h, r);
	if (!r->not_compared[0])
		check_kinds(h, r);
	ours = history__stat_json(h, &r->report);
	err = ours ? check_rows(h, r, ours) : -ENOMEM;
	json_decref(ours);
	r->report.given_count = r->invariant_count;
	return err;
}
