// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A recording as JSON and as tables. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "history.h"

#define U(x) ((uintmax_t)(x))

/* Copies a key where the source has it. */
static int take_key(json_t *to, json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	return value ? json_object_set(to, key, value) : 0;
}

/*
 * report__json() describes this machine and a run that it was told of; the recording knows
 * those of its own, and counts that no record has.
 */
json_t *history__stat_json(const struct history *h, const struct report *report)
{
	static const char *const about[] = { "tool", "kernel", "clock", "scope", "command",
					     "children" };
	static const char *const counted[] = { "command_status", "duration_ns",
					       "page_table_writes", "lost" };
	json_t *doc = report__json(report);
	int err = doc ? 0 : -ENOMEM;

	if (!err)
		err = json_object_set_new(doc, "page_table_writes", json_null()) ||
		      json_object_set_new(doc, "lost", json_null());
	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]) && !err; i++)
		err = take_key(doc, h->info->about, about[i]);
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]) && !err; i++)
		err = take_key(doc, h->info->counters, counted[i]);
	if (!err)
		return doc;
	json_decref(doc);
	return NULL;
}

/* ---- views ---- */

const char *history_view__title(enum history_view view)
{
	static const char *const titles[HISTORY_VIEWS] = {
		[HISTORY_UNMOVED] = "Pages asked for: migrated, or why not",
		[HISTORY_LONGEST] = "Longest migrations",
		[HISTORY_MOST_EXCESS] = "Migrations with the most excess pages",
		[HISTORY_REFAULTS] = "Performed invalidations, and device faults after them",
		[HISTORY_PINGPONG] = "Pages that moved to the device and back",
		[HISTORY_GROUPS] = "Counts by group",
	};

	return titles[view];
}

struct view *history__view(struct history *h, enum history_view view)
{
	const __u64 zero = h->counts.first_ns;

	switch (view) {
	case HISTORY_UNMOVED:
		return moves__unmoved(&h->moves, &h->names);
	case HISTORY_LONGEST:
		return moves__top(&h->moves, MOVES_BY_DURATION, &h->names, zero);
	case HISTORY_MOST_EXCESS:
		return moves__top(&h->moves, MOVES_BY_EXCESS, &h->names, zero);
	case HISTORY_REFAULTS:
		return refaults__view(h->refaults);
	case HISTORY_PINGPONG:
		return pingpong__view(&h->pingpong, &h->names, h->options.top);
	default:
		return groups__view(&h->groups, &h->names,
				    h->options.all_groups ? (size_t)-1 : h->options.top);
	}
}

static int set_view(struct history *h, json_t *doc, const char *key, enum history_view view)
{
	struct view *v = history__view(h, view);
	json_t *rows = v ? view__json(v) : NULL;

	view__free(v);
	return json_object_set_new(doc, key, rows) ? -ENOMEM : 0;
}

static json_t *by_kind(const __u64 n[RECORD_KINDS])
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "notifications",
			 (json_int_t)n[RECORD_NOTIFICATION], "callbacks",
			 (json_int_t)n[RECORD_CALLBACK], "faults", (json_int_t)n[RECORD_FAULT],
			 "migrations", (json_int_t)n[RECORD_MIGRATION], "pages",
			 (json_int_t)n[RECORD_PAGES], "stacks", (json_int_t)n[RECORD_STACK]);
}

static json_t *recording_json(const struct history *h, const struct history_result *r)
{
	const struct recording_damage *d = r->damage;
	json_t *filter = json_object_get(h->info->about, "filter");

	return json_pack(
		"{s:b, s:O?, s:o, s:o, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:b}, s:b, s:s?}",
		"complete", h->info->complete, "filter", filter, "kept", by_kind(h->counts.kept),
		"lost", by_kind(h->info->lost), "removed", (json_int_t)h->info->dropped,
		"setups_failed", (json_int_t)h->counts.failed, "orphans", (json_int_t)h->orphans,
		"damage", "packets", (json_int_t)d->packets, "packets_missing",
		(json_int_t)d->packets_missing, "bytes", (json_int_t)d->bytes, "files",
		(json_int_t)d->files, "metadata", d->metadata, "compared", !r->not_compared[0],
		"not_compared", r->not_compared[0] ? r->not_compared : NULL);
}

static int set_groups(struct history *h, json_t *doc)
{
	json_t *by = json_array();

	if (!h->options.by_count) {
		json_decref(by);
		return json_object_set_new(doc, "by", json_null()) ||
		       json_object_set_new(doc, "groups", json_null());
	}
	for (size_t i = 0; i < h->groups.by_count; i++)
		json_array_append_new(by, json_string(group_key__name(h->groups.by[i])));
	return json_object_set_new(doc, "by", by) ||
	       set_view(h, doc, "groups", HISTORY_GROUPS);
}

static int set_pingpong(struct history *h, json_t *doc)
{
	struct pingpong_sum sum = pingpong__sum(&h->pingpong);
	json_t *o = json_pack("{s:I, s:I, s:I, s:I}", "pages", (json_int_t)sum.pages, "trips",
			      (json_int_t)sum.trips, "unknown", (json_int_t)h->pingpong.unknown,
			      "evicted", (json_int_t)h->pingpong.evicted);
	int err = o ? set_view(h, o, "ranges", HISTORY_PINGPONG) : -ENOMEM;

	if (!err)
		return json_object_set_new(doc, "ping_pong", o);
	json_decref(o);
	return err;
}

json_t *history__json(struct history *h, const struct history_result *r)
{
	json_t *doc = history__stat_json(h, &r->report);
	int err = doc ? 0 : -ENOMEM;

	err = err || json_object_set_new(doc, "schema", json_string("mmuscope-report/1")) ||
	      json_object_set_new(doc, "recording", recording_json(h, r)) ||
	      set_view(h, doc, "unmoved", HISTORY_UNMOVED) ||
	      set_view(h, doc, "longest", HISTORY_LONGEST) ||
	      set_view(h, doc, "most_excess", HISTORY_MOST_EXCESS) ||
	      set_view(h, doc, "refaults", HISTORY_REFAULTS) ||
	      set_pingpong(h, doc) || set_groups(h, doc);
	if (!err)
		return doc;
	json_decref(doc);
	return NULL;
}

/* ---- tables ---- */

static void print_heading(const struct history *h, const struct report *report, FILE *out)
{
	json_t *about = h->info->about, *scope = json_object_get(about, "scope");
	const char *release =
		json_string_value(json_object_get(json_object_get(about, "kernel"), "release"));
	const char *command =
		json_string_value(json_array_get(json_object_get(about, "command"), 0));
	const char *cgroup = json_string_value(json_object_get(scope, "cgroup"));
	const char *more = json_is_true(json_object_get(about, "children")) ?
				   " and its children" : "";
	json_t *pid = json_object_get(scope, "pid");

	if (command)
		fprintf(out, "command '%.200s'%s", command, more);
	else if (pid)
		fprintf(out, "process %" JSON_INTEGER_FORMAT "%s", json_integer_value(pid), more);
	else
		fprintf(out, "%.280s", cgroup ? cgroup : "whole system");
	fprintf(out, ", %.3f s of Linux %s\n\n", (double)report->duration_ns / 1e9,
		release ? release : "?");
}

static int print_views(struct history *h, FILE *out)
{
	int err = 0;

	for (int i = 0; i < HISTORY_GROUPS && !err; i++) {
		struct view *v = history__view(h, (enum history_view)i);

		err = v ? view__print(v, history_view__title((enum history_view)i), out) : -ENOMEM;
		view__free(v);
	}
	return err;
}

int history__print(struct history *h, const struct history_result *r, FILE *out)
{
	const __u64 *kept = h->counts.kept;
	int err;

	print_heading(h, &r->report, out);
	err = report__print(&r->report, out);
	if (err)
		return err;
	if (r->not_compared[0])
		fprintf(out, "Not compared with the counters: %s\n", r->not_compared);
	fprintf(out, "Records: %ju notifications, %ju callbacks, %ju migrations, %ju faults\n\n",
		U(kept[RECORD_NOTIFICATION]), U(kept[RECORD_CALLBACK]), U(kept[RECORD_MIGRATION]),
		U(kept[RECORD_FAULT]));
	return print_views(h, out);
}
