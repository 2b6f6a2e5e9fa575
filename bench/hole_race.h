/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_HOLE_RACE_H
#define MMUSCOPE_BENCH_HOLE_RACE_H

#include <jansson.h>
#include <stdio.h>

#include "msg.h"
#include "workload.h"

/*
 * Is the mirror of one test device coherent while another migrates? Device
 * `params->device` migrates pages that were never touched, and every second one where
 * only the zero page was read, while the other device reads them one by one; then the
 * first device writes, then the CPU, and each time the other must see it. *doc is a
 * mmuscope-coherence/1 object (new reference), also where pages are stale: then the
 * status is STATUS_FAILED. One sentence where it cannot be measured.
 */
enum status hole_race__run(const struct workload_params *params, json_t **doc);

/* The document as a text: the counts, and the first stale page with the order of events. */
enum status hole_race__print(const json_t *doc, FILE *out);

#endif
