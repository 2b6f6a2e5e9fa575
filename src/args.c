// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "msg.h"

bool parse_number(const char *text, unsigned long long min, unsigned long long max,
		  unsigned long long *out)
{
	unsigned long long n;
	char *end;

	/* strtoull() takes signs and blanks. */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n < min || n > max)
		return false;
	*out = n;
	return true;
}

size_t parse_numbers(const char *text, unsigned int min, unsigned int max, unsigned int *out,
		     size_t limit)
{
	char *copy = strdup(text), *rest = copy, *word;
	unsigned long long n;
	size_t count = 0;

	while (copy && (word = strsep(&rest, ","))) {
		if (count == limit || !parse_number(word, min, max, &n)) {
			count = 0;
			break;
		}
		out[count++] = (unsigned int)n;
	}
	free(copy);
	return count;
}

bool rows_to_shift(const char *text, unsigned int *shift)
{
	unsigned long long n;

	if (!parse_number(text, 1, 1 << 16, &n) || n & (n - 1))
		return false;
	/* A shift of 0 would mean the default. */
	for (*shift = 1; 1ULL << *shift < n;)
		(*shift)++;
	return true;
}

int take_options(int argc, char **argv, const struct option_set *o, void *ctx)
{
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, o->shorts, o->longs, NULL)) != -1) {
		if (opt == 'h') {
			o->help(stdout);
			return close_output(stdout, "standard output");
		}
		if (opt == '?')
			return usage_error("there is no option '%s', or its value is missing.",
					   refused_option(argv));
		if (!o->take(ctx, opt, optarg))
			return usage_error("--%s does not take '%s'.", option_name(o->longs, opt),
					   optarg);
	}
	return OPTIONS_TAKEN;
}

const char *refused_option(char *const argv[])
{
	/* In the middle of "-xj" the word is not yet behind us. */
	const char *word = argv[optind];
	static char option[3] = "-";

	if (optopt > 0 && optopt < 128 && word && word[0] == '-' && word[1] != '-' &&
	    strchr(word, optopt)) {
		option[1] = (char)optopt;
		return option;
	}
	return argv[optind - 1];
}

const char *option_name(const struct option *options, int opt)
{
	for (; options->name; options++)
		if (options->val == opt)
			return options->name;
	return "?";
}
