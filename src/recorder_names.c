// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recorder_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

/* ---- met in records ---- */

static int meet_owner(struct recorder_names *n, __u64 owner)
{
	__u64 *more;

	/* There are few, and the last one met is most often the next. */
	for (size_t i = n->owner_count; i-- > 0;)
		if (n->owners[i] == owner)
			return 0;
	more = grow(n->owners, n->owner_count, sizeof(*more));
	if (!more)
		return -ENOMEM;
	n->owners = more;
	n->owners[n->owner_count++] = owner;
	return 0;
}

static int meet_stack(struct recorder_names *n, __s32 id, bool of_migration)
{
	struct met_stack *more;

	for (size_t i = n->stack_count; i-- > 0;)
		if (n->stacks[i].id == id)
			return 0;
	more = grow(n->stacks, n->stack_count, sizeof(*more));
	if (!more)
		return -ENOMEM;
	n->stacks = more;
	n->stacks[n->stack_count++] = (struct met_stack){ id, of_migration };
	return 0;
}

int recorder_names__meet(struct recorder_names *n, const struct mmuscope_record *rec)
{
	const struct mmuscope_record_migration *m = (const void *)rec;
	int err = 0;

	switch (rec->kind) {
	case RECORD_MIGRATION:
		if (rec->what)
			err = meet_owner(n, rec->what);
		if (m->stack >= 0)
			err = err ? err : meet_stack(n, m->stack, true);
		return err;
	case RECORD_NOTIFICATION:
		return rec->what ? meet_owner(n, rec->what) : 0;
	case RECORD_STACK:
		return meet_stack(n, (__s32)rec->what, false);
	default:
		return 0;
	}
}

/* ---- told ---- */

/*
 * Tells those of `count` items that are not as they were told, and keeps them as told.
 * `tell` gets the index.
 */
static int tell_changed(void **told, size_t *told_count, const void *items, size_t count,
			size_t size, int (*tell)(void *ctx, size_t i), void *ctx)
{
	char *copy = realloc(*told, (count ? count : 1) * size);
	int err = 0;

	if (!copy)
		return -ENOMEM;
	*told = copy;
	for (size_t i = 0; i < count && !err; i++) {
		const char *item = (const char *)items + i * size;

		if (i < *told_count && !memcmp(copy + i * size, item, size))
			continue;
		err = tell(ctx, i);
		memcpy(copy + i * size, item, size);
	}
	if (!err)
		*told_count = count;
	return err;
}

struct telling {
	struct session *s;
	struct recorder *r;
};

static int tell_process(void *ctx, size_t i)
{
	const struct telling *t = ctx;

	return recorder__process(t->r, &session__names(t->s)->processes[i]);
}

static int tell_callback(void *ctx, size_t i)
{
	const struct telling *t = ctx;
	const struct name_callback *c = &session__names(t->s)->callbacks[i];

	return recorder__callback(t->r, c->address ? c->address : i, c);
}

static int tell_target(void *ctx, size_t i)
{
	const struct telling *t = ctx;

	return recorder__target(t->r, &session__plan(t->s)->targets[i]);
}

static int tell_owners(struct recorder_names *n, struct session *s, struct recorder *r)
{
	int err = 0;

	for (; n->owners_told < n->owner_count && !err; n->owners_told++) {
		__u64 owner = n->owners[n->owners_told];

		err = recorder__owner(r, owner, names__owner(session__names(s), owner));
	}
	return err;
}

static int tell_stacks(struct recorder_names *n, struct session *s, struct recorder *r,
		       struct causes *causes)
{
	const char *frames[MMUSCOPE_STACK_DEPTH];
	int err = 0;

	for (; n->stacks_told < n->stack_count && !err; n->stacks_told++) {
		const struct met_stack *met = &n->stacks[n->stacks_told];
		const char *function = met->of_migration ? "migrate_vma_setup" : NULL;
		const struct cause_stack *stack;
		size_t count;

		err = session__read_stack(s, (__u32)met->id, causes);
		stack = err ? NULL : causes__stack(causes, (__u32)met->id);
		if (!stack)
			continue;
		count = cause_stack__frames(stack, function, frames);
		err = recorder__stack(r, met->id, cause_stack__cause(stack, function), frames, count);
	}
	return err;
}

int recorder_names__tell(struct recorder_names *n, struct session *s, struct recorder *r,
			 struct causes *causes)
{
	const struct names *names = session__names(s);
	const struct plan *plan = session__plan(s);
	struct telling t = { s, r };
	int err;

	err = tell_changed((void **)&n->processes, &n->process_count, names->processes,
			   names->process_count, sizeof(*names->processes), tell_process, &t);
	err = err ? err : tell_changed((void **)&n->callbacks, &n->callback_count, names->callbacks,
				       names->callback_count, sizeof(*names->callbacks),
				       tell_callback, &t);
	err = err ? err : tell_changed((void **)&n->targets, &n->target_count, plan->targets,
				       plan->count, sizeof(*plan->targets), tell_target, &t);
	err = err ? err : tell_owners(n, s, r);
	return err ? err : tell_stacks(n, s, r, causes);
}

void recorder_names__clear(struct recorder_names *n)
{
	free(n->processes);
	free(n->callbacks);
	free(n->targets);
	free(n->owners);
	free(n->stacks);
	memset(n, 0, sizeof(*n));
}
