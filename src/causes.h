/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_CAUSES_H
#define MMUSCOPE_CAUSES_H

/*
 * Why a notification was sent: the path of the kernel that raised it, by the
 * functions on its stack. Plain data and pure functions.
 */
#include <stddef.h>

#include "bpf/mmuscope.h"
#include "ksyms.h"

/* A path, as the table has it; the field's word for it. */
struct cause_rule {
	const char *function;	/* without ".isra.0" and the like; "sys_X": a system call */
	const char *cause;
	enum cause_certainty {
		SURE,
		/*
		 * Several causes go through this function: what is called is the first
		 * function further out that is sure, and this one's where there is none.
		 */
		UNSURE,
		/* Only where an unsure one further in has the beginning of this cause. */
		REFINES,
	} certainty;
};

extern const struct cause_rule cause_rules[];
extern const size_t cause_rule_count;

#define CAUSE_OTHER "other"
#define CAUSE_OTHER_FRAMES 3 /* that are shown in its place */

/* The cause of a stack of `n` function names, the innermost first. */
const char *cause__of(const char *const *frames, size_t n);

/* One stack, named. Names are of the symbol table, or of `numbers`. */
struct cause_stack {
	__u32 id;
	const char *cause;
	const char *frames[MMUSCOPE_STACK_DEPTH]; /* below the notifier, innermost first */
	size_t frame_count;
	char numbers[MMUSCOPE_STACK_DEPTH][20];	/* addresses that no symbol covers */
};

/* What names the causes of a snapshot. */
struct causes {
	unsigned int every;	/* the stack of one in so many notifications was taken */
	struct ksyms *ksyms;
	struct cause_stack **stacks;
	size_t count;
};

/* Names the stack `ip`, innermost first, 0 behind the last. Returns 0 or -ENOMEM. */
int causes__add_stack(struct causes *c, __u32 id, const __u64 ip[MMUSCOPE_STACK_DEPTH]);

/*
 * The functions of a stack as they called each other, innermost first: without the
 * trampolines through which watched functions call their own bodies, and from the caller
 * of the first `function` on, if that is not NULL. Returns how many.
 */
size_t cause_stack__frames(const struct cause_stack *stack, const char *function,
			   const char *frames[MMUSCOPE_STACK_DEPTH]);

/*
 * Its cause, where it was taken at the beginning of `function`, if that is not NULL: jumped to
 * from there (7.2), the program has only the caller on its stack.
 */
const char *cause_stack__cause(const struct cause_stack *stack, const char *function);

/* NULL where it is not known. */
const struct cause_stack *causes__stack(const struct causes *c, __u32 id);

/* One line of the answer. calls and pages are `every` times those of the samples. */
struct cause_row {
	struct mmuscope_row_key key;	/* of one of its rows */
	const struct cause_stack *stack;
	__u64 samples, calls, pages;
};

/*
 * The causes of a snapshot, most calls first, one row for each process, event,
 * phase and all the names on the stack. The caller frees *out. Returns 0 or -ENOMEM.
 */
int causes__rows(const struct causes *c, const struct mmuscope_row *rows, size_t count,
		 struct cause_row **out, size_t *out_count);

/*
 * Makes one row of those of each process, event, phase and cause; of CAUSE_OTHER
 * only where the first CAUSE_OTHER_FRAMES names are the same. The stack is that of
 * the one with most calls. Returns how many are left.
 */
size_t causes__merge(struct cause_row *rows, size_t count);

void causes__clear(struct causes *c);

#endif
