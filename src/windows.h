/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_WINDOWS_H
#define MMUSCOPE_WINDOWS_H

/* Windows that were open too long or never ended, as the kernel side reports them. */
#include <stddef.h>

#include "bpf/mmuscope.h"

/* All zero but for the limit is an empty list. */
struct windows {
	__u64 limit_ns;
	struct mmuscope_window *items;
	size_t count;
	__u64 still_open;	/* of the items: WINDOW_OPEN */
};

/* Returns 0 or -ENOMEM. */
int windows__add(struct windows *w, const struct mmuscope_window *item);

/* Longest first, and the same order every time. */
void windows__sort(struct windows *w);

/* Frees the items and keeps the limit. */
void windows__clear(struct windows *w);

/* How a window's story ended: "ended", "task exited", "overrun", "still open". */
const char *window_fate_name(unsigned int fate);

#endif
