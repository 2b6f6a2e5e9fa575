// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A comparison as a block of plain text for a patch's cover letter. */
#include "diff_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 72
#define CONFIGS_SHOWN 12

/* ---- what differs between the two configs ---- */

struct lines {
	char **line;
	size_t n;
};

static void lines__clear(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct lines){0};
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The options that a config sets, sorted. -ENOENT: there is no such file. */
static int read_config(const char *folder, struct lines *l)
{
	char *path, *line = NULL, **grown;
	size_t room = 0;
	int err = 0;
	FILE *f;

	if (asprintf(&path, "%s/config", folder) < 0)
		return -ENOMEM;
	f = fopen(path, "re");
	free(path);
	if (!f)
		return -ENOENT;
	while (!err && getline(&line, &room, f) > 0) {
		if (strncmp(line, "CONFIG_", 7))
			continue;
		line[strcspn(line, "\n")] = '\0';
		grown = reallocarray(l->line, l->n + 1, sizeof(*grown));
		if (grown)
			l->line = grown;
		if (!grown || !(l->line[l->n] = strdup(line)))
			err = -ENOMEM;
		else
			l->n++;
	}
	free(line);
	fclose(f);
	if (!err && l->n)
		qsort(l->line, l->n, sizeof(*l->line), by_text);
	return err;
}

/* A line for each option that only one of them has so, "-" of base, "+" of new. */
static void print_config_changes(const struct lines config[SIDES], FILE *out)
{
	size_t at[SIDES] = {0}, changes = 0;

	while (at[BASE] < config[BASE].n || at[NEW] < config[NEW].n) {
		int order = at[BASE] == config[BASE].n ? 1 :
			    at[NEW] == config[NEW].n   ? -1 :
							 strcmp(config[BASE].line[at[BASE]],
								config[NEW].line[at[NEW]]);
		int side = order < 0 ? BASE : NEW;

		if (!order) {
			at[BASE]++;
			at[NEW]++;
			continue;
		}
		if (changes++ < CONFIGS_SHOWN)
			fprintf(out, "    %c%.*s\n", side == BASE ? '-' : '+', WIDTH - 5,
				config[side].line[at[side]]);
		at[side]++;
	}
	if (changes > CONFIGS_SHOWN)
		fprintf(out, "    ... and %zu more\n", changes - CONFIGS_SHOWN);
}

static int print_configs(const struct diff *diff, FILE *out)
{
	const char *sum[SIDES] = {diff->side[BASE].first->config_sha256,
				  diff->side[NEW].first->config_sha256};
	struct lines config[SIDES] = {{0}};
	int err = 0;

	if (!sum[BASE] || !sum[NEW]) {
		fputs("configs: not known\n", out);
		return 0;
	}
	if (!strcmp(sum[BASE], sum[NEW])) {
		fprintf(out, "configs: the same, sha256 %.16s\n", sum[BASE]);
		return 0;
	}
	fprintf(out, "configs: sha256 %.16s and %.16s", sum[BASE], sum[NEW]);
	for (int side = 0; side < SIDES && !err; side++)
		err = read_config(diff->side[side].set->path, &config[side]);
	if (!err) {
		fputs(", which differ in\n", out);
		print_config_changes(config, out);
	} else if (err == -ENOENT) {
		/* scripts/compare.sh keeps it there. */
		fputs(", which differ\n", out);
		err = 0;
	}
	lines__clear(&config[BASE]);
	lines__clear(&config[NEW]);
	return err;
}

/* ---- the table ---- */

static void write_count(char text[24], const struct diff_value *v)
{
	if (v->state == DIFF_ABSENT)
		snprintf(text, 24, "N/A");
	else if (v->state == DIFF_UNKNOWN)
		snprintf(text, 24, "n/o");
	else if (v->min == v->max)
		snprintf(text, 24, "%" PRId64, v->min);
	else
		snprintf(text, 24, "%" PRId64 "..%" PRId64, v->min, v->max);
}

static void print_line(FILE *out, const char *what, const char *base, const char *new,
		       const char *change, const char *p)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%-26.26s %11s %11s %10s %9s", what, base, new, change,
			 p);

	while (n > 0 && line[n - 1] == ' ')
		n--;
	fprintf(out, "%.*s\n", n, line);
}

static void print_count(const struct diff_count *count, const char *what, FILE *out)
{
	char base[24], new[24], change[24] = "N/A";
	int64_t min, max;

	write_count(base, &count->side[BASE]);
	write_count(new, &count->side[NEW]);
	if (diff_count__comparable(count)) {
		diff_count__difference(count, &min, &max);
		if (min != max)
			snprintf(change, sizeof(change), "%+" PRId64 "..%+" PRId64, min, max);
		else if (min)
			snprintf(change, sizeof(change), "%+" PRId64, min);
		else
			snprintf(change, sizeof(change), "=");
	}
	print_line(out, what, base, new, change, "");
}

/* Words, as many a line as there is room for; a command goes on behind a backslash. */
struct flow {
	FILE *out;
	size_t column;
	bool command;
};

static void flow__word(struct flow *f, const char *word)
{
	size_t n = strlen(word);

	if (f->column > 4 && f->column + 1 + n + (f->command ? 2 : 0) > WIDTH) {
		fputs(f->command ? " \\\n    " : "\n    ", f->out);
		f->column = 4;
	}
	f->column += (size_t)fprintf(f->out, f->column > 4 ? " %s" : "%s", word);
}

static void flow__words(struct flow *f, const char *text)
{
	char word[128];

	while (*text) {
		size_t n = strcspn(text, " ");

		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		flow__word(f, word);
		text += n + strspn(text + n, " ");
	}
}

static bool same_value(const struct diff_value *a, const struct diff_value *b)
{
	return a->state == b->state && a->min == b->min && a->max == b->max;
}

enum spread {
	NOWHERE,	/* the same on both kernels */
	EVERYWHERE,	/* another in each case, by the same numbers */
	VARIOUSLY,
};

static enum spread spread_of(const struct diff_workload *w, enum metric_id id)
{
	const struct diff_count *first = &w->cases[0]->total.count[id];
	bool equal = true, alike = true;

	for (size_t i = 0; i < w->n_cases; i++) {
		const struct diff_count *c = &w->cases[i]->total.count[id];

		equal &= diff_count__equal(c);
		alike &= same_value(&c->side[BASE], &first->side[BASE]) &&
			 same_value(&c->side[NEW], &first->side[NEW]);
	}
	return equal ? NOWHERE : alike ? EVERYWHERE : VARIOUSLY;
}

/* What tells the case from the others of its workload: "  resident 25 %". */
static void write_case(char text[32], const struct diff_workload *w, const struct diff_case *c)
{
	size_t n = (size_t)snprintf(text, 32, "  ");

	for (size_t i = 0; i < w->n_varying && n < 31; i++) {
		const struct result_param *p = result_case__param(c->any, w->varying[i]->name);

		if (p)
			n += (size_t)snprintf(text + n, 32 - n, "%s%s %s", i ? ", " : "", p->label,
					      p->text);
	}
	if (n == 2)
		snprintf(text, 32, "  all");
}

static void print_times(const struct diff *diff, const struct diff_workload *w, FILE *out)
{
	const struct diff_case *first = w->cases[0];

	for (size_t k = 0; k < first->n_times && !diff->times_forbidden; k++) {
		fprintf(out, "%s, %s\n", first->times[k].key, diff__time_unit(diff, first));
		for (size_t i = 0; i < w->n_cases; i++) {
			const struct diff_time *t = diff_case__time(w->cases[i], first->times[k].key);
			char what[32], base[24], new[24], change[24] = "~", p[24];

			if (!t || !diff_time__tested(t))
				continue;
			write_case(what, w, w->cases[i]);
			snprintf(base, sizeof(base), "%.1f", t->summary[BASE].median);
			snprintf(new, sizeof(new), "%.1f", t->summary[NEW].median);
			if (t->verdict == DIFF_FASTER || t->verdict == DIFF_SLOWER)
				snprintf(change, sizeof(change), "%+.1f %%", t->percent);
			snprintf(p, sizeof(p), "p %.0e", t->p_adjusted);
			print_line(out, what, base, new, change, p);
		}
	}
}

static void print_same(const struct diff_workload *w, FILE *out)
{
	struct flow flow = { out, (size_t)fprintf(out, "the same on both:"), false };
	bool any = false;

	for (int id = 0; id < METRIC_COUNT; id++) {
		int64_t most = 0;

		if (!diff_row__has(&w->cases[0]->total, (enum metric_id)id) ||
		    spread_of(w, (enum metric_id)id) != NOWHERE)
			continue;
		for (size_t i = 0; i < w->n_cases; i++)
			if (w->cases[i]->total.count[id].side[BASE].max > most)
				most = w->cases[i]->total.count[id].side[BASE].max;
		/* What there was none of is no news. */
		if (!most)
			continue;
		if (any)
			flow__word(&flow, "/");
		flow__words(&flow, metrics[id].noun);
		any = true;
	}
	fputs(any ? "\n" : " nothing\n", out);
}

static void print_table(const struct diff *diff, const struct diff_workload *w, FILE *out)
{
	char sets[48] = "";

	fputc('\n', out);
	if (!w->n_joined) {
		fprintf(out, "measured on %s only\n", w->cases[0]->n_in[BASE] ? "base" : "new");
		return;
	}
	if (w->n_cases > 1)
		snprintf(sets, sizeof(sets), "in each of %zu sets", w->n_cases);
	print_line(out, sets, diff->side[BASE].label, diff->side[NEW].label, "change", "");
	for (int id = 0; id < METRIC_COUNT; id++)
		if (diff_row__has(&w->cases[0]->total, (enum metric_id)id) &&
		    spread_of(w, (enum metric_id)id) == EVERYWHERE)
			print_count(&w->cases[0]->total.count[id], metrics[id].noun, out);
	for (int id = 0; id < METRIC_COUNT; id++) {
		if (!diff_row__has(&w->cases[0]->total, (enum metric_id)id) ||
		    spread_of(w, (enum metric_id)id) != VARIOUSLY)
			continue;
		fprintf(out, "%s\n", metrics[id].noun);
		for (size_t i = 0; i < w->n_cases; i++) {
			char what[32];

			write_case(what, w, w->cases[i]);
			print_count(&w->cases[i]->total.count[id], what, out);
		}
	}
	print_times(diff, w, out);
	print_same(w, out);
}

/* ---- what it was, and how to do it again ---- */

static void print_workload(const struct diff_workload *w, FILE *out)
{
	struct flow flow = { out, (size_t)fprintf(out, "workload:"), false };
	const struct result_case *c = w->cases[0]->any;

	flow__words(&flow, w->name);
	for (size_t i = 0; i < c->n_params; i++) {
		char text[96];

		if (diff_workload__varies(w, c->params[i].name))
			continue;
		snprintf(text, sizeof(text), "%s%s %s", i ? "/ " : "with ", c->params[i].label,
			 c->params[i].text);
		flow__words(&flow, text);
	}
	fputc('\n', out);
}

/* The options of `mmuscope bench` that give these parameters. */
static void print_command(const struct diff_workload *w, FILE *out)
{
	static const struct {
		const char *param, *option;
	} options[] = {
		{"pages", "--pages"}, {"iterations", "--iterations"}, {"warmup", "--warmup"},
		{"seed", "--seed"},   {"device", "--device"},
	};
	struct flow flow = { out, (size_t)fprintf(out, "  $ mmuscope bench"), true };
	const char *comma = "--resident ";
	char text[256];
	size_t n = 0;

	flow__words(&flow, w->name);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct result_param *p =
			result_case__param(w->cases[0]->any, options[i].param);

		if (!p || !p->is_integer)
			continue;
		snprintf(text, sizeof(text), "%s %" PRId64, options[i].option, p->value);
		flow__word(&flow, text);
	}
	text[0] = '\0';
	for (size_t i = 0; i < w->n_cases && n < sizeof(text) - 24; i++) {
		const struct result_param *p = result_case__param(w->cases[i]->any, "resident_pct");

		if (!p)
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%" PRId64, comma, p->value);
		comma = ",";
	}
	if (n)
		flow__word(&flow, text);
	flow__word(&flow, "--json -o FILE");
	fprintf(out, "\n    on %s\n",
		w->n_joined ? "each kernel" : w->cases[0]->n_in[BASE] ? "base" : "new");
}

int diff__print_cover_letter(const struct diff *diff, FILE *out)
{
	static const char *const names[SIDES] = {"base:", "new: "};
	const struct result *first = diff->side[BASE].first;
	bool bench = first->schema == RESULT_BENCH;
	int err;

	for (int side = 0; side < SIDES; side++)
		fprintf(out, "%s    Linux %s, %zu %s%s\n", names[side],
			diff->side[side].first->release, diff->side[side].set->n_runs,
			diff->side[side].set->n_runs > 1 && !diff__repeats(diff, side) ? "result" :
											 "run",
			diff->side[side].set->n_runs == 1 ? "" : "s");
	err = print_configs(diff, out);
	if (err)
		return err;
	fprintf(out, "machine: %s on %s", first->machine,
		first->accel ? first->accel : "bare metal, or an unknown hypervisor");
	if (first->driver)
		fprintf(out, "; device %s", first->driver);
	fputc('\n', out);
	if (diff->times_forbidden)
		fprintf(out, "times:   not compared\n");
	else
		fprintf(out, "times:   %s; medians, p by Mann-Whitney and Holm;\n"
			     "         ~ no difference seen\n",
			strcmp(diff->clock, "ns") ? "guest instructions" : "nanoseconds");
	fputs("counts:  exact, of one run; a range where runs differ\n", out);
	for (size_t i = 0; i < diff->n_workloads; i++) {
		const struct diff_workload *w = &diff->workloads[i];

		fputc('\n', out);
		print_workload(w, out);
		print_table(diff, w, out);
	}
	for (size_t i = 0; i < diff->notes.n; i++) {
		struct flow flow = { out, (size_t)fprintf(out, "\nnote:") - 1, false };

		flow__words(&flow, diff->notes.text[i]);
		fputc('\n', out);
	}
	fputs("\nMeasured by mmuscope " MMUSCOPE_VERSION ", again with\n", out);
	for (size_t i = 0; i < diff->n_workloads && bench; i++)
		print_command(&diff->workloads[i], out);
	if (!bench)
		fputs("  $ mmuscope stat --json -o FILE -- COMMAND\n    on each kernel\n", out);
	fprintf(out, "  $ mmuscope diff --cover-letter BASE NEW\n    of these files%s\n",
		strcmp(diff->clock, "ns") ? ", measured in QEMU, -icount shift=0,sleep=off" : "");
	if (diff->warnings.n)
		fprintf(out, "\n%zu checks of the inputs are broken: do not trust the numbers.\n",
			diff->warnings.n);
	return 0;
}
