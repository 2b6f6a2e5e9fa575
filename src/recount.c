// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recount.h"

#include <errno.h>
#include <string.h>

#include "latency.h"
#include "record.h"

struct start {
	__u32 process[2];	/* tgid and start, as records have them */
	__u64 ns;
};

struct place {
	struct mmuscope_row_key key;
	size_t index;		/* in the snapshot's rows of its kind */
};

void recount__init(struct recount *rc, const struct names *names)
{
	*rc = (struct recount){
		.names = names,
		.starts = keyed__of(sizeof(((struct start *)0)->process), sizeof(struct start)),
		.rows = keyed__of(sizeof(struct mmuscope_row_key), sizeof(struct place)),
		.callback_rows = keyed__of(sizeof(struct mmuscope_row_key), sizeof(struct place)),
	};
}

/* A record has no room for the whole start; the process's name came with it. */
static int set_process(struct recount *rc, const struct mmuscope_record *rec,
		       struct mmuscope_row_key *key)
{
	const __u32 process[2] = { rec->tgid, rec->start };
	size_t known = rc->starts.count;
	struct start *s = keyed__get(&rc->starts, process);
	const struct name_process *p;

	if (!s)
		return -ENOMEM;
	if (rc->starts.count != known) {
		p = names__recorded(rc->names, rec->tgid, rec->start);
		s->ns = p ? p->start : (__u64)rec->start << 20;
	}
	key->tgid = rec->tgid;
	key->start = s->ns;
	return 0;
}

/* Where the row is; one that is new still has to be added there. */
static struct place *place_of(struct keyed *rows, const struct mmuscope_row_key *key, size_t next,
			      bool *is_new)
{
	size_t known = rows->count;
	struct place *p = keyed__get(rows, key);

	*is_new = p && rows->count != known;
	if (*is_new)
		p->index = next;
	return p;
}

static struct mmuscope_row *row_of(struct recount *rc, const struct mmuscope_row_key *key)
{
	bool is_new;
	struct place *p = place_of(&rc->rows, key, rc->snap.row_count, &is_new);

	if (!p)
		return NULL;
	return is_new ? snapshot__add_row(&rc->snap, key) : &rc->snap.rows[p->index];
}

static struct mmuscope_callback_row *callback_row_of(struct recount *rc,
						     const struct mmuscope_row_key *key)
{
	bool is_new;
	struct place *p = place_of(&rc->callback_rows, key, rc->snap.callback_count, &is_new);

	if (!p)
		return NULL;
	return is_new ? snapshot__add_callback(&rc->snap, key) : &rc->snap.callbacks[p->index];
}

static int add_notification(struct recount *rc, const struct mmuscope_record *rec,
			    struct mmuscope_row_key *key)
{
	const bool failed = rec->flags & RECORD_FAILED;
	struct mmuscope_row *row;

	key->kind = ROW_NOTIFICATION;
	key->event = rec->event & (MMUSCOPE_EVENTS - 1);
	key->phase = rec->phase;
	row = row_of(rc, key);
	if (!row)
		return -ENOMEM;
	row->count[NOTIFICATION_CALLS]++;
	row->count[NOTIFICATION_PAGES] += record__pages(rec);
	row->count[NOTIFICATION_WHOLE] += record__is_whole(rec);
	row->count[NOTIFICATION_EMPTY] += rec->from >= rec->to;
	row->count[NOTIFICATION_FAILED] += failed;
	rc->snap.total[TOTAL_STARTS]++;
	rc->snap.total[TOTAL_STARTS_FAILED] += failed;
	return 0;
}

static void add_latency(struct mmuscope_callback_row *row, __u64 ns)
{
	row->latency_sum += ns;
	if (ns > row->latency_max)
		row->latency_max = ns;
	if (~ns > row->latency_min)
		row->latency_min = ~ns;
	row->bucket[latency__bucket(ns)]++;
}

static int add_callback(struct recount *rc, const struct mmuscope_record *rec,
			struct mmuscope_row_key *key)
{
	const enum mmuscope_outcome outcome = record__outcome(rec);
	const bool timed = !(rec->flags & RECORD_UNTIMED);
	struct mmuscope_callback_row *row;
	__u64 pages = record__pages(rec);

	key->kind = ROW_CALLBACK;
	key->event = rec->event & (MMUSCOPE_EVENTS - 1);
	key->phase = rec->phase;
	key->what = rec->what;
	row = callback_row_of(rc, key);
	if (!row)
		return -ENOMEM;
	row->outcome[outcome]++;
	row->pages += pages;
	row->whole += record__is_whole(rec);
	if (!record__is_whole(rec))
		row->size[latency__size(pages)]++;
	if (outcome == OUTCOME_PERFORMED) {
		row->pages_performed += pages;
		if (rec->flags & RECORD_AVOIDABLE) {
			row->avoidable++;
			row->avoidable_pages += pages;
			row->avoidable_time += timed ? rec->took : 0;
		}
	}
	/* What the walk of the registry sees has no entry, and none is counted. */
	if (timed) {
		add_latency(row, rec->took);
		rc->snap.total[TOTAL_CALLBACK_ENTRIES]++;
		rc->snap.total[TOTAL_CALLBACK_EXITS]++;
	}
	return 0;
}

/* TOTAL_* of one migration: how it began, and how it ended. */
static void add_totals(__u64 *total, const struct mmuscope_record_migration *m)
{
	if (m->head.phase == DIR_EVICT) {
		total[TOTAL_EVICTS]++;
		total[TOTAL_EVICTS_FINALIZED]++;
		return;
	}
	total[TOTAL_SETUPS]++;
	if (m->head.flags & RECORD_FAILED)
		total[TOTAL_SETUPS_FAILED]++;
	else if (!m->collected)
		total[TOTAL_SETUPS_EMPTY]++;
	else
		total[TOTAL_FINALIZES]++;
}

static int add_migration(struct recount *rc, const struct mmuscope_record_migration *m,
			 struct mmuscope_row_key *key)
{
	struct mmuscope_row *row;

	add_totals(rc->snap.total, m);
	if (m->head.flags & RECORD_FAILED) {
		rc->failed++;
		return 0;
	}
	key->kind = ROW_MIGRATION;
	key->event = m->head.event & (MMUSCOPE_EVENTS - 1);
	key->direction = m->head.phase;
	key->what = m->head.what;
	row = row_of(rc, key);
	if (!row)
		return -ENOMEM;
	row->count[MIGRATION_CALLS]++;
	row->count[MIGRATION_PAGES] += m->asked;
	row->count[MIGRATION_COLLECTED] += m->collected;
	row->count[MIGRATION_MIGRATED] += m->migrated;
	row->count[MIGRATION_COMPOUND] += m->compound;
	row->count[MIGRATION_TIME] += m->head.took;
	if (m->pages_performed > m->migrated)
		row->count[MIGRATION_EXCESS] += m->pages_performed - m->migrated;
	return 0;
}

static int add_fault(struct recount *rc, const struct mmuscope_record *rec,
		     struct mmuscope_row_key *key)
{
	struct mmuscope_row *row;

	key->kind = ROW_FAULT;
	row = row_of(rc, key);
	if (!row)
		return -ENOMEM;
	row->count[FAULT_CALLS]++;
	row->count[FAULT_PAGES] += (rec->to - rec->from) >> 12;
	row->count[FAULT_RETRIES] += rec->flags & RECORD_RETRY ? 1 : 0;
	return 0;
}

int recount__add(struct recount *rc, const struct mmuscope_record *rec)
{
	struct mmuscope_row_key key = {};
	int err;

	if (rec->kind == RECORD_NONE || rec->kind >= RECORD_KINDS)
		return 0;
	rc->kept[rec->kind]++;
	if (!rc->first_ns)
		rc->first_ns = rec->ns;
	rc->last_ns = rec->ns;
	if (rec->kind == RECORD_STACK || rec->kind == RECORD_PAGES)
		return 0;
	err = set_process(rc, rec, &key);
	if (err)
		return err;
	switch (rec->kind) {
	case RECORD_NOTIFICATION:
		return add_notification(rc, rec, &key);
	case RECORD_CALLBACK:
		return add_callback(rc, rec, &key);
	case RECORD_MIGRATION:
		return add_migration(rc, (const struct mmuscope_record_migration *)rec, &key);
	default:
		return add_fault(rc, rec, &key);
	}
}

void recount__clear(struct recount *rc)
{
	snapshot__clear(&rc->snap);
	keyed__clear(&rc->starts);
	keyed__clear(&rc->rows);
	keyed__clear(&rc->callback_rows);
}
