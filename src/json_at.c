// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "json_at.h"

#include "sentences.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_place(FILE *out, const struct json_at *at)
{
	if (!at)
		return;
	write_place(out, at->up);
	if (at->key)
		fprintf(out, "%s%s", at->up && at->up->up ? "." : "", at->key);
	else if (at->up)
		fprintf(out, "[%zu]", at->index);
}

static void write_value(FILE *out, const json_t *json)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	if (!json)
		fputs("missing", out);
	else if (json_is_integer(json))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
	else if (json_is_string(json))
		fprintf(out, "'%.40s'", json_string_value(json));
	else if (json_is_real(json))
		fprintf(out, "the real number %g", json_real_value(json));
	else
		fputs(names[json_typeof(json)], out);
}

int json_at__wrong(const struct json_at *at, const char *key, const char *what)
{
	struct json_at field = {.up = at, .key = key};
	const struct json_error_to *error = at->error;
	FILE *out;

	/* A FILE cuts a sentence that is too long; it still ends in a NUL. */
	out = fmemopen(error->text, error->size, "w");
	if (!out)
		return -EINVAL;
	fprintf(out, "'%s' is not as mmuscope writes it: '", error->file);
	write_place(out, key ? &field : at);
	fprintf(out, "' must be %s, but is ", what);
	write_value(out, key ? json_object_get(at->json, key) : at->json);
	fputs("; measure again.", out);
	fclose(out);
	error->text[error->size - 1] = '\0';
	sentence__make_printable(error->text);
	return -EINVAL;
}

/* The field, in *out; NULL there where it may be null and is. */
static int get(const struct json_at *at, const char *key, bool nullable, const char *what,
	       json_t **out)
{
	json_t *json = json_object_get(at->json, key);

	*out = json;
	if (!json)
		return json_at__wrong(at, key, what);
	if (nullable && json_is_null(json))
		*out = NULL;
	return 0;
}

static int descend(const struct json_at *at, const char *key, bool nullable, json_type type,
		   const char *what, struct json_at *child)
{
	int err;

	*child = (struct json_at){.up = at, .key = key, .error = at->error};
	err = get(at, key, nullable, what, &child->json);
	if (!err && child->json && json_typeof(child->json) != type)
		err = json_at__wrong(at, key, what);
	return err;
}

int json_at__object(const struct json_at *at, const char *key, bool nullable, struct json_at *child)
{
	return descend(at, key, nullable, JSON_OBJECT, nullable ? "an object or null" : "an object",
		       child);
}

int json_at__array(const struct json_at *at, const char *key, bool nullable, struct json_at *child)
{
	return descend(at, key, nullable, JSON_ARRAY, nullable ? "an array or null" : "an array",
		       child);
}

int json_at__make_printable(json_t *string)
{
	const char *text = json_string_value(string);
	char *clean;
	int err = 0;

	clean = strdup(text);
	if (!clean)
		return -ENOMEM;
	sentence__make_printable(clean);
	if (strcmp(text, clean) && json_string_set(string, clean))
		err = -ENOMEM;
	free(clean);
	return err;
}

int json_at__string(const struct json_at *at, const char *key, bool nullable, const char **out)
{
	const char *what = nullable ? "a string or null" : "a string";
	json_t *json;
	int err;

	err = get(at, key, nullable, what, &json);
	if (err)
		return err;
	*out = NULL;
	if (!json)
		return 0;
	if (!json_is_string(json))
		return json_at__wrong(at, key, what);
	err = json_at__make_printable(json);
	*out = json_string_value(json);
	return err;
}

int json_at__bool(const struct json_at *at, const char *key, bool nullable, int *out)
{
	const char *what = nullable ? "true, false or null" : "true or false";
	json_t *json;
	int err;

	err = get(at, key, nullable, what, &json);
	if (err || !json)
		return err;
	if (!json_is_boolean(json))
		return json_at__wrong(at, key, what);
	*out = json_is_true(json);
	return 0;
}

int json_at__integer(const struct json_at *at, const char *key, bool nullable, int64_t min,
		     int64_t max, int64_t *out)
{
	char what[128], limit[48] = "";
	json_t *json;
	int err;

	if (max != INT64_MAX)
		snprintf(limit, sizeof(limit), " and at most %" PRId64, max);
	snprintf(what, sizeof(what), "an integer of at least %" PRId64 "%s%s", min, limit,
		 nullable ? ", or null" : "");
	err = get(at, key, nullable, what, &json);
	if (err || !json)
		return err;
	if (!json_is_integer(json) || json_integer_value(json) < min ||
	    json_integer_value(json) > max)
		return json_at__wrong(at, key, what);
	*out = json_integer_value(json);
	return 0;
}

int json_at__number(const struct json_at *at, const char *key, double *out)
{
	static const char what[] = "a number of 0 or more";
	json_t *json;
	int err;

	err = get(at, key, false, what, &json);
	if (err)
		return err;
	if (!json_is_number(json) || !(json_number_value(json) >= 0) ||
	    !isfinite(json_number_value(json)))
		return json_at__wrong(at, key, what);
	*out = json_number_value(json);
	return 0;
}

int json_at__word(const struct json_at *at, const char *key, const char *const *words,
		  const char **out)
{
	char what[160] = "one of";
	const char *text;
	size_t len;
	int err;

	err = json_at__string(at, key, false, &text);
	if (err)
		return err;
	for (size_t i = 0; words[i]; i++) {
		if (!strcmp(words[i], text)) {
			*out = words[i];
			return 0;
		}
		len = strlen(what);
		snprintf(what + len, sizeof(what) - len, " '%s'", words[i]);
	}
	return json_at__wrong(at, key, what);
}

int json_at__element(const struct json_at *at, size_t index, struct json_at *child)
{
	*child = (struct json_at){
		.up = at,
		.index = index,
		.json = json_array_get(at->json, index),
		.error = at->error,
	};
	return json_is_object(child->json) ? 0 : json_at__wrong(child, NULL, "an object");
}
