// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Invariants and JSON of one measurement. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel_info.h"
#include "report_cause.h"
#include "report_windows.h"
#include "words.h"

const char *report__unobservable(const struct report *r, const char *metric)
{
	const char *why = NULL;

	/* The walk of the registry sees the callbacks of all drivers, known or not. */
	if (!strcmp(metric, "callbacks") && !report__unobservable(r, "registry"))
		return NULL;
	/* One target that works is enough: an eviction has two ways to begin. */
	for (size_t i = 0; i < r->plan->count; i++) {
		const struct plan_target *t = &r->plan->targets[i];

		if (strcmp(t->metric, metric))
			continue;
		if (t->source != PLAN_NONE)
			return NULL;
		why = why ? why : t->reason;
	}
	return why;
}

/* Does the callback have probes of its own, which see it enter and leave? */
static bool has_probes(const struct report *r, const struct mmuscope_callback_row *row)
{
	const struct name_callback *c = names__callback(r->names, row->key.what);

	return r->latency && c && strcmp(c->source, plan_source_name(PLAN_REGISTRY));
}

bool report__has_latency(const struct report *r, const struct mmuscope_callback_row *row)
{
	__u64 timed = 0;

	if (!r->latency || has_probes(r, row))
		return r->latency;
	for (int b = 0; b < MMUSCOPE_BUCKETS; b++)
		timed += row->bucket[b];
	return timed && timed == callback_row__delivered(row);
}

/* ---- invariants ---- */

struct checks {
	struct invariant *out;
	size_t count, broken;
};

static void check(struct checks *c, const char *name, bool holds, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void check(struct checks *c, const char *name, bool holds, const char *fmt, ...)
{
	struct invariant *i = &c->out[c->count++];
	va_list ap;

	i->name = name;
	i->holds = holds;
	va_start(ap, fmt);
	vsnprintf(i->detail, sizeof(i->detail), fmt, ap);
	va_end(ap);
	c->broken += !holds;
}

static bool watched(const struct report *r, const char *symbol)
{
	for (size_t i = 0; i < r->plan->count; i++)
		if (!strcmp(r->plan->targets[i].symbol, symbol))
			return r->plan->targets[i].source != PLAN_NONE;
	return false;
}

#define U(x) ((uintmax_t)(x))

static void check_migrations(struct checks *c, const __u64 *t)
{
	check(c, "setups = finalizes + failed setups",
	      t[TOTAL_SETUPS] + t[TOTAL_EVICTS] ==
		      t[TOTAL_FINALIZES] + t[TOTAL_EVICTS_FINALIZED] + t[TOTAL_SETUPS_FAILED] +
			      t[TOTAL_SETUPS_EMPTY] + t[TOTAL_ABANDONED_MIGRATIONS],
	      "%ju = %ju + %ju, and %ju with nothing to migrate, %ju abandoned by a dying task",
	      U(t[TOTAL_SETUPS] + t[TOTAL_EVICTS]),
	      U(t[TOTAL_FINALIZES] + t[TOTAL_EVICTS_FINALIZED]), U(t[TOTAL_SETUPS_FAILED]),
	      U(t[TOTAL_SETUPS_EMPTY]), U(t[TOTAL_ABANDONED_MIGRATIONS]));
}

/*
 * A start that the kernel never ends is no loss of ours, where each window is known
 * by itself. Where it is not, an end that we missed would look the same.
 */
static void check_windows(struct checks *c, const struct report *r)
{
	const __u64 *t = r->snap->total;
	__u64 left = report_windows__unended(r) - t[TOTAL_ABANDONED_WINDOWS];
	__u64 known = t[TOTAL_ENDS] + t[TOTAL_STARTS_FAILED] + t[TOTAL_ABANDONED_WINDOWS] + left;
	char more[80] = "";

	if (r->windows)
		snprintf(more, sizeof(more), ", %ju left open", U(left));
	else if (t[TOTAL_STARTS] > known)
		snprintf(more, sizeof(more), ", %ju without an end: --windows tells whose",
			 U(t[TOTAL_STARTS] - known));
	check(c, "starts = ends + failed starts", t[TOTAL_STARTS] == known,
	      "%ju = %ju + %ju, and %ju abandoned by a dying task%s", U(t[TOTAL_STARTS]),
	      U(t[TOTAL_ENDS]), U(t[TOTAL_STARTS_FAILED]), U(t[TOTAL_ABANDONED_WINDOWS]), more);
}

/* The outcomes of callbacks that have probes, which see every entry and every exit. */
static __u64 sum_probed(const struct report *r, __u64 outcome[OUTCOME_MAX])
{
	__u64 sum = 0;

	memset(outcome, 0, OUTCOME_MAX * sizeof(*outcome));
	for (size_t i = 0; i < r->snap->callback_count; i++) {
		const struct mmuscope_callback_row *row = &r->snap->callbacks[i];

		if (!has_probes(r, row))
			continue;
		for (int o = 0; o < OUTCOME_MAX; o++) {
			outcome[o] += row->outcome[o];
			sum += row->outcome[o];
		}
	}
	return sum;
}

static size_t take_given(const struct report *r, struct invariant *out, size_t *broken)
{
	*broken = 0;
	for (size_t i = 0; i < r->given_count; i++) {
		out[i] = r->given[i];
		*broken += !out[i].holds;
	}
	return r->given_count;
}

size_t report__invariants(const struct report *r, struct invariant out[INVARIANTS_MAX],
			  size_t *broken)
{
	const __u64 *t = r->snap->total;
	struct checks c = { .out = out };
	struct snapshot_sums s;
	__u64 outcomes, outcome[OUTCOME_MAX];

	if (r->given)
		return take_given(r, out, broken);
	snapshot__sum(r->snap, &s);
	outcomes = sum_probed(r, outcome);
	/* In the middle of a run something is always under way. */
	if (!r->interval && watched(r, "__mmu_notifier_invalidate_range_end"))
		check_windows(&c, r);
	/* The walk of the registry sees no entries, and --no-latency is nothing else. */
	if (!r->interval && r->latency &&
	    (!report__unobservable(r, "callbacks") || outcomes || t[TOTAL_CALLBACK_ENTRIES] ||
	     t[TOTAL_CALLBACK_EXITS]))
		check(&c, "delivered = sum of outcomes",
		      t[TOTAL_CALLBACK_ENTRIES] == outcomes + t[TOTAL_ABANDONED_CALLBACKS] &&
			      t[TOTAL_CALLBACK_EXITS] == outcomes,
		      "%ju entered, %ju left, %ju performed + %ju skipped + %ju failed + %ju "
		      "undetermined",
		      U(t[TOTAL_CALLBACK_ENTRIES]), U(t[TOTAL_CALLBACK_EXITS]),
		      U(outcome[OUTCOME_PERFORMED]), U(outcome[OUTCOME_SKIPPED]),
		      U(outcome[OUTCOME_FAILED]), U(outcome[OUTCOME_UNDETERMINED]));
	if (!r->interval && !report__unobservable(r, "migrations"))
		check_migrations(&c, t);
	if (!r->interval)
		check(&c, "phases sum to the total", s.notifications == t[TOTAL_STARTS],
		      "%ju = %ju", U(s.notifications), U(t[TOTAL_STARTS]));
	check(&c, "nothing lost",
	      !(t[LOST_EVENTS] || t[LOST_ROWS] || t[LOST_STATE] || t[LOST_PAGES] ||
		t[LOST_CAUSES]),
	      "%ju ring events (--ring-size), %ju counts without a row (--max-rows), %ju without "
	      "a task's state, %ju pages of a migration not looked at, %ju stacks",
	      U(t[LOST_EVENTS]), U(t[LOST_ROWS]), U(t[LOST_STATE]), U(t[LOST_PAGES]),
	      U(t[LOST_CAUSES]));
	/* Only where each is taken there is something to compare with. */
	if (!r->interval && r->causes && r->causes->every == 1)
		check(&c, "causes sum to the notifications",
		      report_cause__samples(r) == s.notifications, "%ju = %ju",
		      U(report_cause__samples(r)), U(s.notifications));
	check(&c, "no recursion misses", !r->snap->recursion, "%ju program runs were skipped",
	      U(r->snap->recursion));
	*broken = c.broken;
	return c.count;
}

/* ---- JSON ---- */

static json_t *notifications_json(const struct report *r)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < r->snap->row_count; i++) {
		const struct mmuscope_row *row = &r->snap->rows[i];
		const struct mmuscope_row_key *k = &row->key;

		if (k->kind != ROW_NOTIFICATION)
			continue;
		json_array_append_new(
			rows,
			json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "pid",
				  (json_int_t)k->tgid, "comm",
				  names__comm(r->names, k->tgid, k->start), "event",
				  event_name(k->event), "phase", phase_name(k->phase), "calls",
				  (json_int_t)row->count[NOTIFICATION_CALLS], "pages",
				  (json_int_t)row->count[NOTIFICATION_PAGES], "failed",
				  (json_int_t)row->count[NOTIFICATION_FAILED], "whole",
				  (json_int_t)row->count[NOTIFICATION_WHOLE], "empty",
				  (json_int_t)row->count[NOTIFICATION_EMPTY]));
	}
	return rows;
}

/* Powers of two: what is below 2^b and not below the one before; the last has no end. */
static json_t *histogram_json(const __u64 *bucket, int n)
{
	json_t *buckets = json_array();

	for (int b = 0; b < n; b++)
		if (bucket[b])
			json_array_append_new(
				buckets, json_pack("{s:o, s:I}", "lt",
						   b == n - 1 ? json_null() :
								json_integer((json_int_t)1 << b),
						   "count", (json_int_t)bucket[b]));
	return buckets;
}

static json_t *sizes_json(const struct mmuscope_callback_row *row)
{
	return histogram_json(row->size, MMUSCOPE_SIZES);
}

static json_t *latency_json(const struct report *r, const struct mmuscope_callback_row *row)
{
	json_t *buckets, *o;

	if (!report__has_latency(r, row))
		return json_null();
	buckets = histogram_json(row->bucket, MMUSCOPE_BUCKETS);
	o = json_pack("{s:I, s:I, s:I, s:I, s:o}", "count",
		      (json_int_t)callback_row__delivered(row), "sum",
		      (json_int_t)row->latency_sum, "min", (json_int_t)~row->latency_min, "max",
		      (json_int_t)row->latency_max, "buckets", buckets);
	/* The extremes of an interval are not the difference of two extremes. */
	if (o && r->interval) {
		json_object_set_new(o, "min", json_null());
		json_object_set_new(o, "max", json_null());
	}
	return o;
}

static json_t *callbacks_json(const struct report *r)
{
	json_t *rows;

	/* Rows of a module that was removed since stay true. */
	if (!r->snap->callback_count && report__unobservable(r, "callbacks"))
		return json_null();
	rows = json_array();
	for (size_t i = 0; i < r->snap->callback_count; i++) {
		const struct mmuscope_callback_row *row = &r->snap->callbacks[i];
		const struct mmuscope_row_key *k = &row->key;
		const struct name_callback *c = names__callback(r->names, k->what);
		json_t *o = json_pack(
			"{s:I, s:s, s:s, s:s?, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			"s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:s}",
			"pid", (json_int_t)k->tgid, "comm",
			names__comm(r->names, k->tgid, k->start), "symbol", c ? c->symbol : "?",
			"module", c && c->module[0] ? c->module : NULL, "kind",
			c ? c->kind : "interval", "event", event_name(k->event), "phase",
			phase_name(k->phase), "delivered",
			(json_int_t)callback_row__delivered(row), "performed",
			(json_int_t)row->outcome[OUTCOME_PERFORMED], "skipped",
			(json_int_t)row->outcome[OUTCOME_SKIPPED], "failed",
			(json_int_t)row->outcome[OUTCOME_FAILED], "undetermined",
			(json_int_t)row->outcome[OUTCOME_UNDETERMINED], "avoidable",
			(json_int_t)row->avoidable, "avoidable_pages",
			(json_int_t)row->avoidable_pages, "avoidable_ns",
			report__has_latency(r, row) ? json_integer((json_int_t)row->avoidable_time) :
					    json_null(),
			"owner_by", c ? c->owner_by : OWNER_BY_MIGRATION, "pages",
			(json_int_t)row->pages, "pages_performed",
			(json_int_t)row->pages_performed, "whole", (json_int_t)row->whole,
			"sizes", sizes_json(row), "latency_ns", latency_json(r, row), "source",
			c ? c->source : "?");

		json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *select_json(unsigned int flags)
{
	json_t *list = json_array();

	for (unsigned int bit = 0; bit < SELECT_BITS; bit++)
		if (flags >> bit & 1)
			json_array_append_new(list, json_string(select_name(bit)));
	return list;
}

static json_t *migrations_json(const struct report *r)
{
	json_t *rows;

	if (report__unobservable(r, "migrations"))
		return json_null();
	rows = json_array();
	for (size_t i = 0; i < r->snap->row_count; i++) {
		const struct mmuscope_row *row = &r->snap->rows[i];
		const struct mmuscope_row_key *k = &row->key;

		if (k->kind != ROW_MIGRATION)
			continue;
		json_array_append_new(
			rows,
			json_pack("{s:I, s:s, s:s, s:o, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
				  "pid", (json_int_t)k->tgid, "comm",
				  names__comm(r->names, k->tgid, k->start), "direction",
				  direction_name(k->direction), "select", select_json(k->event),
				  "owner",
				  k->what ? names__owner(r->names, k->what) : NULL, "calls",
				  (json_int_t)row->count[MIGRATION_CALLS], "pages",
				  (json_int_t)row->count[MIGRATION_PAGES], "collected",
				  (json_int_t)row->count[MIGRATION_COLLECTED], "migrated",
				  (json_int_t)row->count[MIGRATION_MIGRATED], "compound",
				  (json_int_t)row->count[MIGRATION_COMPOUND], "excess",
				  (json_int_t)row->count[MIGRATION_EXCESS], "time_ns",
				  (json_int_t)row->count[MIGRATION_TIME]));
	}
	return rows;
}

static json_t *page_table_writes_json(const struct report *r)
{
	const __u64 *t = r->snap->total;

	if (report__unobservable(r, "page_table_writes"))
		return json_null();
	return json_pack("{s:I, s:I}", "entries", (json_int_t)t[TOTAL_TABLE_ENTRIES], "invalid",
			 (json_int_t)t[TOTAL_TABLE_INVALID]);
}

static json_t *invariants_json(const struct report *r)
{
	struct invariant inv[INVARIANTS_MAX];
	json_t *list = json_array();
	size_t broken, n = report__invariants(r, inv, &broken);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name", inv[i].name,
						      "holds", inv[i].holds, "detail",
						      inv[i].detail));
	return list;
}

static void add_unobservable(json_t *list, const char *metric, const char *reason)
{
	if (reason)
		json_array_append_new(list, json_pack("{s:s, s:s}", "metric", metric, "reason",
						      reason));
}

/* One function of a metric is seen and another is not: its calls are in no count. */
static void add_unseen(json_t *list, const struct report *r, const char *metric)
{
	char name[sizeof("page_table_writes.") + sizeof(r->plan->targets->symbol)];

	for (size_t i = 0; i < r->plan->count; i++) {
		const struct plan_target *t = &r->plan->targets[i];

		if (t->source != PLAN_NONE || t->absent || strcmp(t->metric, metric))
			continue;
		snprintf(name, sizeof(name), "%s.%s", metric, t->symbol);
		add_unobservable(list, name, t->reason);
	}
}

static bool any_untimed(const struct report *r)
{
	for (size_t i = 0; i < r->snap->callback_count; i++)
		if (!report__has_latency(r, &r->snap->callbacks[i]))
			return true;
	return false;
}

static json_t *unobservable_json(const struct report *r)
{
	static const char *const metrics[] = { "callbacks", "notifications.ends", "migrations",
					       "evictions", "faults", "page_table_writes" };
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		add_unobservable(list, metrics[i], report__unobservable(r, metrics[i]));
	if (!report__unobservable(r, "callbacks"))
		add_unseen(list, r, "callbacks");
	if (!report__unobservable(r, "page_table_writes"))
		add_unseen(list, r, "page_table_writes");
	/* Probes are there for who had subscribed before. */
	if (!report__unobservable(r, "callbacks") && report__unobservable(r, "registry"))
		add_unobservable(list, "callbacks.later",
				 "of drivers that are not known and subscribe while counting: "
				 "only the walk of the registry sees them");
	if (r->latency && any_untimed(r))
		add_unobservable(list, "callbacks.latency_ns",
				 "a callback that the walk of the registry sees has none, but with "
				 "--via registry that of its notification where it was the only one");
	if (!r->latency) {
		add_unobservable(list, "callbacks.latency_ns", "switched off by --no-latency");
		add_unobservable(list, "callbacks.entered", "switched off by --no-latency");
	}
	return list;
}

/* A path or a word may be anything but NUL; JSON is UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *s = json_string(text);

	return s ? s : json_string("(not UTF-8)");
}

static json_t *scope_json(const struct report *r)
{
	if (r->command)
		return json_pack("{s:b}", "command", 1);
	if (r->pid)
		return json_pack("{s:I}", "pid", (json_int_t)r->pid);
	if (r->cgroup)
		return json_pack("{s:o}", "cgroup", text_json(r->cgroup));
	return json_pack("{s:b}", "all", 1);
}

static json_t *command_status_json(int status)
{
	if (status < 0)
		return json_null();
	if (WIFSIGNALED(status))
		return json_pack("{s:i}", "signal", WTERMSIG(status));
	return json_pack("{s:i}", "exit", WEXITSTATUS(status));
}

json_t *report__json(const struct report *r)
{
	const __u64 *t = r->snap->total;
	json_t *command = json_array(), *faults = json_null();
	struct snapshot_sums s;
	json_t *doc;

	snapshot__sum(r->snap, &s);
	for (char *const *word = r->command; word && *word; word++)
		json_array_append_new(command, text_json(*word));
	if (!report__unobservable(r, "faults"))
		faults = json_pack("{s:I, s:I, s:I}", "calls", (json_int_t)s.faults, "pages",
				   (json_int_t)s.fault_pages, "retries",
				   (json_int_t)s.fault_retries);
	doc = json_pack(
		"{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:I, s:o, s:o, s:o, s:o, "
		"s:{s:I, s:I}, s:o, s:{s:I, s:I, s:I}, s:o, s:o}",
		"schema", "mmuscope-stat/1", "tool", tool_info__json(), "kernel",
		kernel_info__json(), "clock", kernel_info__clock(), "scope", scope_json(r),
		"command", command, "command_status", command_status_json(r->command_status),
		"children", r->children, "duration_ns", (json_int_t)r->duration_ns,
		"notifications", notifications_json(r), "callbacks", callbacks_json(r),
		"migrations", migrations_json(r), "faults", faults, "ownerless", "calls",
		(json_int_t)s.ownerless, "pages", (json_int_t)s.ownerless_pages,
		"page_table_writes", page_table_writes_json(r), "lost", "events",
		(json_int_t)t[LOST_EVENTS], "counters",
		(json_int_t)(t[LOST_ROWS] + t[LOST_STATE] + t[LOST_PAGES] + t[LOST_CAUSES]),
		"recursion",
		(json_int_t)r->snap->recursion, "invariants", invariants_json(r), "unobservable",
		unobservable_json(r));
	if (doc && (report_cause__json(r, doc) || report_windows__json(r, doc))) {
		json_decref(doc);
		return NULL;
	}
	return doc;
}
