/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_USER_SIDE_H
#define MMUSCOPE_BENCH_USER_SIDE_H

#include <jansson.h>
#include <stdio.h>

#include "msg.h"

struct bench_options;

/*
 * What the tool itself costs beside its probes: starting and stopping, step by step; a
 * snapshot of many rows; and the intervals of `stat -I`. `doc` is NULL where nothing
 * was measured.
 */
enum status user_side__run(const struct bench_options *o, json_t **doc);
enum status user_side__print(const json_t *doc, FILE *out);

/* The last of them, {interval_ms, idle, busy, busy_table}, or {reason} where it cannot be. */
json_t *user_interval__measure(void);

#endif
