/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_GROW_H
#define MMUSCOPE_GROW_H

#include <stdlib.h>

/*
 * Room for one more behind `count` items of an array that grew by nothing else: by powers
 * of two, so that adding one by one stays linear. NULL: no memory, the array stays.
 */
static inline void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return realloc(array, (count ? count * 2 : 1) * size);
}

#endif
