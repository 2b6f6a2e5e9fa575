/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_NODES_H
#define MMUSCOPE_BENCH_NODES_H

/*
 * Memory that moves between two NUMA nodes, by move_pages(2), which is the
 * kernel's migrate_pages() for pages that we name.
 */
#include <stdbool.h>
#include <stddef.h>

struct nodes {
	int from, to;
	size_t pages;
	void **page;	/* one of each for every page, ours until nodes__close() */
	int *target, *status;
};

/*
 * The first two nodes that have memory which this process may use, and room for
 * lists of `pages` pages. False: `reason` gets a clause without a full stop. The
 * caller ends with nodes__close() in any case.
 */
bool nodes__open(struct nodes *n, size_t pages, char *reason, size_t size);
void nodes__close(struct nodes *n);

/*
 * Moves every page of `range`, which are all present, to `node`. Allocates and frees
 * nothing. Returns 0 where all of them are there, else -errno, of one page at least.
 */
int nodes__move(struct nodes *n, unsigned char *range, int node);

/*
 * Keeps the balancing of NUMA nodes away from this thread's memory: it leaves what a
 * policy has placed (vma_policy_mof(), mm/mempolicy.c). A policy that is there stays.
 */
void nodes__hold_still(void);

#endif
