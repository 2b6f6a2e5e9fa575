// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope probes: the attach plan of this kernel, tried for real. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "kernel_info.h"
#include "msg.h"
#include "session.h"
#include "table.h"

static void help(FILE *out)
{
	fputs("Usage: mmuscope probes [--via RUNG] [--json]\n\n"
	      "Attaches every probe that 'stat' and 'bench' use, says how it is seen on this\n"
	      "kernel, and where something cannot be seen, why. Counts nothing.\n\n"
	      "Options:\n"
	      "      --via RUNG  callbacks by fentry, kprobe or registry only\n"
	      "  -j, --json      as JSON\n"
	      "  -h, --help      this text\n\n"
	      "Examples:\n"
	      "  sudo mmuscope probes\n"
	      "  sudo mmuscope probes --json | jq '.targets[] | select(.source == null)'\n",
	      out);
}

static int print_json(const struct plan *plan)
{
	json_t *targets = json_array(), *doc;

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_target *t = &plan->targets[i];
		const char *source = t->source ? plan_source_name(t->source) : NULL;

		json_array_append_new(
			targets, json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "metric", t->metric,
					   "symbol", t->symbol, "module",
					   t->module[0] ? t->module : NULL, "source", source,
					   "reason", t->reason[0] ? t->reason : NULL));
	}
	doc = json_pack("{s:s, s:o, s:o}", "schema", "mmuscope-probes/1", "kernel",
			kernel_info__json(), "targets", targets);
	if (!doc || json_dumpf(doc, stdout, JSON_INDENT(1)))
		return STATUS_FAILED;
	putchar('\n');
	json_decref(doc);
	return STATUS_OK;
}

/* Of a driver that is not here: its name is enough, at the end. */
static bool is_elsewhere(const struct plan_target *t)
{
	return t->absent && module_users(t->module) < 0;
}

static void print_elsewhere(const struct plan *plan, FILE *out)
{
	const char *last = "", *between = "\nKnown and not loaded:";

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_target *t = &plan->targets[i];

		if (!is_elsewhere(t) || !strcmp(t->module, last))
			continue;
		fprintf(out, "%s %s", between, t->module);
		last = t->module;
		between = ",";
	}
	if (last[0])
		fputs("\n", out);
}

static int print_table(const struct plan *plan)
{
	static const struct table_column columns[] = {
		{ "MEASURES", false }, { "FUNCTION", false }, { "MODULE", false },
		{ "SEEN BY", false },  { "WHY", false },
	};
	struct table *table = table__new(columns, 5);
	int err = 0;

	for (size_t i = 0; table && i < plan->count && !err; i++) {
		const struct plan_target *t = &plan->targets[i];
		const char *cells[] = { t->metric, t->symbol, t->module[0] ? t->module : NULL,
					t->source ? plan_source_name(t->source) : "not seen",
					t->reason[0] ? t->reason : NULL };

		if (!is_elsewhere(t))
			err = table__add_row(table, cells);
	}
	if (!table || err || table__print(table, stdout)) {
		msg("cannot print the table: out of memory.");
		table__free(table);
		return STATUS_FAILED;
	}
	table__free(table);
	print_elsewhere(plan, stdout);
	return STATUS_OK;
}

enum { OPT_VIA = 256 };

int cmd_probes(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "via", required_argument, NULL, OPT_VIA },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	struct session_options options = { .scope = SCOPE_ALL, .latency = true, .running = true };
	struct session *s = NULL;
	enum status status, closed;
	bool json = false;
	int opt, err;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+jh", longs, NULL)) != -1) {
		switch (opt) {
		case OPT_VIA:
			options.via = plan_source__parse(optarg);
			if (!options.via)
				return usage_error("--via does not take '%s'.", optarg);
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			help(stdout);
			return close_output(stdout, "standard output");
		default:
			return usage_error("there is no option '%s', or its value is missing.",
					   argv[optind - 1]);
		}
	}
	if (optind < argc)
		return usage_error("takes no argument, got '%s'.", argv[optind]);

	err = session__open(&s, &options);
	err = err ?: session__load(s);
	err = err ?: session__attach(s);
	/* Without notifications there is still a plan to show, but not one never tried. */
	if (err && err != -EOPNOTSUPP) {
		session__free(s);
		return session__status(err);
	}
	status = json ? print_json(session__plan(s)) : print_table(session__plan(s));
	closed = close_output(stdout, "standard output");
	session__free(s);
	return err ? session__status(err) : status ? status : closed;
}
