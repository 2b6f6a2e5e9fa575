// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "msg.h"
#include "record.h"
#include "words.h"

/* ---- options ---- */

/* Words separated by commas into 1 << value each. 0: one of them is none of the `n`. */
static __u32 parse_set(const char *text, const char *(*word)(unsigned int), unsigned int n)
{
	char copy[128], *rest = copy, *item;
	__u32 set = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return 0;
	while ((item = strsep(&rest, ","))) {
		unsigned int v = 0;

		while (v < n && strcasecmp(item, word(v)))
			v++;
		if (v == n)
			return 0;
		set |= 1U << v;
	}
	return set;
}

/* "7f0000000000-7f0000040000", with or without 0x. */
static bool parse_range(const char *text, __u64 *from, __u64 *to)
{
	char *end;

	errno = 0;
	*from = strtoull(text, &end, 16);
	if (end == text || *end != '-')
		return false;
	text = end + 1;
	*to = strtoull(text, &end, 16);
	return end != text && !*end && !errno && *from < *to;
}

bool filter__take_option(struct filter *f, int which, const char *name, const char *value)
{
	unsigned long long n = 0;
	bool ok = false;

	switch (which) {
	case 0:
		ok = parse_range(value, &f->from, &f->to);
		break;
	case 1:
		f->driver = value;
		ok = *value;
		break;
	case 2:
		f->events = parse_set(value, event_name, MMUSCOPE_DIRECT_EVENTS);
		ok = f->events;
		break;
	case 3:
		f->phases = parse_set(value, phase_name, PHASE_MAX);
		ok = f->phases;
		break;
	case 4:
		f->outcomes = parse_set(value, outcome_name, OUTCOME_MAX);
		ok = f->outcomes;
		break;
	case 5:
		ok = parse_number(value, 1, 86400000000, &n);
		f->least_ns = n * 1000;
		break;
	}
	if (ok && f->word_count < sizeof(f->words) / sizeof(f->words[0]))
		snprintf(f->words[f->word_count++], sizeof(f->words[0]), "--%s %s", name, value);
	return ok;
}

/* ---- records ---- */

static bool of_event(const struct filter *f, const struct mmuscope_record *r)
{
	return (!f->events || f->events >> (r->event & 31) & 1) &&
	       (!f->phases || f->phases >> (r->phase & 31) & 1);
}

static bool is_of(const struct name_callback *c, const char *driver)
{
	return !strcmp(c->symbol, driver) || !strcmp(c->module, driver);
}

static bool of_driver(const struct filter *f, const struct mmuscope_record *r,
		      const struct names *names)
{
	const struct name_callback *c;

	if (f->outcomes && !(f->outcomes >> (record__outcome(r)) & 1))
		return false;
	if (!f->driver)
		return true;
	c = names__callback(names, r->what);
	return c && is_of(c, f->driver);
}

bool filter__record(const struct filter *f, const struct mmuscope_record *r,
		    const struct names *names)
{
	const bool ranged = r->kind != RECORD_STACK;

	if (f->to && ranged && (r->from >= f->to || r->to <= f->from))
		return false;
	if (f->least_ns && ranged && r->kind != RECORD_PAGES && !(r->flags & RECORD_UNTIMED) &&
	    r->took < f->least_ns)
		return false;
	switch (r->kind) {
	case RECORD_NOTIFICATION:
		return of_event(f, r);
	case RECORD_CALLBACK:
		return of_event(f, r) && of_driver(f, r, names);
	default:
		return true;
	}
}

/* ---- activities ---- */

bool filter__needs_events(const struct filter *f)
{
	return f->events || f->phases || f->outcomes || f->driver;
}

static bool any_child(const struct filter *f, const struct activity *a,
		      const struct names *names, bool (*wanted)(const struct activity *))
{
	for (size_t i = 0; i < a->child_count; i++)
		if (wanted(a->children[i]) && filter__activity(f, a->children[i], names))
			return true;
	return false;
}

static bool is_callback(const struct activity *a)
{
	return a->head.kind == RECORD_CALLBACK;
}

static bool is_event(const struct activity *a)
{
	return a->head.kind != RECORD_FAULT;
}

bool filter__activity(const struct filter *f, const struct activity *a,
		      const struct names *names)
{
	if (!filter__record(f, &a->head, names))
		return false;
	/* The record of a notification has no time, those of its callbacks have. */
	if (f->least_ns && a->timed && a->head.ns - a->begin < f->least_ns)
		return false;
	switch (a->head.kind) {
	case RECORD_NOTIFICATION:
		return !(f->driver || f->outcomes) || any_child(f, a, names, is_callback);
	case RECORD_MIGRATION:
		return !filter__needs_events(f) || any_child(f, a, names, is_event);
	case RECORD_FAULT:
		return !filter__needs_events(f);
	default:
		return true;
	}
}

void filter__say_unknown(const struct filter *f, const struct names *names)
{
	for (size_t i = 0; f->driver && i < names->callback_count; i++)
		if (is_of(&names->callbacks[i], f->driver))
			return;
	if (f->driver)
		msg("no callback or kernel module '%s' was met; 'mmuscope subscribers' lists who "
		    "is told of invalidations.",
		    f->driver);
}
