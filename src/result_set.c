// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A file, or a folder with several runs of one kernel. */
#include "result.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add_run(struct result_set *set, struct result *run)
{
	struct result **runs = reallocarray(set->runs, set->n_runs + 1, sizeof(*runs));

	if (!runs)
		return -ENOMEM;
	set->runs = runs;
	runs[set->n_runs++] = run;
	return 0;
}

bool result__same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What keeps two results from being runs of the same thing; NULL: nothing. */
static const char *what_differs(const struct result *a, const struct result *b)
{
	if (a->schema != b->schema)
		return "kinds of result (stat and bench)";
	if (!result__same(a->release, b->release))
		return "kernel releases";
	if (!result__same(a->variant, b->variant))
		return "kernel variants";
	if (!result__same(a->config_sha256, b->config_sha256))
		return "kernel configurations";
	if (!result__same(a->machine, b->machine))
		return "machines";
	if (!result__same(a->accel, b->accel))
		return "accelerators (tcg and kvm)";
	if (!result__same(a->clock, b->clock))
		return "clocks";
	if (!result__same(a->driver, b->driver))
		return "devices";
	if (a->chunk_pages != b->chunk_pages)
		return "device chunk sizes";
	return NULL;
}

static int add_file(struct result_set *set, const char *path, char *error)
{
	const char *difference;
	struct result *run;
	int err;

	err = result__load(path, &run, error);
	if (err)
		return err;
	difference = set->n_runs ? what_differs(set->runs[0], run) : NULL;
	if (difference) {
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' mixes different %s ('%s' and '%s'); keep the runs of each kernel "
			 "in a folder of their own.",
			 set->path, difference, set->runs[0]->path, path);
		result__free(run);
		return -EINVAL;
	}
	err = add_run(set, run);
	if (err)
		result__free(run);
	return err;
}

static int wanted(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && dot != entry->d_name && !strcmp(dot, ".json");
}

static int load_folder(struct result_set *set, char *error)
{
	struct dirent **entries = NULL;
	struct stat st;
	char *path;
	int n, err = 0;

	/* By name, but with run-2 before run-10. */
	n = scandir(set->path, &entries, wanted, versionsort);
	if (n < 0) {
		err = -errno;
		snprintf(error, RESULT_ERROR_SIZE, "cannot read the folder '%s': %s.", set->path,
			 strerror(-err));
		return err;
	}
	for (int i = 0; i < n && !err; i++) {
		if (asprintf(&path, "%s/%s", set->path, entries[i]->d_name) < 0) {
			err = -ENOMEM;
			break;
		}
		if (stat(path, &st) || !S_ISDIR(st.st_mode))
			err = add_file(set, path, error);
		/* A manifest, or a diff: JSON of another kind may stand beside results. */
		if (err == -ENOMSG)
			err = 0;
		free(path);
	}
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	if (!err && !set->n_runs) {
		snprintf(error, RESULT_ERROR_SIZE,
			 "the folder '%s' holds no result: no *.json file in it was written by "
			 "'mmuscope bench' or 'mmuscope stat'.",
			 set->path);
		err = -ENOENT;
	}
	return err;
}

int result_set__load(const char *path, struct result_set **out, char *error)
{
	struct result_set *set;
	struct stat st;
	int err = -ENOMEM;

	error[0] = '\0';
	set = calloc(1, sizeof(*set));
	if (!set)
		goto cleanup;
	set->path = strdup(path);
	if (!set->path)
		goto cleanup;
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		err = load_folder(set, error);
	else
		err = add_file(set, path, error);
cleanup:
	if (err) {
		if (err == -ENOMEM)
			snprintf(error, RESULT_ERROR_SIZE, "cannot read '%s': out of memory.",
				 path);
		sentence__make_printable(error);
		result_set__free(set);
		set = NULL;
	}
	*out = set;
	return err;
}

void result_set__free(struct result_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n_runs; i++)
		result__free(set->runs[i]);
	free(set->runs);
	free(set->path);
	free(set);
}
