/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_OVERHEAD_H
#define MMUSCOPE_BENCH_OVERHEAD_H

#include <jansson.h>

#include "msg.h"

/*
 * Measures what watching one notification with one subscriber costs, in the
 * clock's unit (guest instructions under -icount): `iterations` times touch a
 * page and MADV_DONTNEED it, on a page that test device `device` mirrors, with
 * nothing attached, with empty programs, with each mode of `stat`, and with
 * bpftrace one-liners where bpftrace is installed. *doc is a mmuscope-overhead/1
 * object (new reference). One sentence where it cannot be measured.
 */
enum status overhead__run(unsigned int device, unsigned int iterations, json_t **doc);

#endif
