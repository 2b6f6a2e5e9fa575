// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "result.h"

#include "json_at.h"
#include "result_observer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A result has some kilobytes; this keeps /dev/zero from filling the memory. */
#define FILE_SIZE_MAX (256u << 20)

static const char *const schema_names[] = {
	[RESULT_STAT] = "mmuscope-stat/1",
	[RESULT_BENCH] = "mmuscope-bench/1",
	NULL,
};

const char *result_schema__name(enum result_schema schema)
{
	return schema_names[schema];
}

/* Zeroed elements for an array in the file; *n is their number. */
static void *new_elements(const struct json_at *array, size_t size, size_t *n)
{
	*n = json_array_size(array->json);
	return calloc(*n ? *n : 1, size);
}

static int read_latency(const struct json_at *row, struct result_row *out)
{
	struct result_latency *latency = &out->latency;
	struct json_at at, buckets, bucket;
	int64_t count = 0;
	int err;

	err = json_at__object(row, "latency_ns", true, &at);
	if (err || !at.json)
		return err;
	out->has_latency = true;
	if ((err = json_at__integer(&at, "count", false, 0, INT64_MAX, &latency->count)) ||
	    (err = json_at__integer(&at, "sum", false, 0, INT64_MAX, &latency->sum)) ||
	    (err = json_at__integer(&at, "min", true, 0, INT64_MAX, &latency->min)) ||
	    (err = json_at__integer(&at, "max", true, 0, INT64_MAX, &latency->max)) ||
	    (err = json_at__array(&at, "buckets", false, &buckets)))
		return err;
	for (size_t i = 0; i < json_array_size(buckets.json); i++) {
		err = json_at__element(&buckets, i, &bucket);
		if (!err)
			err = json_at__integer(&bucket, "count", false, 0, INT64_MAX, &count);
		if (err)
			return err;
		latency->buckets = count__add(latency->buckets, count);
	}
	return 0;
}

static int read_phase(const struct json_at *at, struct result_row *row)
{
	static const char *const phases[] = {"setup", "copy",	 "pages", "finalize",
					     "evict", "outside", NULL};
	const char *event;
	int err;

	err = json_at__string(at, "event", false, &event);
	return err ? err : json_at__word(at, "phase", phases, &row->phase);
}

static int read_callback(const struct json_at *at, struct result_row *row)
{
	static const char *const kinds[] = {"interval", "notifier", NULL};
	const char *kind, *source;
	int err;

	if ((err = json_at__string(at, "symbol", false, &row->symbol)) ||
	    (err = json_at__string(at, "module", true, &row->module)) ||
	    (err = json_at__word(at, "kind", kinds, &kind)) ||
	    (err = json_at__string(at, "source", false, &source)) || (err = read_phase(at, row)))
		return err;
	return read_latency(at, row);
}

static int read_migration(const struct json_at *at, struct result_row *row)
{
	static const char *const directions[] = {"to_device", "to_system", "evict", "mixed", NULL};
	const char *owner;
	int err;

	err = json_at__string(at, "owner", true, &owner);
	return err ? err : json_at__word(at, "direction", directions, &row->direction);
}

static int read_row(const struct json_at *at, enum metric_section section, struct result_row *row)
{
	int err = 0;

	row->section = section;
	for (size_t id = 0; id < METRIC_COUNT; id++)
		row->count[id] = COUNT_UNKNOWN;
	if (section != SECTION_FAULTS &&
	    ((err = json_at__integer(at, "pid", false, 0, INT_MAX, &row->pid)) ||
	     (err = json_at__string(at, "comm", false, &row->comm))))
		return err;
	if (section == SECTION_NOTIFICATIONS)
		err = read_phase(at, row);
	else if (section == SECTION_CALLBACKS)
		err = read_callback(at, row);
	else if (section == SECTION_MIGRATIONS)
		err = read_migration(at, row);
	for (size_t id = 0; !err && id < METRIC_COUNT; id++)
		if (metrics[id].section == section)
			err = json_at__integer(at, metrics[id].field, true, 0, INT64_MAX,
					       &row->count[id]);
	return err;
}

/* Appends the rows of one section; "faults" is a single one, not an array. */
static int read_section(const struct json_at *at, enum metric_section section,
			struct result_stat *stat)
{
	bool single = section == SECTION_FAULTS;
	const char *name = metric_section__name(section);
	struct json_at list, element;
	struct result_row *rows;
	size_t n;
	int err;

	err = single ? json_at__object(at, name, true, &list)
		     : json_at__array(at, name, true, &list);
	if (err || !list.json)
		return err;
	stat->observed[section] = true;
	n = single ? 1 : json_array_size(list.json);
	if (!n)
		return 0;
	rows = reallocarray(stat->rows, stat->n_rows + n, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	stat->rows = rows;
	rows += stat->n_rows;
	memset(rows, 0, n * sizeof(*rows));
	stat->n_rows += n;
	if (single)
		return read_row(&list, section, rows);
	for (size_t i = 0; i < n; i++) {
		err = json_at__element(&list, i, &element);
		if (!err)
			err = read_row(&element, section, &rows[i]);
		if (err)
			return err;
	}
	return 0;
}

static int read_invariants(const struct json_at *at, struct result_stat *stat)
{
	struct json_at list, element;
	int err;

	err = json_at__array(at, "invariants", false, &list);
	if (err)
		return err;
	stat->invariants = new_elements(&list, sizeof(*stat->invariants), &stat->n_invariants);
	if (!stat->invariants)
		return -ENOMEM;
	for (size_t i = 0; i < stat->n_invariants; i++) {
		struct result_invariant *invariant = &stat->invariants[i];

		if ((err = json_at__element(&list, i, &element)) ||
		    (err = json_at__string(&element, "name", false, &invariant->name)) ||
		    (err = json_at__bool(&element, "holds", false, &invariant->holds)) ||
		    (err = json_at__string(&element, "detail", true, &invariant->detail)))
			return err;
	}
	return 0;
}

static int read_unobservable(const struct json_at *at, struct result_stat *stat)
{
	struct json_at list, element;
	int err;

	err = json_at__array(at, "unobservable", false, &list);
	if (err)
		return err;
	stat->unobservable =
		new_elements(&list, sizeof(*stat->unobservable), &stat->n_unobservable);
	if (!stat->unobservable)
		return -ENOMEM;
	for (size_t i = 0; i < stat->n_unobservable; i++) {
		struct result_unobservable *entry = &stat->unobservable[i];

		if ((err = json_at__element(&list, i, &element)) ||
		    (err = json_at__string(&element, "metric", false, &entry->metric)) ||
		    (err = json_at__string(&element, "reason", false, &entry->reason)))
			return err;
	}
	return 0;
}

/* The command's words with blanks between, or NULL with 0 where there are none. */
static int read_command(const struct json_at *at, char **out)
{
	struct json_at list;
	size_t size, n;
	FILE *stream;
	int err;

	err = json_at__array(at, "command", true, &list);
	n = err ? 0 : json_array_size(list.json);
	if (!n)
		return err;
	stream = open_memstream(out, &size);
	if (!stream)
		return -ENOMEM;
	for (size_t i = 0; !err && i < n; i++) {
		struct json_at word = {.up = &list, .index = i, .error = at->error};

		word.json = json_array_get(list.json, i);
		if (json_is_string(word.json))
			fprintf(stream, "%s%s", i ? " " : "", json_string_value(word.json));
		else
			err = json_at__wrong(&word, NULL, "a string");
	}
	if (fclose(stream) && !err)
		err = -ENOMEM;
	return err;
}

/* What was watched: what two stat results must have in common. */
static int read_subject(const struct json_at *at, struct result_stat *stat)
{
	const char *cgroup;
	struct json_at scope;
	int err;

	err = json_at__object(at, "scope", false, &scope);
	if (!err)
		err = read_command(at, &stat->subject);
	if (err)
		return err;
	if (stat->subject) {
		sentence__make_printable(stat->subject);
		stat->is_command = true;
		return 0;
	}
	/* A process's number means nothing after a boot: any two are joined. */
	if (json_object_get(scope.json, "pid")) {
		stat->subject = strdup("one process");
	} else if (json_object_get(scope.json, "cgroup")) {
		err = json_at__string(&scope, "cgroup", false, &cgroup);
		if (!err && asprintf(&stat->subject, "cgroup %s", cgroup) < 0)
			stat->subject = NULL;
	} else if (json_object_get(scope.json, "all")) {
		stat->subject = strdup("the whole system");
	} else if (json_object_get(scope.json, "command")) {
		stat->subject = strdup("a command");
	} else {
		return json_at__wrong(at, "scope",
				      "an object with 'pid', 'cgroup', 'all' or 'command'");
	}
	return err ? err : stat->subject ? 0 : -ENOMEM;
}

static int read_clock(const struct json_at *at, const char **clock)
{
	static const char *const clocks[] = {"ns", "guest-insn", NULL};

	return json_at__word(at, "clock", clocks, clock);
}

static int read_stat(const struct json_at *at, struct result_stat *stat)
{
	struct json_at kernel, lost;
	int err;

	if ((err = json_at__object(at, "kernel", false, &kernel)) ||
	    (err = json_at__string(&kernel, "release", false, &stat->release)) ||
	    (err = read_clock(at, &stat->clock)) ||
	    (err = json_at__integer(at, "duration_ns", false, 0, INT64_MAX, &stat->duration_ns)))
		return err;
	for (int section = 0; section < SECTION_COUNT; section++) {
		err = read_section(at, (enum metric_section)section, stat);
		if (err)
			return err;
	}
	if ((err = json_at__object(at, "lost", false, &lost)) ||
	    (err = json_at__integer(&lost, "events", false, 0, INT64_MAX, &stat->lost_events)) ||
	    (err = json_at__integer(&lost, "counters", false, 0, INT64_MAX,
				    &stat->lost_counters)) ||
	    (err = json_at__integer(&lost, "recursion", false, 0, INT64_MAX,
				    &stat->lost_recursion)) ||
	    (err = read_invariants(at, stat)) || (err = read_unobservable(at, stat)))
		return err;
	return read_subject(at, stat);
}

/* "resident_pct" 25 reads "resident 25 %" for people. */
static int set_param_text(struct result_param *param, const json_t *value)
{
	size_t len = strlen(param->name), cut = strlen("_pct");
	bool percent = param->is_integer && len > cut && !strcmp(param->name + len - cut, "_pct");
	int n;

	param->label = strndup(param->name, percent ? len - cut : len);
	if (param->is_integer)
		n = asprintf(&param->text, "%" JSON_INTEGER_FORMAT "%s", json_integer_value(value),
			     percent ? " %" : "");
	else
		n = asprintf(&param->text, "%s", json_string_value(value));
	if (n < 0) {
		param->text = NULL;
		return -ENOMEM;
	}
	if (!param->label)
		return -ENOMEM;
	sentence__make_printable(param->label);
	sentence__make_printable(param->text);
	return 0;
}

static int read_params(const struct json_at *workload, struct result_case *c)
{
	struct json_at at;
	const char *name;
	json_t *value;
	size_t i = 0;
	int err;

	err = json_at__object(workload, "params", false, &at);
	if (err)
		return err;
	c->json_params = at.json;
	c->n_params = json_object_size(at.json);
	c->params = calloc(c->n_params + 1, sizeof(*c->params));
	if (!c->params)
		return -ENOMEM;
	json_object_foreach(at.json, name, value)
	{
		struct result_param *param = &c->params[i++];

		if (!json_is_integer(value) && !json_is_string(value))
			return json_at__wrong(&at, name, "an integer or a string");
		param->name = name;
		param->is_integer = json_is_integer(value);
		param->value = json_integer_value(value);
		err = set_param_text(param, value);
		if (err)
			return err;
	}
	return 0;
}

/* The first sample says which times there are; the others must have the same. */
static int read_times(const struct json_at *at, struct result_case *c, struct result_sample *sample)
{
	struct json_at times;
	const char *key;
	json_t *value;
	int err;

	err = json_at__object(at, "times", false, &times);
	if (err)
		return err;
	if (!c->time_keys) {
		c->time_keys = calloc(json_object_size(times.json) + 1, sizeof(*c->time_keys));
		if (!c->time_keys)
			return -ENOMEM;
		json_object_foreach(times.json, key, value) c->time_keys[c->n_time_keys++] = key;
	}
	if (json_object_size(times.json) != c->n_time_keys)
		return json_at__wrong(at, "times", "an object with the first sample's keys");
	sample->times = calloc(c->n_time_keys + 1, sizeof(*sample->times));
	if (!sample->times)
		return -ENOMEM;
	for (size_t i = 0; !err && i < c->n_time_keys; i++)
		err = json_at__number(&times, c->time_keys[i], &sample->times[i]);
	return err;
}

/* Nothing of the driver's ledger is compared, but a damaged one is not ours. */
static int check_driver_ledger(const struct json_at *at)
{
	struct json_at driver, entry;
	const char *key;
	json_t *value;
	int64_t unused;
	int err;

	err = json_at__object(at, "driver", false, &driver);
	if (err)
		return err;
	json_object_foreach(driver.json, key, value)
	{
		if ((err = json_at__object(&driver, key, false, &entry)) ||
		    (err = json_at__integer(&entry, "cpages", true, 0, INT64_MAX, &unused)) ||
		    (err = json_at__integer(&entry, "faults", true, 0, INT64_MAX, &unused)) ||
		    (err = json_at__integer(&entry, "errno", false, INT_MIN, INT_MAX, &unused)))
			return err;
	}
	return 0;
}

static int read_samples(const struct json_at *result, struct result_case *c)
{
	struct json_at list, at, ours;
	int err;

	err = json_at__array(result, "samples", false, &list);
	if (err)
		return err;
	c->samples = new_elements(&list, sizeof(*c->samples), &c->n_samples);
	if (!c->samples)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_samples; i++) {
		struct result_sample *sample = &c->samples[i];

		if ((err = json_at__element(&list, i, &at)) ||
		    (err = json_at__integer(&at, "iteration", false, 0, INT64_MAX,
					    &sample->iteration)) ||
		    (err = read_times(&at, c, sample)) || (err = check_driver_ledger(&at)) ||
		    (err = json_at__object(&at, "ours", false, &ours)))
			return err;
		for (size_t id = 0; id < METRIC_COUNT; id++) {
			sample->ours[id] = COUNT_UNKNOWN;
			if (!metrics[id].ours)
				continue;
			err = json_at__integer(&ours, metrics[id].ours, true, 0, INT64_MAX,
					       &sample->ours[id]);
			if (err)
				return err;
		}
	}
	return 0;
}

static int read_checks(const struct json_at *result, struct result_case *c)
{
	struct json_at list, at;
	int err;

	err = json_at__array(result, "checks", false, &list);
	if (err)
		return err;
	c->checks = new_elements(&list, sizeof(*c->checks), &c->n_checks);
	if (!c->checks)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_checks; i++) {
		struct result_check *check = &c->checks[i];

		check->holds = -1;
		check->expected = check->measured = COUNT_UNKNOWN;
		if ((err = json_at__element(&list, i, &at)) ||
		    (err = json_at__string(&at, "metric", false, &check->metric)) ||
		    (err = json_at__string(&at, "formula", true, &check->formula)) ||
		    (err = json_at__integer(&at, "expected", true, 0, INT64_MAX,
					    &check->expected)) ||
		    (err = json_at__integer(&at, "measured", true, 0, INT64_MAX,
					    &check->measured)) ||
		    (err = json_at__bool(&at, "holds", true, &check->holds)))
			return err;
		if (json_object_get(at.json, "reason")) {
			err = json_at__string(&at, "reason", true, &check->reason);
			if (err)
				return err;
		}
	}
	return 0;
}

static int read_inner_stat(const struct json_at *result, struct result_case *c)
{
	static const char *const schemas[] = {"mmuscope-stat/1", NULL};
	const char *schema;
	struct json_at at;
	int err;

	if (!json_object_get(result->json, "stat"))
		return 0;
	err = json_at__object(result, "stat", true, &at);
	if (err || !at.json)
		return err;
	c->stat = calloc(1, sizeof(*c->stat));
	if (!c->stat)
		return -ENOMEM;
	err = json_at__word(&at, "schema", schemas, &schema);
	return err ? err : read_stat(&at, c->stat);
}

static int read_bench(const struct json_at *root, struct result *result)
{
	struct json_at device, list, at, workload;
	int err;

	if ((err = json_at__object(root, "device", false, &device)) ||
	    (err = json_at__string(&device, "driver", false, &result->driver)) ||
	    (err = json_at__integer(&device, "chunk_pages", true, 1, INT_MAX,
				    &result->chunk_pages)) ||
	    (err = json_at__array(root, "results", false, &list)))
		return err;
	result->cases = new_elements(&list, sizeof(*result->cases), &result->n_cases);
	if (!result->cases)
		return -ENOMEM;
	for (size_t i = 0; i < result->n_cases; i++) {
		struct result_case *c = &result->cases[i];

		if ((err = json_at__element(&list, i, &at)) ||
		    (err = json_at__object(&at, "workload", false, &workload)) ||
		    (err = json_at__string(&workload, "name", false, &c->name)) ||
		    (err = read_params(&workload, c)) || (err = read_samples(&at, c)) ||
		    (err = result_case__read_observer(&at, c)) ||
		    (err = read_checks(&at, c)) || (err = read_inner_stat(&at, c)))
			return err;
	}
	return 0;
}

static int read_stat_file(const struct json_at *root, struct result *result)
{
	struct result_case *c;
	int err;

	result->cases = c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	result->n_cases = 1;
	c->stat = calloc(1, sizeof(*c->stat));
	if (!c->stat)
		return -ENOMEM;
	err = read_stat(root, c->stat);
	c->name = c->stat->subject;
	return err;
}

static int read_document(const struct json_at *root, struct result *result)
{
	struct json_at tool, kernel;
	const char *version;
	int err;

	if ((err = json_at__object(root, "tool", false, &tool)) ||
	    (err = json_at__string(&tool, "version", false, &version)) ||
	    (err = json_at__object(root, "kernel", false, &kernel)) ||
	    (err = json_at__string(&kernel, "release", false, &result->release)) ||
	    (err = json_at__string(&kernel, "version", false, &result->version)) ||
	    (err = json_at__string(&kernel, "machine", false, &result->machine)) ||
	    (err = json_at__string(&kernel, "variant", true, &result->variant)) ||
	    (err = json_at__string(&kernel, "accel", true, &result->accel)) ||
	    (err = json_at__string(&kernel, "config_sha256", true, &result->config_sha256)) ||
	    (err = read_clock(root, &result->clock)))
		return err;
	return result->schema == RESULT_BENCH ? read_bench(root, result)
					      : read_stat_file(root, result);
}

/* Is it ours, and of a schema that is read here? */
static int check_schema(const char *path, json_t *root, enum result_schema *schema, char *error)
{
	const char *name = json_string_value(json_object_get(root, "schema"));
	static const char *const families[] = {"mmuscope-stat/", "mmuscope-bench/", NULL};

	if (!name || strncmp(name, "mmuscope-", strlen("mmuscope-"))) {
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' is JSON but no result of mmuscope (it has no \"schema\" of ours); "
			 "give a file that 'mmuscope bench' or 'mmuscope stat' wrote.",
			 path);
		return -ENOMSG;
	}
	for (size_t i = 0; schema_names[i]; i++) {
		if (!strcmp(name, schema_names[i])) {
			*schema = (enum result_schema)i;
			return 0;
		}
	}
	for (size_t i = 0; families[i]; i++) {
		if (strncmp(name, families[i], strlen(families[i])))
			continue;
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' has schema %s, but mmuscope " MMUSCOPE_VERSION
			 " reads %s and %s; use the mmuscope that wrote it, or measure again.",
			 path, name, schema_names[RESULT_STAT], schema_names[RESULT_BENCH]);
		return -EPROTONOSUPPORT;
	}
	snprintf(error, RESULT_ERROR_SIZE,
		 "'%s' has schema %s, which is not a measurement; "
		 "give a file that 'mmuscope bench' or 'mmuscope stat' wrote.",
		 path, name);
	return -ENOMSG;
}

/* One sentence about text that does not parse. Returns -EINVAL. */
static int say_not_json(const char *path, const char *text, size_t len, const json_error_t *why,
			char *error)
{
	/* Its own code for a premature end also stands for a NUL byte in the middle. */
	bool at_end = why->position >= 0 && (size_t)why->position >= len;
	size_t blank = 0;

	while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	if (blank == len)
		snprintf(error, RESULT_ERROR_SIZE, "'%s' is empty; measure again.", path);
	else if (text[blank] != '{' && text[blank] != '[')
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' is not JSON; give a file that 'mmuscope bench' or "
			 "'mmuscope stat' wrote.",
			 path);
	else if (at_end)
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' is truncated: it ends at line %d, in the middle of the JSON; "
			 "copy it again, or measure again.",
			 path, why->line);
	else if (json_error_code(why) == json_error_numeric_overflow)
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' has a number out of range at line %d; measure again.", path,
			 why->line);
	else
		snprintf(error, RESULT_ERROR_SIZE,
			 "'%s' is not valid JSON at line %d, column %d (%s); "
			 "copy it again, or measure again.",
			 path, why->line, why->column, why->text);
	return -EINVAL;
}

int result__parse(const char *path, const char *text, size_t len, struct result **out, char *error)
{
	struct json_error_to to = {.file = path, .text = error, .size = RESULT_ERROR_SIZE};
	struct json_at root = {.error = &to};
	struct result *result;
	json_error_t why;
	int err = -ENOMEM;

	error[0] = '\0';
	result = calloc(1, sizeof(*result));
	if (!result)
		goto cleanup;
	result->path = strdup(path);
	if (!result->path)
		goto cleanup;
	result->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!result->root) {
		if (json_error_code(&why) != json_error_out_of_memory)
			err = say_not_json(path, text, len, &why, error);
		goto cleanup;
	}
	root.json = result->root;
	err = check_schema(path, result->root, &result->schema, error);
	if (!err)
		err = read_document(&root, result);
cleanup:
	if (err) {
		if (!error[0])
			snprintf(error, RESULT_ERROR_SIZE, "cannot read '%s': out of memory.",
				 path);
		sentence__make_printable(error);
		result__free(result);
		result = NULL;
	}
	*out = result;
	return err;
}

/* The whole file as text, to be freed. */
static int slurp(const char *path, char **text, size_t *len)
{
	char chunk[16384];
	FILE *file = NULL, *mem = NULL;
	size_t got, total = 0;
	int err = 0;

	*text = NULL;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	mem = open_memstream(text, len);
	if (!mem) {
		err = -ENOMEM;
		goto cleanup;
	}
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		total += got;
		if (total > FILE_SIZE_MAX) {
			err = -EFBIG;
			goto cleanup;
		}
		if (fwrite(chunk, 1, got, mem) != got) {
			err = -ENOMEM;
			goto cleanup;
		}
	}
	if (ferror(file))
		err = errno ? -errno : -EIO;
cleanup:
	if (mem && fclose(mem) && !err)
		err = -ENOMEM;
	fclose(file);
	return err;
}

int result__load(const char *path, struct result **out, char *error)
{
	char *text = NULL;
	size_t len = 0;
	int err;

	*out = NULL;
	err = slurp(path, &text, &len);
	if (!err) {
		err = result__parse(path, text, len, out, error);
	} else {
		snprintf(
			error, RESULT_ERROR_SIZE, "cannot read '%s': %s; %s.", path, strerror(-err),
			err == -ENOENT ? "give a file that 'mmuscope bench' or 'mmuscope stat' "
					 "wrote, or a folder of them"
				       : "check that it is a result file and that you may read it");
		sentence__make_printable(error);
	}
	free(text);
	return err;
}

static void free_stat(struct result_stat *stat)
{
	if (!stat)
		return;
	free(stat->subject);
	free(stat->rows);
	free(stat->invariants);
	free(stat->unobservable);
	free(stat);
}

static void free_case(struct result_case *c)
{
	for (size_t i = 0; i < c->n_params; i++) {
		if (!c->params)
			break;
		free(c->params[i].label);
		free(c->params[i].text);
	}
	for (size_t i = 0; i < c->n_samples; i++) {
		if (!c->samples)
			break;
		free(c->samples[i].times);
	}
	free(c->params);
	free(c->time_keys);
	free(c->effects);
	free(c->samples);
	free(c->checks);
	free_stat(c->stat);
}

void result__free(struct result *result)
{
	if (!result)
		return;
	for (size_t i = 0; result->cases && i < result->n_cases; i++)
		free_case(&result->cases[i]);
	free(result->cases);
	free(result->path);
	json_decref(result->root);
	free(result);
}
