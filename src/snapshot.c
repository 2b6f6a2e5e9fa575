// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void snapshot__clear(struct snapshot *snap)
{
	free(snap->rows);
	free(snap->callbacks);
	memset(snap, 0, sizeof(*snap));
}

int snapshot__reserve(struct snapshot *snap, size_t rows, size_t callbacks)
{
	if (rows > snap->row_room) {
		void *more = realloc(snap->rows, rows * sizeof(*snap->rows));

		if (!more)
			return -ENOMEM;
		snap->rows = more;
		snap->row_room = rows;
	}
	if (callbacks > snap->callback_room) {
		void *more = realloc(snap->callbacks, callbacks * sizeof(*snap->callbacks));

		if (!more)
			return -ENOMEM;
		snap->callbacks = more;
		snap->callback_room = callbacks;
	}
	return 0;
}

struct mmuscope_row *snapshot__add_row(struct snapshot *snap, const struct mmuscope_row_key *key)
{
	struct mmuscope_row *row;

	if (snap->row_count == snap->row_room &&
	    snapshot__reserve(snap, 2 * snap->row_count + 1, 0))
		return NULL;
	row = &snap->rows[snap->row_count++];
	memset(row, 0, sizeof(*row));
	row->key = *key;
	return row;
}

struct mmuscope_callback_row *snapshot__add_callback(struct snapshot *snap,
						     const struct mmuscope_row_key *key)
{
	struct mmuscope_callback_row *row;

	if (snap->callback_count == snap->callback_room &&
	    snapshot__reserve(snap, 0, 2 * snap->callback_count + 1))
		return NULL;
	row = &snap->callbacks[snap->callback_count++];
	memset(row, 0, sizeof(*row));
	row->key = *key;
	return row;
}

__u64 callback_row__delivered(const struct mmuscope_callback_row *row)
{
	__u64 n = 0;

	for (int o = 0; o < OUTCOME_MAX; o++)
		n += row->outcome[o];
	return n;
}

static void subtract_callback(struct mmuscope_callback_row *row,
			      const struct mmuscope_callback_row *old)
{
	for (int o = 0; o < OUTCOME_MAX; o++)
		row->outcome[o] -= old->outcome[o];
	row->pages -= old->pages;
	row->pages_performed -= old->pages_performed;
	row->whole -= old->whole;
	row->avoidable -= old->avoidable;
	row->avoidable_pages -= old->avoidable_pages;
	row->avoidable_time -= old->avoidable_time;
	for (int i = 0; i < MMUSCOPE_SIZES; i++)
		row->size[i] -= old->size[i];
	row->latency_sum -= old->latency_sum;
	row->latency_min = 0;
	row->latency_max = 0;
	for (int b = 0; b < MMUSCOPE_BUCKETS; b++)
		row->bucket[b] -= old->bucket[b];
}

static void subtract_rows(struct snapshot *diff, const struct snapshot *now,
			  const struct snapshot *earlier)
{
	size_t old = 0;

	for (size_t i = 0; i < now->row_count; i++) {
		const struct mmuscope_row *row = &now->rows[i];
		const struct mmuscope_row *before =
			old < earlier->row_count ? &earlier->rows[old] : NULL;
		struct mmuscope_row *to = &diff->rows[diff->row_count];

		if (before && memcmp(&row->key, &before->key, sizeof(row->key)))
			before = NULL;
		old += before != NULL;
		/* Most are as they were. */
		if (row->count[0] == (before ? before->count[0] : 0))
			continue;
		*to = *row;
		for (int c = 0; before && c < MMUSCOPE_COUNTS; c++)
			to->count[c] -= before->count[c];
		diff->row_count++;
	}
}

static void subtract_callbacks(struct snapshot *diff, const struct snapshot *now,
			       const struct snapshot *earlier)
{
	size_t old = 0;

	for (size_t i = 0; i < now->callback_count; i++) {
		const struct mmuscope_callback_row *row = &now->callbacks[i];
		const struct mmuscope_callback_row *before =
			old < earlier->callback_count ? &earlier->callbacks[old] : NULL;
		struct mmuscope_callback_row *to = &diff->callbacks[diff->callback_count];

		if (before && memcmp(&row->key, &before->key, sizeof(row->key)))
			before = NULL;
		old += before != NULL;
		if (callback_row__delivered(row) == (before ? callback_row__delivered(before) : 0))
			continue;
		*to = *row;
		if (before)
			subtract_callback(to, before);
		diff->callback_count++;
	}
}

int snapshot__difference(struct snapshot *diff, const struct snapshot *now,
			 const struct snapshot *earlier)
{
	*diff = (struct snapshot){};
	if (snapshot__reserve(diff, now->row_count, now->callback_count)) {
		snapshot__clear(diff);
		return -ENOMEM;
	}
	subtract_rows(diff, now, earlier);
	subtract_callbacks(diff, now, earlier);
	for (int t = 0; t < TOTAL_MAX; t++)
		diff->total[t] = now->total[t] - earlier->total[t];
	diff->recursion = now->recursion - earlier->recursion;
	return 0;
}

/* MIGRATE and EXCLUSIVE name an owner, and only they (include/linux/mmu_notifier.h). */
static bool is_ownerless(const struct mmuscope_row_key *key)
{
	return key->phase != PHASE_OUTSIDE && key->event != 6 && key->event != 7;
}

void snapshot__sum(const struct snapshot *snap, struct snapshot_sums *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < snap->row_count; i++) {
		const struct mmuscope_row *r = &snap->rows[i];

		switch (r->key.kind) {
		case ROW_NOTIFICATION:
			s->notifications += r->count[NOTIFICATION_CALLS];
			s->notification_pages += r->count[NOTIFICATION_PAGES];
			if (is_ownerless(&r->key)) {
				s->ownerless += r->count[NOTIFICATION_CALLS];
				s->ownerless_pages += r->count[NOTIFICATION_PAGES];
			}
			break;
		case ROW_MIGRATION:
			s->migrations += r->count[MIGRATION_CALLS];
			s->asked += r->count[MIGRATION_PAGES];
			s->collected += r->count[MIGRATION_COLLECTED];
			s->migrated += r->count[MIGRATION_MIGRATED];
			s->compound += r->count[MIGRATION_COMPOUND];
			s->excess += r->count[MIGRATION_EXCESS];
			if (r->key.direction < DIR_MAX)
				s->migration_time[r->key.direction] += r->count[MIGRATION_TIME];
			break;
		case ROW_FAULT:
			s->faults += r->count[FAULT_CALLS];
			s->fault_pages += r->count[FAULT_PAGES];
			s->fault_retries += r->count[FAULT_RETRIES];
			break;
		}
	}
	for (size_t i = 0; i < snap->callback_count; i++) {
		const struct mmuscope_callback_row *r = &snap->callbacks[i];

		s->delivered += callback_row__delivered(r);
		for (int o = 0; o < OUTCOME_MAX; o++)
			s->outcome[o] += r->outcome[o];
		s->callback_pages += r->pages;
		s->pages_performed += r->pages_performed;
		s->avoidable += r->avoidable;
		s->avoidable_pages += r->avoidable_pages;
	}
}
