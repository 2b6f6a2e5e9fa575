// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "history.h"

#include <errno.h>
#include <string.h>

/* One activity and those in it; children before their parent, as they ended. */
static int take_each(struct history *h, const struct activity *a)
{
	int err = 0;

	for (size_t i = 0; i < a->child_count && !err; i++)
		err = take_each(h, a->children[i]);
	h->orphans += a->orphan;
	return err ? err : pingpong__add(&h->pingpong, a);
}

static int take_activity(void *ctx, const struct activity *a)
{
	struct history *h = ctx;
	int err = take_each(h, a);

	if (!err && h->options.by_count)
		err = groups__add(&h->groups, a);
	for (size_t i = 0; i < h->options.sink_count && !err; i++)
		if (h->options.sinks[i].activity)
			err = h->options.sinks[i].activity(h->options.sinks[i].ctx, a);
	return err;
}

static int tell_record(const struct history *h, const struct mmuscope_record *rec)
{
	int err = 0;

	for (size_t i = 0; i < h->options.sink_count && !err; i++)
		if (h->options.sinks[i].record)
			err = h->options.sinks[i].record(h->options.sinks[i].ctx, rec);
	return err;
}

static int take_refault(void *ctx, const struct refault *r)
{
	const struct history *h = ctx;
	int err = 0;

	for (size_t i = 0; i < h->options.sink_count && !err; i++)
		if (h->options.sinks[i].refault)
			err = h->options.sinks[i].refault(h->options.sinks[i].ctx, r);
	return err;
}

int history__init(struct history *h, const struct recording_info *info,
		  const struct history_options *options)
{
	int err;

	memset(h, 0, sizeof(*h));
	h->info = info;
	h->options = *options;
	recount__init(&h->counts, &info->names);
	pingpong__init(&h->pingpong);
	h->activities = activities__new(take_activity, h);
	h->refaults = refaults__new(&info->names, take_refault, h);
	err = h->activities && h->refaults ? 0 : -ENOMEM;
	err = err ? err : names__copy(&h->names, &info->names);
	err = err ? err : moves__init(&h->moves, options->top);
	err = err ? err : groups__init(&h->groups, options->by, options->by_count,
				       options->slice_ns, info);
	return err;
}

/* This machine's symbols say nothing of another's addresses: no look-up of them. */
static int name_owner(struct history *h, const struct mmuscope_record *rec)
{
	if (rec->kind != RECORD_MIGRATION && rec->kind != RECORD_NOTIFICATION)
		return 0;
	return names__add_owner(&h->names, rec->what, NULL);
}

int history__add(struct history *h, const struct mmuscope_record *rec)
{
	int err = recount__add(&h->counts, rec);

	h->groups.zero_ns = h->counts.first_ns;
	err = err ? err : tell_record(h, rec);
	err = err ? err : name_owner(h, rec);
	err = err ? err : refaults__add(h->refaults, rec);
	if (!err && rec->kind == RECORD_MIGRATION)
		err = moves__add(&h->moves, (const struct mmuscope_record_migration *)rec);
	return err ? err : activities__add(h->activities, rec);
}

int history__finish(struct history *h)
{
	return activities__finish(h->activities);
}

void history__clear(struct history *h)
{
	activities__free(h->activities);
	refaults__free(h->refaults);
	pingpong__clear(&h->pingpong);
	moves__clear(&h->moves);
	groups__clear(&h->groups);
	recount__clear(&h->counts);
	names__clear(&h->names);
	memset(h, 0, sizeof(*h));
}
