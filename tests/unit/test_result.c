// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fixture.h"

#include <errno.h>

#include "result.h"

/* Parses `json`, which it frees; the test fails where that does. */
static struct result *parsed(json_t *json)
{
	char error[RESULT_ERROR_SIZE], *text = json_dumps(must(json), 0);
	struct result *result;

	assert_non_null(text);
	if (result__parse("x.json", text, strlen(text), &result, error))
		fail_msg("%s", error);
	free(text);
	json_decref(json);
	return result;
}

static void check_refused(const char *text, size_t len, int err, const char *expected)
{
	char error[RESULT_ERROR_SIZE] = "";
	struct result *result = NULL;

	assert_int_equal(result__parse("x.json", text, len, &result, error), err);
	assert_null(result);
	if (!strstr(error, expected) || !strstr(error, "x.json"))
		fail_msg("'%s' lacks '%s'", error, expected);
	/* One sentence on one line. */
	assert_null(strchr(error, '\n'));
	assert_int_equal(error[strlen(error) - 1], '.');
}

static void check_text(const char *text, int err, const char *expected)
{
	check_refused(text, strlen(text), err, expected);
}

/* Refused because of what was changed in it; frees it. */
static void check_wrong(json_t *json, const char *expected)
{
	char *text = json_dumps(must(json), 0);

	assert_non_null(text);
	check_text(text, -EINVAL, expected);
	free(text);
	json_decref(json);
}

static void reads_a_bench_result(void **state)
{
	struct result *r = parsed(fixture_bench(&fixture_unpatched));
	const struct result_case *c = &r->cases[1];
	char *title = result_case__title(c);

	(void)state;
	assert_int_equal(r->schema, RESULT_BENCH);
	assert_string_equal(r->variant, "unpatched");
	assert_string_equal(r->driver, "test_hmm");
	assert_int_equal(r->chunk_pages, 64);
	assert_int_equal(r->n_cases, 2);
	assert_int_equal(c->n_samples, 23);
	assert_int_equal(c->n_time_keys, 2);
	assert_string_equal(c->time_keys[0], "migrate");
	assert_true(c->samples[22].times[1] == 200 * FIXTURE_PAGES + 22 * 7 % 11);
	assert_string_equal(title, "migrate-mixed (pages 128, resident 50 %, iterations 23)");
	assert_int_equal(result_case__total(c, METRIC_DELIVERED), 92);
	assert_int_equal(result_case__total(c, METRIC_PERFORMED), 92);
	assert_int_equal(result_case__total(c, METRIC_PAGES_PERFORMED), 92 * 64);
	assert_int_equal(result_case__total(c, METRIC_MIGRATED), 23 * 64);
	assert_int_equal(result_case__total(c, METRIC_EXCESS), 23 * (256 - 64));
	assert_int_equal(result_case__total(c, METRIC_REFAULTS), 46);
	assert_int_equal(result_case__sum_ours(c, METRIC_REFAULTS), 46);
	free(title);
	result__free(r);
	result__free(NULL);
}

static void sums_a_stat_result_over_processes(void **state)
{
	json_t *json = fixture_stat(&fixture_patched, 0);
	struct result *r;

	(void)state;
	json_array_append_new(at(json, "callbacks"),
			      fixture_callback(&fixture_patched, 8, "UNMAP", "outside", 5));
	put(json, "", "command", json_pack("[s, s]", "./prog", "a\nb"));
	r = parsed(json);
	assert_int_equal(r->schema, RESULT_STAT);
	assert_int_equal(r->n_cases, 1);
	assert_string_equal(r->cases[0].name, "./prog a?b");
	assert_int_equal(result_case__total(&r->cases[0], METRIC_DELIVERED), 92 + 5);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_SKIPPED), 92 + 5);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_REFAULTS), 0);
	result__free(r);
}

static void null_is_unknown_and_never_zero(void **state)
{
	json_t *json = fixture_stat(&fixture_patched, 0);
	const struct result_case *c;
	struct result *r;

	(void)state;
	put(json, "", "faults", json_null());
	put(json, "", "migrations", json_null());
	put(json, "callbacks.0", "pages_performed", json_null());
	json_array_append_new(at(json, "unobservable"),
			      json_pack("{s:s, s:s}", "metric", "faults", "reason", "no symbol"));
	r = parsed(json);
	c = &r->cases[0];
	assert_int_equal(result_case__total(c, METRIC_REFAULTS), COUNT_UNKNOWN);
	assert_string_equal(result_case__reason(c, METRIC_REFAULTS), "no symbol");
	assert_int_equal(result_case__total(c, METRIC_MIGRATED), COUNT_UNKNOWN);
	assert_string_equal(result_case__reason(c, METRIC_MIGRATED),
			    "the result does not say why");
	assert_int_equal(result_case__total(c, METRIC_PAGES_PERFORMED), COUNT_UNKNOWN);
	assert_string_equal(result_case__reason(c, METRIC_AVOIDABLE), "the owner is not read");
	assert_int_equal(result_case__total(c, METRIC_DELIVERED), 92);
	result__free(r);
}

static void no_rows_are_zero_unless_not_observable(void **state)
{
	json_t *json = fixture_stat(&fixture_patched, 0);
	struct result *r;

	(void)state;
	json_array_clear(at(json, "callbacks"));
	json_array_clear(at(json, "notifications"));
	json_array_append_new(at(json, "unobservable"),
			      json_pack("{s:s, s:s}", "metric", "callbacks", "reason", "no probe"));
	r = parsed(json);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_NOTIFICATIONS), 0);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_DELIVERED), COUNT_UNKNOWN);
	assert_string_equal(result_case__reason(&r->cases[0], METRIC_DELIVERED), "no probe");
	result__free(r);
}

static void refuses_what_is_not_a_result(void **state)
{
	(void)state;
	check_text("", -EINVAL, "is empty");
	check_text(" \n\t\n", -EINVAL, "is empty");
	check_text("hello\n", -EINVAL, "is not JSON");
	check_refused("{\0}", 3, -EINVAL, "is not valid JSON at line 1");
	check_text("{\"schema\": \"mmuscope-stat/1\",\n \"tool\": tr", -EINVAL,
		   "is truncated: it ends at line 2");
	check_text("{\n\"a\": 1,\n\"b\" 2}", -EINVAL, "is not valid JSON at line 3");
	check_text("{\"a\": 1, \"a\": 2}", -EINVAL, "duplicate");
	check_text("{\"schema\":\n 99999999999999999999}", -EINVAL, "out of range at line 2");
	check_text("{}", -ENOMSG, "no result of mmuscope");
	check_text("[1, 2]", -ENOMSG, "no result of mmuscope");
	check_text("{\"schema\": 7}", -ENOMSG, "no result of mmuscope");
	check_text("{\"schema\": \"other/1\"}", -ENOMSG, "no result of mmuscope");
	check_text("{\"schema\": \"mmuscope-diff/1\"}", -ENOMSG, "is not a measurement");
	check_text("{\"schema\": \"mmuscope-stat/2\"}", -EPROTONOSUPPORT, "mmuscope-stat/2");
	check_text("{\"schema\": \"mmuscope-bench/1\"}", -EINVAL, "'tool' must be an object");
	/* What it quotes must not write on the terminal. */
	check_text("{\"schema\": \"mmuscope-stat/\\u001b[31m\"}", -EPROTONOSUPPORT, "/?[31m");
}

/* KVM migrates nothing. */
static void reads_a_device_without_chunks(void **state)
{
	json_t *json = fixture_bench(&fixture_patched);
	struct result *r;

	(void)state;
	put(json, "device", "chunk_pages", json_null());
	r = parsed(json);
	assert_int_equal(r->chunk_pages, 0);
	result__free(r);
}

static void refuses_wrong_fields(void **state)
{
	const struct fixture *f = &fixture_patched;
	json_t *json;

	(void)state;
	json = fixture_bench(f);
	put_count(json, "results.1.stat.callbacks.0", "delivered", -1);
	check_wrong(json, "'results[1].stat.callbacks[0].delivered' must be an integer of at least "
			  "0, or null, but is -1");
	json = fixture_bench(f);
	put(json, "results.0.samples.3.times", "migrate", json_string("fast"));
	check_wrong(json, "'results[0].samples[3].times.migrate' must be a number of 0 or more, "
			  "but is 'fast'");
	json = fixture_bench(f);
	put(json, "results.0.samples.3.ours", "skipped", json_real(2.5));
	check_wrong(json, "but is the real number 2.5");
	json = fixture_bench(f);
	json_object_del(at(json, "results.0.samples.3.times"), "read");
	check_wrong(json, "'results[0].samples[3].times'");
	json = fixture_bench(f);
	json_object_del(at(json, "results.1"), "samples");
	check_wrong(json, "'results[1].samples' must be an array, but is missing");
	json = fixture_bench(f);
	put_count(json, "device", "chunk_pages", 0);
	check_wrong(json, "'device.chunk_pages'");
	json = fixture_bench(f);
	put(json, "results.0.workload.params", "pages", json_true());
	check_wrong(json, "must be an integer or a string, but is true");
	json = fixture_stat(f, 0);
	put(json, "", "clock", json_string("tsc"));
	check_wrong(json, "'clock' must be one of 'ns' 'guest-insn', but is 'tsc'");
	json = fixture_stat(f, 0);
	put(json, "migrations.0", "direction", json_string("up"));
	check_wrong(json, "'migrations[0].direction'");
	json = fixture_stat(f, 0);
	put(json, "notifications.0", "pid", json_integer(1LL << 40));
	check_wrong(json, "'notifications[0].pid' must be an integer of at least 0 and at most");
	json = fixture_stat(f, 0);
	put(json, "", "scope", json_object());
	check_wrong(json, "'scope'");
	json = fixture_stat(f, 0);
	put(json, "", "lost", json_null());
	check_wrong(json, "'lost' must be an object, but is null");
}

/* Wherever a file breaks off, it is refused with a sentence, and never crashes. */
static void refuses_every_truncation(void **state)
{
	struct fixture f = fixture_unpatched;
	char error[RESULT_ERROR_SIZE], *text, *cut;
	struct result *result;
	json_t *json;
	size_t len;

	(void)state;
	f.iterations = 1;
	f.shares[1] = -1;
	json = fixture_bench(&f);
	text = json_dumps(json, JSON_INDENT(1));
	assert_non_null(text);
	len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		/* Of that very size, for the address sanitizer to watch its end. */
		cut = malloc(n ? n : 1);
		assert_non_null(cut);
		memcpy(cut, text, n);
		assert_int_equal(result__parse("cut", cut, n, &result, error), -EINVAL);
		assert_non_null(strstr(error, n ? "'cut' is truncated: it ends at line" :
						  "'cut' is empty"));
		free(cut);
	}
	free(text);
	json_decref(json);
}

/* A flipped bit may leave a valid file; whatever it does, it is handled. */
static void survives_flipped_bits(void **state)
{
	struct fixture f = fixture_patched;
	char error[RESULT_ERROR_SIZE], *text;
	size_t len, valid = 0;
	json_t *json;

	(void)state;
	f.iterations = 1;
	f.shares[1] = -1;
	json = fixture_bench(&f);
	text = json_dumps(json, JSON_COMPACT);
	assert_non_null(text);
	len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		struct sentences broken = { 0 };
		struct result *result;

		text[i] ^= (char)(1 << i % 7);
		if (result__parse("flip", text, len, &result, error)) {
			assert_true(strlen(error) > 0);
		} else {
			valid++;
			assert_int_equal(result__verify(result, &broken), 0);
		}
		sentences__clear(&broken);
		result__free(result);
		text[i] ^= (char)(1 << i % 7);
	}
	assert_true(valid > 0 && valid < len);
	free(text);
	json_decref(json);
}

/* Verifies, and expects exactly the sentences that are given, in that order. */
static void check_broken(json_t *json, const char *first, const char *second)
{
	struct sentences broken = { 0 };
	struct result *r = parsed(json);

	assert_int_equal(result__verify(r, &broken), 0);
	if (broken.n != (size_t)!!first + !!second)
		fail_msg("%zu sentences, the first: %s", broken.n,
			 broken.n ? broken.text[0] : "none");
	if (first && !strstr(broken.text[0], first))
		fail_msg("'%s' lacks '%s'", broken.text[0], first);
	if (second && !strstr(broken.text[1], second))
		fail_msg("'%s' lacks '%s'", broken.text[1], second);
	sentences__clear(&broken);
	result__free(r);
}

static void sound_results_hold(void **state)
{
	(void)state;
	check_broken(fixture_bench(&fixture_unpatched), NULL, NULL);
	check_broken(fixture_bench(&fixture_patched), NULL, NULL);
	check_broken(fixture_stat(&fixture_patched, 50), NULL, NULL);
}

static void a_forged_stat_is_caught(void **state)
{
	const struct fixture *f = &fixture_patched;
	json_t *json;

	(void)state;
	json = fixture_stat(f, 0);
	put_count(json, "callbacks.0", "skipped", 45);
	check_broken(json, "delivered 46 is not performed 0 + skipped 45 + failed 0", NULL);
	json = fixture_stat(f, 0);
	put_count(json, "callbacks.0", "pages_performed", 46 * 64 + 1);
	check_broken(json, "pages_performed 2945 is more than pages 2944", NULL);
	json = fixture_stat(f, 0);
	put_count(json, "migrations.0", "migrated", 46 * 64 + 1);
	check_broken(json, "migrated 2945 is more than pages 2944", NULL);
	json = fixture_stat(f, 0);
	put_count(json, "migrations.0", "collected", 46 * 64 + 1);
	check_broken(json, "collected 2945 is more than pages 2944", NULL);
	json = fixture_stat(f, 0);
	put_count(json, "callbacks.0.latency_ns", "count", 45);
	check_broken(json, "45 latencies for 46 callbacks", "hold 46 of 45 calls");
	json = fixture_stat(f, 0);
	put_count(json, "callbacks.1.latency_ns.buckets.0", "count", 45);
	check_broken(json, "its latency buckets hold 45 of 46 calls", NULL);
	json = fixture_stat(f, 0);
	put(json, "invariants.0", "holds", json_false());
	check_broken(json, "'starts = ends + failed starts' does not hold (4 = 4 + 0)", NULL);
	json = fixture_stat(f, 0);
	put_count(json, "lost", "events", 3);
	put_count(json, "lost", "recursion", 1);
	check_broken(json, "3 events were lost", "1 calls were missed");
}

static void a_forged_bench_is_caught(void **state)
{
	const struct fixture *f = &fixture_unpatched;
	json_t *json;

	(void)state;
	json = fixture_bench(f);
	put_count(json, "results.0.samples.4.ours", "excess", 0);
	check_broken(json, "excess pages: the samples sum to", NULL);
	json = fixture_bench(f);
	put_count(json, "results.0.stat.faults", "calls", 45);
	check_broken(json, "device refaults: the samples sum to 46, the total is 45",
		     "the check of 'refaults' has measured 46, but the total is 45");
	json = fixture_bench(f);
	put(json, "results.1.checks.0", "holds", json_false());
	check_broken(json, "resident 50 %", NULL);
	json = fixture_bench(f);
	put_count(json, "results.1.checks.0", "expected", 0);
	check_broken(json, "claims to hold, but 0 was expected and 92 measured", NULL);
	json = fixture_bench(f);
	json_array_remove(at(json, "results.0.checks"), 1);
	json_array_remove(at(json, "results.0.checks"), 0);
	put(json, "results.0", "stat", json_null());
	json_array_remove(at(json, "results.0.samples"), 22);
	check_broken(json, "22 samples for 23 iterations", NULL);
	json = fixture_bench(f);
	put_count(json, "results.0.samples.4", "iteration", 3);
	check_broken(json, "iteration 3 is there twice", NULL);
	json = fixture_bench(f);
	put(json, "results.0.stat.kernel", "release", json_string("5.10"));
	check_broken(json, "is of kernel 5.10, the file of kernel 6.1.0-unpatched", NULL);
}

static void reads_what_is_the_observers(void **state)
{
	json_t *json = fixture_bench(&fixture_unpatched);
	const struct result_effect *effects;
	struct sentences broken = { 0 };
	struct result *r;

	(void)state;
	put(json, "results.0", "observer", fixture_observer(4000, -3));
	put(json, "results.1", "observer",
	    json_pack("{s:[], s:n, s:s}", "steps", "all", "reason", "nobody asked"));
	r = parsed(json);
	effects = r->cases[0].effects;
	assert_non_null(effects);
	assert_true(effects[0].known && effects[0].whole_call && effects[0].ours == 4000);
	assert_true(effects[1].known && !effects[1].whole_call && effects[1].ours == -3);
	assert_true(effects[0].watched == 400000 && effects[0].unwatched == 396000);
	assert_false(r->cases[1].effects[0].known);
	assert_int_equal(result__verify(r, &broken), 0);
	assert_int_equal(broken.n, 0);
	result__free(r);
	/* Results that are older have none. */
	r = parsed(fixture_bench(&fixture_unpatched));
	assert_null(r->cases[0].effects);
	result__free(r);
}

static void check_observer(const char *path, const char *key, json_t *value, const char *expected)
{
	json_t *json = fixture_bench(&fixture_unpatched);

	put(json, "results.0", "observer", fixture_observer(4000, 3));
	put(json, path, key, value);
	check_wrong(json, expected);
}

static void refuses_a_wrong_observer(void **state)
{
	(void)state;
	check_observer("results.0", "observer", json_null(), "results[0].observer' must be");
	check_observer("results.0.observer", "steps", json_null(), "observer.steps' must be");
	check_observer("results.0.observer.steps.1", "step", json_string("write"),
		       "observer.steps[1].step' must be one of the samples' times");
	check_observer("results.0.observer.steps.1", "ours", json_string("3"),
		       "observer.steps[1].ours' must be a number");
	check_observer("results.0.observer.steps.1.watched", "median", json_integer(-1),
		       "observer.steps[1].watched.median' must be");
}

static void a_forged_observer_is_caught(void **state)
{
	json_t *json = fixture_bench(&fixture_unpatched);
	struct sentences broken = { 0 };
	struct result *r;

	(void)state;
	put(json, "results.0", "observer", fixture_observer(4000, 3));
	put(json, "results.0.observer.steps.0", "ours", json_integer(1));
	put(json, "results.0.observer.steps.1.watched", "median", json_integer(70000));
	put(json, "results.0.observer.steps.1", "ours", json_real(70000.0 - FIXTURE_READ + 3));
	r = parsed(json);
	assert_int_equal(result__verify(r, &broken), 0);
	assert_int_equal(broken.n, 2);
	assert_non_null(strstr(broken.text[0], "migrate: what is ours is 1.0, but 4000.0"));
	assert_non_null(strstr(broken.text[1], "read: the watched median is 70000.0, but 25605.0"));
	sentences__clear(&broken);
	result__free(r);
}

static void sums_do_not_overflow(void **state)
{
	json_t *json = fixture_stat(&fixture_patched, 0);
	struct result *r;

	(void)state;
	put(json, "callbacks.0", "pages", json_integer(INT64_MAX));
	put(json, "callbacks.1", "pages", json_integer(INT64_MAX));
	r = parsed(json);
	assert_int_equal(result_case__total(&r->cases[0], METRIC_CALLBACK_PAGES), INT64_MAX);
	result__free(r);
}

static void check_set(const char *path, size_t n_runs, const char *expected)
{
	char error[RESULT_ERROR_SIZE] = "";
	struct result_set *set;
	int err = result_set__load(path, &set, error);

	if (expected) {
		assert_int_not_equal(err, 0);
		assert_null(set);
		if (!strstr(error, expected))
			fail_msg("'%s' lacks '%s'", error, expected);
	} else {
		if (err)
			fail_msg("%s", error);
		assert_int_equal(set->n_runs, n_runs);
	}
	result_set__free(set);
}

static void loads_a_file_or_a_folder(void **state)
{
	char *folder = make_folder(), error[RESULT_ERROR_SIZE];
	struct result_set *set;

	(void)state;
	check_set(folder, 0, "holds no result");
	free(write_text(folder, "manifest.json", "{\"files\": 2}"));
	free(write_text(folder, "notes.txt", "not JSON"));
	check_set(folder, 0, "holds no result");
	free(write_json(folder, "run-10.json", fixture_bench(&fixture_patched)));
	free(write_json(folder, "run-9.json", fixture_bench(&fixture_patched)));
	check_set(folder, 2, NULL);
	assert_int_equal(result_set__load(folder, &set, error), 0);
	assert_non_null(strstr(set->runs[0]->path, "run-9.json"));
	check_set(set->runs[1]->path, 1, NULL);
	result_set__free(set);
	free(write_text(folder, "run-11.json", "{\"schema\": \"mmuscope-bench/1\", "));
	check_set(folder, 0, "run-11.json' is truncated");
	free(write_json(folder, "run-11.json", fixture_bench(&fixture_unpatched)));
	check_set(folder, 0, "mixes different kernel releases");
	free(write_json(folder, "run-11.json", fixture_stat(&fixture_patched, 0)));
	check_set(folder, 0, "mixes different kinds of result");
	remove_folder(folder);
	check_set("/nonexistent/x.json", 0, "No such file or directory");
	result_set__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_bench_result),
		cmocka_unit_test(sums_a_stat_result_over_processes),
		cmocka_unit_test(null_is_unknown_and_never_zero),
		cmocka_unit_test(no_rows_are_zero_unless_not_observable),
		cmocka_unit_test(refuses_what_is_not_a_result),
		cmocka_unit_test(reads_a_device_without_chunks),
		cmocka_unit_test(refuses_wrong_fields),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(survives_flipped_bits),
		cmocka_unit_test(sound_results_hold),
		cmocka_unit_test(a_forged_stat_is_caught),
		cmocka_unit_test(a_forged_bench_is_caught),
		cmocka_unit_test(reads_what_is_the_observers),
		cmocka_unit_test(refuses_a_wrong_observer),
		cmocka_unit_test(a_forged_observer_is_caught),
		cmocka_unit_test(sums_do_not_overflow),
		cmocka_unit_test(loads_a_file_or_a_folder),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
