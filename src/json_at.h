/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_JSON_AT_H
#define MMUSCOPE_JSON_AT_H

/*
 * Reads typed fields from a JSON tree, and says where in the document a wrong
 * one stands: "results[0].samples[3].times.migrate must be ..., but is ...".
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the first error's sentence goes; `file` begins it. */
struct json_error_to {
	const char *file;
	char *text;
	size_t size;
};

/*
 * A place in the document. Lives on the stack of whoever descends; `up` must
 * outlive it.
 */
struct json_at {
	const struct json_at *up; /* NULL at the root */
	const char *key;	  /* NULL: `index` of the array above */
	size_t index;
	json_t *json;
	const struct json_error_to *error;
};

/*
 * Says "FILE: PLACE must be WHAT, but is ..." about field `key` of `at` (about
 * `at` itself where key is NULL). Returns -EINVAL.
 */
int json_at__wrong(const struct json_at *at, const char *key, const char *what);

/*
 * Each of these reads field `key` of the object `at`. They return 0, or
 * -EINVAL after json_at__wrong() where it is absent or of another type. With
 * `nullable`, null is legal and gives NULL, or a child whose json is NULL, or
 * `*out` as it was. Strings are borrowed from the tree; control characters in
 * them are replaced with '?', in the tree too, so that they are safe to print.
 */
int json_at__object(const struct json_at *at, const char *key, bool nullable,
		    struct json_at *child);
int json_at__array(const struct json_at *at, const char *key, bool nullable, struct json_at *child);
int json_at__string(const struct json_at *at, const char *key, bool nullable, const char **out);
int json_at__bool(const struct json_at *at, const char *key, bool nullable, int *out);
int json_at__integer(const struct json_at *at, const char *key, bool nullable, int64_t min,
		     int64_t max, int64_t *out);

/* A finite number of 0 or more, integer or real. */
int json_at__number(const struct json_at *at, const char *key, double *out);

/* One of `words`, which ends with NULL; `*out` is the literal from `words`. */
int json_at__word(const struct json_at *at, const char *key, const char *const *words,
		  const char **out);

/* Element `index` of the array `at`, which must be an object. 0 or -EINVAL. */
int json_at__element(const struct json_at *at, size_t index, struct json_at *child);

/* Replaces the control characters of a string in the tree. 0 or -ENOMEM. */
int json_at__make_printable(json_t *string);

#endif
