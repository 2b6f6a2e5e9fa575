/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_SCALE_H
#define MMUSCOPE_BENCH_SCALE_H

#include <jansson.h>
#include <stdio.h>

#include "msg.h"

/*
 * Measures how the cost of one notification under `stat -a`, the memory of its maps and
 * the cost of a snapshot grow with the subscribers of a process, with the processes, and
 * with the drivers, up to `most` of each, on the devices of kernel/module/notifier_test.c;
 * a round is `iterations` notifications. Each row is held against what was made. *doc is
 * a mmuscope-scale/1 object (new reference). One sentence where it cannot be measured.
 */
enum status scale__run(unsigned int iterations, unsigned int most, json_t **doc);

enum status scale__print(const json_t *doc, FILE *out);

#endif
