// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "words.h"

struct pages {
	struct pages_key {
		__u64 owner;
		__u64 direction;
	} key;
	__u64 calls, asked, migrated;
	__u64 place[PAGE_MAX - 1];
};

int moves__init(struct moves *m, size_t top)
{
	*m = (struct moves){
		.top = top,
		.pages = keyed__of(sizeof(struct pages_key), sizeof(struct pages)),
	};
	for (int o = 0; o < MOVES_ORDERS; o++) {
		m->kept[o] = calloc(top + 1, sizeof(*m->kept[o]));
		if (!m->kept[o]) {
			moves__clear(m);
			return -ENOMEM;
		}
	}
	return 0;
}

__u64 migration__excess(const struct mmuscope_record_migration *rec)
{
	return rec->pages_performed > rec->migrated ? rec->pages_performed - rec->migrated : 0;
}

static __u64 weight(const struct mmuscope_record_migration *rec, enum moves_order order)
{
	return order == MOVES_BY_DURATION ? rec->head.took : migration__excess(rec);
}

/* Of equals the earlier stays before. */
static void keep(struct moves *m, const struct mmuscope_record_migration *rec,
		 enum moves_order order)
{
	struct mmuscope_record_migration *kept = m->kept[order];
	size_t low = 0, high = m->count[order];
	const __u64 w = weight(rec, order);

	if (!w || (high == m->top && (!high || weight(&kept[high - 1], order) >= w)))
		return;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (weight(&kept[mid], order) >= w)
			low = mid + 1;
		else
			high = mid;
	}
	memmove(&kept[low + 1], &kept[low], (m->count[order] - low) * sizeof(*kept));
	kept[low] = *rec;
	if (m->count[order] < m->top)
		m->count[order]++;
}

int moves__add(struct moves *m, const struct mmuscope_record_migration *rec)
{
	const struct pages_key key = { rec->head.what, rec->head.phase };
	struct pages *p;

	if (rec->head.flags & RECORD_FAILED)
		return 0;
	for (int o = 0; o < MOVES_ORDERS; o++)
		keep(m, rec, (enum moves_order)o);
	p = keyed__get(&m->pages, &key);
	if (!p)
		return -ENOMEM;
	p->calls++;
	p->asked += rec->asked;
	p->migrated += rec->migrated;
	for (int i = 0; i < PAGE_MAX - 1; i++)
		p->place[i] += rec->place[i];
	return 0;
}

struct moves_sum moves__sum(const struct moves *m)
{
	struct moves_sum sum = {};

	for (size_t i = 0; i < m->pages.count; i++) {
		const struct pages *p = keyed__at(&m->pages, i);

		sum.asked += p->asked;
		sum.migrated += p->migrated;
		for (int r = 0; r < PAGE_MAX - 1; r++)
			sum.unmoved += p->place[r];
	}
	return sum;
}

static void put_migration(struct view *v, const struct mmuscope_record_migration *m,
			  struct names *names, __u64 zero_ns)
{
	const __u64 began = record__begin(&m->head);
	const __u64 numbers[] = {
		m->asked, m->collected, m->migrated, migration__excess(m), m->head.took, m->setup,
		m->copy, m->pages, m->finalize, m->outcome[OUTCOME_PERFORMED],
		m->outcome[OUTCOME_SKIPPED], m->outcome[OUTCOME_FAILED],
		m->outcome[OUTCOME_UNDETERMINED], m->avoidable,
	};

	view__number(v, began > zero_ns ? (began - zero_ns) / 1000 : 0);
	view__process(v, names, m->head.tgid, m->head.start);
	view__text(v, direction_name(m->head.phase));
	view__text(v, m->head.what ? names__owner(names, m->head.what) : NULL);
	if (m->head.to) {
		view__number(v, m->head.from);
		view__number(v, m->head.to);
	} else {
		view__none(v);
		view__none(v);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		view__number(v, numbers[i]);
}

struct view *moves__top(const struct moves *m, enum moves_order order, struct names *names,
			__u64 zero_ns)
{
	static const struct view_column columns[] = {
		{ "at_us", "AT us", VIEW_NUMBER },
		{ "process", "PROCESS", VIEW_PROCESS },
		{ "direction", "DIRECTION", VIEW_TEXT },
		{ "owner", NULL, VIEW_TEXT },
		{ "from", "FROM", VIEW_ADDRESS },
		{ "to", NULL, VIEW_ADDRESS },
		{ "asked", "ASKED", VIEW_NUMBER },
		{ "collected", NULL, VIEW_NUMBER },
		{ "migrated", "MIGRATED", VIEW_NUMBER },
		{ "excess", "EXCESS", VIEW_NUMBER },
		{ "took_ns", "TOOK ns", VIEW_NUMBER },
		{ "setup_ns", "SETUP", VIEW_NUMBER },
		{ "copy_ns", "COPY", VIEW_NUMBER },
		{ "pages_ns", "PAGES", VIEW_NUMBER },
		{ "finalize_ns", "FINAL", VIEW_NUMBER },
		{ "performed", NULL, VIEW_NUMBER },
		{ "skipped", NULL, VIEW_NUMBER },
		{ "failed", NULL, VIEW_NUMBER },
		{ "undetermined", NULL, VIEW_NUMBER },
		{ "avoidable", NULL, VIEW_NUMBER },
	};
	struct view *v = view__new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; v && i < m->count[order]; i++)
		put_migration(v, &m->kept[order][i], names, zero_ns);
	return v;
}

struct view *moves__unmoved(const struct moves *m, struct names *names)
{
	/* As enum mmuscope_page has them, migrated first; the names are those of page_name(). */
	static const struct view_column columns[] = {
		{ "direction", "DIRECTION", VIEW_TEXT },
		{ "owner", "OWNER", VIEW_TEXT },
		{ "calls", "CALLS", VIEW_NUMBER },
		{ "asked", "ASKED", VIEW_NUMBER },
		{ "migrated", "MIGRATED", VIEW_NUMBER },
		{ "not_collected", "NOT COL-\nLECTED", VIEW_NUMBER },
		{ "hole", "HOLE", VIEW_NUMBER },
		{ "not_selected", "NOT SE-\nLECTED", VIEW_NUMBER },
		{ "other_owner", "OTHER\nOWNER", VIEW_NUMBER },
		{ "busy", "BUSY", VIEW_NUMBER },
		{ "no_destination", "NO DES-\nTINATION", VIEW_NUMBER },
		{ "changed", "CHAN-\nGED", VIEW_NUMBER },
	};
	struct view *v = view__new(columns, sizeof(columns) / sizeof(columns[0]));

	_Static_assert(sizeof(columns) / sizeof(columns[0]) == 4 + PAGE_MAX, "a column for each");
	for (size_t i = 0; v && i < m->pages.count; i++) {
		const struct pages *p = keyed__at(&m->pages, i);

		view__text(v, direction_name((unsigned int)p->key.direction));
		view__text(v, p->key.owner ? names__owner(names, p->key.owner) : NULL);
		view__number(v, p->calls);
		view__number(v, p->asked);
		view__number(v, p->migrated);
		for (int r = 0; r < PAGE_MAX - 1; r++)
			view__number(v, p->place[r]);
	}
	return v;
}

void moves__clear(struct moves *m)
{
	for (int o = 0; o < MOVES_ORDERS; o++) {
		free(m->kept[o]);
		m->kept[o] = NULL;
		m->count[o] = 0;
	}
	keyed__clear(&m->pages);
}
