/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_FOLDED_H
#define MMUSCOPE_FOLDED_H

/*
 * Folded stacks, as flame graphs are made of: "frame;frame;frame weight", the outermost
 * first, a line for each that differs. What is weighed are notifications, each once, so
 * the weights add up to what the counters say:
 *
 *   comm;outermost function;...;innermost;EVENT(outcome)          its stack was recorded
 *   comm;direction;phase;EVENT;function(outcome)                  it was not
 *
 * The outcome is that of the callback which did most: performed, else failed, else
 * undetermined, else skipped; "no callback" where nobody was told. The function is that
 * callback's. Outside a migration there is no direction.
 */
#include <stdio.h>

#include "activity.h"
#include "recording.h"

enum folded_weight {
	FOLDED_CALLS,
	FOLDED_PAGES,	/* of their ranges; the whole address space has none */
	FOLDED_TIME,	/* ns; one whose time was not measured has none */
};

/* "calls", "pages", "time". Returns 0 or -EINVAL. */
int folded__weight(enum folded_weight *weight, const char *word);

struct folded;

/* `info` is borrowed until folded__free(). NULL: no memory. */
struct folded *folded__new(const struct recording_info *info, enum folded_weight weight);

/* What a history tells, see history.h; `f` is a struct folded. Returns 0 or -ENOMEM. */
int folded__activity(void *f, const struct activity *a);

/* Sorted. What weighs nothing has no line. Returns 0 or -EIO. */
int folded__print(const struct folded *f, FILE *out);

/* Notifications that have no such weight: not timed, or of the whole address space. */
__u64 folded__weightless(const struct folded *f);

/* NULL is legal. */
void folded__free(struct folded *f);

#endif
