/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_KSYMS_H
#define MMUSCOPE_KSYMS_H

/* Names of kernel addresses: /proc/kallsyms, read once and sorted. Plain data. */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

struct ksyms;

/* kallsyms' letters of functions, and of all symbols. */
#define KSYMS_FUNCTIONS "tTwW"
#define KSYMS_ALL NULL

/*
 * Reads the symbols whose type is one of the letters `types` from `path`, NULL:
 * /proc/kallsyms. Of several at one address the global one stands first, then
 * the one that the file has first. Returns 0 or -errno; -EACCES where there are
 * symbols and every address is 0: hidden by kernel.kptr_restrict.
 */
int ksyms__read(struct ksyms **out, const char *path, const char *types);

struct ksym {
	const char *name;	/* owned by the table */
	const char *module;	/* NULL: the kernel itself */
	__u64 address;
};

/*
 * The symbol at or below `address`, and no further below than 1 MiB: kallsyms
 * knows no sizes. False where there is none.
 */
bool ksyms__find(const struct ksyms *k, __u64 address, struct ksym *out);

size_t ksyms__count(const struct ksyms *k);

/* NULL is legal. */
void ksyms__free(struct ksyms *k);

#endif
