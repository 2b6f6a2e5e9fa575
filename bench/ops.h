/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_OPS_H
#define MMUSCOPE_BENCH_OPS_H

/*
 * What the workloads without migrations share: a range that lies where its
 * notifications can be counted beforehand, and steps in which the process works
 * on it. Functions that return int give 0, or -errno after run__failed().
 */
#include <sys/types.h>

#include "workload.h"

struct ops {
	unsigned char *home;	/* where the range starts, in one GiB */
	unsigned char *away;	/* where mremap moves it, in the next */
	size_t copied, copied_pages;	/* mappings that the last fork copied: V, their pages */
	int to_child[2];
	pid_t child;
};

/* Maps the range and fills it with this iteration's data. Takes less than 1 GiB. */
int ops__map(struct run *run, struct ops *ops);

/*
 * The step `fork`. The child shares every page until ops__reap(); afterwards
 * nothing is shared but the range, which is read-only then.
 */
int ops__fork(struct run *run, struct ops *ops, struct sample *sample);
void ops__reap(struct ops *ops);

enum ops_call {
	OPS_READONLY,	/* mprotect(PROT_READ) */
	OPS_WRITABLE,	/* mprotect(PROT_READ | PROT_WRITE) */
	OPS_AWAY,	/* mremap */
	OPS_HOME,	/* mremap */
	OPS_DONTNEED,	/* madvise */
	OPS_UNMAP,	/* munmap */
};

/* A step that is one system call. */
int ops__call(struct run *run, struct ops *ops, struct sample *sample, const char *name,
	      enum ops_call call);

/* Every notification one callback, which acts; nothing of a migration. */
void ops__expect(struct expectation out[EXPECT_MAX], const char *calls_formula, __u64 calls,
		 const char *pages_formula, __u64 pages);

#endif
