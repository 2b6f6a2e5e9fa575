// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "latency.h"

/* How many bits it takes, and `limit` for all that take more. */
static unsigned int bits(__u64 n, unsigned int limit)
{
	unsigned int b = n ? 64 - (unsigned int)__builtin_clzll(n) : 0;

	return b < limit ? b : limit;
}

unsigned int latency__bucket(__u64 ns)
{
	return bits(ns, MMUSCOPE_BUCKETS - 1);
}

unsigned int latency__size(__u64 pages)
{
	return bits(pages, MMUSCOPE_SIZES - 1);
}

__u64 latency__below(const __u64 bucket[MMUSCOPE_BUCKETS], __u64 count, unsigned int p)
{
	__u64 want = (count * p + 99) / 100, seen = 0;

	for (int b = 0; b < MMUSCOPE_BUCKETS - 1; b++) {
		seen += bucket[b];
		if (seen >= want)
			return 1ULL << b;
	}
	return LATENCY_INFINITE;
}
