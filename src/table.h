/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_TABLE_H
#define MMUSCOPE_TABLE_H

/*
 * Tables for people: the output is the same on a terminal, in a pipe and in a
 * file. Never coloured, cut or wrapped; columns are one space apart; no trailing
 * blanks; what is not printable ASCII in a cell comes out escaped (\x1b), so
 * that a process's name cannot write on the terminal. It is what libsmartcols
 * prints (tests/unit/test_table.c), in a twentieth of the instructions: intervals
 * of stat have a thousand rows.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table;

struct table_column {
	/* The heading. "\n" begins another heading line; short ones sit at the bottom. */
	const char *name;
	bool right; /* right-aligned, as numbers are */
};

/*
 * An empty table of `n` (at least 1) columns; `cols` is copied.
 * Returns NULL where memory is short. The caller frees it with table__free().
 */
struct table *table__new(const struct table_column *cols, size_t n);

/*
 * Adds a row of as many cells as there are columns; the text is copied. A NULL
 * cell prints as "-", an empty one as nothing; `cells` NULL is an empty line.
 * Returns 0 or -ENOMEM.
 */
int table__add_row(struct table *table, const char *const *cells);

/* Characters in the longest line that table__print() would write, or -errno. */
int table__width(struct table *table);

/*
 * Writes headings and rows. Returns 0 or -errno; a full disk may show only
 * when the stream is flushed, so finish with close_output().
 */
int table__print(struct table *table, FILE *out);

/* NULL is legal. */
void table__free(struct table *table);

#endif
