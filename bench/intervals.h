/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_INTERVALS_H
#define MMUSCOPE_BENCH_INTERVALS_H

#include <jansson.h>

#include "msg.h"

/*
 * Measures what one notification costs, in the clock's unit, in a process with many
 * interval notifiers of which few overlap the range, with nothing attached and with
 * `stat` and `stat --no-latency`, on the device of kernel/module/notifier_test.c; a
 * round is `iterations` notifications. *doc is a mmuscope-intervals/1 object (new
 * reference). One sentence where it cannot be measured.
 */
enum status intervals__run(unsigned int iterations, json_t **doc);

#endif
