// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Invariants and JSON of one measurement; its rows are in report_rows.c. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "json_text.h"
#include "kernel_info.h"
#include "report_cause.h"
#include "report_rows.h"
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
	__u64 outcomes = 0, outcome[OUTCOME_MAX];

	if (r->given)
		return take_given(r, out, broken);
	snapshot__sum(r->snap, &s);
	if (!r->interval)
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

/* What is in front of the rows. */
static json_t *head_json(const struct report *r)
{
	json_t *command = json_array();

	for (char *const *word = r->command; word && *word; word++)
		json_array_append_new(command, text_json(*word));
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:I}", "schema",
			 "mmuscope-stat/1", "tool", tool_info__json(), "kernel",
			 kernel_info__json(), "clock", kernel_info__clock(), "scope",
			 scope_json(r), "command", command, "command_status",
			 command_status_json(r->command_status), "children", r->children,
			 "duration_ns", (json_int_t)r->duration_ns);
}

static json_t *faults_json(const struct report *r, const struct snapshot_sums *s)
{
	if (report__unobservable(r, "faults"))
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "calls", (json_int_t)s->faults, "pages",
			 (json_int_t)s->fault_pages, "retries", (json_int_t)s->fault_retries);
}

/* What is behind them. */
static json_t *tail_json(const struct report *r)
{
	const __u64 *t = r->snap->total;
	struct snapshot_sums s;
	json_t *tail;

	snapshot__sum(r->snap, &s);
	tail = json_pack("{s:o, s:{s:I, s:I}, s:o, s:{s:I, s:I, s:I}, s:o, s:o}", "faults",
			 faults_json(r, &s), "ownerless", "calls", (json_int_t)s.ownerless,
			 "pages", (json_int_t)s.ownerless_pages, "page_table_writes",
			 page_table_writes_json(r), "lost", "events", (json_int_t)t[LOST_EVENTS],
			 "counters",
			 (json_int_t)(t[LOST_ROWS] + t[LOST_STATE] + t[LOST_PAGES] +
				      t[LOST_CAUSES]),
			 "recursion", (json_int_t)r->snap->recursion, "invariants",
			 invariants_json(r), "unobservable", unobservable_json(r));
	if (tail && (report_cause__json(r, tail) || report_windows__json(r, tail))) {
		json_decref(tail);
		return NULL;
	}
	return tail;
}

json_t *report__json(const struct report *r)
{
	json_t *doc = head_json(r), *rows = NULL, *tail = tail_json(r);
	struct text t = {};

	report_rows__write(r, &t);
	json_text__end(&t, 0, '{', '}');
	if (!t.failed)
		rows = json_loadb(t.data, t.len, 0, NULL);
	text__clear(&t);
	/* Fails, too, where one of them is not there. */
	if (json_object_update(doc, rows) || json_object_update(doc, tail)) {
		json_decref(doc);
		doc = NULL;
	}
	json_decref(rows);
	json_decref(tail);
	return doc;
}

void report__write_json(const struct report *r, struct text *line)
{
	json_t *head = head_json(r), *tail = tail_json(r);
	size_t doc = json_text__begin(line);

	json_text__members(line, head);
	report_rows__write(r, line);
	json_text__members(line, tail);
	json_text__end(line, doc, '{', '}');
	json_decref(head);
	json_decref(tail);
}
