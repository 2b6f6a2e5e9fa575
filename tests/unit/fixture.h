/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TEST_FIXTURE_H
#define MMUSCOPE_TEST_FIXTURE_H

/*
 * Results as the benchmark writes them, made from a closed formula, to be
 * bent by each test. A case has 2 chunks of 64 pages, of which `resident` per
 * cent are on the device already; a kernel that "performs" acts on each
 * callback, and then faults twice an iteration.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_PAGES 128
#define FIXTURE_CHUNKS 2

struct fixture {
	const char *variant, *accel, *clock;
	bool performs;
	int chunk_pages, iterations;
	int shares[4]; /* of resident pages, in per cent; ends with -1 */
	int cost;      /* of migrating, in clock units a page */
	int jitter;    /* shifts the samples a little, as another run would */
};

static const struct fixture fixture_unpatched = {
	.variant = "unpatched", .accel = "tcg",	   .clock = "guest-insn",
	.performs = true,	.chunk_pages = 64, .iterations = 23,
	.shares = { 0, 50, -1 }, .cost = 1200,
};

static const struct fixture fixture_patched = {
	.variant = "patched",	.accel = "tcg",	   .clock = "guest-insn",
	.performs = false,	.chunk_pages = 64, .iterations = 23,
	.shares = { 0, 50, -1 }, .cost = 1000,
};

/* Fails the test where memory is short or the format is wrong. */
static inline json_t *must(json_t *json)
{
	assert_non_null(json);
	return json;
}

static inline json_t *fixture_kernel(const struct fixture *f)
{
	char release[64], sha[65];

	snprintf(release, sizeof(release), "6.1.0-%s", f->variant);
	memset(sha, f->variant[0], 64);
	sha[64] = '\0';
	return must(json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:n}", "release", release, "version",
			      "#1 SMP", "machine", "x86_64", "variant", f->variant, "accel",
			      f->accel, "config_sha256", sha, "boot_id"));
}

static inline json_t *fixture_callback(const struct fixture *f, int pid, const char *event,
				       const char *phase, int delivered)
{
	int performed = f->performs ? delivered : 0;

	return must(json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:n, s:i, s:i, "
		"s:{s:i, s:i, s:i, s:i, s:[{s:i, s:i}]}, s:s}",
		"pid", pid, "comm", "bench", "symbol", "dmirror_interval_invalidate", "module",
		"test_hmm", "kind", "interval", "event", event, "phase", phase, "delivered",
		delivered, "performed", performed, "skipped", delivered - performed, "failed", 0,
		"undetermined", 0, "avoidable", "pages", delivered * 64, "pages_performed",
		performed * 64, "latency_ns", "count", delivered, "sum", delivered * 500, "min",
		400, "max", 600, "buckets", "lt", 1024, "count", delivered, "source", "fentry"));
}

/* The counts of one iteration. */
static inline json_t *fixture_ours(const struct fixture *f, int share)
{
	int delivered = 2 * FIXTURE_CHUNKS, performed = f->performs ? delivered : 0;
	int migrated = FIXTURE_PAGES - FIXTURE_PAGES * share / 100;
	int excess = performed ? performed * 64 - migrated : 0;

	return must(json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "notifications",
			      delivered, "delivered", delivered, "performed", performed, "skipped",
			      delivered - performed, "failed", 0, "undetermined", 0,
			      "pages_performed", performed * 64, "migrated", migrated, "excess",
			      excess, "refaults", f->performs ? FIXTURE_CHUNKS : 0));
}

static inline json_t *fixture_stat(const struct fixture *f, int share)
{
	const char *event = f->performs ? "CLEAR" : "MIGRATE";
	int n = f->iterations * FIXTURE_CHUNKS;
	json_t *ours = fixture_ours(f, share);
	json_t *stat;

	stat = must(json_pack(
		"{s:s, s:{s:s, s:s}, s:o, s:s, s:{s:i}, s:[], s:b, s:i, "
		"s:[{s:i, s:s, s:s, s:s, s:i, s:i, s:i}, {s:i, s:s, s:s, s:s, s:i, s:i, s:i}], "
		"s:[o, o], s:[{s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i}], "
		"s:{s:i, s:i, s:i}, s:{s:i, s:i, s:i}, s:[{s:s, s:b, s:s}], s:[{s:s, s:s}]}",
		"schema", "mmuscope-stat/1", "tool", "version", "0.1.0", "libbpf", "1.1", "kernel",
		fixture_kernel(f), "clock", f->clock, "scope", "pid", 7, "command", "children", 0,
		"duration_ns", 1000, "notifications", "pid", 7, "comm", "bench", "event", event,
		"phase", "setup", "calls", n, "pages", n * 64, "failed", 0, "pid", 7, "comm",
		"bench", "event", event, "phase", "pages", "calls", n, "pages", n * 64, "failed", 0,
		"callbacks", fixture_callback(f, 7, event, "setup", n),
		fixture_callback(f, 7, event, "pages", n), "migrations", "pid", 7, "comm", "bench",
		"direction", "to_device", "owner", "dmirror_devices+0x0 [test_hmm]", "calls", n,
		"pages", n * 64, "collected",
		f->iterations * (int)json_integer_value(json_object_get(ours, "migrated")),
		"migrated",
		f->iterations * (int)json_integer_value(json_object_get(ours, "migrated")),
		"excess",
		f->iterations * (int)json_integer_value(json_object_get(ours, "excess")), "faults",
		"calls", f->performs ? n : 0, "pages", f->performs ? n * 64 : 0, "retries", 0,
		"lost", "events", 0, "counters", 0, "recursion", 0, "invariants", "name",
		"starts = ends + failed starts", "holds", 1, "detail", "4 = 4 + 0", "unobservable",
		"metric", "callbacks.avoidable", "reason", "the owner is not read"));
	json_decref(ours);
	return stat;
}

static inline json_t *fixture_case(const struct fixture *f, int share)
{
	int performed = f->performs ? f->iterations * 2 * FIXTURE_CHUNKS : 0;
	json_t *samples = must(json_array());

	for (int i = 0; i < f->iterations; i++) {
		int noise = (i * 7 + f->jitter) % 11;

		json_array_append_new(
			samples,
			must(json_pack(
				"{s:i, s:{s:i, s:i}, s:o, s:{s:{s:i, s:n, s:i}}}", "iteration", i,
				"times", "migrate", f->cost * FIXTURE_PAGES + noise, "read",
				200 * FIXTURE_PAGES + noise, "ours", fixture_ours(f, share),
				"driver", "migrate", "cpages", FIXTURE_PAGES, "faults", "errno",
				0)));
	}
	return must(json_pack(
		"{s:{s:s, s:{s:i, s:i, s:i}}, s:o, s:[{s:s, s:s, s:i, s:i, s:b}, "
		"{s:s, s:s, s:n, s:i, s:n, s:s}], s:o}",
		"workload", "name", "migrate-mixed", "params", "pages", FIXTURE_PAGES,
		"resident_pct", share, "iterations", f->iterations, "samples", samples, "checks",
		"metric", "performed", "formula", "2 * ceil(N/C) * I", "expected", performed,
		"measured", performed, "holds", 1, "metric", "refaults", "formula", "?", "expected",
		"measured", f->performs ? f->iterations * FIXTURE_CHUNKS : 0, "holds", "reason",
		"variant unknown", "stat", fixture_stat(f, share)));
}

#define FIXTURE_READ (200 * FIXTURE_PAGES + 5) /* the median of `read`, 23 iterations, no jitter */

/* What of a case is the watching itself: of the call of `migrate`, and of `read`. */
static inline json_t *fixture_observer(double of_migrate, double of_read)
{
	return must(json_pack(
		"{s:[{s:s, s:b, s:{s:i, s:f, s:i}, s:{s:i, s:f, s:i}, s:f}, "
		"{s:s, s:b, s:{s:i, s:f, s:i}, s:{s:i, s:f, s:i}, s:f}], s:n}",
		"steps", "step", "migrate", "whole_call", 1, "watched", "n", 23, "median", 400000.0,
		"mad", 0, "unwatched", "n", 10, "median", 400000.0 - of_migrate, "mad", 0, "ours",
		of_migrate, "step", "read", "whole_call", 0, "watched", "n", 23, "median",
		(double)FIXTURE_READ, "mad", 0, "unwatched", "n", 10, "median",
		FIXTURE_READ - of_read, "mad", 0, "ours", of_read, "reason"));
}

static inline json_t *fixture_bench(const struct fixture *f)
{
	json_t *results = must(json_array());

	for (size_t i = 0; f->shares[i] >= 0; i++)
		json_array_append_new(results, fixture_case(f, f->shares[i]));
	return must(json_pack("{s:s, s:{s:s, s:s}, s:o, s:s, s:{s:s, s:s, s:i}, s:o}", "schema",
			      "mmuscope-bench/1", "tool", "version", "0.1.0", "libbpf", "1.1",
			      "kernel", fixture_kernel(f), "clock", f->clock, "device", "driver",
			      "test_hmm", "path", "/dev/hmm_dmirror0", "chunk_pages",
			      f->chunk_pages, "results", results));
}

/* "results.0.stat.callbacks.1" inside `root`; the test fails where it is not. */
static inline json_t *at(json_t *root, const char *path)
{
	char *copy = strdup(path), *rest = copy, *key;

	assert_non_null(copy);
	while ((key = strsep(&rest, ".")) && *key)
		root = must(json_is_array(root) ? json_array_get(root, (size_t)atoi(key)) :
						  json_object_get(root, key));
	free(copy);
	return root;
}

static inline void put(json_t *root, const char *path, const char *key, json_t *value)
{
	assert_int_equal(json_object_set_new(at(root, path), key, must(value)), 0);
}

static inline void put_count(json_t *root, const char *path, const char *key, int value)
{
	put(root, path, key, json_integer(value));
}

/* A new empty folder under $TMPDIR or /tmp, to be removed with remove_folder(). */
static inline char *make_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	char *path;

	assert_true(asprintf(&path, "%s/mmuscope-test-XXXXXX", tmp ? tmp : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

static inline void remove_folder(char *path)
{
	char *command;

	assert_true(asprintf(&command, "rm -r '%s'", path) > 0);
	assert_int_equal(system(command), 0);
	free(command);
	free(path);
}

/* Writes text into folder/name and returns that path, to be freed. */
static inline char *write_text(const char *folder, const char *name, const char *text)
{
	char *path;
	FILE *file;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

/* The same for JSON, which it frees. */
static inline char *write_json(const char *folder, const char *name, json_t *json)
{
	char *text = json_dumps(must(json), JSON_INDENT(1)), *path;

	assert_non_null(text);
	path = write_text(folder, name, text);
	free(text);
	json_decref(json);
	return path;
}

#endif
