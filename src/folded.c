// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "folded.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "words.h"

struct line {
	__u64 weight;
	char frames[];
};

struct folded {
	const struct recording_info *info;
	enum folded_weight weight;
	void *lines;		/* tsearch(): it sorts them as well */
	__u64 weightless;
};

int folded__weight(enum folded_weight *weight, const char *word)
{
	static const char *const words[] = {
		[FOLDED_CALLS] = "calls", [FOLDED_PAGES] = "pages", [FOLDED_TIME] = "time",
	};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]))
			continue;
		*weight = (enum folded_weight)i;
		return 0;
	}
	return -EINVAL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->frames, ((const struct line *)b)->frames);
}

/* A name may hold what ends a frame or a line. */
static void put_name(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == ';' ? ':' : (unsigned char)*name < ' ' || *name == 127 ? '?' :
		      *name, out);
}

static void put_frame(FILE *out, const char *name)
{
	fputc(';', out);
	put_name(out, name);
}

/* That which did most; of those that did the same the first. NULL: nobody was told. */
static const struct activity *deciding_callback(const struct activity *a)
{
	static const int rank[OUTCOME_MAX] = {
		[OUTCOME_SKIPPED] = 1,
		[OUTCOME_UNDETERMINED] = 2,
		[OUTCOME_FAILED] = 3,
		[OUTCOME_PERFORMED] = 4,
	};
	const struct activity *best = NULL;

	for (size_t i = 0; i < a->child_count; i++)
		if (a->children[i]->head.kind == RECORD_CALLBACK &&
		    (!best || rank[activity__outcome(a->children[i])] >
			      rank[activity__outcome(best)]))
			best = a->children[i];
	return best;
}

/* `direction`: of the migration around it, NULL: none. */
static void put_place(const struct folded *f, const struct activity *a, const char *direction,
		      const struct activity *callback, FILE *out)
{
	if (direction)
		put_frame(out, direction);
	put_frame(out, phase_name(a->head.phase));
	put_frame(out, event_name(a->head.event));
	if (callback)
		put_frame(out, names__symbol(&f->info->names, callback->head.what));
}

static char *frames_of(const struct folded *f, const struct activity *a, const char *direction)
{
	const struct activity *callback = deciding_callback(a);
	const struct recording_stack *stack = recording_info__stack(f->info, a->stack);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_name(out, names__recorded_comm(&f->info->names, a->head.tgid, a->head.start));
	if (stack && stack->frame_count) {
		for (size_t i = stack->frame_count; i; i--)
			put_frame(out, stack->frames[i - 1]);
		put_frame(out, event_name(a->head.event));
	} else {
		put_place(f, a, direction, callback, out);
	}
	fprintf(out, "(%s)", callback ? outcome_name(activity__outcome(callback)) : "no callback");
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static __u64 weight_of(const struct folded *f, const struct activity *a)
{
	if (f->weight == FOLDED_CALLS)
		return 1;
	if (f->weight == FOLDED_PAGES)
		return a->head.from < a->head.to ? record__pages(&a->head) : 0;
	return a->timed && a->begin < a->head.ns ? a->head.ns - a->begin : 0;
}

static int add_line(struct folded *f, const char *frames, __u64 weight)
{
	struct line *line = malloc(sizeof(*line) + strlen(frames) + 1);
	struct line **found;

	if (!line)
		return -ENOMEM;
	line->weight = 0;
	strcpy(line->frames, frames);
	found = tsearch(line, &f->lines, compare);
	if (!found || *found != line)
		free(line);
	if (!found)
		return -ENOMEM;
	(*found)->weight += weight;
	return 0;
}

static int add_notification(struct folded *f, const struct activity *a, const char *direction)
{
	__u64 weight = weight_of(f, a);
	char *frames;
	int err;

	if (!weight) {
		f->weightless++;
		return 0;
	}
	frames = frames_of(f, a, direction);
	if (!frames)
		return -ENOMEM;
	err = add_line(f, frames, weight);
	free(frames);
	return err;
}

static int add_tree(struct folded *f, const struct activity *a, const char *direction)
{
	int err = 0;

	if (a->head.kind == RECORD_NOTIFICATION)
		return add_notification(f, a, direction);
	if (a->head.kind == RECORD_MIGRATION)
		direction = direction_name(a->head.phase);
	for (size_t i = 0; i < a->child_count && !err; i++)
		err = add_tree(f, a->children[i], direction);
	return err;
}

int folded__activity(void *f, const struct activity *a)
{
	return add_tree(f, a, NULL);
}

static void print_line(const void *node, VISIT visit, void *out)
{
	const struct line *line = *(const struct line *const *)node;

	if (visit == postorder || visit == leaf)
		fprintf(out, "%s %" PRIu64 "\n", line->frames, (uint64_t)line->weight);
}

int folded__print(const struct folded *f, FILE *out)
{
	twalk_r(f->lines, print_line, out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}

__u64 folded__weightless(const struct folded *f)
{
	return f->weightless;
}

struct folded *folded__new(const struct recording_info *info, enum folded_weight weight)
{
	struct folded *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->info = info;
	f->weight = weight;
	return f;
}

void folded__free(struct folded *f)
{
	if (!f)
		return;
	tdestroy(f->lines, free);
	free(f);
}
