// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmuscope: finds the subcommand and runs it. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "msg.h"

static const struct command commands[] = {
	{ "probes", cmd_probes, "what can be measured on this kernel, how, and why not" },
	{ "subscribers", cmd_subscribers, "list who is told of whose invalidations" },
	{ "stat", cmd_stat, "count notifications, driver callbacks, migrations and device faults" },
	{ "trace", cmd_trace, "print each migration as it completes, and what happened in it" },
	{ "record", cmd_record, "write each of them to disk, as a CTF trace" },
	{ "report", cmd_report, "read a recording: the counts once more, and single migrations" },
	{ "bench", cmd_bench, "run a known workload on a device and check every count it causes" },
	{ "diff", cmd_diff, "compare two results, or two sets of results, and give a verdict" },
};

static void help(FILE *out)
{
	fputs("Usage: mmuscope COMMAND [ARGUMENTS]\n\n"
	      "Counts and compares the invalidations that Linux sends to device MMUs\n"
	      "(GPUs through HMM, KVM, RDMA, IOMMU SVA).\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
	fputs("\nOptions:\n"
	      "  -h, --help     this text; 'mmuscope COMMAND --help' for one command\n"
	      "  -V, --version  the version\n\n"
	      "Exit status: 0 done; 1 failed; 2 bad usage; 3 measured but incomplete;\n"
	      "4 cannot be measured here; diff also 5: a given limit is exceeded.\n",
	      out);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(name, "-h") || !strcmp(name, "--help") || !strcmp(name, "help")) {
		help(stdout);
		return close_output(stdout, "standard output");
	}
	if (!strcmp(name, "-V") || !strcmp(name, "--version")) {
		puts("mmuscope " MMUSCOPE_VERSION);
		return close_output(stdout, "standard output");
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name))
			continue;
		msg__set_command(name);
		return commands[i].run(argc - 1, argv + 1);
	}
	return usage_error("there is no command '%s'.", name);
}
