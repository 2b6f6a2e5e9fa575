// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What one case of a result amounts to: totals, reasons, its name for people. */
#include "result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why the metric was not observed; NULL where the result does not say that. */
static const char *stat_reason(const struct result_stat *stat, enum metric_id id)
{
	const char *section = metric_section__name(metrics[id].section);
	size_t len = strlen(section);
	const char *whole = NULL;

	for (size_t i = 0; i < stat->n_unobservable; i++) {
		const struct result_unobservable *entry = &stat->unobservable[i];

		if (strncmp(entry->metric, section, len))
			continue;
		if (entry->metric[len] == '.' &&
		    !strcmp(entry->metric + len + 1, metrics[id].field))
			return entry->reason;
		if (!entry->metric[len])
			whole = entry->reason;
	}
	return whole;
}

static int64_t stat_total(const struct result_stat *stat, enum metric_id id)
{
	enum metric_section section = metrics[id].section;
	int64_t total = 0;
	bool rows = false;

	if (!stat->observed[section])
		return COUNT_UNKNOWN;
	for (size_t i = 0; i < stat->n_rows; i++) {
		if (stat->rows[i].section != section)
			continue;
		total = count__add(total, stat->rows[i].count[id]);
		rows = true;
	}
	/* No rows are zero calls, unless nothing could have made one. */
	return rows || !stat_reason(stat, id) ? total : COUNT_UNKNOWN;
}

int64_t result_case__sum_ours(const struct result_case *c, enum metric_id id)
{
	int64_t sum = c->n_samples && metrics[id].ours ? 0 : COUNT_UNKNOWN;

	for (size_t i = 0; i < c->n_samples; i++)
		sum = count__add(sum, c->samples[i].ours[id]);
	return sum;
}

int64_t result_case__total(const struct result_case *c, enum metric_id id)
{
	int64_t total = c->stat ? stat_total(c->stat, id) : COUNT_UNKNOWN;

	return total == COUNT_UNKNOWN ? result_case__sum_ours(c, id) : total;
}

const char *result_case__reason(const struct result_case *c, enum metric_id id)
{
	const char *reason = c->stat ? stat_reason(c->stat, id) : NULL;

	if (reason)
		return reason;
	return c->stat ? "the result does not say why" : "the result has no 'stat' part";
}

const struct result_param *result_case__param(const struct result_case *c, const char *name)
{
	for (size_t i = 0; i < c->n_params; i++)
		if (!strcmp(c->params[i].name, name))
			return &c->params[i];
	return NULL;
}

char *result_case__title(const struct result_case *c)
{
	char *title = NULL;
	size_t size;
	FILE *out;

	out = open_memstream(&title, &size);
	if (!out)
		return NULL;
	fputs(c->name, out);
	for (size_t i = 0; i < c->n_params; i++)
		fprintf(out, "%s%s %s", i ? ", " : " (", c->params[i].label, c->params[i].text);
	if (c->n_params)
		fputc(')', out);
	if (fclose(out)) {
		free(title);
		return NULL;
	}
	return title;
}
