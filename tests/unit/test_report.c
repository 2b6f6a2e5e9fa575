// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measurement.h"

#include <stdio.h>
#include <unistd.h>

#include "result.h"

/* ---- invariants ---- */

static const char ends[] = "starts = ends + failed starts";
static const char delivered[] = "delivered = sum of outcomes";
static const char setups[] = "setups = finalizes + failed setups";
static const char phases[] = "phases sum to the total";
static const char lost[] = "nothing lost";
static const char recursion[] = "no recursion misses";

static const struct invariant *find(const struct invariant *inv, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(inv[i].name, name))
			return &inv[i];
	return NULL;
}

/* Exactly the invariants of `names` are there, in any order, and all hold. */
static void check_invariants(const struct measurement *m, const char *const *names, size_t count)
{
	struct invariant inv[INVARIANTS_MAX];
	size_t broken = 99, n = report__invariants(&m->report, inv, &broken);

	assert_int_equal(n, count);
	assert_int_equal(broken, 0);
	for (size_t i = 0; i < count; i++) {
		const struct invariant *found = find(inv, n, names[i]);

		assert_non_null(found);
		assert_true(found->holds);
	}
}

/* Exactly one invariant is broken, and it is this one. */
static void check_broken(const struct measurement *m, const char *name)
{
	struct invariant inv[INVARIANTS_MAX];
	size_t broken, n = report__invariants(&m->report, inv, &broken);

	assert_int_equal(broken, 1);
	for (size_t i = 0; i < n; i++)
		if (inv[i].holds == !strcmp(inv[i].name, name))
			fail_msg("'%s' %s, '%s' should be broken (%s)", inv[i].name,
				 inv[i].holds ? "holds" : "is broken", name, inv[i].detail);
}

static void holds_in_a_sound_measurement(void **state)
{
	static const char *const all[] = { ends, delivered, setups, phases, lost, recursion };
	struct measurement *m = *state;

	check_invariants(m, all, 6);
	/* What is open when its task dies never ends, and is no contradiction. */
	m->snap.total[TOTAL_ENDS]--;
	m->snap.total[TOTAL_ABANDONED_WINDOWS]++;
	m->snap.total[TOTAL_CALLBACK_ENTRIES]++;
	m->snap.total[TOTAL_ABANDONED_CALLBACKS]++;
	m->snap.total[TOTAL_SETUPS] += 3;
	m->snap.total[TOTAL_ABANDONED_MIGRATIONS]++;
	m->snap.total[TOTAL_SETUPS_FAILED]++;
	m->snap.total[TOTAL_SETUPS_EMPTY]++;
	m->snap.total[TOTAL_EVICTS]++;
	m->snap.total[TOTAL_EVICTS_FINALIZED]++;
	check_invariants(m, all, 6);
}

static void breaks_with_one_forged_total(void **state)
{
	static const struct {
		enum mmuscope_total total;
		const char *name;
	} forged[] = {
		{ TOTAL_STARTS_FAILED, ends },
		{ TOTAL_ENDS, ends },
		{ TOTAL_ABANDONED_WINDOWS, ends },
		{ TOTAL_CALLBACK_ENTRIES, delivered },
		{ TOTAL_CALLBACK_EXITS, delivered },
		{ TOTAL_ABANDONED_CALLBACKS, delivered },
		{ TOTAL_SETUPS, setups },
		{ TOTAL_SETUPS_FAILED, setups },
		{ TOTAL_SETUPS_EMPTY, setups },
		{ TOTAL_FINALIZES, setups },
		{ TOTAL_EVICTS, setups },
		{ TOTAL_EVICTS_FINALIZED, setups },
		{ TOTAL_ABANDONED_MIGRATIONS, setups },
		{ LOST_EVENTS, lost },
		{ LOST_ROWS, lost },
		{ LOST_STATE, lost },
		{ LOST_PAGES, lost },
		{ LOST_CAUSES, lost },
	};
	struct measurement *m = *state;

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		m->snap.total[forged[i].total]++;
		check_broken(m, forged[i].name);
		m->snap.total[forged[i].total]--;
	}
	m->snap.recursion = 1;
	check_broken(m, recursion);
}

/* A row that says other than the total; a total of both sides breaks the phases alone. */
static void breaks_with_one_forged_row(void **state)
{
	struct measurement *m = *state;

	m->snap.rows[0].count[NOTIFICATION_CALLS]--;
	check_broken(m, phases);
	m->snap.rows[0].count[NOTIFICATION_CALLS]++;
	m->snap.total[TOTAL_STARTS]++;
	m->snap.total[TOTAL_ENDS]++;
	check_broken(m, phases);
	m->snap.total[TOTAL_STARTS]--;
	m->snap.total[TOTAL_ENDS]--;
	m->snap.callbacks[0].outcome[OUTCOME_SKIPPED]++;
	check_broken(m, delivered);
}

static void leaves_out_what_was_not_watched(void **state)
{
	static const char *const no_ends[] = { delivered, setups, phases, lost, recursion };
	static const char *const no_setups[] = { delivered, phases, lost, recursion };
	static const char *const interval[] = { lost, recursion };
	struct measurement *m = *state;

	blind(m, "notifications.ends", "switched off by --no-latency");
	check_invariants(m, no_ends, 5);
	blind(m, "migrations", "this kernel has no such function");
	check_invariants(m, no_setups, 4);
	m->report.interval = true;
	check_invariants(m, interval, 2);
	m->snap.total[LOST_ROWS] = 1;
	check_broken(m, lost);
}

/* --no-latency watches no entries of callbacks. */
static void checks_less_without_latency(void **state)
{
	static const char *const less[] = { setups, phases, lost, recursion };
	struct measurement *m = *state;

	m->report.latency = false;
	blind(m, "notifications.ends", "switched off by --no-latency");
	for (int t = TOTAL_CALLBACK_ENTRIES; t <= TOTAL_CALLBACK_EXITS; t++)
		m->snap.total[t] = 0;
	check_invariants(m, less, 4);
	m->snap.total[TOTAL_FINALIZES]--;
	check_broken(m, setups);
}

static void checks_callbacks_only_if_one_could_be_seen(void **state)
{
	static const char *const all[] = { ends, delivered, setups, phases, lost, recursion };
	static const char *const none[] = { ends, setups, phases, lost, recursion };
	struct measurement *m = *state;

	/* The module went: what was counted before must be right all the same. */
	blind(m, "registry", "switched off by --via");
	blind(m, "callbacks", "module test_hmm was removed");
	check_invariants(m, all, 6);
	m->snap.total[TOTAL_CALLBACK_EXITS]++;
	check_broken(m, delivered);
	m->snap.callback_count = 0;
	m->snap.total[TOTAL_CALLBACK_ENTRIES] = m->snap.total[TOTAL_CALLBACK_EXITS] = 0;
	check_invariants(m, none, 5);
	m->snap.total[TOTAL_CALLBACK_ENTRIES] = 1;
	check_broken(m, delivered);
}

static void one_target_of_a_metric_is_enough(void **state)
{
	struct measurement *m = *state;
	struct plan_target *t = plan__find(&m->plan, "migrate_device_range");

	t->source = PLAN_NONE;
	strcpy(t->reason, "first");
	assert_null(report__unobservable(&m->report, "evictions"));
	blind(m, "evictions", "none");
	assert_string_equal(report__unobservable(&m->report, "evictions"), "none");
	assert_null(report__unobservable(&m->report, "faults"));
}

/* ---- JSON ---- */

static json_t *made(const struct measurement *m)
{
	json_t *json = report__json(&m->report);

	assert_non_null(json);
	return json;
}

/* What diff makes of the JSON, which it frees. */
static struct result *loaded(json_t *json)
{
	char error[RESULT_ERROR_SIZE], *text = json_dumps(json, JSON_INDENT(1));
	struct result *result;

	assert_non_null(text);
	if (result__parse("x.json", text, strlen(text), &result, error))
		fail_msg("%s", error);
	free(text);
	json_decref(json);
	return result;
}

/* As many sentences of result__verify() as there should be, each with `word`. Frees it. */
static void check_verdict(struct result *result, size_t n, const char *word)
{
	struct sentences broken = {};

	assert_int_equal(result__verify(result, &broken), 0);
	for (size_t i = 0; i < broken.n; i++)
		if (!n || !strstr(broken.text[i], word))
			fail_msg("%s", broken.text[i]);
	assert_int_equal(broken.n, n);
	sentences__clear(&broken);
	result__free(result);
}

static const json_t *entry(const json_t *json, const char *section, size_t i)
{
	const json_t *row = json_array_get(json_object_get(json, section), i);

	assert_non_null(row);
	return row;
}

static void check_text(const json_t *row, const char *key, const char *expected)
{
	const char *text = json_string_value(json_object_get(row, key));

	assert_non_null(text);
	assert_string_equal(text, expected);
}

static void check_number(const json_t *row, const char *key, json_int_t expected)
{
	const json_t *n = json_object_get(row, key);

	if (!json_is_integer(n) || json_integer_value(n) != expected)
		fail_msg("%s is %lld, not %lld", key, (long long)json_integer_value(n),
			 (long long)expected);
}

static void is_null(const json_t *row, const char *key)
{
	assert_true(json_is_null(json_object_get(row, key)));
}

/* unobservable[] has the metric, with this reason; NULL: has it not. */
static void check_reason(const json_t *json, const char *metric, const char *reason)
{
	const json_t *list = json_object_get(json, "unobservable"), *row;
	size_t i;

	json_array_foreach(list, i, row) {
		if (strcmp(json_string_value(json_object_get(row, "metric")), metric))
			continue;
		assert_non_null(reason);
		check_text(row, "reason", reason);
		return;
	}
	if (reason)
		fail_msg("no reason for '%s'", metric);
}

static void json_has_every_number(void **state)
{
	struct measurement *m = *state;
	json_t *json = made(m);
	const json_t *row = entry(json, "notifications", 1), *latency;

	check_text(json, "schema", "mmuscope-stat/1");
	check_number(json, "duration_ns", 1000000);
	check_number(json_object_get(json, "scope"), "pid", 42);
	is_null(json, "command_status");
	check_text(row, "event", "UNMAP");
	check_text(row, "phase", "outside");
	check_number(row, "calls", 3);
	check_number(row, "pages", 10);
	check_number(row, "failed", 1);
	check_number(row, "whole", 1);
	row = entry(json, "callbacks", 1);
	check_text(row, "comm", "prog");
	check_number(row, "pid", 42);
	check_text(row, "symbol", "dmirror_interval_invalidate");
	check_text(row, "module", "test_hmm");
	check_text(row, "source", "fentry");
	check_number(row, "delivered", 3);
	check_number(row, "performed", 1);
	check_number(row, "skipped", 0);
	check_number(row, "failed", 1);
	check_number(row, "undetermined", 1);
	check_number(row, "pages", 192);
	check_number(row, "pages_performed", 64);
	check_number(row, "whole", 1);
	check_number(row, "avoidable", 0);
	check_number(row, "avoidable_ns", 0);
	check_text(row, "owner_by", OWNER_BY_MIGRATION);
	check_number(entry(row, "sizes", 0), "lt", 128);
	check_number(entry(row, "sizes", 0), "count", 3);
	check_number(json_object_get(json, "ownerless"), "calls", 0);
	latency = json_object_get(row, "latency_ns");
	check_number(latency, "count", 3);
	check_number(latency, "sum", 1800);
	check_number(latency, "min", 500);
	check_number(latency, "max", 700);
	check_number(entry(latency, "buckets", 0), "lt", 1024);
	check_number(entry(latency, "buckets", 0), "count", 3);
	row = entry(json, "migrations", 0);
	check_text(row, "direction", "to_device");
	assert_int_equal(json_array_size(json_object_get(row, "select")), 2);
	assert_string_equal(json_string_value(entry(row, "select", 0)), "system");
	assert_string_equal(json_string_value(entry(row, "select", 1)), "compound");
	check_text(row, "owner", "dmirror_devices+0x0 [test_hmm]");
	check_number(row, "collected", 256);
	check_number(row, "migrated", 250);
	check_number(row, "excess", 6);
	check_number(row, "time_ns", 4000);
	row = json_object_get(json, "faults");
	check_number(row, "calls", 5);
	check_number(row, "pages", 320);
	check_number(row, "retries", 2);
	json_decref(json);
}

/* The line of an interval is the tree's, and jansson would not write it otherwise. */
static void json_in_a_line_is_the_same(void **state)
{
	struct measurement *m = *state;

	for (int interval = 0; interval < 2; interval++) {
		struct text line = {};
		json_t *json, *read;
		char *expected;

		m->report.interval = interval;
		json = made(m);
		report__write_json(&m->report, &line);
		assert_false(line.failed);
		read = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES, NULL);
		assert_true(json_equal(read, json));
		expected = json_dumps(read, JSON_COMPACT);
		assert_int_equal(line.len, strlen(expected));
		assert_memory_equal(line.data, expected, line.len);
		assert_ptr_equal(strstr(expected, "{\"schema\":\"mmuscope-stat/1\","), expected);
		free(expected);
		json_decref(read);
		json_decref(json);
		text__clear(&line);
	}
}

static void json_is_a_sound_result(void **state)
{
	struct measurement *m = *state;
	struct result *r = loaded(made(m));
	const struct result_case *c = &r->cases[0];

	assert_int_equal(r->schema, RESULT_STAT);
	assert_int_equal(result_case__total(c, METRIC_NOTIFICATIONS), 11);
	assert_int_equal(result_case__total(c, METRIC_DELIVERED), 11);
	assert_int_equal(result_case__total(c, METRIC_PERFORMED), 5);
	assert_int_equal(result_case__total(c, METRIC_SKIPPED), 4);
	assert_int_equal(result_case__total(c, METRIC_FAILED), 1);
	assert_int_equal(result_case__total(c, METRIC_UNDETERMINED), 1);
	assert_int_equal(result_case__total(c, METRIC_PAGES_PERFORMED), 320);
	assert_int_equal(result_case__total(c, METRIC_EXCESS), 6);
	assert_int_equal(result_case__total(c, METRIC_REFAULTS), 5);
	assert_int_equal(result_case__total(c, METRIC_AVOIDABLE), 0);
	check_verdict(r, 0, "");
}

static void json_tells_what_could_be_avoided(void **state)
{
	struct measurement *m = *state;
	struct mmuscope_row_key clear = row_key(42, ROW_NOTIFICATION, 1, PHASE_SETUP);
	struct mmuscope_callback_row *row = &m->snap.callbacks[0];
	struct result *r;
	json_t *json;

	row->avoidable = 3;
	row->avoidable_pages = 192;
	row->avoidable_time = 1500;
	m->names.callbacks[0].owner_by = OWNER_BY_DRIVER;
	add_row(&m->snap, &clear, (const __u64[]){ 2, 1024, 0, 0, 1 }, 5);
	m->snap.total[TOTAL_STARTS] += 2;
	m->snap.total[TOTAL_ENDS] += 2;
	json = made(m);
	check_number(entry(json, "callbacks", 0), "avoidable", 3);
	check_number(entry(json, "callbacks", 0), "avoidable_pages", 192);
	check_number(entry(json, "callbacks", 0), "avoidable_ns", 1500);
	check_text(entry(json, "callbacks", 0), "owner_by", OWNER_BY_DRIVER);
	check_number(json_object_get(json, "ownerless"), "calls", 2);
	check_number(json_object_get(json, "ownerless"), "pages", 1024);
	check_number(entry(json, "notifications", 2), "empty", 1);
	r = loaded(json);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_AVOIDABLE), 3);
	check_verdict(r, 0, "");
}

/* What the walk of the registry sees has no entries, and takes no time that is known. */
static void the_walk_knows_the_times_of_all_or_of_none(void **state)
{
	struct measurement *m = *state;
	json_t *json;

	m->names.callbacks[0].source = plan_source_name(PLAN_REGISTRY);
	m->snap.total[TOTAL_CALLBACK_ENTRIES] = m->snap.total[TOTAL_CALLBACK_EXITS] = 0;
	json = made(m);
	check_number(json_object_get(entry(json, "callbacks", 0), "latency_ns"), "sum",
		     (json_int_t)m->snap.callbacks[0].latency_sum);
	check_reason(json, "callbacks.latency_ns", NULL);
	check_verdict(loaded(json), 0, "");

	/* One came with others. */
	m->snap.callbacks[0].bucket[10]--;
	json = made(m);
	is_null(entry(json, "callbacks", 0), "latency_ns");
	is_null(entry(json, "callbacks", 0), "avoidable_ns");
	check_reason(json, "callbacks.latency_ns",
		     "a callback that the walk of the registry sees has none, but with --via registry "
		     "that of its notification where it was the only one");
	check_verdict(loaded(json), 0, "");
}

static void json_tells_what_is_broken(void **state)
{
	struct measurement *m = *state;

	m->snap.total[TOTAL_ENDS]--;
	check_verdict(loaded(made(m)), 1, ends);
	m->snap.total[TOTAL_ENDS]++;
	m->snap.recursion = 3;
	check_verdict(loaded(made(m)), 2, "recursion");
}

static void not_observable_is_null_with_a_reason(void **state)
{
	struct measurement *m = *state;
	struct result *r;
	json_t *json;

	blind(m, "faults", "no hmm_range_fault");
	blind(m, "migrations", "no migrate_vma_setup");
	blind(m, "evictions", "no migrate_device_range");
	m->report.latency = false;
	json = made(m);
	is_null(json, "faults");
	is_null(json, "migrations");
	is_null(entry(json, "callbacks", 0), "latency_ns");
	check_reason(json, "faults", "no hmm_range_fault");
	check_reason(json, "migrations", "no migrate_vma_setup");
	check_reason(json, "evictions", "no migrate_device_range");
	check_reason(json, "callbacks.latency_ns", "switched off by --no-latency");
	check_reason(json, "callbacks", NULL);
	r = loaded(json);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_REFAULTS), COUNT_UNKNOWN);
	assert_string_equal(result_case__reason(&r->cases[0], METRIC_REFAULTS),
			    "no hmm_range_fault");
	assert_int_equal(result_case__total(&r->cases[0], METRIC_MIGRATED), COUNT_UNKNOWN);
	check_verdict(r, 0, "");
}

static void unseen_callbacks_are_null_with_a_reason(void **state)
{
	struct measurement *m = *state;
	struct plan_target *t = plan__find(&m->plan, "dmirror_interval_invalidate");
	struct result *r;
	json_t *json;

	/* One of two drivers is not seen: the other's rows stand, this one is named. */
	t->source = PLAN_NONE;
	strcpy(t->reason, "it was inlined");
	json = made(m);
	assert_int_equal(json_array_size(json_object_get(json, "callbacks")), 2);
	check_reason(json, "callbacks", NULL);
	check_reason(json, "callbacks.dmirror_interval_invalidate", "it was inlined");
	json_decref(json);

	/* With the walk no driver is left out, whatever the table knows. */
	blind(m, "callbacks", "module test_hmm was removed");
	json = made(m);
	check_reason(json, "callbacks", NULL);
	json_decref(json);
	blind(m, "registry", "switched off by --via");
	json = made(m);
	assert_int_equal(json_array_size(json_object_get(json, "callbacks")), 2);
	check_reason(json, "callbacks", "module test_hmm was removed");
	check_reason(json, "callbacks.dmirror_interval_invalidate", NULL);
	json_decref(json);

	m->snap.callback_count = 0;
	m->snap.total[TOTAL_CALLBACK_ENTRIES] = m->snap.total[TOTAL_CALLBACK_EXITS] = 0;
	json = made(m);
	is_null(json, "callbacks");
	r = loaded(json);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_DELIVERED), COUNT_UNKNOWN);
	assert_string_equal(result_case__reason(&r->cases[0], METRIC_DELIVERED),
			    "module test_hmm was removed");
	check_verdict(r, 0, "");
}

static void an_interval_has_no_extremes(void **state)
{
	struct measurement *m = *state;
	const json_t *latency;
	json_t *json;

	m->report.interval = true;
	json = made(m);
	latency = json_object_get(entry(json, "callbacks", 0), "latency_ns");
	is_null(latency, "min");
	is_null(latency, "max");
	check_number(latency, "sum", 4800);
	check_verdict(loaded(json), 0, "");
}

static void the_last_bucket_has_no_bound(void **state)
{
	struct measurement *m = *state;
	struct mmuscope_callback_row *row = &m->snap.callbacks[1];
	const json_t *buckets;
	json_t *json;

	row->bucket[10] = 0;
	row->bucket[0] = 1;
	row->bucket[MMUSCOPE_BUCKETS - 1] = 2;
	json = made(m);
	buckets = json_object_get(json_object_get(entry(json, "callbacks", 1), "latency_ns"),
				  "buckets");
	assert_int_equal(json_array_size(buckets), 2);
	check_number(json_array_get(buckets, 0), "lt", 1);
	is_null(json_array_get(buckets, 1), "lt");
	check_number(json_array_get(buckets, 1), "count", 2);
	check_verdict(loaded(json), 0, "");
}

static void check_scope(struct measurement *m, const char *key, const char *command_status)
{
	json_t *json = made(m), *scope = json_object_get(json, "scope");
	char *status = json_dumps(json_object_get(json, "command_status"), JSON_ENCODE_ANY);

	assert_int_equal(json_object_size(scope), 1);
	assert_non_null(json_object_get(scope, key));
	assert_string_equal(status, command_status);
	free(status);
	check_verdict(loaded(json), 0, "");
}

static void json_tells_the_scope(void **state)
{
	static char prog[] = "./prog", odd[] = "\xff", *const command[] = { prog, odd, NULL };
	struct measurement *m = *state;
	struct result *r;
	json_t *json;

	m->report.pid = 0;
	check_scope(m, "all", "null");
	m->report.cgroup = "/sys/fs/cgroup/\xff";
	check_scope(m, "cgroup", "null");
	m->report.cgroup = NULL;
	m->report.command = command;
	m->report.command_status = 3 << 8;
	check_scope(m, "command", "{\"exit\": 3}");
	m->report.command_status = 11;
	check_scope(m, "command", "{\"signal\": 11}");
	json = made(m);
	assert_false(json_is_true(json_object_get(json, "children")));
	r = loaded(json);
	assert_string_equal(r->cases[0].name, "./prog (not UTF-8)");
	result__free(r);
}

/* The kernel cuts a name after 15 bytes, in the middle of a character if need be. */
static void a_name_that_is_no_text_costs_no_row(void **state)
{
	struct measurement *m = *state;
	json_t *json;

	assert_int_equal(names__add_process(&m->names, 42, 7, "prog\xc3"), 0);
	json = made(m);
	assert_int_equal(json_array_size(json_object_get(json, "notifications")), 2);
	assert_int_equal(json_array_size(json_object_get(json, "callbacks")), 2);
	check_text(entry(json, "migrations", 0), "comm", "prog?");
	check_verdict(loaded(json), 0, "");
}

/* ---- tables ---- */

static char *printed(const struct measurement *m)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report__print(&m->report, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The output has all these lines, from "\n" to "\n", in this order. */
static void check_lines(const struct measurement *m, const char *const *lines, size_t n)
{
	char *text, *body = printed(m), *at;

	/* A line before the first, so that every one begins with a newline. */
	assert_true(asprintf(&text, "\n%s", body) > 0);
	at = text;
	for (size_t i = 0; i < n; i++) {
		char *line, *found;

		assert_true(asprintf(&line, "\n%s\n", lines[i]) > 0);
		found = strstr(at, line);
		if (!found)
			fail_msg("'%s' is not, or not there, in:%s", lines[i], text);
		/* The newline at its end begins the next one. */
		at = found + strlen(line) - 1;
		free(line);
	}
	free(text);
	free(body);
}

static void check_absent(const struct measurement *m, const char *what)
{
	char *text = printed(m);

	if (strstr(text, what))
		fail_msg("'%s' is in:\n%s", what, text);
	free(text);
}

static void prints_tables_of_one_process(void **state)
{
	static const char *const lines[] = {
		"Process prog:42",
		"Notifications",
		"EVENT   PHASE   CALLS PAGES FAILED WHOLE MM",
		"MIGRATE setup       8   512      0        0",
		"UNMAP   outside     3    10      1        1",
		("Callbacks of dmirror_interval_invalidate [test_hmm], interval notifier, seen by "
		 "fentry"),
		"EVENT   PHASE   DELIVERED PERFORMED SKIPPED FAILED UNDET PAGES INV AVG ns P99 <",
		"MIGRATE setup           8         4       4      0     0       256    600  1024",
		"UNMAP   outside         3         1       0      1     1        64    600  1024",
		"DIRECTION CALLS ASKED COLLECTED MIGRATED EXCESS SELECTS         OWNER",
		("to_device     8   512       256      250      6 system+compound "
		 "dmirror_devices+0x0 [test_hmm]"),
		"Device faults: 5 calls of hmm_range_fault(), 320 pages, 2 retries",
		"Checked: all 6 invariants hold, nothing was lost.",
	};
	struct measurement *m = *state;

	check_lines(m, lines, sizeof(lines) / sizeof(lines[0]));
	check_absent(m, "PROCESS");
	check_absent(m, "not observable");
	check_absent(m, "BROKEN");
}

static void prints_a_column_for_several_processes(void **state)
{
	static const char *const lines[] = {
		"PROCESS     EVENT   PHASE   CALLS PAGES FAILED WHOLE MM",
		"prog:42     MIGRATE setup       8   512      0        0",
		"prog:42     UNMAP   outside     3    10      1        1",
		"(unknown):0 UNMAP   outside     1     2      0        0",
		"?:43        UNMAP   outside     1     2      0        0",
		("PROCESS DIRECTION CALLS ASKED COLLECTED MIGRATED EXCESS SELECTS         "
		 "OWNER"),
		("prog:42 to_device     8   512       256      250      6 system+compound "
		 "dmirror_devices+0x0 [test_hmm]"),
		"Checked: all 6 invariants hold, nothing was lost.",
	};
	struct mmuscope_row_key unknown = row_key(0, ROW_NOTIFICATION, 0, PHASE_OUTSIDE);
	struct mmuscope_row_key stranger = row_key(43, ROW_NOTIFICATION, 0, PHASE_OUTSIDE);
	struct measurement *m = *state;

	add_row(&m->snap, &unknown, (const __u64[]){ 1, 2 }, 2);
	add_row(&m->snap, &stranger, (const __u64[]){ 1, 2 }, 2);
	m->snap.total[TOTAL_STARTS] += 2;
	m->snap.total[TOTAL_ENDS] += 2;
	check_lines(m, lines, 8);
	check_absent(m, "Process prog");
}

static void prints_why_something_is_not_observable(void **state)
{
	static const char *const lines[] = {
		"MIGRATE setup           8         4       4      0     0       256    n/o   n/o",
		"Latencies: not observable (n/o): switched off by --no-latency",
		"Callbacks of dmirror_snapshot_invalidate: not observable: it was inlined",
		"Migrations: not observable: no migrate_vma_setup",
		"Device faults: not observable: no hmm_range_fault",
	};
	struct measurement *m = *state;
	struct plan_target *t = plan__find(&m->plan, "dmirror_snapshot_invalidate");

	t->source = PLAN_NONE;
	strcpy(t->reason, "it was inlined");
	blind(m, "migrations", "no migrate_vma_setup");
	blind(m, "faults", "no hmm_range_fault");
	m->report.latency = false;
	check_lines(m, lines, 5);
	check_absent(m, "hmm_range_fault(), 0");
	check_absent(m, "Migrations (pages)");
	check_absent(m, ": none");
}

static void prints_why_no_callback_is_observable(void **state)
{
	static const char *const lines[] = {
		"Callbacks: not observable: module test_hmm is not loaded",
		"Checked: all 5 invariants hold, nothing was lost.",
	};
	struct measurement *m = *state;

	m->snap.callback_count = 0;
	m->snap.total[TOTAL_CALLBACK_ENTRIES] = m->snap.total[TOTAL_CALLBACK_EXITS] = 0;
	blind(m, "registry", "switched off by --via");
	blind(m, "callbacks", "module test_hmm is not loaded");
	check_lines(m, lines, 2);
	check_absent(m, "DELIVERED");
}

static void prints_what_is_broken(void **state)
{
	static const char *const lines[] = {
		("BROKEN: starts = ends + failed starts: 11 = 9 + 1, and 0 abandoned by a dying "
		 "task, 1 without an end: --windows tells whose"),
		"BROKEN: no recursion misses: 7 program runs were skipped",
	};
	struct measurement *m = *state;

	m->snap.total[TOTAL_ENDS]--;
	m->snap.recursion = 7;
	check_lines(m, lines, 2);
	check_absent(m, "Checked");
}

static void nothing_counted_is_none(void **state)
{
	static const char *const lines[] = {
		"Notifications: none",
		"Migrations (pages): none",
		"Device faults: 0 calls of hmm_range_fault(), 0 pages, 0 retries",
		"Checked: all 6 invariants hold, nothing was lost.",
	};
	struct measurement *m = *state;

	snapshot__clear(&m->snap);
	check_lines(m, lines, 4);
	check_absent(m, "Process");
}

static void a_slow_call_is_in_the_percentile(void **state)
{
	static const char *const slow[] = {
		"UNMAP   outside         3         1       0      1     1        64    600   inf",
	};
	static const char *const fast[] = {
		"UNMAP   outside         3         1       0      1     1        64    600     1",
	};
	struct measurement *m = *state;
	struct mmuscope_callback_row *row = &m->snap.callbacks[1];

	row->bucket[10] = 2;
	row->bucket[MMUSCOPE_BUCKETS - 1] = 1;
	check_lines(m, slow, 1);
	row->bucket[10] = row->bucket[MMUSCOPE_BUCKETS - 1] = 0;
	row->bucket[0] = 3;
	check_lines(m, fast, 1);
}

/* A process must not write on the terminal of whoever looks at it. */
static void a_name_cannot_write_on_the_terminal(void **state)
{
	static const char *const lines[] = { "Process ?[31mred:42" };
	struct measurement *m = *state;

	assert_int_equal(names__add_process(&m->names, 42, 7, "\x1b[31mred"), 0);
	check_lines(m, lines, 1);
	check_absent(m, "\x1b");
}

/* Nouveau's page tables: two functions, of which one is enough. */
static void page_table_writes_are_told_where_there_is_nouveau(void **state)
{
	static const char *const seen[] = {
		("Page-table writes of nouveau, of all processes: 997 entries asked for, "
		 "23 without a page"),
	};
	static const char *const unseen[] = {
		"Page-table writes of nouveau: not observable: the kernel refused",
	};
	struct measurement *m = *state;
	struct plan_target *t;
	json_t *json;

	add_target(&m->plan, "page_table_writes", "gp100_vmm_pgt_pfn", "nouveau");
	add_target(&m->plan, "page_table_writes", "gp100_vmm_pd0_pfn", "nouveau");
	m->snap.total[TOTAL_TABLE_ENTRIES] = 997;
	m->snap.total[TOTAL_TABLE_INVALID] = 23;
	check_lines(m, seen, 1);
	t = plan__find(&m->plan, "gp100_vmm_pd0_pfn");
	t->source = PLAN_NONE;
	strcpy(t->reason, "it was inlined");
	json = made(m);
	check_number(json_object_get(json, "page_table_writes"), "entries", 997);
	check_number(json_object_get(json, "page_table_writes"), "invalid", 23);
	check_reason(json, "page_table_writes", NULL);
	check_reason(json, "page_table_writes.gp100_vmm_pd0_pfn", "it was inlined");
	json_decref(json);
	blind(m, "page_table_writes", "the kernel refused");
	check_lines(m, unseen, 1);
	/* Without nouveau there is nothing to miss: a reason for programs, no line for people. */
	blind(m, "page_table_writes", "module nouveau is not loaded");
	for (size_t i = 0; i < m->plan.count; i++)
		m->plan.targets[i].absent = !strcmp(m->plan.targets[i].metric, "page_table_writes");
	check_absent(m, "nouveau");
	json = made(m);
	is_null(json, "page_table_writes");
	check_reason(json, "page_table_writes", "module nouveau is not loaded");
	check_reason(json, "page_table_writes.gp100_vmm_pd0_pfn", NULL);
	json_decref(json);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_measurement, tear_down_measurement)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(holds_in_a_sound_measurement),
		TEST(breaks_with_one_forged_total),
		TEST(breaks_with_one_forged_row),
		TEST(leaves_out_what_was_not_watched),
		TEST(checks_less_without_latency),
		TEST(checks_callbacks_only_if_one_could_be_seen),
		TEST(one_target_of_a_metric_is_enough),
		TEST(json_has_every_number),
		TEST(json_in_a_line_is_the_same),
		TEST(json_is_a_sound_result),
		TEST(json_tells_what_could_be_avoided),
		TEST(the_walk_knows_the_times_of_all_or_of_none),
		TEST(json_tells_what_is_broken),
		TEST(not_observable_is_null_with_a_reason),
		TEST(unseen_callbacks_are_null_with_a_reason),
		TEST(an_interval_has_no_extremes),
		TEST(the_last_bucket_has_no_bound),
		TEST(json_tells_the_scope),
		TEST(a_name_that_is_no_text_costs_no_row),
		TEST(prints_tables_of_one_process),
		TEST(prints_a_column_for_several_processes),
		TEST(prints_why_something_is_not_observable),
		TEST(prints_why_no_callback_is_observable),
		TEST(prints_what_is_broken),
		TEST(nothing_counted_is_none),
		TEST(a_slow_call_is_in_the_percentile),
		TEST(a_name_cannot_write_on_the_terminal),
		TEST(page_table_writes_are_told_where_there_is_nouveau),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
