// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "json_text.h"

void json_text__end(struct text *t, size_t begin, char open, char close)
{
	if (t->len == begin)
		text__add(t, &open, 1);
	else if (!t->failed)
		t->data[begin] = open;
	text__add(t, &close, 1);
}

static int append(const char *s, size_t n, void *text)
{
	text__add(text, s, n);
	return ((struct text *)text)->failed ? -1 : 0;
}

static void add_tree(struct text *t, const json_t *tree)
{
	if (!tree || json_dump_callback(tree, append, t, JSON_COMPACT | JSON_ENCODE_ANY))
		text__fail(t);
}

/* Is left to jansson: escapes, and what may not be UTF-8. */
static void add_any(struct text *t, const char *s)
{
	json_t *string = json_string(s);

	if (!string)
		string = json_string("(not UTF-8)");
	add_tree(t, string);
	json_decref(string);
}

void json_text__string(struct text *t, const char *s)
{
	size_t n = s ? text__plain(s) : 0;
	char *at;

	if (!s) {
		json_text__null(t);
	} else if (s[n]) {
		add_any(t, s);
	} else if ((at = text__reserve(t, n + 2))) {
		*at = '"';
		text__copy(at + 1, s, n);
		at[n + 1] = '"';
		t->len += n + 2;
	}
}

void json_text__members(struct text *t, const json_t *object)
{
	size_t begin = t->len;

	if (object && !json_object_size(object))
		return;
	/* Without its brackets: the first is the comma, the other is for the end. */
	add_tree(t, object);
	if (t->failed)
		return;
	t->data[begin] = ',';
	t->len--;
}
