// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope bench: known workloads whose every count is known beforehand. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bench/hole_race.h"
#include "bench/intervals.h"
#include "bench/overhead.h"
#include "bench/runner.h"
#include "bench/scale.h"
#include "bench/user_side.h"
#include "cmd.h"
#include "msg.h"
#include "observer.h"
#include "table.h"

static void help(FILE *out)
{
	fputs("Usage: mmuscope bench list\n"
	      "       mmuscope bench WORKLOAD [OPTIONS]\n"
	      "       mmuscope bench overhead|intervals|scale|user-side [OPTIONS]\n"
	      "       mmuscope bench --check-coherence [WORKLOAD] [OPTIONS]\n\n"
	      "Runs a known workload on the kernel's HMM test device (test_hmm), on KVM or on\n"
	      "an RDMA device, counts its measured region only, verifies the data that the\n"
	      "device and the CPU read, and holds every count against a closed formula. Beside\n"
	      "each cost stands how much of it is the watching itself.\n"
	      "'overhead' measures what watching costs, 'intervals' how that grows with the\n"
	      "subscribers of a process, 'scale' with them, processes and drivers, 'user-side'\n"
	      "what the tool needs to start, to read and to print its counts: see\n"
	      "mmuscope-bench(1). '--check-coherence' asks only whether a device reads what was\n"
	      "written, by 'hole-race' if nothing is named: exit status 1, with the evidence,\n"
	      "where a page is stale.\n\n"
	      "Options:\n"
	      "  -n, --pages N          pages of 4 KiB (default 512)\n"
	      "  -r, --resident R[,R]   per cent of them on the device already (default 50)\n"
	      "  -i, --iterations I     measured iterations (default 20)\n"
	      "  -w, --warmup W         iterations before them (default 2)\n"
	      "  -d, --device D         test device 0 or 1 (default 0)\n"
	      "  -s, --seed S           which pages are resident, and the data (default 1)\n"
	      "      --no-latency       count only: no latency histograms\n"
	      "      --no-calibration   do not run it unwatched as well\n"
	      "      --max-rows N       room for rows of counts, a power of two (default 4096)\n"
	      "      --most N           of 'scale': at most so many of each (default 10000)\n"
	      "      --check-coherence  do devices see what others write?\n"
	      "      --only LIST        of overhead: ours, migrations, bpftrace, ftrace, perf,\n"
	      "                         trace-cmd, bcc (default all)\n"
	      "  -j, --json             the whole result as JSON, every sample kept\n"
	      "      --table            and the table on standard output, if JSON has a file\n"
	      "  -o, --output FILE      write to FILE instead of standard output\n"
	      "  -h, --help             this text\n\n"
	      "Examples:\n"
	      "  sudo mmuscope bench list\n"
	      "  sudo mmuscope bench migrate-mixed --resident 0,25,50,75,100\n"
	      "  sudo mmuscope bench mmops --pages 23 --json -o mmops.json\n"
	      "  sudo mmuscope bench --check-coherence --pages 64 --iterations 300\n"
	      "  sudo mmuscope bench --check-coherence kvm-mmops\n"
	      "  sudo mmuscope bench overhead --only ours,bpftrace\n",
	      out);
}

static __u64 sum_ours(const json_t *result, const char *name)
{
	json_t *samples = json_object_get(result, "samples"), *sample;
	__u64 sum = 0;
	size_t i;

	json_array_foreach(samples, i, sample)
		sum += (__u64)json_integer_value(
			json_object_get(json_object_get(sample, "ours"), name));
	return sum;
}

static int add_result(struct table *table, const json_t *result)
{
	static const char *const columns[] = { "delivered", "performed", "skipped",
					       "pages_performed", "migrated", "excess",
					       "refaults" };
	const json_t *params = json_object_get(json_object_get(result, "workload"), "params");
	const json_t *resident = json_object_get(params, "resident_pct");
	char text[8][24];
	const char *cells[9];
	bool holds = true;
	json_t *check;
	size_t i;

	snprintf(text[7], sizeof(text[7]), "%jd %%", (intmax_t)json_integer_value(resident));
	cells[0] = resident ? text[7] : NULL;
	for (i = 0; i < 7; i++) {
		snprintf(text[i], sizeof(text[i]), "%ju",
			 (uintmax_t)sum_ours(result, columns[i]));
		cells[i + 1] = text[i];
	}
	json_array_foreach(json_object_get(result, "checks"), i, check)
		holds &= !json_is_false(json_object_get(check, "holds"));
	cells[8] = holds ? "holds" : "BROKEN";
	return table__add_row(table, cells);
}

static enum status print(const json_t *doc, FILE *out)
{
	static const struct table_column columns[] = {
		{ "RESIDENT", true },	  { "DELIVERED", true }, { "PERFORMED", true },
		{ "SKIPPED", true },	  { "PAGES INV", true }, { "MIGRATED", true },
		{ "EXCESS", true },	  { "REFAULTS", true },	 { "FORMULA", false },
	};
	json_t *results = json_object_get(doc, "results"), *result;
	const json_t *workload = json_object_get(json_array_get(results, 0), "workload");
	const json_t *params = json_object_get(workload, "params");
	struct table *table = table__new(columns, 9);
	int err = table ? 0 : -ENOMEM;
	size_t i;

	fprintf(out, "%s, %jd pages, %jd iterations, on %s\n",
		json_string_value(json_object_get(workload, "name")),
		(intmax_t)json_integer_value(json_object_get(params, "pages")),
		(intmax_t)json_integer_value(json_object_get(params, "iterations")),
		json_string_value(json_object_get(json_object_get(doc, "kernel"), "release")));
	json_array_foreach(results, i, result)
		err = err ? err : add_result(table, result);
	err = err ? err : table__print(table, out);
	err = err ? err : observer__print(doc, out);
	table__free(table);
	if (err) {
		msg("cannot print the table: out of memory.");
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

/* A workload that read anything else has no result. */
static void print_coherent(const json_t *doc, FILE *out)
{
	fprintf(out, "Coherent: all that %s and the CPU read was what was written last.\n",
		json_string_value(json_object_get(json_object_get(doc, "device"), "path")));
}

static const char *cell(const json_t *row, const char *field, double less, char text[32])
{
	snprintf(text, 32, "%.0f", json_number_value(json_object_get(row, field)) - less);
	return text;
}

static enum status print_intervals(const json_t *doc, FILE *out)
{
	static const struct table_column columns[] = {
		{ "INTERVALS", true },	{ "OVERLAPPING", true },  { "UNWATCHED", true },
		{ "STAT", true },	{ "ADDED", true },	  { "NO-LATENCY", true },
		{ "ADDED", true },
	};
	bool insn = !strcmp(json_string_value(json_object_get(doc, "clock")), "guest-insn");
	struct table *table = table__new(columns, 7);
	int err = table ? 0 : -ENOMEM;
	json_t *row;
	size_t i;

	fprintf(out, "One notification, in %s, on %s\n", insn ? "guest instructions" : "ns",
		json_string_value(json_object_get(json_object_get(doc, "kernel"), "release")));
	json_array_foreach(json_object_get(doc, "populations"), i, row) {
		double base = json_number_value(json_object_get(row, "nothing"));
		char text[7][32];
		const char *const cells[7] = {
			cell(row, "intervals", 0, text[0]), cell(row, "overlapping", 0, text[1]),
			cell(row, "nothing", 0, text[2]), cell(row, "stat", 0, text[3]),
			cell(row, "stat", base, text[4]), cell(row, "no_latency", 0, text[5]),
			cell(row, "no_latency", base, text[6]),
		};

		err = err ? err : table__add_row(table, cells);
	}
	err = err ? err : table__print(table, out);
	table__free(table);
	return err ? STATUS_FAILED : STATUS_OK;
}

static enum status run_overhead(const struct bench_options *o, json_t **doc)
{
	return overhead__run(o->params.device, o->params.iterations * 100, o->only, doc);
}

static enum status run_hole_race(const struct bench_options *o, json_t **doc)
{
	return hole_race__run(&o->params, doc);
}

static enum status run_intervals(const struct bench_options *o, json_t **doc)
{
	return intervals__run(o->params.iterations * 100, doc);
}

static enum status run_scale(const struct bench_options *o, json_t **doc)
{
	return scale__run(o->params.iterations * 100, o->most, doc);
}

#define COHERENCE "hole-race" /* what --check-coherence runs where nothing is named */

/* What is run; those that hold no counts against a formula are no workloads. */
static const struct measurement {
	const char *name, *summary;
	enum status (*run)(const struct bench_options *o, json_t **doc);
	enum status (*print)(const json_t *doc, FILE *out);
} measurements[] = {
	{ COHERENCE, "one device migrates holes while another reads them: is its mirror coherent?",
	  run_hole_race, hole_race__print },
	{ "overhead", "what watching a notification costs, side by side", run_overhead,
	  overhead__print },
	{ "intervals", "the same in a process with up to 10,000 subscribers", run_intervals,
	  print_intervals },
	{ "scale", "what it costs with many subscribers, processes and drivers", run_scale,
	  scale__print },
	{ "user-side", "what the tool needs to start, to read its counts and to print them",
	  user_side__run, user_side__print },
};

#define MEASUREMENTS (sizeof(measurements) / sizeof(measurements[0]))

static const struct measurement *find_measurement(const char *name)
{
	static const struct measurement workload = { .run = bench__run, .print = print };

	for (size_t i = 0; i < MEASUREMENTS; i++)
		if (!strcmp(measurements[i].name, name))
			return &measurements[i];
	return workload__find(name) ? &workload : NULL;
}

static enum status list(void)
{
	for (size_t i = 0; i < workload_count; i++)
		printf("%-17s %s\n", workloads[i]->name, workloads[i]->summary);
	for (size_t i = 0; i < MEASUREMENTS; i++)
		printf("%-17s %s\n", measurements[i].name, measurements[i].summary);
	return close_output(stdout, "standard output");
}

enum {
	OPT_NO_LATENCY = 256, OPT_NO_CALIBRATION, OPT_MAX_ROWS, OPT_MOST, OPT_CHECK_COHERENCE, OPT_ONLY,
	OPT_TABLE,
};

static const struct option longs[] = {
	{ "pages", required_argument, NULL, 'n' },
	{ "resident", required_argument, NULL, 'r' },
	{ "iterations", required_argument, NULL, 'i' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "device", required_argument, NULL, 'd' },
	{ "seed", required_argument, NULL, 's' },
	{ "no-latency", no_argument, NULL, OPT_NO_LATENCY },
	{ "no-calibration", no_argument, NULL, OPT_NO_CALIBRATION },
	{ "max-rows", required_argument, NULL, OPT_MAX_ROWS },
	{ "most", required_argument, NULL, OPT_MOST },
	{ "check-coherence", no_argument, NULL, OPT_CHECK_COHERENCE },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "json", no_argument, NULL, 'j' },
	{ "table", no_argument, NULL, OPT_TABLE },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{},
};

/* Sets one option. False where its value is bad. */
static bool take_option(struct bench_options *o, int opt, const char *value)
{
	struct workload_params *p = &o->params;
	unsigned long long n = 0;
	bool ok = true;

	switch (opt) {
	case 'n':
		ok = parse_number(value, 1, 1 << 20, &n);
		p->pages = n;
		break;
	case 'r':
		o->resident_count =
			(unsigned int)parse_numbers(value, 0, 100, o->resident, 16);
		ok = o->resident_count > 0;
		break;
	case 'i':
		ok = parse_number(value, 1, 1000000, &n);
		p->iterations = (unsigned int)n;
		break;
	case 'w':
		ok = parse_number(value, 0, 100, &n);
		p->warmup = (unsigned int)n;
		break;
	case 'd':
		ok = parse_number(value, 0, 1, &n);
		p->device = (unsigned int)n;
		break;
	case 's':
		ok = parse_number(value, 0, UINT_MAX, &n);
		p->seed = n;
		break;
	case OPT_NO_LATENCY:
		o->latency = false;
		break;
	case OPT_NO_CALIBRATION:
		o->no_calibration = true;
		break;
	case OPT_MOST:
		ok = parse_number(value, 1, 10000, &n);
		o->most = (unsigned int)n;
		break;
	case OPT_MAX_ROWS:
		ok = rows_to_shift(value, &o->row_shift);
		break;
	case OPT_ONLY:
		ok = overhead__knows(value);
		o->only = value;
		break;
	}
	return ok;
}

struct output {
	const char *path;	/* NULL: stdout */
	FILE *file;
	bool json;
	bool table;		/* and the table on stdout, beside JSON in a file */
};

static enum status write_result(const struct output *output, const struct measurement *m,
				const struct bench_options *o, const json_t *doc,
				enum status status)
{
	enum status printed = STATUS_OK;
	FILE *out = output->table ? stdout : output->file;

	if (output->path)
		begin_output(output->file);
	if (output->json) {
		json_dumpf(doc, output->file, JSON_INDENT(1));
		fputc('\n', output->file);
	}
	if (!output->json || output->table) {
		printed = m->print(doc, out);
		if (o->coherence && o->workload)
			print_coherent(doc, out);
	}
	if (output->table && !printed)
		printed = close_output(stdout, "standard output");
	return printed ? printed : status;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_options o = {
		.params = { .pages = 512, .iterations = 20, .warmup = 2, .seed = 1 },
		.resident = { 50 },
		.resident_count = 1,
		.latency = true,
		.most = 10000,
	};
	struct output output = {};
	const struct measurement *m;
	enum status status, closed;
	const char *name;
	json_t *doc;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "n:r:i:w:d:s:jo:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'j':
			output.json = true;
			break;
		case 'o':
			output.path = optarg;
			break;
		case OPT_TABLE:
			output.table = true;
			break;
		case OPT_CHECK_COHERENCE:
			o.coherence = true;
			break;
		case 'h':
			help(stdout);
			return close_output(stdout, "standard output");
		case '?':
			return usage_error("there is no option '%s', or its value is missing.",
					   refused_option(argv));
		default:
			if (!take_option(&o, opt, optarg))
				return usage_error("--%s does not take '%s'.", option_name(longs, opt),
						   optarg);
		}
	}
	if (optind >= argc && !o.coherence)
		return usage_error("name a workload; 'mmuscope bench list' has them.");
	name = optind < argc ? argv[optind++] : COHERENCE;
	if (optind < argc)
		return usage_error("takes one workload, got '%s' as well.", argv[optind]);
	if (!strcmp(name, "list"))
		return list();
	m = find_measurement(name);
	o.workload = workload__find(name);
	if (!m)
		return usage_error("there is no workload '%s'; 'mmuscope bench list' has them.",
				   name);
	if (o.coherence && !o.workload && strcmp(name, COHERENCE))
		return usage_error("--check-coherence takes a workload that reads by a device, got '%s'.",
				   name);
	if (o.workload && !o.workload->uses_resident) {
		o.resident[0] = 0;
		o.resident_count = 1;
	}
	if (o.workload && o.workload->huge && o.params.pages % HUGE_PAGES)
		return usage_error("%s takes huge pages: --pages must be a multiple of %lu, got %zu.",
				   name, HUGE_PAGES, o.params.pages);
	if (output.table && (!output.json || !output.path))
		return usage_error("--table goes with --json and --output.");
	/* Before the work: a bad path must not cost a run. */
	output.file = output.path ? open_output(output.path) : stdout;
	if (!output.file) {
		msg("cannot write %s: %s; name another file with --output.", output.path,
		    strerror(errno));
		return STATUS_FAILED;
	}
	status = m->run(&o, &doc);
	if (doc)
		status = write_result(&output, m, &o, doc, status);
	json_decref(doc);
	closed = close_output(output.file, output.path ? output.path : "standard output");
	return closed ? closed : status;
}
