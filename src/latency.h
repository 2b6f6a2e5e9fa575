/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_LATENCY_H
#define MMUSCOPE_LATENCY_H

/* Histograms of times, as bpf/callbacks.bpf.c makes them. Pure functions. */
#include "bpf/mmuscope.h"

/* The bucket of `ns`, see MMUSCOPE_BUCKETS. */
unsigned int latency__bucket(__u64 ns);

/* The size of a range, see MMUSCOPE_SIZES. */
unsigned int latency__size(__u64 pages);

#define LATENCY_INFINITE (~0ULL)

/*
 * `p` per cent of `count` times lie below it, as far as buckets tell: ns;
 * LATENCY_INFINITE for the last, which has no end.
 */
__u64 latency__below(const __u64 bucket[MMUSCOPE_BUCKETS], __u64 count, unsigned int p);

#endif
