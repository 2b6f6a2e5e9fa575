// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

void snapshot__clear(struct snapshot *snap)
{
	free(snap->rows);
	free(snap->callbacks);
	memset(snap, 0, sizeof(*snap));
}

/* The room that grow() expects behind `count` rows. */
static size_t room_for(size_t count)
{
	size_t room = 1;

	while (room < count)
		room *= 2;
	return room;
}

int snapshot__copy(struct snapshot *to, const struct snapshot *from)
{
	*to = *from;
	to->rows = calloc(room_for(from->row_count), sizeof(*to->rows));
	to->callbacks = calloc(room_for(from->callback_count), sizeof(*to->callbacks));
	if (!to->rows || !to->callbacks) {
		snapshot__clear(to);
		return -ENOMEM;
	}
	if (from->row_count)
		memcpy(to->rows, from->rows, from->row_count * sizeof(*to->rows));
	if (from->callback_count)
		memcpy(to->callbacks, from->callbacks,
		       from->callback_count * sizeof(*to->callbacks));
	return 0;
}

struct mmuscope_row *snapshot__add_row(struct snapshot *snap, const struct mmuscope_row_key *key)
{
	struct mmuscope_row *rows = grow(snap->rows, snap->row_count, sizeof(*rows));

	if (!rows)
		return NULL;
	snap->rows = rows;
	memset(&rows[snap->row_count], 0, sizeof(*rows));
	rows[snap->row_count].key = *key;
	return &rows[snap->row_count++];
}

struct mmuscope_callback_row *snapshot__add_callback(struct snapshot *snap,
						     const struct mmuscope_row_key *key)
{
	struct mmuscope_callback_row *rows =
		grow(snap->callbacks, snap->callback_count, sizeof(*rows));

	if (!rows)
		return NULL;
	snap->callbacks = rows;
	memset(&rows[snap->callback_count], 0, sizeof(*rows));
	rows[snap->callback_count].key = *key;
	return &rows[snap->callback_count++];
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

void snapshot__subtract(struct snapshot *snap, const struct snapshot *earlier)
{
	size_t kept = 0, old = 0;

	for (size_t i = 0; i < snap->row_count; i++) {
		struct mmuscope_row *row = &snap->rows[i];

		if (old < earlier->row_count &&
		    !memcmp(&row->key, &earlier->rows[old].key, sizeof(row->key))) {
			for (int c = 0; c < MMUSCOPE_COUNTS; c++)
				row->count[c] -= earlier->rows[old].count[c];
			old++;
		}
		if (row->count[0])
			snap->rows[kept++] = *row;
	}
	snap->row_count = kept;

	kept = old = 0;
	for (size_t i = 0; i < snap->callback_count; i++) {
		struct mmuscope_callback_row *row = &snap->callbacks[i];

		if (old < earlier->callback_count &&
		    !memcmp(&row->key, &earlier->callbacks[old].key, sizeof(row->key)))
			subtract_callback(row, &earlier->callbacks[old++]);
		if (callback_row__delivered(row))
			snap->callbacks[kept++] = *row;
	}
	snap->callback_count = kept;

	for (int t = 0; t < TOTAL_MAX; t++)
		snap->total[t] -= earlier->total[t];
	snap->recursion -= earlier->recursion;
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
