/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_RUNNER_H
#define MMUSCOPE_BENCH_RUNNER_H

#include <jansson.h>

#include "msg.h"
#include "workload.h"

struct bench_options {
	const struct workload *workload;
	struct workload_params params;	/* resident_pct is taken from resident[] */
	unsigned int resident[16];
	unsigned int resident_count;
	bool latency;
	bool coherence;			/* what a device reads is what is asked for */
	bool no_calibration;		/* not again with nothing attached */
	unsigned int row_shift;		/* 0: default */
	unsigned int most;		/* of each, for `scale` */
	const char *only;		/* of overhead; NULL: all */
};

/*
 * Runs the workload once for every resident share and builds a mmuscope-bench/1
 * document: STATUS_OK with *doc (new reference) where every iteration ran and
 * verified; STATUS_INCOMPLETE with *doc where a formula, an invariant or the
 * loss counters say that the numbers are not to be trusted, after a sentence
 * for each; any other status without *doc, after one sentence.
 */
enum status bench__run(const struct bench_options *options, json_t **doc);

const struct workload *workload__find(const char *name);

#endif
