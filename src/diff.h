/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_DIFF_H
#define MMUSCOPE_DIFF_H

/*
 * The comparison of two sets of results, without any printing: counts joined
 * on workload, parameters, driver and phase (never on the event, which differs
 * between kernels), and the times' statistics.
 */
#include "metrics.h"
#include "result.h"
#include "sentences.h"
#include "stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BASE, NEW, SIDES };

/* A difference of times is told from chance where p_adjusted is below this. */
#define DIFF_P 0.01

enum diff_state {
	DIFF_ABSENT,  /* this side has no such row: "N/A" */
	DIFF_UNKNOWN, /* not observable in at least one run: "n/o" */
	DIFF_KNOWN,
};

/* One count on one side, over that side's runs. */
struct diff_value {
	enum diff_state state;
	int64_t min, max;   /* over the runs; equal unless the count varies */
	const char *reason; /* DIFF_UNKNOWN only */
};

struct diff_count {
	struct diff_value side[SIDES];
};

/* Known on both sides, constant on each, and the same. */
bool diff_count__equal(const struct diff_count *count);
/* Known somewhere, and not the same in each run of that side. */
bool diff_count__varies(const struct diff_count *count);
/* Known on both sides. */
bool diff_count__comparable(const struct diff_count *count);
/*
 * new - base, for a comparable count; a range where one side varies. Saturates
 * at the ends of int64_t.
 */
void diff_count__difference(const struct diff_count *count, int64_t *min, int64_t *max);

/* The counts of one driver and phase, of one direction, or of a whole case. */
struct diff_row {
	bool total;		     /* of the whole case: all sections */
	enum metric_section section; /* else: only this section's metrics count */
	char *driver;		     /* callbacks: "symbol [module]", owned; else NULL */
	const char *key;	     /* phase or direction, borrowed; NULL: none */
	int64_t *runs[SIDES];	     /* [run * METRIC_COUNT + metric]; see diff.c */
	struct diff_count count[METRIC_COUNT];
};

/* Does the row have this metric? */
bool diff_row__has(const struct diff_row *row, enum metric_id id);
/* Every metric that the row has is equal. */
bool diff_row__equal(const struct diff_row *row);

enum diff_verdict {
	DIFF_SAME,    /* no difference seen */
	DIFF_FASTER,  /* new takes less */
	DIFF_SLOWER,
	DIFF_TOO_FEW, /* so few samples can show no difference at DIFF_P */
};

/* Adds one more run's count, or COUNT_UNKNOWN with its reason (borrowed). */
void diff_value__add(struct diff_value *value, int64_t v, const char *reason);

/* In words: "slower", "faster", "no difference seen", "too few samples". */
const char *diff_verdict__words(enum diff_verdict verdict);

/* One of the times of a case, in the clock's unit, per page where that is known. */
struct diff_time {
	const char *key;
	double *samples[SIDES]; /* of all runs, pooled */
	struct stats_summary summary[SIDES]; /* n == 0: this side has none */
	double difference;	/* of the medians, new - base */
	double percent;		/* of base's median; infinite where that is 0 */
	double ci_low, ci_high; /* 95 %, of the difference */
	double p;		/* of this test alone */
	double p_adjusted;	/* for the number of tests in this comparison; decides */
	/*
	 * How much of it is the watching itself, mean of the runs that know it: in the unit
	 * of the time, and in per cent of the step, or of the whole call. NAN: not known.
	 */
	double ours[SIDES], ours_percent[SIDES];
	bool ours_of_call;
	bool runs_overlap;	/* p is low, but the runs of each side differ as much */
	enum diff_verdict verdict;
};

/* Both sides have samples: difference, CI, p and verdict mean something. */
bool diff_time__tested(const struct diff_time *time);

/* A workload with one set of parameters. */
struct diff_case {
	const struct result_case *any; /* for its name and parameters */
	char *key;		       /* name and sorted parameters, for joining */
	const struct result_case **in_run[SIDES]; /* NULL: not in that run */
	size_t n_in[SIDES];			  /* runs that have it */
	struct diff_row total;
	struct diff_row *rows;
	size_t n_rows;
	struct diff_time *times;
	size_t n_times;
	bool per_page; /* times are per page */
};

/* Both sides have it. */
bool diff_case__joined(const struct diff_case *c);
/* The time of that key, or NULL. */
const struct diff_time *diff_case__time(const struct diff_case *c, const char *key);
/* All counts, of the total and of each row, are equal. */
bool diff_case__equal(const struct diff_case *c);

/* The cases of one workload. */
struct diff_workload {
	const char *name;
	struct diff_case **cases; /* sorted by the parameters that vary */
	size_t n_cases, n_joined;
	const struct result_param **varying; /* not the same in all cases */
	size_t n_varying;
};

/* Is the parameter of that name one of those that vary? */
bool diff_workload__varies(const struct diff_workload *w, const char *name);
/* "migrate-mixed (resident 25 %)", with what varies only; to be freed; NULL: no memory. */
char *diff_workload__title(const struct diff_workload *w, const struct diff_case *c);

struct diff_side {
	const struct result_set *set; /* borrowed */
	const struct result *first;   /* of the set */
	char *label;		      /* "unpatched"; "base" where that says nothing */
};

struct diff {
	struct diff_side side[SIDES];
	const char *clock;
	bool same_kernel;	     /* an A/A comparison */
	char *times_forbidden;	     /* why times are not compared; NULL: they are */
	struct diff_case *cases;
	size_t n_cases;
	struct diff_workload *workloads;
	size_t n_workloads;
	size_t n_tests; /* times that both sides have */
	struct sentences warnings; /* broken invariants, failed checks */
	struct sentences notes;	   /* what a reader must know besides */
};

/* Makes diff->workloads once all cases are there. 0 or -ENOMEM. */
int diff__group_cases(struct diff *diff);

/* Is any parameter set in more than one of the side's runs? */
bool diff__repeats(const struct diff *diff, int side);
/* Frees them. */
void diff__ungroup_cases(struct diff *diff);

/*
 * Works out the times of a case whose in_run is set. Returns 0 or -ENOMEM.
 */
int diff_case__compare_times(struct diff_case *c, const struct diff *diff);
/* Notes where the watching differs between the sides by more than the time. 0 or -ENOMEM. */
int diff__note_observers(struct diff *diff);
/* Gives all times their p_adjusted and verdict. Returns 0 or -ENOMEM. */
int diff__judge_times(struct diff *diff);
/* Frees what diff_case__compare_times() made. */
void diff_case__free_times(struct diff_case *c);

/*
 * Compares. `base` and `new` are borrowed until diff__free(). Where they
 * cannot be compared returns -EINVAL with a sentence that says why in
 * `error` (RESULT_ERROR_SIZE bytes); else 0 or -ENOMEM.
 */
int diff__new(const struct result_set *base, const struct result_set *new, struct diff **out,
	      char *error);

/* NULL is legal. */
void diff__free(struct diff *diff);

/*
 * One metric summed over one run of the workload `only` (NULL: of all), over
 * the cases that both sides have.
 */
struct diff_count diff__sum(const struct diff *diff, const struct diff_workload *only,
			    enum metric_id id);

/* One side of that; with `joined_only` false, over all cases that the side has. */
struct diff_value diff__sum_side(const struct diff *diff, const struct diff_workload *only,
				 int side, enum metric_id id, bool joined_only);

/* The time's unit: "insn/page", "ns/page", "insn", "ns". */
const char *diff__time_unit(const struct diff *diff, const struct diff_case *c);

/*
 * "Verdict: ..." in one line and one sentence, from the numbers. Returns text
 * to be freed, or NULL where memory is short.
 */
char *diff__verdict(const struct diff *diff);

#endif
