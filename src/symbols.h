/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_SYMBOLS_H
#define MMUSCOPE_SYMBOLS_H

/* Functions of the kernel by their addresses, all in one pass over /proc/kallsyms. */
#include <linux/types.h>
#include <stddef.h>
#include <stdio.h>

struct symbol {
	__u64 address;
	char name[128];		/* "" where no function begins there */
	char module[56];	/* "" for the kernel itself */
};

/*
 * Names the `n` symbols, of which each has its address, from a stream in the form
 * of /proc/kallsyms. Returns how many have a name; none of them where the kernel
 * hides addresses (kernel.kptr_restrict), which then are all 0.
 */
size_t symbols__name(struct symbol *symbols, size_t n, FILE *kallsyms);

/* The address of a function, 0 where there is none or it is hidden. */
__u64 symbols__address(const char *name, FILE *kallsyms);

#endif
