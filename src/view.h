/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_VIEW_H
#define MMUSCOPE_VIEW_H

/*
 * Rows of a view of a recording, once, and then as a table for people, as CSV or as JSON.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "bpf/mmuscope.h"
#include "names.h"

enum view_type {
	VIEW_NUMBER,
	VIEW_ADDRESS,		/* hexadecimal, in JSON a number */
	VIEW_TEXT,
	VIEW_PROCESS,		/* "comm:pid", in CSV and JSON two columns, pid and comm */
};

struct view_column {
	const char *name;	/* in CSV and JSON; a process's is not used */
	const char *heading;	/* in the table; NULL: not in the table */
	enum view_type type;
};

struct view;

/* `columns` is kept, not copied. NULL: no memory. */
struct view *view__new(const struct view_column *columns, size_t n);

/*
 * The next cell; after as many as there are columns a new row begins. Text is copied. That
 * there was no memory is remembered: view__error().
 */
void view__number(struct view *v, __u64 n);
void view__text(struct view *v, const char *text);	/* NULL: nothing is there */
void view__none(struct view *v);
/* `start` as records have it. */
void view__process(struct view *v, const struct names *names, __u32 tgid, __u32 start);

size_t view__rows(const struct view *v);
int view__error(const struct view *v);	/* 0 or -ENOMEM */

/* Each returns 0 or -errno. With an empty line behind it. */
int view__print(const struct view *v, const char *title, FILE *out);
int view__csv(const struct view *v, FILE *out);
/* An array with an object for each row. New reference, NULL: no memory. */
json_t *view__json(const struct view *v);

/* NULL is legal. */
void view__free(struct view *v);

#endif
