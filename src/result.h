/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RESULT_H
#define MMUSCOPE_RESULT_H

/*
 * Result files, mmuscope-stat/1 and mmuscope-bench/1, checked field by field
 * while they are read: what is in these structs has the type and the range
 * that the schema promises. Whether the numbers agree with each other is for
 * result__verify() to say.
 *
 * Strings are borrowed from the result, hold no control characters, and are
 * NULL where the schema allows null and the file says so. A count is 0 or
 * more, or COUNT_UNKNOWN where it could not be observed.
 */
#include "metrics.h"
#include "sentences.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the sentence of an error; a longer one is cut. */
#define RESULT_ERROR_SIZE 1024

enum result_schema { RESULT_STAT, RESULT_BENCH };

struct result_latency {
	int64_t count;	 /* calls */
	int64_t sum, min, max; /* in ns of the result's clock */
	int64_t buckets; /* sum of the histogram's counts */
};

/* A row of one section; what the section does not have is NULL or unknown. */
struct result_row {
	enum metric_section section;
	int64_t pid;
	const char *comm;
	const char *symbol, *module; /* callbacks */
	const char *phase;	     /* notifications and callbacks */
	const char *direction;	     /* migrations */
	int64_t count[METRIC_COUNT];
	bool has_latency;
	struct result_latency latency;
};

struct result_invariant {
	const char *name, *detail;
	int holds;
};

struct result_unobservable {
	const char *metric, *reason;
};

/* A mmuscope-stat/1 object, or the one inside a bench's result. */
struct result_stat {
	const char *release, *clock;
	char *subject; /* the command, or what was watched: "one process", "cgroup /a" */
	bool is_command;
	int64_t duration_ns;
	struct result_row *rows; /* of all sections */
	size_t n_rows;
	bool observed[SECTION_COUNT]; /* false where the whole section is null */
	int64_t lost_events, lost_counters, lost_recursion;
	struct result_invariant *invariants;
	size_t n_invariants;
	struct result_unobservable *unobservable;
	size_t n_unobservable;
};

struct result_param {
	const char *name; /* "resident_pct" */
	char *label;	  /* for people: "resident" */
	char *text;	  /* its value for people: "25 %" */
	int64_t value;	  /* 0 where it is not an integer */
	bool is_integer;
};

struct result_sample {
	int64_t iteration;
	double *times; /* as many as the case has time keys; clock units, whole range */
	int64_t ours[METRIC_COUNT];
};

struct result_check {
	const char *metric, *formula, *reason;
	int64_t expected, measured;
	int holds; /* 1, 0, or -1: cannot be told */
};

/* How much of a time is the watching itself, in clock units, for the whole range. */
struct result_effect {
	bool known;
	bool whole_call; /* of the whole call, of which the time is a part */
	double watched, unwatched, ours;
};

/*
 * What is compared: a workload with one set of parameters. A stat result has
 * one, with the subject as its name and neither parameters nor samples.
 */
struct result_case {
	const char *name;
	struct result_param *params; /* in the file's order */
	size_t n_params;
	json_t *json_params; /* the same, borrowed; NULL without parameters */
	const char **time_keys;
	size_t n_time_keys;
	struct result_effect *effects; /* as many; NULL where the result has none */
	struct result_sample *samples;
	size_t n_samples;
	struct result_check *checks;
	size_t n_checks;
	struct result_stat *stat; /* NULL where a bench has none */
};

struct result {
	char *path;
	enum result_schema schema;
	const char *release, *version, *machine;
	const char *variant, *accel, *config_sha256; /* NULL: not known */
	const char *clock;			     /* "ns" or "guest-insn" */
	const char *driver;			     /* bench only, else NULL */
	int64_t chunk_pages;			     /* bench on a device that migrates, else 0 */
	struct result_case *cases;
	size_t n_cases;
	json_t *root;
};

/* One result, or the runs of one kernel that a folder holds. */
struct result_set {
	char *path;
	struct result **runs; /* at least one, sorted by name */
	size_t n_runs;
};

/* Are two strings, either of which may be NULL, the same? */
bool result__same(const char *a, const char *b);

const char *result_schema__name(enum result_schema schema);

/*
 * Reads and checks one file (a pipe will do). On success `*out` is the
 * caller's, to be freed with result__free(). On failure `error`, of
 * RESULT_ERROR_SIZE bytes, gets one sentence that names the file and what to
 * do; returns -ENOMSG where it is sound JSON but no result of mmuscope,
 * -EPROTONOSUPPORT for a result of another schema version, -EINVAL for
 * anything else that is wrong with the content, else the -errno of reading.
 */
int result__load(const char *path, struct result **out, char *error);

/* The same for text in memory; `path` only names it in messages. */
int result__parse(const char *path, const char *text, size_t len, struct result **out,
		  char *error);

/* NULL is legal. */
void result__free(struct result *result);

/*
 * Reads one file, or every "*.json" in a folder that is a result; other JSON
 * there is passed over. Fails, with a sentence in `error` and -errno, where
 * there is none, where one is damaged, and where they are not runs of one
 * kernel, or not of one schema, clock, accelerator and device chunk size.
 * The caller frees `*out` with result_set__free().
 */
int result_set__load(const char *path, struct result_set **out, char *error);

/* NULL is legal. */
void result_set__free(struct result_set *set);

/*
 * The total of one metric over one run of a case: all processes, drivers,
 * phases and events. COUNT_UNKNOWN where it was not observed.
 */
int64_t result_case__total(const struct result_case *c, enum metric_id id);

/* The sum of "ours" over the samples; COUNT_UNKNOWN where not observed or not there. */
int64_t result_case__sum_ours(const struct result_case *c, enum metric_id id);

/* Why the total is unknown; never NULL. */
const char *result_case__reason(const struct result_case *c, enum metric_id id);

/* The parameter of that name, or NULL. */
const struct result_param *result_case__param(const struct result_case *c, const char *name);

/*
 * The case as people say it: "migrate-mixed (pages 512, resident 25 %)"; only
 * the name where it has no parameters. Returns text to be freed, or NULL.
 */
char *result_case__title(const struct result_case *c);

/*
 * Whether the numbers agree with each other: everything that the file says
 * about itself (losses, invariants, checks) and everything that can be worked
 * out again from it, whatever it says. Adds one sentence to `broken` for each
 * that does not hold. Returns 0 (look at broken->n) or -ENOMEM.
 */
int result__verify(const struct result *result, struct sentences *broken);

#endif
