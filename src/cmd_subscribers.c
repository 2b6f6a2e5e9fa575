// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope subscribers: who is told of the invalidations of which process. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "kernel_info.h"
#include "loader.h"
#include "msg.h"
#include "subscribers_walk.h"

enum { OPT_MAX = 256 };

static void help(FILE *out)
{
	fputs("Usage: mmuscope subscribers [-a | -p PID] [--json]\n\n"
	      "Lists who is told of the invalidations of each process: the interval notifiers\n"
	      "and mmu notifiers that drivers have registered for its memory, one line for\n"
	      "each process, kind and callback. Looks once and leaves nothing attached.\n\n"
	      "Options:\n"
	      "  -a, --all      every process; the default\n"
	      "  -p, --pid PID  one process\n"
	      "      --max N    look at no more than N subscribers of a process (1048576)\n"
	      "  -j, --json     as JSON\n"
	      "  -h, --help     this text\n\n"
	      "Examples:\n"
	      "  sudo mmuscope subscribers\n"
	      "  sudo mmuscope subscribers --pid 1234\n"
	      "  sudo mmuscope subscribers --json | jq '.subscribers[] | .driver'\n",
	      out);
}

static int print_json(const struct subscribers *s)
{
	json_t *doc = subscribers__json(s);
	int err = doc ? 0 : -ENOMEM;

	err = err || json_object_set_new(doc, "tool", tool_info__json());
	err = err || json_object_set_new(doc, "kernel", kernel_info__json());
	err = err || json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(doc);
	return err;
}

static enum status check_process(pid_t pid)
{
	if (!loader__in_initial_pid_namespace()) {
		msg("from inside a pid namespace not every process can be seen; run it in the "
		    "initial namespace.");
		return STATUS_UNAVAILABLE;
	}
	if (pid && kill(pid, 0) && errno == ESRCH) {
		msg("there is no process %d.", pid);
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

static enum status run(pid_t pid, unsigned int max, bool json)
{
	enum status status = check_process(pid), closed;
	struct subscribers s = {};
	int err;

	if (status)
		return status;
	err = subscribers__walk(&s, pid, max);
	if (err) {
		status = loader__status(err);
		goto cleanup;
	}
	if (json ? print_json(&s) : subscribers__print(&s, stdout)) {
		msg("cannot print the list: out of memory.");
		status = STATUS_FAILED;
	}
	closed = close_output(stdout, "standard output");
	if (subscribers__unnamed(&s))
		msg("%zu of %zu functions have no name; if that is all of them, set "
		    "kernel.kptr_restrict to 0 or 1.",
		    subscribers__unnamed(&s), s.symbol_count);
	for (size_t i = 0; i < s.incomplete.n; i++)
		msg("%s", s.incomplete.text[i]);
	status = status ? status : closed ? closed : s.incomplete.n ? STATUS_INCOMPLETE : STATUS_OK;
cleanup:
	subscribers__clear(&s);
	return status;
}

int cmd_subscribers(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "pid", required_argument, NULL, 'p' },
		{ "max", required_argument, NULL, OPT_MAX },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	unsigned long long pid = 0, max = SUBSCRIBERS_MAX;
	bool json = false, all = false, ok = true;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+ap:jh", longs, NULL)) != -1) {
		switch (opt) {
		case 'a':
			all = true;
			break;
		case 'p':
			ok = parse_number(optarg, 1, 1 << 22, &pid);
			break;
		case OPT_MAX:
			ok = parse_number(optarg, 1, SUBSCRIBERS_MAX, &max);
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			help(stdout);
			return close_output(stdout, "standard output");
		default:
			return usage_error("there is no option '%s', or its value is missing.",
					   refused_option(argv));
		}
		if (!ok)
			return usage_error("--%s does not take '%s'.", option_name(longs, opt),
					   optarg);
	}
	if (optind < argc)
		return usage_error("takes no argument, got '%s'.", argv[optind]);
	if (all && pid)
		return usage_error("takes one of --all and --pid.");
	return run((pid_t)pid, (unsigned int)max, json);
}
