/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_FILTER_H
#define MMUSCOPE_FILTER_H

/*
 * Which records and activities `trace` and `record` keep. Counters count all that is in
 * scope, whatever is kept. Plain data and pure functions.
 */
#include <getopt.h>
#include <stdbool.h>

#include "activity.h"
#include "names.h"

struct filter {
	__u64 from, to;		/* addresses, to 0: any */
	__u64 least_ns;		/* that it took */
	__u32 events, phases, outcomes; /* 1 << value, 0: any */
	const char *driver;	/* a callback's function or its module; NULL: any */
	/* As they were given, "--event MIGRATE", for messages and for what is kept. */
	char words[8][128];
	size_t word_count;
};

/* The options, for getopt_long(); `first` is the value of the first. */
#define FILTER_OPTIONS 6
#define FILTER_LONG_OPTIONS(first)                                                          \
	{ "range", required_argument, NULL, (first) },                                      \
	{ "driver", required_argument, NULL, (first) + 1 },                                 \
	{ "event", required_argument, NULL, (first) + 2 },                                  \
	{ "phase", required_argument, NULL, (first) + 3 },                                  \
	{ "outcome", required_argument, NULL, (first) + 4 },                                \
	{ "min-us", required_argument, NULL, (first) + 5 }
#define FILTER_HELP                                                                         \
	"      --range FROM-TO  of these addresses, hexadecimal (evictions have none)\n"    \
	"      --driver NAME    callbacks of this function or kernel module\n"              \
	"      --event EVENT    notifications and callbacks of this event (MIGRATE, ...)\n" \
	"      --phase PHASE    ... in this phase (setup, copy, ..., outside)\n"            \
	"      --outcome WHAT   callbacks performed, skipped, failed or undetermined\n"     \
	"      --min-us US      that took at least US microseconds\n"

/*
 * Takes option number `which` (0 is the first). Several events, phases or outcomes come
 * separated by commas. False: a bad value.
 */
bool filter__take_option(struct filter *f, int which, const char *name, const char *value);

/* Does this record pass, by itself? What a record does not tell is no reason to drop it. */
bool filter__record(const struct filter *f, const struct mmuscope_record *rec,
		    const struct names *names);

/*
 * Is it to be shown? A migration or notification is, where it passes and, if something
 * is asked of notifications or callbacks, one inside it does.
 */
bool filter__activity(const struct filter *f, const struct activity *a,
		      const struct names *names);

/*
 * Says so where a driver was asked for and none of its callbacks is known: most often a
 * slip of the pen.
 */
void filter__say_unknown(const struct filter *f, const struct names *names);

/* Is anything asked that only the records of notifications and callbacks tell? */
bool filter__needs_events(const struct filter *f);

#endif
