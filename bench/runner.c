// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "runner.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel_info.h"
#include "observer.h"
#include "report.h"
#include "session.h"
#include "variants.h"

static const char *const metric_names[EXPECT_MAX] = {
	[EXPECT_NOTIFICATIONS] = "notifications", [EXPECT_DELIVERED] = "delivered",
	[EXPECT_PERFORMED] = "performed",	  [EXPECT_SKIPPED] = "skipped",
	[EXPECT_AVOIDABLE] = "avoidable",	  [EXPECT_PAGES_PERFORMED] = "pages_performed",
	[EXPECT_MIGRATIONS] = "migrations",	  [EXPECT_COLLECTED] = "collected",
	[EXPECT_MIGRATED] = "migrated",		  [EXPECT_EXCESS] = "excess",
	[EXPECT_REFAULTS] = "refaults",		  [EXPECT_COMPOUND] = "compound",
};

const struct workload *workload__find(const char *name)
{
	for (size_t i = 0; i < workload_count; i++)
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	return NULL;
}

static void measured(const struct snapshot *snap, __u64 value[EXPECT_MAX])
{
	struct snapshot_sums s;

	snapshot__sum(snap, &s);
	value[EXPECT_NOTIFICATIONS] = s.notifications;
	value[EXPECT_DELIVERED] = s.delivered;
	value[EXPECT_PERFORMED] = s.outcome[OUTCOME_PERFORMED];
	value[EXPECT_SKIPPED] = s.outcome[OUTCOME_SKIPPED];
	value[EXPECT_AVOIDABLE] = s.avoidable;
	value[EXPECT_PAGES_PERFORMED] = s.pages_performed;
	value[EXPECT_MIGRATIONS] = s.migrations;
	value[EXPECT_COLLECTED] = s.collected;
	value[EXPECT_MIGRATED] = s.migrated;
	value[EXPECT_EXCESS] = s.excess;
	value[EXPECT_REFAULTS] = s.faults;
	value[EXPECT_COMPOUND] = s.compound;
}

/*
 * Everything is run watched, and then some of it again in the same process with the
 * programs taken off. Afterwards and not before: all has warmed up by then, and memory,
 * mappings and page tables are those of the watched run, which fork and munmap see.
 */
enum stage { STAGE_WATCHED, STAGE_UNWATCHED };

/* So many iterations show what is ours. */
#define UNWATCHED_MAX 10

/* One share of resident pages, through both stages. */
struct share {
	unsigned int resident_pct;
	struct observer observer;
	double notifications; /* of one iteration */
	json_t *result;
};

/* One parameter set's run. */
struct bench {
	const struct bench_options *options;
	struct session *session;
	enum stage stage;
	struct share *share;
	struct run run;
	json_t *samples;
	struct expectation sum[EXPECT_MAX];	/* over the measured iterations */
	unsigned int odd_samples;		/* iterations that broke a formula */
	struct snapshot before;			/* after the last iteration */
};

static __u64 next_random(__u64 *state)
{
	/* splitmix64: the layout must repeat with the seed on every libc. */
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Picks resident_pct per cent of the pages, rounded down, scattered by the seed. */
static int choose_resident(struct run *run)
{
	size_t n = run->params.pages, r = n * run->params.resident_pct / 100;
	size_t *order = calloc(n, sizeof(*order));
	__u64 state = run->params.seed;

	run->resident = calloc(n, sizeof(*run->resident));
	if (!order || !run->resident) {
		free(order);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = 0; i < r; i++) {
		size_t j = i + next_random(&state) % (n - i), t = order[i];

		order[i] = order[j];
		order[j] = t;
		run->resident[order[i]] = true;
	}
	free(order);
	run->resident_pages = r;
	run->first_resident = 0;
	while (run->first_resident < n && !run->resident[run->first_resident])
		run->first_resident++;
	return 0;
}

static json_t *steps_json(const struct sample *sample, bool ledger)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < sample->step_count; i++) {
		const struct sample_step *s = &sample->step[i];
		/* The driver copies its counts out only where the call succeeded. */
		bool told = s->has_ledger && !s->ledger.error;

		if (!ledger)
			json_object_set_new(o, s->name, json_integer((json_int_t)s->cost));
		else if (s->has_ledger)
			json_object_set_new(
				o, s->name,
				json_pack("{s:o, s:o, s:i, s:I}", "cpages",
					  told ? json_integer((json_int_t)s->ledger.cpages) :
						 json_null(),
					  "faults",
					  told ? json_integer((json_int_t)s->ledger.faults) :
						 json_null(),
					  "errno", s->ledger.error, "call", (json_int_t)s->call));
	}
	return o;
}

static json_t *ours_json(const struct snapshot *snap)
{
	struct snapshot_sums s;

	snapshot__sum(snap, &s);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "notifications", (json_int_t)s.notifications, "delivered",
			 (json_int_t)s.delivered, "performed",
			 (json_int_t)s.outcome[OUTCOME_PERFORMED], "skipped",
			 (json_int_t)s.outcome[OUTCOME_SKIPPED], "failed",
			 (json_int_t)s.outcome[OUTCOME_FAILED], "undetermined",
			 (json_int_t)s.outcome[OUTCOME_UNDETERMINED], "avoidable",
			 (json_int_t)s.avoidable, "pages_performed",
			 (json_int_t)s.pages_performed, "migrations", (json_int_t)s.migrations,
			 "collected", (json_int_t)s.collected, "migrated", (json_int_t)s.migrated,
			 "compound", (json_int_t)s.compound, "excess", (json_int_t)s.excess,
			 "refaults", (json_int_t)s.faults);
}

/* Keeps the sample, and holds every iteration against the formulas by itself. */
static int keep_sample(struct bench *b, unsigned int iteration, struct sample *sample,
		       const struct expectation expected[EXPECT_MAX])
{
	struct snapshot now = {}, delta = {};
	struct snapshot_sums sums;
	__u64 value[EXPECT_MAX];
	bool odd = false;
	int err;

	err = session__snapshot(b->session, &now);
	err = err ? err : snapshot__difference(&delta, &now, &b->before);
	if (err)
		return err;
	snapshot__clear(&b->before);
	b->before = now;
	measured(&delta, value);
	snapshot__sum(&delta, &sums);
	for (unsigned int i = 0; i < sample->step_count; i++)
		if (sample->step[i].is_migration)
			sample->step[i].cost = sums.migration_time[DIR_TO_DEVICE];
	for (int m = 0; m < EXPECT_MAX; m++) {
		struct expectation *sum = &b->sum[m];

		if (!expected[m].formula)
			continue;
		sum->formula = expected[m].formula;
		sum->known = expected[m].known;
		sum->value += expected[m].value;
		odd |= expected[m].known && expected[m].value != value[m];
	}
	b->odd_samples += odd;
	json_array_append_new(b->samples,
			      json_pack("{s:I, s:o, s:o, s:o}", "iteration", (json_int_t)iteration,
					"times", steps_json(sample, false), "ours",
					ours_json(&delta), "driver", steps_json(sample, true)));
	snapshot__clear(&delta);
	return 0;
}

/*
 * Keeps the costs for the observer's effect. What a migration itself takes is known from
 * our own counters only, so there it is the whole call that is compared.
 */
static int keep_costs(struct bench *b, const struct sample *sample)
{
	enum observer_side side = b->stage == STAGE_WATCHED ? OBSERVER_WATCHED : OBSERVER_UNWATCHED;
	int err = 0;

	for (unsigned int i = 0; i < sample->step_count && !err; i++) {
		const struct sample_step *s = &sample->step[i];

		err = observer__add(&b->share->observer, side, s->name, s->is_migration,
				    s->is_migration ? s->call : s->cost);
	}
	return err;
}

/* Iterations of the stage, after the warm-up. */
static int iterations_of(const struct bench *b)
{
	unsigned int n = b->run.params.iterations;

	return (int)(b->stage == STAGE_UNWATCHED && n > UNWATCHED_MAX ? UNWATCHED_MAX : n);
}

/* Before 0 it warms up. */
static int iterate(struct bench *b, int iteration)
{
	/* The data follow the number, which those of the other stage do not have. */
	static const int first[] = { [STAGE_UNWATCHED] = -500 };
	struct expectation expected[EXPECT_MAX] = {};
	struct sample sample = {};
	struct run *run = &b->run;
	bool kept = iteration >= 0;
	int err;

	run->counting = kept && b->stage == STAGE_WATCHED;
	iteration += first[b->stage];
	run->salt = run->params.seed * 1000003 + (__u64)(iteration + 1000) * 100003;
	err = run->workload->prepare(run);
	err = err ? err : run->workload->measure(run, &sample);
	if (!err)
		run->workload->expected(run, expected);
	err = err ? err : run->workload->verify(run);
	run__unmap(run);
	if (err == -EIO && b->options->coherence) {
		msg("%s, iteration %d: %s: what mirrors this memory is not coherent.",
		    run->workload->name, iteration, run->failure);
		return err;
	}
	if (err) {
		msg("%s, iteration %d: %s; the result is worthless and is not written.",
		    run->workload->name, iteration, run->failure[0] ? run->failure : strerror(-err));
		return err;
	}
	if (kept)
		err = keep_costs(b, &sample);
	if (run->counting && !err)
		err = keep_sample(b, (unsigned int)iteration, &sample, expected);
	return err;
}

static json_t *checks_json(struct bench *b, const struct snapshot *snap, unsigned int *broken)
{
	__u64 value[EXPECT_MAX];
	json_t *checks = json_array();

	measured(snap, value);
	for (int m = 0; m < EXPECT_MAX; m++) {
		const struct expectation *e = &b->sum[m];
		bool holds = e->value == value[m];
		char formula[160];

		if (!e->formula)
			continue;
		snprintf(formula, sizeof(formula), "%s; summed over %u iterations", e->formula,
			 b->run.params.iterations);
		json_array_append_new(
			checks,
			json_pack("{s:s, s:s, s:o, s:I, s:o, s:s?}", "metric", metric_names[m],
				  "formula", formula, "expected",
				  e->known ? json_integer((json_int_t)e->value) : json_null(),
				  "measured", (json_int_t)value[m], "holds",
				  e->known ? json_boolean(holds) : json_null(), "reason",
				  e->known ? NULL :
					     "no formula for this device, or for a kernel of this variant or age"));
		if (!e->known || holds)
			continue;
		(*broken)++;
		msg("%s: %s is %ju, the formula %s gives %ju.", b->run.workload->name,
		    metric_names[m], (uintmax_t)value[m], formula, (uintmax_t)e->value);
	}
	if (b->odd_samples && !*broken) {
		(*broken)++;
		msg("%s: %u iterations differ from the formulas although the sums agree.",
		    b->run.workload->name, b->odd_samples);
	}
	return checks;
}

static json_t *left_out_json(const struct run *run)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < run->left_out_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "operation",
						      run->left_out[i].operation, "reason",
						      run->left_out[i].reason));
	return list;
}

static json_t *params_json(const struct run *run)
{
	const struct workload_params *p = &run->params;
	json_t *params;

	params = json_pack("{s:I, s:I, s:I, s:I, s:I}", "pages", (json_int_t)p->pages, "iterations",
			   (json_int_t)p->iterations, "warmup", (json_int_t)p->warmup, "seed",
			   (json_int_t)p->seed, "device", (json_int_t)p->device);
	if (run->workload->uses_resident)
		json_object_set_new(params, "resident_pct",
				    json_integer((json_int_t)p->resident_pct));
	/* Results of runs that did not do the same are not to be compared. */
	for (const char *const *o = run->workload->optional; *o; o++)
		json_object_set_new(params, *o, json_integer(run__has(run, *o)));
	return params;
}

static json_t *result_json(struct bench *b, unsigned int *broken)
{
	struct snapshot *snap = &b->before;
	struct report report = {
		.snap = snap,
		.names = session__names(b->session),
		.plan = session__plan(b->session),
		.latency = b->options->latency,
		.pid = getpid(),
		.command_status = -1,
	};
	struct invariant inv[INVARIANTS_MAX];
	json_t *samples = b->samples;
	struct snapshot_sums sums;
	size_t bad, n;

	for (size_t i = 0; i < json_array_size(samples); i++) {
		const char *step;
		json_t *times = json_object_get(json_array_get(samples, i), "times"), *cost;

		json_object_foreach(times, step, cost)
			report.duration_ns += (__u64)json_integer_value(cost);
	}
	n = report__invariants(&report, inv, &bad);
	for (size_t i = 0; i < n; i++)
		if (!inv[i].holds)
			msg("%s: invariant broken: %s: %s.", b->run.workload->name, inv[i].name,
			    inv[i].detail);
	*broken += (unsigned int)bad;
	snapshot__sum(snap, &sums);
	b->share->notifications = (double)sums.notifications / b->run.params.iterations;
	b->samples = NULL;
	return json_pack("{s:{s:s, s:o, s:o}, s:o, s:o, s:o}", "workload", "name",
			 b->run.workload->name, "params", params_json(&b->run), "left_out",
			 left_out_json(&b->run), "samples", samples, "checks",
			 checks_json(b, snap, broken), "stat", report__json(&report));
}

static int open_device(struct run *run)
{
	int err;

	if (run->workload->device)
		return run->workload->device->open(run);
	err = dmirror__open(&run->device, run->params.device);
	if (err)
		dmirror__explain(&run->device, err);
	return err;
}

static void close_device(struct run *run)
{
	if (run->workload->device)
		run->workload->device->close(run);
	else
		dmirror__close(&run->device);
}

static json_t *device_json(const struct workload *workload, const struct dmirror *mirror)
{
	const struct workload_device *device = workload->device;

	/* Only test_hmm migrates, and so has chunks. */
	return json_pack("{s:s, s:s, s:o}", "driver", device ? device->driver : "test_hmm", "path",
			 device ? device->path : mirror->path, "chunk_pages",
			 device ? json_null() : json_integer(mirror->chunk_pages));
}

/* One stage of a parameter set. */
static enum status run_stage(const struct bench_options *o, struct session *session,
			     enum stage stage, struct share *share, struct dmirror *device,
			     unsigned int *broken)
{
	struct bench b = { .options = o, .session = session, .stage = stage, .share = share };
	enum status status = STATUS_FAILED;
	struct run *run = &b.run;
	int err;

	run->workload = o->workload;
	run->params = o->params;
	run->params.resident_pct = share->resident_pct;
	run->quiet = stage != STAGE_WATCHED;
	run->variant = variant__running();
	run->session = session;
	run->buffer = run__map_buffer(run->params.pages * PAGE_BYTES);
	b.samples = json_array();
	err = choose_resident(run);
	if (err || !run->buffer || !b.samples) {
		msg("out of memory for %zu pages; ask for fewer with --pages.", run->params.pages);
		goto cleanup;
	}
	err = open_device(run);
	if (err) {
		if (err == -ENODEV || err == -ENOENT || err == -EBUSY)
			status = STATUS_UNAVAILABLE;
		goto cleanup;
	}
	if (stage == STAGE_WATCHED)
		session__reset(session);
	for (int i = -(int)run->params.warmup; i < iterations_of(&b) && !err; i++)
		err = iterate(&b, i);
	if (!err && stage == STAGE_WATCHED) {
		session__poll(session, 0);
		share->result = result_json(&b, broken);
		err = share->result ? 0 : -ENOMEM;
	}
	if (!err)
		status = STATUS_OK;
	*device = run->device;
cleanup:
	snapshot__clear(&b.before);
	json_decref(b.samples);
	close_device(run);
	if (run->buffer)
		munmap(run->buffer, run->params.pages * PAGE_BYTES);
	free(run->resident);
	return status;
}

static enum status run_all(const struct bench_options *o, struct session *session,
			   enum stage stage, struct share *shares, struct dmirror *device,
			   unsigned int *broken)
{
	enum status status = STATUS_OK;

	for (unsigned int i = 0; i < o->resident_count && status == STATUS_OK; i++)
		status = run_stage(o, session, stage, &shares[i], device, broken);
	return status;
}

static enum status run_stages(const struct bench_options *o, struct share *shares,
			      struct dmirror *device, unsigned int *broken)
{
	struct session_options so = {
		.scope = SCOPE_PROCESS,
		.pid = getpid(),
		.latency = o->latency,
		.row_shift = o->row_shift,
	};
	bool calibrate = !o->no_calibration && !o->coherence;
	struct session *s = NULL;
	enum status status;
	int err;

	err = session__open(&s, &so);
	err = err ? err : session__load(s);
	err = err ? err : session__attach(s);
	/* What was needed for that only would go back to the kernel amid the iterations. */
	malloc_trim(0);
	status = err ? session__status(err) : run_all(o, s, STAGE_WATCHED, shares, device, broken);
	if (status == STATUS_OK && calibrate) {
		session__detach(s);
		status = run_all(o, s, STAGE_UNWATCHED, shares, device, broken);
	}
	session__free(s);
	return status;
}

/* The results of all shares, each with what of it is ours. New reference; NULL: no memory. */
static json_t *results_json(const struct bench_options *o, struct share *shares)
{
	const char *reason = o->coherence      ? "only coherence was asked for" :
			     o->no_calibration ? "--no-calibration was given" :
						 NULL;
	json_t *results = json_array();

	for (unsigned int i = 0; i < o->resident_count; i++) {
		const struct share *share = &shares[i];

		if (json_object_set_new(share->result, "observer",
					observer__json(&share->observer, share->notifications,
						       reason)) ||
		    json_array_append(results, share->result)) {
			json_decref(results);
			return NULL;
		}
	}
	return results;
}

enum status bench__run(const struct bench_options *o, json_t **doc)
{
	struct share shares[sizeof(o->resident) / sizeof(o->resident[0])] = {};
	enum status status = STATUS_OK;
	struct dmirror device = {};
	unsigned int broken = 0;

	*doc = NULL;
	if (kernel_info__version() < o->workload->since) {
		msg("%s needs Linux %d.%d or later, this is %s; run it on such a kernel.",
		    o->workload->name, o->workload->since / 1000, o->workload->since % 1000,
		    kernel_info__release());
		return STATUS_UNAVAILABLE;
	}
	/*
	 * Where huge pages are for all, khugepaged would make some of the workload's
	 * memory, each with a notification, in its own time.
	 */
	if (!o->workload->huge)
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (unsigned int i = 0; i < o->resident_count; i++)
		shares[i].resident_pct = o->resident[i];
	status = run_stages(o, shares, &device, &broken);
	if (status == STATUS_OK) {
		*doc = json_pack("{s:s, s:o, s:o, s:s, s:o, s:o}", "schema", "mmuscope-bench/1",
				 "tool", tool_info__json(), "kernel", kernel_info__json(), "clock",
				 kernel_info__clock(), "device", device_json(o->workload, &device),
				 "results", results_json(o, shares));
		status = !*doc ? STATUS_FAILED : broken ? STATUS_INCOMPLETE : STATUS_OK;
	}
	for (unsigned int i = 0; i < o->resident_count; i++) {
		observer__clear(&shares[i].observer);
		json_decref(shares[i].result);
	}
	return status;
}
