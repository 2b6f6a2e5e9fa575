/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_ARGS_H
#define MMUSCOPE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * A whole decimal number of min..max, nothing before or behind it. False, and
 * `out` untouched, for anything else.
 */
bool parse_number(const char *text, unsigned long long min, unsigned long long max,
		  unsigned long long *out);

/*
 * Comma-separated numbers of min..max into out[0..limit). Returns how many, or
 * 0 where one of them is bad or there are more than `limit`.
 */
size_t parse_numbers(const char *text, unsigned int min, unsigned int max, unsigned int *out,
		     size_t limit);

struct option;

/* What a subcommand takes, for getopt_long(). */
struct option_set {
	const char *shorts;
	const struct option *longs;
	void (*help)(FILE *out);
	/* Sets one option. False where its value is bad. */
	bool (*take)(void *ctx, int opt, const char *value);
};

#define OPTIONS_TAKEN (-1)

/*
 * Takes the options of a command line; argv[optind] is what follows them. Returns
 * OPTIONS_TAKEN, or the exit status where no more is to be done: --help was printed, or
 * one of them is wrong, which was said.
 */
int take_options(int argc, char **argv, const struct option_set *o, void *ctx);

/* The long name of the option that getopt_long() returned, "?" if it has none. */
const char *option_name(const struct option *options, int opt);

/* The option that getopt_long() has just refused, as it was typed. Static buffer, or argv. */
const char *refused_option(char *const argv[]);

/*
 * "--max-rows N": a power of two of 2..65536 (1 is taken as 2) into its
 * logarithm. False for anything else.
 */
bool rows_to_shift(const char *text, unsigned int *shift);

#endif
