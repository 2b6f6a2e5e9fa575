/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_BENCH_LISTEN_H
#define MMUSCOPE_BENCH_LISTEN_H

/*
 * Subscribes the calling process with a device of kernel/module/notifier_test.c: so many
 * intervals of the page, and so many elsewhere, a page apart, one half below it and one
 * above. The device stays open. Returns 0 or -errno.
 */
int listen__to(const char *device, unsigned long page, unsigned int overlapping,
	       unsigned int elsewhere);

#endif
