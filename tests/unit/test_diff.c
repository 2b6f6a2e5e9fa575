// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fixture.h"

#include <errno.h>
#include <math.h>

#include "cmd.h"
#include "diff.h"
#include "diff_print.h"
#include "limit.h"
#include "msg.h"

/* Two sides made of results in memory, and their comparison. */
struct pair {
	struct result_set set[SIDES];
	struct result *runs[SIDES][3];
	struct diff *diff;
	char error[RESULT_ERROR_SIZE];
};

static void add(struct pair *p, int side, json_t *json)
{
	char *text = json_dumps(must(json), 0);
	struct result_set *set = &p->set[side];

	assert_non_null(text);
	set->path = side == BASE ? (char *)"base.json" : (char *)"new.json";
	set->runs = p->runs[side];
	if (result__parse(set->path, text, strlen(text), &set->runs[set->n_runs++], p->error))
		fail_msg("%s", p->error);
	free(text);
	json_decref(json);
}

static int try_compare(struct pair *p)
{
	return diff__new(&p->set[BASE], &p->set[NEW], &p->diff, p->error);
}

static void compare(struct pair *p)
{
	if (try_compare(p))
		fail_msg("%s", p->error);
}

static void end(struct pair *p)
{
	diff__free(p->diff);
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < p->set[side].n_runs; i++)
			result__free(p->runs[side][i]);
}

/* The series: unpatched against patched. */
static void series(struct pair *p)
{
	*p = (struct pair){ 0 };
	add(p, BASE, fixture_bench(&fixture_unpatched));
	add(p, NEW, fixture_bench(&fixture_patched));
	compare(p);
}

static void check_verdict(const struct pair *p, const char *expected)
{
	char *verdict = diff__verdict(p->diff);

	assert_non_null(verdict);
	assert_string_equal(verdict, expected);
	free(verdict);
}

static char *printed(const struct pair *p, bool by_phase)
{
	char *verdict = diff__verdict(p->diff), *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(verdict);
	assert_non_null(out);
	assert_int_equal(diff__print(p->diff, verdict, by_phase, out), 0);
	assert_int_equal(fclose(out), 0);
	free(verdict);
	return text;
}

static void check_printed(const struct pair *p, bool by_phase, const char *expected)
{
	char *text = printed(p, by_phase);

	if (!strstr(text, expected))
		fail_msg("no '%s' in:\n%s", expected, text);
	free(text);
}

static void check_count(const struct diff_row *row, enum metric_id id, int64_t base, int64_t new)
{
	assert_int_equal(row->count[id].side[BASE].state, DIFF_KNOWN);
	assert_int_equal(row->count[id].side[BASE].min, base);
	assert_int_equal(row->count[id].side[BASE].max, base);
	assert_int_equal(row->count[id].side[NEW].min, new);
	assert_int_equal(row->count[id].side[NEW].max, new);
	assert_int_equal(diff_count__equal(&row->count[id]), base == new);
}

static void the_series_is_told_exactly(void **state)
{
	struct pair p;

	(void)state;
	series(&p);
	assert_int_equal(p.diff->n_cases, 2);
	assert_int_equal(p.diff->warnings.n, 0);
	assert_int_equal(p.diff->notes.n, 0);
	assert_string_equal(p.diff->side[BASE].label, "unpatched");
	check_count(&p.diff->cases[1].total, METRIC_DELIVERED, 92, 92);
	check_count(&p.diff->cases[1].total, METRIC_PERFORMED, 92, 0);
	check_count(&p.diff->cases[1].total, METRIC_EXCESS, 23 * 192, 0);
	check_count(&p.diff->cases[1].total, METRIC_REFAULTS, 46, 0);
	assert_int_equal(p.diff->cases[0].times[0].verdict, DIFF_FASTER);
	assert_int_equal(p.diff->cases[0].times[1].verdict, DIFF_SAME);
	check_verdict(&p, "Verdict: migrate-mixed: both kernels delivered 184 callbacks for the "
			  "same migrations; unpatched performed all 184, patched performed none; "
			  "excess pages fell from 7360 to 0 and device refaults from 92 to 0; "
			  "migrate is faster in 2 of 2 parameter sets (by 16.7 %).");
	check_printed(&p, false, "resident kernel    delivered performed skipped   dated migrated");
	check_printed(&p, false, "    50 % unpatched        92        92       0    5888     1472");
	check_printed(&p, false, "         change            =       -92     +92   -5888        =");
	end(&p);
}

static void events_are_not_joined_but_phases_are(void **state)
{
	const struct diff_case *c;
	struct pair p;

	(void)state;
	series(&p);
	c = &p.diff->cases[0];
	/* CLEAR on one kernel and MIGRATE on the other: still one row each. */
	assert_int_equal(c->n_rows, 2 + 2 + 1 + 1);
	assert_string_equal(c->rows[0].key, "setup");
	check_count(&c->rows[0], METRIC_NOTIFICATIONS, 46, 46);
	assert_string_equal(c->rows[2].driver, "dmirror_interval_invalidate [test_hmm]");
	assert_string_equal(c->rows[2].key, "setup");
	check_count(&c->rows[2], METRIC_PERFORMED, 46, 0);
	assert_string_equal(c->rows[4].key, "to_device");
	check_count(&c->rows[4], METRIC_MIGRATED, 23 * 128, 23 * 128);
	check_printed(&p, true, "callbacks of dmirror_interval_invalidate [test_hmm]");
	check_printed(&p, true, "n/o: avoidable callbacks, not observable on unpatched: the owner "
				"is not read.");
	end(&p);
}

static void the_same_kernel_has_no_difference(void **state)
{
	struct fixture again = fixture_patched;
	struct pair p = { 0 };

	(void)state;
	again.jitter = 5;
	add(&p, BASE, fixture_bench(&fixture_patched));
	add(&p, NEW, fixture_bench(&again));
	compare(&p);
	assert_true(p.diff->same_kernel);
	assert_string_equal(p.diff->side[NEW].label, "new");
	check_verdict(&p, "Verdict: no difference: every count is equal and no time differs.");
	check_printed(&p, false, "Both sides are the same kernel (A/A)");
	end(&p);
}

static void times_alone_may_differ(void **state)
{
	struct fixture slow = fixture_patched;
	struct pair p = { 0 };

	(void)state;
	slow.cost = 1100;
	slow.shares[1] = -1;
	add(&p, BASE, fixture_bench(&fixture_patched));
	add(&p, NEW, fixture_bench(&slow));
	compare(&p);
	check_verdict(&p, "Verdict: migrate-mixed: every count is equal; migrate is slower "
			  "(by 10.0 %); 1 of 2 parameter sets are on one side only.");
	end(&p);
}

static void few_samples_are_not_called_equal(void **state)
{
	struct fixture a = fixture_patched, b = fixture_patched;
	struct pair p = { 0 };

	(void)state;
	a.iterations = b.iterations = 3;
	b.cost = 2000;
	add(&p, BASE, fixture_bench(&a));
	add(&p, NEW, fixture_bench(&b));
	compare(&p);
	assert_int_equal(p.diff->cases[0].times[0].verdict, DIFF_TOO_FEW);
	assert_int_equal(p.diff->cases[0].times[1].verdict, DIFF_SAME);
	check_verdict(&p, "Verdict: no difference: every count is equal, and there are too few "
			  "samples to tell times apart.");
	end(&p);
}

/* Within a run samples are kin; a boot that is slower as a whole is no verdict. */
static void overlapping_runs_are_no_difference(void **state)
{
	struct fixture f = fixture_patched;
	struct pair p = { 0 };
	const int costs[SIDES][3] = { { 1000, 1001, 1010 }, { 1011, 1012, 1002 } };

	(void)state;
	for (int side = 0; side < SIDES; side++) {
		for (int run = 0; run < 3; run++) {
			f.cost = costs[side][run];
			add(&p, side, fixture_bench(&f));
		}
	}
	compare(&p);
	assert_true(p.diff->cases[0].times[0].p_adjusted < DIFF_P);
	assert_true(p.diff->cases[0].times[0].runs_overlap);
	assert_int_equal(p.diff->cases[0].times[0].verdict, DIFF_SAME);
	check_printed(&p, false, "no difference seen *");
	end(&p);
}

/* A guest that counts instructions may run twice to the last one alike: that is one run. */
static void a_run_that_repeats_another_is_no_evidence(void **state)
{
	struct fixture f = fixture_patched;
	struct pair p = { 0 };

	(void)state;
	for (int side = 0; side < SIDES; side++) {
		for (int run = 0; run < 3; run++) {
			f.cost = side == BASE || run < 2 ? 1000 : 2000;
			add(&p, side, fixture_bench(&f));
		}
	}
	compare(&p);
	assert_int_equal(p.diff->cases[0].times[0].summary[BASE].n, f.iterations);
	assert_int_equal(p.diff->cases[0].times[0].summary[NEW].n, 2 * f.iterations);
	end(&p);
}

/* Makes one iteration of a patched result perform one of its callbacks. */
static json_t *bent(const char *count)
{
	json_t *json = fixture_bench(&fixture_patched);

	put_count(json, "results.1.samples.4.ours", "skipped", 3);
	put_count(json, "results.1.samples.4.ours", count, 1);
	put_count(json, "results.1.stat.callbacks.0", "skipped", 45);
	put_count(json, "results.1.stat.callbacks.0", count, 1);
	json_array_remove(at(json, "results.1.checks"), 0);
	return json;
}

static void a_count_that_varies_is_called_out(void **state)
{
	struct pair p = { 0 };
	int64_t min, max;

	(void)state;
	add(&p, BASE, fixture_bench(&fixture_unpatched));
	add(&p, NEW, fixture_bench(&fixture_patched));
	add(&p, NEW, bent("performed"));
	compare(&p);
	assert_int_equal(p.diff->warnings.n, 0);
	assert_true(diff_count__varies(&p.diff->cases[1].total.count[METRIC_PERFORMED]));
	assert_false(diff_count__equal(&p.diff->cases[1].total.count[METRIC_PERFORMED]));
	diff_count__difference(&p.diff->cases[1].total.count[METRIC_PERFORMED], &min, &max);
	assert_int_equal(min, -92);
	assert_int_equal(max, -91);
	assert_int_equal(p.diff->notes.n, 1);
	assert_string_equal(p.diff->notes.text[0],
			    "migrate-mixed (resident 50 %): between the 2 runs of patched vary: "
			    "callbacks performed (0 to 1), callbacks skipped (91 to 92); they are "
			    "never called equal.");
	check_printed(&p, false, "0..1!");
	check_printed(&p, false, "-92..-91!");
	check_verdict(&p, "Verdict: migrate-mixed: both kernels delivered 184 callbacks for the "
			  "same migrations; unpatched performed all 184, patched performed 0 to 1 "
			  "of 184; excess pages fell from 7360 to 0 and device refaults from 92 to "
			  "0; callbacks performed and callbacks skipped vary between runs; migrate "
			  "is faster in 2 of 2 parameter sets (by 16.7 %).");
	end(&p);
}

static void a_part_performed_is_told_as_a_part(void **state)
{
	struct pair p = { 0 };

	(void)state;
	add(&p, BASE, fixture_bench(&fixture_patched));
	add(&p, NEW, bent("failed"));
	compare(&p);
	check_verdict(&p, "Verdict: migrate-mixed: both sides delivered 184 callbacks for the same "
			  "migrations; both sides performed none; callbacks failed rose from 0 to "
			  "1.");
	end(&p);
	p = (struct pair){ 0 };
	add(&p, BASE, fixture_bench(&fixture_patched));
	add(&p, NEW, bent("performed"));
	compare(&p);
	check_verdict(&p, "Verdict: migrate-mixed: both sides delivered 184 callbacks for the same "
			  "migrations; base performed none, new performed 1 of 184.");
	end(&p);
}

static void what_one_side_lacks_is_not_zero(void **state)
{
	struct fixture other = fixture_patched;
	const struct diff_case *c;
	struct pair p = { 0 };
	json_t *json;

	(void)state;
	other.shares[1] = 25;
	json = fixture_bench(&other);
	put(json, "results.0.stat", "faults", json_null());
	for (int i = 0; i < 23; i++) {
		char path[40];

		snprintf(path, sizeof(path), "results.0.samples.%d.ours", i);
		put(json, path, "refaults", json_null());
	}
	json_array_remove(at(json, "results.0.checks"), 1);
	add(&p, BASE, fixture_bench(&fixture_unpatched));
	add(&p, NEW, json);
	compare(&p);
	assert_int_equal(p.diff->n_cases, 3);
	c = &p.diff->cases[1];
	assert_false(diff_case__joined(c));
	assert_int_equal(c->total.count[METRIC_DELIVERED].side[NEW].state, DIFF_ABSENT);
	c = &p.diff->cases[0];
	assert_int_equal(c->total.count[METRIC_REFAULTS].side[NEW].state, DIFF_UNKNOWN);
	check_printed(&p, false, "    25 % unpatched       N/A       N/A     N/A");
	check_printed(&p, false, "n/o: device refaults, not observable on patched: the result does "
				 "not say why.");
	check_verdict(&p, "Verdict: migrate-mixed: both kernels delivered 92 callbacks for the "
			  "same migrations; unpatched performed all 92, patched performed none; "
			  "excess pages fell from 2944 to 0; device refaults cannot be compared "
			  "(not observable); migrate is faster (by 16.7 %); 2 of 3 parameter sets "
			  "are on one side only.");
	end(&p);
}

static void check_refused(json_t *new, const char *expected)
{
	struct pair p = { 0 };

	add(&p, BASE, fixture_bench(&fixture_unpatched));
	add(&p, NEW, new);
	assert_int_equal(try_compare(&p), -EINVAL);
	assert_null(p.diff);
	if (!strstr(p.error, expected))
		fail_msg("'%s' lacks '%s'", p.error, expected);
	end(&p);
}

static void what_cannot_be_compared_is_refused(void **state)
{
	struct fixture f = fixture_patched;
	json_t *json;

	(void)state;
	check_refused(fixture_stat(&f, 0), "mmuscope-bench/1 result and new a mmuscope-stat/1");
	f.clock = "ns";
	check_refused(fixture_bench(&f), "base has the clock 'guest-insn' and new 'ns'");
	json = fixture_bench(&fixture_patched);
	put(json, "device", "driver", json_string("kvm"));
	check_refused(json, "base was measured on test_hmm and new on kvm");
	f = fixture_patched;
	f.shares[0] = 10;
	f.shares[1] = -1;
	check_refused(fixture_bench(&f), "in common; base has migrate-mixed (pages 128, resident "
					 "0 %, iterations 23) and others, new has migrate-mixed "
					 "(pages 128, resident 10 %");
	json = fixture_bench(&fixture_patched);
	put_count(json, "results.1.workload.params", "resident_pct", 0);
	check_refused(json, "'new.json' holds migrate-mixed");
	json = fixture_bench(&fixture_patched);
	json_array_clear(at(json, "results"));
	check_refused(json, "new has none");
}

static void accelerators_forbid_times_only(void **state)
{
	struct fixture f = fixture_patched;
	struct pair p = { 0 };

	(void)state;
	f.accel = "kvm";
	add(&p, BASE, fixture_bench(&fixture_unpatched));
	add(&p, NEW, fixture_bench(&f));
	compare(&p);
	assert_int_equal(p.diff->n_tests, 0);
	check_printed(&p, false, "Times are not compared: base ran on tcg and new on kvm.");
	check_verdict(&p, "Verdict: migrate-mixed: both kernels delivered 184 callbacks for the "
			  "same migrations; unpatched performed all 184, patched performed none; "
			  "excess pages fell from 7360 to 0 and device refaults from 92 to 0; times "
			  "were not compared, because base ran on tcg and new on kvm.");
	end(&p);
}

static void stat_results_join_on_driver_and_phase(void **state)
{
	struct pair p = { 0 };

	(void)state;
	add(&p, BASE, fixture_stat(&fixture_unpatched, 50));
	add(&p, NEW, fixture_stat(&fixture_patched, 50));
	compare(&p);
	assert_int_equal(p.diff->n_cases, 1);
	check_verdict(&p, "Verdict: one process: both kernels delivered 92 callbacks for the same "
			  "migrations; unpatched performed all 92, patched performed none; excess "
			  "pages fell from 4416 to 0 and device refaults from 46 to 0.");
	end(&p);
}

static void tables_fit_100_columns(void **state)
{
	struct pair p;
	char *text;

	(void)state;
	series(&p);
	text = printed(&p, true);
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (len > 100 && strncmp(line, "Verdict: ", 9))
			fail_msg("%zu columns: %.*s", len, (int)len, line);
		assert_true(!len || line[len - 1] != ' ');
		line += len + 1;
		/* The verdict is the last line. */
		if (!*line)
			assert_int_equal(strncmp(line - len - 1, "Verdict: ", 9), 0);
	}
	free(text);
	end(&p);
}

static void the_json_has_it_all(void **state)
{
	struct pair p;
	char *text = NULL, *verdict;
	json_t *json, *row;
	size_t size;
	FILE *out;

	(void)state;
	series(&p);
	out = open_memstream(&text, &size);
	verdict = diff__verdict(p.diff);
	assert_int_equal(diff__write_json(p.diff, verdict, NULL, NULL, 0, out), 0);
	fclose(out);
	json = must(json_loads(text, 0, NULL));
	assert_string_equal(json_string_value(at(json, "schema")), "mmuscope-diff/1");
	assert_string_equal(json_string_value(at(json, "base.kernel.variant")), "unpatched");
	assert_string_equal(json_string_value(at(json, "verdict")), verdict);
	assert_int_equal(json_array_size(at(json, "rows")), 2 * 7);
	assert_int_equal(json_array_size(at(json, "times")), 4);
	row = at(json, "rows.0.counts.excess");
	assert_int_equal(json_integer_value(at(row, "base")), 23 * 128);
	assert_int_equal(json_integer_value(at(row, "new")), 0);
	assert_int_equal(json_integer_value(at(row, "difference")), -23 * 128);
	assert_true(json_is_false(at(row, "equal")));
	row = at(json, "rows.0.counts.avoidable");
	assert_true(json_is_null(at(row, "base")));
	assert_string_equal(json_string_value(at(row, "reason")), "the owner is not read");
	assert_string_equal(json_string_value(at(json, "times.0.verdict")), "faster");
	assert_int_equal(json_integer_value(at(json, "times.0.base.n")), 23);
	json_decref(json);
	free(text);
	free(verdict);
	end(&p);
}

static void check_limit(const struct pair *p, const char *text, enum limit_outcome expected)
{
	struct limit_result result;
	struct limit limit;
	char error[RESULT_ERROR_SIZE];

	if (limit__parse(text, &limit, error))
		fail_msg("%s", error);
	limit__check(&limit, p->diff, &result);
	if (result.outcome != expected)
		fail_msg("%s: outcome %u: %s", text, result.outcome, result.say);
	assert_int_equal(!result.say[0], expected == LIMIT_KEPT);
}

static void limits_are_evaluated(void **state)
{
	struct pair p;

	(void)state;
	series(&p);
	check_limit(&p, "performed > 0", LIMIT_KEPT);
	check_limit(&p, "performed>=0", LIMIT_EXCEEDED);
	check_limit(&p, "delivered == 184", LIMIT_EXCEEDED);
	check_limit(&p, "delivered != 184", LIMIT_KEPT);
	check_limit(&p, "delta:delivered != 0", LIMIT_KEPT);
	check_limit(&p, "delta:excess == -7360", LIMIT_EXCEEDED);
	check_limit(&p, "pct:refaults <= -100", LIMIT_EXCEEDED);
	check_limit(&p, "pct:failed > 0", LIMIT_KEPT);
	check_limit(&p, "times.migrate < 1001", LIMIT_EXCEEDED);
	check_limit(&p, "times.migrate > 1001", LIMIT_KEPT);
	check_limit(&p, "delta:times.migrate == -200", LIMIT_EXCEEDED);
	check_limit(&p, "pct:times.migrate > 5", LIMIT_KEPT);
	check_limit(&p, "avoidable > 0", LIMIT_UNKNOWN);
	check_limit(&p, "times.nothing > 0", LIMIT_NO_SUCH_TIME);
	end(&p);
}

static void bad_limits_are_refused(void **state)
{
	static const char *const bad[] = {
		"",	       "performed",   "performed >",	   "performed > x",
		"bogus > 1",   "> 1",	      "performed = 1",	   "performed > 1 2",
		"times. > 1",  "max:performed > 1", "performed > nan", "performed > inf",
	};
	char error[RESULT_ERROR_SIZE];
	struct limit limit;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error[0] = '\0';
		if (limit__parse(bad[i], &limit, error) != -EINVAL || !error[0])
			fail_msg("'%s' was not refused", bad[i]);
	}
}

/* Runs `mmuscope diff` with up to four arguments, its output into a file. */
static void check_status(const char *folder, const char *out, enum status expected, const char *a,
			 const char *b, const char *c, const char *d)
{
	const char *args[] = { a, b, c, d };
	char *argv[8] = { (char *)"diff", (char *)"-o", (char *)out };
	int argc = 3, status;

	assert_int_equal(chdir(folder), 0);
	for (size_t i = 0; i < 4 && args[i]; i++)
		argv[argc++] = (char *)args[i];
	status = cmd_diff(argc, argv);
	if (status != (int)expected)
		fail_msg("%s %s %s: status %d", a ? a : "", b ? b : "", c ? c : "", status);
}

static char *cover_letter(const struct pair *p)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(diff__print_cover_letter(p->diff, out), 0);
	assert_int_equal(fclose(out), 0);
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > 72)
			fail_msg("more than 72 columns: %.90s", line);
	return text;
}

static void check_has(const char *text, const char *expected)
{
	if (strstr(text, expected))
		return;
	/* cmocka cuts what is long. */
	fputs(text, stderr);
	fail_msg("no '%s' in it", expected);
}

static void a_cover_letter_has_what_changed(void **state)
{
	char *folder[SIDES] = { make_folder(), make_folder() }, *text;
	struct pair p;

	(void)state;
	series(&p);
	text = cover_letter(&p);
	check_has(text, "base:    Linux 6.1.0-unpatched, 1 run\n");
	check_has(text, "in each of 2 sets            unpatched     patched     change\n");
	check_has(text, "callbacks performed                 92           0        -92\n");
	check_has(text, "excess pages\n"
			"  resident 0 %                    2944           0      -2944\n"
			"  resident 50 %                   4416           0      -4416\n");
	check_has(text, "the same on both: notifications /");
	check_has(text, "  $ mmuscope bench migrate-mixed --pages ");
	check_has(text, "--iterations 23 \\\n    --resident 0,50 --json -o FILE\n");
	free(text);
	/* A config beside each result tells what differs between the two. */
	p.runs[NEW][0]->config_sha256 = "another";
	text = cover_letter(&p);
	check_has(text, ", which differ\n");
	free(text);
	free(write_text(folder[BASE], "config", "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=64\n"));
	free(write_text(folder[NEW], "config", "CONFIG_C=32\nCONFIG_A=y\n# comment\nCONFIG_B=m\n"));
	p.set[BASE].path = folder[BASE];
	p.set[NEW].path = folder[NEW];
	text = cover_letter(&p);
	check_has(text, ", which differ in\n    +CONFIG_B=m\n    +CONFIG_C=32\n    -CONFIG_C=64\nmachine:");
	free(text);
	end(&p);
	remove_folder(folder[BASE]);
	remove_folder(folder[NEW]);
}

/* Lines of kernels, a file for each workload: the counts are what is asked for. */
/* Both with what is the observer's, for both shares of resident pages. */
static void observed(struct pair *p, double base_read, double new_read)
{
	const struct fixture *fixtures[SIDES] = { &fixture_unpatched, &fixture_patched };
	const double of_read[SIDES] = { base_read, new_read };

	*p = (struct pair){ 0 };
	for (int side = 0; side < SIDES; side++) {
		json_t *json = fixture_bench(fixtures[side]);

		put(json, "results.0", "observer", fixture_observer(4000, of_read[side]));
		put(json, "results.1", "observer", fixture_observer(8000, of_read[side]));
		add(p, side, json);
	}
	compare(p);
}

static void what_is_the_observers_stands_below_the_times(void **state)
{
	const struct diff_time *time;
	struct pair p;

	(void)state;
	observed(&p, 2560.5, 256.05);
	time = diff_case__time(&p.diff->cases[0], "read");
	assert_true(time->ours[BASE] == 2560.5 / FIXTURE_PAGES);
	check_printed(&p, false,
		      "\n  mmuscope's own part, of the whole call: 1.00 to 2.00 % on unpatched, "
		      "1.00 to 2.00 % on patched.\n");
	check_printed(&p, false,
		      "\n  mmuscope's own part: 10.00 % on unpatched, 1.00 % on patched.\n");
	/* There is no difference of `read` that it could explain. */
	assert_int_equal(p.diff->notes.n, 0);
	end(&p);
	/* Old results do not know it. */
	series(&p);
	assert_true(isnan(diff_case__time(&p.diff->cases[0], "read")->ours[BASE]));
	end(&p);
}

static void a_difference_that_may_be_the_observers_is_told(void **state)
{
	json_t *base = fixture_bench(&fixture_unpatched), *new = fixture_bench(&fixture_patched);
	struct pair p = { 0 };

	(void)state;
	/* 200 an iteration's page less, and 300 less of it are the observer's. */
	put(base, "results.0", "observer", fixture_observer(300 * FIXTURE_PAGES, 0));
	put(new, "results.0", "observer", fixture_observer(0, 0));
	add(&p, BASE, base);
	add(&p, NEW, new);
	compare(&p);
	assert_int_equal(p.diff->notes.n, 1);
	assert_string_equal(p.diff->notes.text[0],
			    "migrate-mixed (resident 0 %): the migrate differs by -200.00 "
			    "insn/page, but mmuscope's own part of it by -300.00: the difference "
			    "may be that of the watching.");
	end(&p);
}

static void another_chunk_size_is_said(void **state)
{
	struct fixture wide = fixture_patched, others = fixture_patched;
	struct pair p = { 0 };
	char *text;

	(void)state;
	wide.chunk_pages = 512;
	others.shares[0] = 25;
	others.shares[1] = -1;
	add(&p, BASE, fixture_bench(&fixture_patched));
	add(&p, BASE, fixture_bench(&others));
	add(&p, NEW, fixture_bench(&wide));
	compare(&p);
	assert_int_equal(p.diff->notes.n, 1);
	text = cover_letter(&p);
	check_has(text, "base:    Linux 6.1.0-patched, 2 results\n");
	check_has(text, "\nnote: The device migrates 64 pages at a time on base and 512 on new,");
	free(text);
	assert_string_equal(p.diff->notes.text[0],
			    "The device migrates 64 pages at a time on base and 512 on new, so that "
			    "the same work makes other counts.");
	check_printed(&p, false, "! The device migrates 64 pages at a time on base and 512 on new");
	check_printed(&p, false, "device test_hmm.");
	end(&p);
}

static void times_of_one_boot_are_called_so(void **state)
{
	struct fixture base = fixture_unpatched, new = fixture_patched;
	struct pair p = { 0 };

	(void)state;
	base.clock = new.clock = "ns";
	add(&p, BASE, fixture_bench(&base));
	add(&p, NEW, fixture_bench(&new));
	compare(&p);
	assert_int_equal(p.diff->notes.n, 1);
	assert_string_equal(p.diff->notes.text[0],
			    "Times are of one boot of each kernel, and two boots of one kernel may "
			    "differ as much, the more so in an emulator: compare the counts, or "
			    "several runs of each.");
	end(&p);
	p = (struct pair){ 0 };
	add(&p, BASE, fixture_bench(&base));
	base.jitter = 1;
	add(&p, BASE, fixture_bench(&base));
	add(&p, NEW, fixture_bench(&new));
	compare(&p);
	assert_int_equal(p.diff->notes.n, 0);
	end(&p);
}

static void exit_statuses_are_as_documented(void **state)
{
	char *folder = make_folder();
	json_t *forged = fixture_bench(&fixture_patched);

	(void)state;
	put_count(forged, "results.0.stat.callbacks.0", "skipped", 3);
	free(write_json(folder, "u", fixture_bench(&fixture_unpatched)));
	free(write_json(folder, "p", fixture_bench(&fixture_patched)));
	free(write_json(folder, "forged", forged));
	free(write_text(folder, "cut", "{\"schema\": "));
	check_status(folder, "out", STATUS_OK, "u", "p", NULL, NULL);
	check_status(folder, "out", STATUS_OK, "u", "p", "--json", "--by-phase");
	check_status(folder, "out", STATUS_OK, "u", "p", "--fail-on", "performed > 0");
	check_status(folder, "out", STATUS_FAILED, "u", "cut", NULL, NULL);
	check_status(folder, "out", STATUS_FAILED, "missing", "p", NULL, NULL);
	check_status(folder, "/dev/full", STATUS_FAILED, "u", "p", NULL, NULL);
	check_status(folder, "/dev/full", STATUS_FAILED, "u", "p", "--json", NULL);
	check_status(folder, "no/such/folder", STATUS_FAILED, "u", "p", NULL, NULL);
	check_status(folder, "out", STATUS_OK, "u", "p", "--cover-letter", NULL);
	check_status(folder, "/dev/full", STATUS_FAILED, "u", "p", "--cover-letter", NULL);
	check_status(folder, "out", STATUS_USAGE, "u", "p", "--cover-letter", "--json");
	check_status(folder, "u", STATUS_USAGE, "u", "p", NULL, NULL);
	check_status(folder, "./p", STATUS_USAGE, "u", "p", NULL, NULL);
	check_status(folder, "out", STATUS_OK, "u", "p", NULL, NULL);
	check_status(folder, "out", STATUS_USAGE, "u", NULL, NULL, NULL);
	check_status(folder, "out", STATUS_USAGE, "u", "p", "u", NULL);
	check_status(folder, "out", STATUS_USAGE, "u", "p", "--bogus", NULL);
	check_status(folder, "out", STATUS_USAGE, "u", "p", "--fail-on", NULL);
	check_status(folder, "out", STATUS_USAGE, "u", "p", "--fail-on", "bogus > 1");
	check_status(folder, "out", STATUS_USAGE, "u", "p", "--fail-on", "times.bogus > 1");
	check_status(folder, "out", STATUS_INCOMPLETE, "u", "forged", NULL, NULL);
	check_status(folder, "out", STATUS_INCOMPLETE, "u", "forged", "--fail-on", "delivered > 0");
	check_status(folder, "out", STATUS_UNAVAILABLE, "u", "p", "--fail-on", "avoidable > 0");
	check_status(folder, "out", STATUS_LIMIT, "u", "p", "--fail-on", "delivered > 0");
	assert_int_equal(chdir("/"), 0);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_series_is_told_exactly),
		cmocka_unit_test(events_are_not_joined_but_phases_are),
		cmocka_unit_test(the_same_kernel_has_no_difference),
		cmocka_unit_test(times_alone_may_differ),
		cmocka_unit_test(few_samples_are_not_called_equal),
		cmocka_unit_test(overlapping_runs_are_no_difference),
		cmocka_unit_test(a_run_that_repeats_another_is_no_evidence),
		cmocka_unit_test(what_is_the_observers_stands_below_the_times),
		cmocka_unit_test(a_difference_that_may_be_the_observers_is_told),
		cmocka_unit_test(another_chunk_size_is_said),
		cmocka_unit_test(times_of_one_boot_are_called_so),
		cmocka_unit_test(a_count_that_varies_is_called_out),
		cmocka_unit_test(a_part_performed_is_told_as_a_part),
		cmocka_unit_test(what_one_side_lacks_is_not_zero),
		cmocka_unit_test(what_cannot_be_compared_is_refused),
		cmocka_unit_test(accelerators_forbid_times_only),
		cmocka_unit_test(stat_results_join_on_driver_and_phase),
		cmocka_unit_test(tables_fit_100_columns),
		cmocka_unit_test(the_json_has_it_all),
		cmocka_unit_test(limits_are_evaluated),
		cmocka_unit_test(bad_limits_are_refused),
		cmocka_unit_test(a_cover_letter_has_what_changed),
		cmocka_unit_test(exit_statuses_are_as_documented),
	};

	msg__set_command("diff");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
