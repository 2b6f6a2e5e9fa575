// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "limit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The longer of two operators that begin alike comes first. */
static const struct {
	const char *text;
	enum limit_op op;
} operators[] = {
	{"<=", LIMIT_LE}, {"<", LIMIT_LT},  {"==", LIMIT_EQ},
	{"!=", LIMIT_NE}, {">=", LIMIT_GE}, {">", LIMIT_GT},
};

static int bad(const char *text, const char *why, char *error)
{
	snprintf(error, RESULT_ERROR_SIZE,
		 "cannot read the limit '%s': %s; write '[delta:|pct:]METRIC OP VALUE', "
		 "for example 'performed > 0', with OP one of < <= == != >= >.",
		 text, why);
	return -EINVAL;
}

static int parse_metric(const char *name, size_t len, struct limit *limit)
{
	char copy[sizeof(limit->key) + sizeof("times.")];

	if (!len || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, name, len);
	copy[len] = '\0';
	limit->id = metric__find(copy);
	if (limit->id != METRIC_COUNT)
		return 0;
	if (strncmp(copy, "times.", strlen("times.")) || !copy[strlen("times.")])
		return -EINVAL;
	snprintf(limit->key, sizeof(limit->key), "%.*s", (int)sizeof(limit->key) - 1,
		 copy + strlen("times."));
	return 0;
}

int limit__parse(const char *text, struct limit *limit, char *error)
{
	const char *at = text + strspn(text, " \t"), *end;
	size_t i, len;
	char *stop;

	*limit = (struct limit){.text = text, .of = LIMIT_NEW};
	if (!strncmp(at, "delta:", 6)) {
		limit->of = LIMIT_DELTA;
		at += 6;
	} else if (!strncmp(at, "pct:", 4)) {
		limit->of = LIMIT_PERCENT;
		at += 4;
	}
	len = strcspn(at, " \t<>=!");
	if (parse_metric(at, len, limit)) {
		snprintf(error, RESULT_ERROR_SIZE, "there is no metric '%.*s' in the limit '%s'.",
			 (int)len, at, text);
		return -EINVAL;
	}
	at += len;
	at += strspn(at, " \t");
	for (i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (!strncmp(at, operators[i].text, strlen(operators[i].text)))
			break;
	if (i == sizeof(operators) / sizeof(operators[0]))
		return bad(text, "it has no operator", error);
	limit->op = operators[i].op;
	at += strlen(operators[i].text);
	at += strspn(at, " \t");
	limit->value = strtod(at, &stop);
	end = stop + strspn(stop, " \t");
	if (stop == at || *end || !isfinite(limit->value))
		return bad(text, "its value is not a number", error);
	return 0;
}

void limit__list_metrics(FILE *out)
{
	for (size_t id = 0; id < METRIC_COUNT; id++)
		fprintf(out, "  %-22s %s\n", metrics[id].name, metrics[id].noun);
	fputs("  times.KEY              median of a time, e.g. times.migrate\n", out);
}

/* Is there a value from `min` to `max` for which the expression is true? */
static bool holds(const struct limit *limit, double min, double max)
{
	switch (limit->op) {
	case LIMIT_LT:
		return min < limit->value;
	case LIMIT_LE:
		return min <= limit->value;
	case LIMIT_EQ:
		return min <= limit->value && limit->value <= max;
	case LIMIT_NE:
		return min != limit->value || max != limit->value;
	case LIMIT_GE:
		return max >= limit->value;
	case LIMIT_GT:
		return max > limit->value;
	}
	return false;
}

static double percent(double difference, double base)
{
	return difference == 0 ? 0 : 100 * difference / base;
}

static const char *of_words(const struct limit *limit)
{
	static const char *const words[] = {
		[LIMIT_NEW] = "",
		[LIMIT_DELTA] = "the difference of ",
		[LIMIT_PERCENT] = "the difference in per cent of ",
	};

	return words[limit->of];
}

static enum limit_outcome say_exceeded(const struct limit *limit, const char *name, double min,
				       double max, const char *where, char *say)
{
	char range[64] = "";

	if (min != max)
		snprintf(range, sizeof(range), " to %.15g", max);
	snprintf(say, RESULT_ERROR_SIZE, "the limit '%s' is exceeded: %s%s is %.15g%s%s%s.",
		 limit->text, of_words(limit), name, min, range, where ? " for " : "",
		 where ? where : "");
	return LIMIT_EXCEEDED;
}

static enum limit_outcome say_unknown(const struct limit *limit, const char *name,
				      const char *reason, char *say)
{
	snprintf(say, RESULT_ERROR_SIZE,
		 "the limit '%s' cannot be checked: %s is not observable "
		 "(%s).",
		 limit->text, name, reason);
	return LIMIT_UNKNOWN;
}

static enum limit_outcome check_count(const struct limit *limit, const struct diff *diff, char *say)
{
	const char *name = metrics[limit->id].name;
	struct diff_count count = diff__sum(diff, NULL, limit->id);
	double low, high;
	int64_t min, max;

	if (limit->of == LIMIT_NEW)
		count.side[BASE] = count.side[NEW] =
			diff__sum_side(diff, NULL, NEW, limit->id, false);
	for (int side = 0; side < SIDES; side++)
		if (count.side[side].state != DIFF_KNOWN)
			return say_unknown(limit, name,
					   count.side[side].reason ? count.side[side].reason
								   : "no run has all workloads",
					   say);
	if (limit->of == LIMIT_NEW) {
		low = (double)count.side[NEW].min;
		high = (double)count.side[NEW].max;
	} else {
		diff_count__difference(&count, &min, &max);
		low = (double)min;
		high = (double)max;
	}
	if (limit->of == LIMIT_PERCENT) {
		low = percent(low, (double)count.side[BASE].max);
		high = percent(high, (double)count.side[BASE].min);
	}
	return holds(limit, low, high) ? say_exceeded(limit, name, low, high, NULL, say)
				       : LIMIT_KEPT;
}

static double time_value(const struct limit *limit, const struct diff_time *time)
{
	switch (limit->of) {
	case LIMIT_NEW:
		return time->summary[NEW].median;
	case LIMIT_DELTA:
		return time->difference;
	case LIMIT_PERCENT:
		return time->percent;
	}
	return 0;
}

/* One case; LIMIT_NO_SUCH_TIME where it has not the time. */
static enum limit_outcome check_case(const struct limit *limit, const char *name,
				     const struct diff_workload *w, const struct diff_case *c,
				     char *say)
{
	const struct diff_time *time = diff_case__time(c, limit->key);
	double value;
	char *title;

	if (!time || !time->summary[NEW].n || (limit->of != LIMIT_NEW && !time->summary[BASE].n))
		return LIMIT_NO_SUCH_TIME;
	value = time_value(limit, time);
	if (!holds(limit, value, value))
		return LIMIT_KEPT;
	title = diff_workload__title(w, c);
	say_exceeded(limit, name, value, value, title, say);
	free(title);
	return LIMIT_EXCEEDED;
}

static enum limit_outcome check_time(const struct limit *limit, const struct diff *diff, char *say)
{
	enum limit_outcome outcome = LIMIT_NO_SUCH_TIME;
	char name[sizeof(limit->key) + sizeof("times.")];

	snprintf(name, sizeof(name), "times.%s", limit->key);
	if (diff->times_forbidden)
		return say_unknown(limit, name, diff->times_forbidden, say);
	for (size_t i = 0; i < diff->n_workloads; i++) {
		const struct diff_workload *w = &diff->workloads[i];

		for (size_t k = 0; k < w->n_cases && outcome != LIMIT_EXCEEDED; k++) {
			enum limit_outcome one = check_case(limit, name, w, w->cases[k], say);

			if (one != LIMIT_NO_SUCH_TIME)
				outcome = one;
		}
	}
	if (outcome == LIMIT_NO_SUCH_TIME)
		snprintf(say, RESULT_ERROR_SIZE, "there is no time '%s' in these results.",
			 limit->key);
	return outcome;
}

void limit__check(const struct limit *limit, const struct diff *diff, struct limit_result *result)
{
	result->say[0] = '\0';
	result->outcome = limit->id == METRIC_COUNT ? check_time(limit, diff, result->say)
						    : check_count(limit, diff, result->say);
	sentence__make_printable(result->say);
}
