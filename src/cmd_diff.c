// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "args.h"
#include "cmd.h"
#include "diff.h"
#include "diff_print.h"
#include "limit.h"
#include "msg.h"
#include "result.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
	const char *path[SIDES];
	const char *output; /* NULL: standard output */
	bool json, by_phase, cover_letter, help;
	struct limit *limits;
	size_t n_limits;
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope diff [OPTIONS] BASE NEW\n\n"
	      "Compares two results of 'mmuscope bench' or 'mmuscope stat'. BASE and NEW are\n"
	      "files, or folders with several runs of one kernel each. Counts are compared\n"
	      "exactly, times by a rank test; the last line is a verdict in words.\n\n"
	      "Options:\n"
	      "      --by-phase        also every driver and phase, and migrations by direction\n"
	      "      --cover-letter    a block of 72 columns for a patch's cover letter\n"
	      "      --fail-on 'METRIC OP VALUE'\n"
	      "                        exit with 5 if that is true of NEW; may be repeated.\n"
	      "                        OP is one of < <= == != >= >; delta:METRIC is NEW - BASE,\n"
	      "                        pct:METRIC the same in per cent of BASE\n"
	      "      --json            JSON (schema mmuscope-diff/1) instead of tables\n"
	      "  -o, --output FILE     write there instead of to standard output\n"
	      "  -h, --help            this text\n\n"
	      "Metrics (counts are totals of one run):\n",
	      out);
	limit__list_metrics(out);
	fputs("\nExamples:\n"
	      "  mmuscope diff unpatched.json patched.json\n"
	      "  mmuscope diff --by-phase results/unpatched results/patched\n"
	      "  mmuscope diff --fail-on 'performed > 0' --fail-on 'pct:times.migrate > 5' old "
	      "new\n"
	      "  mmuscope diff --cover-letter results/unpatched results/patched\n"
	      "  mmuscope diff --json old new | jq -r .verdict\n\n"
	      "Exit status: 0 compared; 1 a file is missing or damaged, or the two cannot be\n"
	      "compared; 2 bad usage; 3 an input is incomplete, or a check in it is broken;\n"
	      "4 a metric of --fail-on is not observable; 5 a limit of --fail-on is exceeded.\n",
	      out);
}

static int list_known(int status)
{
	fputs("Metrics:\n", stderr);
	limit__list_metrics(stderr);
	return status;
}

static int add_limit(struct options *options, const char *text)
{
	struct limit *grown;
	char error[RESULT_ERROR_SIZE];

	grown = reallocarray(options->limits, options->n_limits + 1, sizeof(*grown));
	if (!grown) {
		msg("out of memory.");
		return STATUS_FAILED;
	}
	options->limits = grown;
	if (limit__parse(text, &grown[options->n_limits], error))
		return list_known(usage_error("%s", error));
	options->n_limits++;
	return STATUS_OK;
}

/* Is what is to be written one of the files that are compared? */
static bool is_input(const struct options *options)
{
	struct stat out, in;

	if (!options->output || stat(options->output, &out) || !S_ISREG(out.st_mode))
		return false;
	for (int side = 0; side < SIDES; side++)
		if (!stat(options->path[side], &in) && in.st_dev == out.st_dev &&
		    in.st_ino == out.st_ino)
			return true;
	return false;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"by-phase", no_argument, NULL, 'b'}, {"fail-on", required_argument, NULL, 'f'},
		{"cover-letter", no_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},     {"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},     {0},
	};
	int c, status;

	optind = 0; /* glibc: begin anew, whoever has parsed before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", longs, NULL)) != -1) {
		switch (c) {
		case 'b':
			options->by_phase = true;
			break;
		case 'f':
			status = add_limit(options, optarg);
			if (status)
				return status;
			break;
		case 'c':
			options->cover_letter = true;
			break;
		case 'j':
			options->json = true;
			break;
		case 'o':
			options->output = optarg;
			break;
		case 'h':
			options->help = true;
			return STATUS_OK;
		case ':':
			return usage_error("the option '%s' needs a value.", refused_option(argv));
		default:
			return usage_error("there is no option '%s'.", refused_option(argv));
		}
	}
	if (options->cover_letter && (options->json || options->by_phase))
		return usage_error("--cover-letter goes with neither --json nor --by-phase.");
	if (argc - optind != SIDES)
		return usage_error("give two results, BASE and NEW (%d given).", argc - optind);
	options->path[BASE] = argv[optind];
	options->path[NEW] = argv[optind + 1];
	if (is_input(options))
		return usage_error("'%s' is compared, and would be overwritten.", options->output);
	return STATUS_OK;
}

/* What --fail-on makes of the comparison; says everything that is not kept. */
static int check_limits(const struct options *options, const struct limit_result *results)
{
	int status = STATUS_OK;

	for (size_t i = 0; i < options->n_limits; i++) {
		if (results[i].outcome == LIMIT_KEPT)
			continue;
		msg("%s", results[i].say);
		if (results[i].outcome == LIMIT_EXCEEDED)
			status = STATUS_LIMIT;
		else if (!status)
			status = STATUS_UNAVAILABLE;
	}
	return status;
}

/* A time's key is known only once the results are. */
static int check_keys(const struct diff *diff, const struct limit_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (results[i].outcome != LIMIT_NO_SUCH_TIME)
			continue;
		usage_error("%s", results[i].say);
		fputs("Times of these results:", stderr);
		for (size_t c = 0; c < diff->n_workloads; c++)
			for (size_t k = 0; k < diff->workloads[c].cases[0]->n_times; k++)
				fprintf(stderr, " times.%s",
					diff->workloads[c].cases[0]->times[k].key);
		fputc('\n', stderr);
		return list_known(STATUS_USAGE);
	}
	return STATUS_OK;
}

static int write_output(const struct options *options, const struct diff *diff,
			const struct limit_result *results)
{
	char *verdict = diff__verdict(diff);
	FILE *out = stdout;
	int err = -ENOMEM, status;

	if (!verdict) {
		msg("out of memory.");
		goto cleanup;
	}
	if (options->output) {
		out = open_output(options->output);
		if (!out) {
			err = -errno;
			msg("cannot write '%s': %s.", options->output, strerror(errno));
			goto cleanup;
		}
		begin_output(out);
	}
	if (options->json)
		err = diff__write_json(diff, verdict, options->limits, results, options->n_limits,
				       out);
	else if (options->cover_letter)
		err = diff__print_cover_letter(diff, out);
	else
		err = diff__print(diff, verdict, options->by_phase, out);
	/* Where the stream is in error, closing it says so. */
	if (err == -ENOMEM)
		msg("out of memory.");
	status = close_output(out, options->output ? options->output : "standard output");
	if (status && !err)
		err = -EIO;
cleanup:
	free(verdict);
	return err ? STATUS_FAILED : STATUS_OK;
}

/* Compares two loaded sets. An input that is not to be trusted outranks limits. */
static int compare(const struct options *options, struct result_set *const set[SIDES])
{
	struct limit_result *results = NULL;
	char error[RESULT_ERROR_SIZE];
	struct diff *diff = NULL;
	int status = STATUS_FAILED;

	if (diff__new(set[BASE], set[NEW], &diff, error)) {
		msg("%s", error);
		goto cleanup;
	}
	results = calloc(options->n_limits + 1, sizeof(*results));
	if (!results) {
		msg("out of memory.");
		goto cleanup;
	}
	for (size_t i = 0; i < options->n_limits; i++)
		limit__check(&options->limits[i], diff, &results[i]);
	status = check_keys(diff, results, options->n_limits);
	if (!status)
		status = write_output(options, diff, results);
	if (status)
		goto cleanup;
	status = check_limits(options, results);
	if (diff->warnings.n) {
		msg("%zu check%s of the inputs %s broken: do not trust the numbers.",
		    diff->warnings.n, diff->warnings.n == 1 ? "" : "s",
		    diff->warnings.n == 1 ? "is" : "are");
		status = STATUS_INCOMPLETE;
	}
cleanup:
	free(results);
	diff__free(diff);
	return status;
}

int cmd_diff(int argc, char **argv)
{
	struct result_set *set[SIDES] = {NULL};
	struct options options = {0};
	char error[RESULT_ERROR_SIZE];
	int status;

	status = parse(argc, argv, &options);
	if (status)
		goto cleanup;
	if (options.help) {
		help(stdout);
		status = close_output(stdout, "standard output");
		goto cleanup;
	}
	for (int side = 0; side < SIDES; side++) {
		if (result_set__load(options.path[side], &set[side], error)) {
			msg("%s", error);
			status = STATUS_FAILED;
			goto cleanup;
		}
	}
	status = compare(&options, set);
cleanup:
	for (int side = 0; side < SIDES; side++)
		result_set__free(set[side]);
	free(options.limits);
	return status;
}
