// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the stacks of notifications say; the table of paths is cause_rules.c. */
#include "causes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTIFIER "__mmu_notifier_invalidate_range_start"

/*
 * A system call has up to three functions, of which the compiler keeps any:
 * __x64_sys_X, __se_sys_X, __do_sys_X, and those of 32-bit programs.
 */
static const char *without_abi(const char *name)
{
	static const char *const abis[] = { "__x64_", "__ia32_", "__do_", "__se_", "__arm64_" };
	const char *rest = NULL;

	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]) && !rest; i++)
		if (!strncmp(name, abis[i], strlen(abis[i])))
			rest = name + strlen(abis[i]);
	if (!rest)
		return name;
	if (!strncmp(rest, "compat_sys_", 11))
		return rest + 7;
	return strncmp(rest, "sys_", 4) ? name : rest;
}

/* gcc and clang mark the copies that they make with what stands behind a dot. */
static bool is_function(const char *name, const char *function)
{
	size_t n = strlen(function);

	return !strncmp(name, function, n) && (!name[n] || name[n] == '.');
}

static const struct cause_rule *rule_of(const char *name)
{
	name = without_abi(name);
	for (size_t i = 0; i < cause_rule_count; i++)
		if (is_function(name, cause_rules[i].function))
			return &cause_rules[i];
	return NULL;
}

const char *cause__of(const char *const *frames, size_t n)
{
	const char *unsure = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct cause_rule *rule = rule_of(frames[i]);

		if (!rule)
			continue;
		if (rule->certainty == REFINES &&
		    (!unsure || strncmp(rule->cause, unsure, strlen(unsure))))
			continue;
		if (rule->certainty != UNSURE)
			return rule->cause;
		if (!unsure)
			unsure = rule->cause;
	}
	return unsure ? unsure : CAUSE_OTHER;
}

const struct cause_stack *causes__stack(const struct causes *c, __u32 id)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->stacks[i]->id == id)
			return c->stacks[i];
	return NULL;
}

/* A frame of BPF: with no symbol, unless net.core.bpf_jit_kallsyms gives it one. */
static bool is_program(const char *name)
{
	return !strncmp(name, "0x", 2) || !strncmp(name, "bpf_prog_", 9) ||
	       !strncmp(name, "bpf_trampoline_", 15);
}

/*
 * A trampoline may be jumped to instead of called (7.2), and then no address of the
 * notifier is on the stack: its caller comes behind the programs.
 */
static void drop_programs(struct cause_stack *s)
{
	size_t n = 0;

	while (n < s->frame_count && is_program(s->frames[n]))
		n++;
	if (n == s->frame_count)
		return;
	s->frame_count -= n;
	memmove(s->frames, s->frames + n, s->frame_count * sizeof(*s->frames));
}

/*
 * A function that is watched itself calls its body through a trampoline: without a name, or
 * by the one that kallsyms has for those of ftrace (kprobes) or BPF.
 */
static bool is_detour(const struct cause_stack *stack, size_t i)
{
	return i + 1 < stack->frame_count && i &&
	       (is_program(stack->frames[i]) || !strcmp(stack->frames[i], "ftrace_trampoline")) &&
	       !strcmp(stack->frames[i - 1], stack->frames[i + 1]);
}

size_t cause_stack__frames(const struct cause_stack *stack, const char *function,
			   const char *frames[MMUSCOPE_STACK_DEPTH])
{
	size_t n = 0;

	for (size_t i = 0; i < stack->frame_count; i++) {
		if (is_detour(stack, i)) {
			i++;
			continue;
		}
		frames[n++] = stack->frames[i];
		if (function && !strcmp(stack->frames[i], function)) {
			function = NULL;
			n = 0;
		}
	}
	return n;
}

const char *cause_stack__cause(const struct cause_stack *stack, const char *function)
{
	const char *frames[MMUSCOPE_STACK_DEPTH + 1] = { function };

	for (size_t i = 0; i < stack->frame_count; i++) {
		if (!function || is_function(stack->frames[i], function))
			return stack->cause;
		frames[i + 1] = stack->frames[i];
	}
	return function ? cause__of(frames, stack->frame_count + 1) : stack->cause;
}

int causes__add_stack(struct causes *c, __u32 id, const __u64 ip[MMUSCOPE_STACK_DEPTH])
{
	struct cause_stack **stacks = realloc(c->stacks, (c->count + 1) * sizeof(*stacks));
	struct cause_stack *s;
	bool below = false;
	struct ksym sym;

	if (!stacks)
		return -ENOMEM;
	c->stacks = stacks;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->id = id;
	for (size_t i = 0; i < MMUSCOPE_STACK_DEPTH && ip[i]; i++) {
		size_t n = s->frame_count++;

		/* A call that does not return may be the last of its function. */
		if (ksyms__find(c->ksyms, ip[i] - 1, &sym)) {
			s->frames[n] = sym.name;
			/* Above it are our own programs and what called them. */
			if (!below && is_function(sym.name, NOTIFIER)) {
				below = true;
				s->frame_count = 0;
			}
			continue;
		}
		snprintf(s->numbers[n], sizeof(s->numbers[n]), "0x%" PRIx64, (uint64_t)ip[i]);
		s->frames[n] = s->numbers[n];
	}
	if (!below)
		drop_programs(s);
	s->cause = cause__of(s->frames, s->frame_count);
	c->stacks[c->count++] = s;
	return 0;
}

/* ---- rows ---- */

static bool same_names(const struct cause_stack *a, const struct cause_stack *b, size_t limit)
{
	size_t n = a->frame_count < limit ? a->frame_count : limit;
	size_t m = b->frame_count < limit ? b->frame_count : limit;

	if (n != m)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a->frames[i], b->frames[i]))
			return false;
	return true;
}

static bool same_key(const struct mmuscope_row_key *a, const struct mmuscope_row_key *b)
{
	return a->tgid == b->tgid && a->start == b->start && a->event == b->event &&
	       a->phase == b->phase;
}

/* Most calls first, and the same order every time. */
static int by_calls(const void *a, const void *b)
{
	const struct cause_row *x = a, *y = b;

	if (x->samples != y->samples)
		return x->samples > y->samples ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static void add_to(struct cause_row *to, const struct cause_row *from)
{
	to->samples += from->samples;
	to->calls += from->calls;
	to->pages += from->pages;
}

int causes__rows(const struct causes *c, const struct mmuscope_row *rows, size_t count,
		 struct cause_row **out, size_t *out_count)
{
	struct cause_row *made = calloc(count ? count : 1, sizeof(*made));
	size_t n = 0, i;

	*out = made;
	*out_count = 0;
	if (!made)
		return -ENOMEM;
	for (size_t r = 0; r < count; r++) {
		const struct cause_stack *stack;
		struct cause_row row;

		if (rows[r].key.kind != ROW_CAUSE)
			continue;
		stack = causes__stack(c, (__u32)rows[r].key.what);
		if (!stack)
			continue;
		row = (struct cause_row){
			.key = rows[r].key,
			.stack = stack,
			.samples = rows[r].count[CAUSE_SAMPLES],
			.calls = rows[r].count[CAUSE_SAMPLES] * c->every,
			.pages = rows[r].count[CAUSE_PAGES] * c->every,
		};
		/* Calls from two places of one function are two stacks of the same names. */
		for (i = 0; i < n; i++)
			if (same_key(&made[i].key, &row.key) &&
			    same_names(made[i].stack, stack, MMUSCOPE_STACK_DEPTH))
				break;
		if (i < n)
			add_to(&made[i], &row);
		else
			made[n++] = row;
	}
	qsort(made, n, sizeof(*made), by_calls);
	*out_count = n;
	return 0;
}

size_t causes__merge(struct cause_row *rows, size_t count)
{
	size_t n = 0, i;

	for (size_t r = 0; r < count; r++) {
		bool other = !strcmp(rows[r].stack->cause, CAUSE_OTHER);

		for (i = 0; i < n; i++)
			if (same_key(&rows[i].key, &rows[r].key) &&
			    !strcmp(rows[i].stack->cause, rows[r].stack->cause) &&
			    (!other ||
			     same_names(rows[i].stack, rows[r].stack, CAUSE_OTHER_FRAMES)))
				break;
		if (i < n)
			add_to(&rows[i], &rows[r]);
		else
			rows[n++] = rows[r];
	}
	qsort(rows, n, sizeof(*rows), by_calls);
	return n;
}

void causes__clear(struct causes *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->stacks[i]);
	free(c->stacks);
	ksyms__free(c->ksyms);
	memset(c, 0, sizeof(*c));
}
