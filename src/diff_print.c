// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "diff_print.h"

#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 100
/* Beyond this many, warnings are counted; --json has them all. */
#define WARNINGS_SHOWN 20
#define COLUMNS_MAX 48
#define CELL_SIZE 64

/* A table under construction: its columns, and the cells of the next row. */
struct sheet {
	struct table_column columns[COLUMNS_MAX];
	char headings[COLUMNS_MAX][CELL_SIZE];
	size_t n;
	struct table *table;
	const char *cells[COLUMNS_MAX];
	char text[COLUMNS_MAX][CELL_SIZE];
	size_t filled;
	int err;
};

/* What the functions below need to print a part of one workload. */
struct view {
	const struct diff *diff;
	const struct diff_workload *workload;
};

__attribute__((format(printf, 3, 4))) static void sheet__column(struct sheet *sheet, bool right,
								const char *fmt, ...)
{
	va_list ap;

	if (sheet->n == COLUMNS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(sheet->headings[sheet->n], CELL_SIZE, fmt, ap);
	va_end(ap);
	sheet->columns[sheet->n] =
		(struct table_column){.name = sheet->headings[sheet->n], .right = right};
	sheet->n++;
}

/* The next cell of the row; cells beyond the columns are dropped. */
__attribute__((format(printf, 2, 3))) static void sheet__cell(struct sheet *sheet, const char *fmt,
							      ...)
{
	va_list ap;

	if (sheet->filled == sheet->n)
		return;
	va_start(ap, fmt);
	vsnprintf(sheet->text[sheet->filled], CELL_SIZE, fmt, ap);
	va_end(ap);
	sheet->cells[sheet->filled] = sheet->text[sheet->filled];
	sheet->filled++;
}

static void sheet__begin(struct sheet *sheet)
{
	sheet->table = table__new(sheet->columns, sheet->n);
	if (!sheet->table)
		sheet->err = -ENOMEM;
}

static void sheet__end_row(struct sheet *sheet)
{
	while (sheet->filled < sheet->n)
		sheet->cells[sheet->filled++] = "";
	if (!sheet->err)
		sheet->err = table__add_row(sheet->table, sheet->cells);
	sheet->filled = 0;
}

/* Prints and frees; returns the first error of all. */
static int sheet__finish(struct sheet *sheet, FILE *out)
{
	if (!sheet->err)
		sheet->err = table__print(sheet->table, out);
	table__free(sheet->table);
	return sheet->err;
}

/* Breaks a sentence between words; further lines are indented. */
static void print_wrapped(FILE *out, const char *prefix, const char *text)
{
	size_t column = strlen(prefix), indent = column;

	fputs(prefix, out);
	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > indent && column + 1 + word > WIDTH - 2) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		}
		column += word + (column > indent);
		fprintf(out, "%s%.*s", column == indent + word ? "" : " ", (int)word, text);
		text += word + strspn(text + word, " ");
	}
	fputc('\n', out);
}

static void write_value(struct sheet *sheet, const struct diff_value *value)
{
	if (value->state == DIFF_ABSENT)
		sheet__cell(sheet, "N/A");
	else if (value->state == DIFF_UNKNOWN)
		sheet__cell(sheet, "n/o");
	else if (value->min == value->max)
		sheet__cell(sheet, "%" PRId64, value->min);
	else
		sheet__cell(sheet, "%" PRId64 "..%" PRId64 "!", value->min, value->max);
}

static void write_change(struct sheet *sheet, const struct diff_count *count)
{
	int64_t min, max;

	if (count->side[BASE].state == DIFF_ABSENT || count->side[NEW].state == DIFF_ABSENT) {
		sheet__cell(sheet, "N/A");
	} else if (!diff_count__comparable(count)) {
		sheet__cell(sheet, "n/o");
	} else {
		diff_count__difference(count, &min, &max);
		if (min != max)
			sheet__cell(sheet, "%+" PRId64 "..%+" PRId64 "!", min, max);
		else if (min)
			sheet__cell(sheet, "%+" PRId64, min);
		else
			sheet__cell(sheet, "=");
	}
}

/* About four significant digits, never an exponent. */
static int decimals(double v)
{
	v = fabs(v);
	return v >= 10000 ? 0 : v >= 100 ? 1 : 2;
}

static void write_time(struct sheet *sheet, double v)
{
	sheet__cell(sheet, "%.*f", decimals(v), v);
}

static void write_time_percent(struct sheet *sheet, double percent)
{
	if (percent == 0)
		sheet__cell(sheet, "=");
	else if (isfinite(percent))
		sheet__cell(sheet, "%+.*f %%", fabs(percent) < 1 ? 2 : 1, percent);
	else
		sheet__cell(sheet, "-");
}

/* The keys of a workload's times, in the order they come; to be freed. */
static const char **time_keys(const struct view *v, size_t *n)
{
	const char **keys;
	size_t room = 0;

	*n = 0;
	for (size_t i = 0; i < v->workload->n_cases; i++)
		room += v->workload->cases[i]->n_times;
	keys = calloc(room + 1, sizeof(*keys));
	for (size_t i = 0; keys && i < v->workload->n_cases; i++) {
		for (size_t k = 0; k < v->workload->cases[i]->n_times; k++) {
			size_t known = 0;

			while (known < *n &&
			       strcmp(keys[known], v->workload->cases[i]->times[k].key))
				known++;
			if (known == *n)
				keys[(*n)++] = v->workload->cases[i]->times[k].key;
		}
	}
	return keys;
}

static void param_columns(struct sheet *sheet, const struct view *v)
{
	for (size_t i = 0; i < v->workload->n_varying; i++)
		sheet__column(sheet, true, "%s", v->workload->varying[i]->label);
}

/* The varying parameters, on the first line of a case's group only. */
static void param_cells(struct sheet *sheet, const struct view *v, const struct diff_case *c,
			bool first)
{
	for (size_t i = 0; i < v->workload->n_varying; i++) {
		const struct result_param *param =
			result_case__param(c->any, v->workload->varying[i]->name);

		sheet__cell(sheet, "%s", !first ? "" : param ? param->text : "-");
	}
}

static const char *kernel_heading(const struct diff *diff)
{
	return strcmp(diff->side[BASE].label, "base") ? "kernel" : "";
}

/* One of the three lines of a case in the summary: a side, or SIDES: the change. */
static void summary_line(struct sheet *sheet, const struct view *v, const struct diff_case *c,
			 int side, const char **keys, size_t n_keys)
{
	param_cells(sheet, v, c, side == BASE);
	sheet__cell(sheet, "%s", side == SIDES ? "change" : v->diff->side[side].label);
	for (int id = 0; id < METRIC_COUNT; id++) {
		if (!metrics[id].summary)
			continue;
		if (side == SIDES)
			write_change(sheet, &c->total.count[id]);
		else
			write_value(sheet, &c->total.count[id].side[side]);
	}
	for (size_t i = 0; i < n_keys; i++) {
		const struct diff_time *time = diff_case__time(c, keys[i]);

		if (!time || !time->summary[side == BASE ? BASE : NEW].n ||
		    (side == SIDES && !time->summary[BASE].n))
			sheet__cell(sheet, "N/A");
		else if (side != SIDES)
			write_time(sheet, time->summary[side].median);
		else if (time->difference == 0)
			sheet__cell(sheet, "=");
		else if (time->verdict == DIFF_FASTER || time->verdict == DIFF_SLOWER)
			write_time_percent(sheet, time->percent);
		else
			sheet__cell(sheet, "~");
	}
	sheet__end_row(sheet);
}

static void fill_summary(struct sheet *sheet, const struct view *v, const char **keys,
			 size_t n_keys)
{
	const char *unit = diff__time_unit(v->diff, v->workload->cases[0]);
	int split = (int)strcspn(unit, "/");

	param_columns(sheet, v);
	sheet__column(sheet, false, "%s", kernel_heading(v->diff));
	for (int id = 0; id < METRIC_COUNT; id++)
		if (metrics[id].summary)
			sheet__column(sheet, true, "%s", metrics[id].heading);
	for (size_t i = 0; i < n_keys; i++)
		sheet__column(sheet, true, unit[split] ? "%.20s\n%.*s/\n%s" : "%.20s\n%.*s",
			      keys[i], split, unit, unit + split + 1);
	sheet__begin(sheet);
	for (size_t i = 0; i < v->workload->n_cases; i++) {
		if (i && !sheet->err)
			sheet->err = table__add_row(sheet->table, NULL);
		for (int line = BASE; line <= SIDES; line++)
			summary_line(sheet, v, v->workload->cases[i], line, keys, n_keys);
	}
}

/* Says once for each metric and side why it reads "n/o" in these rows. */
static int explain_unobservable(const struct diff *diff, const struct diff_row *row,
				bool summary_only, struct sentences *said)
{
	int err = 0;

	for (int i = 0; i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;

		if (!diff_row__has(row, id) || (summary_only && !metrics[id].summary))
			continue;
		for (int side = 0; side < SIDES && !err; side++)
			if (row->count[id].side[side].state == DIFF_UNKNOWN)
				err = sentences__add(said, "%s, not observable on %s: %s.",
						     metrics[id].noun, diff->side[side].label,
						     row->count[id].side[side].reason);
	}
	return err;
}

static int print_unobservable(struct sentences *said, int err, FILE *out)
{
	for (size_t i = 0; i < said->n; i++)
		print_wrapped(out, "n/o: ", said->text[i]);
	sentences__clear(said);
	return err;
}

/* "migrate-mixed: pages 512, iterations 20" - what is the same in all cases. */
static void print_heading(const struct view *v, FILE *out)
{
	const struct result_case *first = v->workload->cases[0]->any;
	const char *before = ": ";

	fputs(v->workload->name, out);
	for (size_t i = 0; i < first->n_params; i++) {
		const struct result_param *param = &first->params[i];

		if (diff_workload__varies(v->workload, param->name))
			continue;
		fprintf(out, "%s%s %s", before, param->label, param->text);
		before = ", ";
	}
	fputc('\n', out);
}

static int print_summary(const struct view *v, FILE *out)
{
	struct sentences said = {0};
	struct sheet sheet = {0};
	const char **keys;
	size_t n_keys;
	int err = 0;

	keys = time_keys(v, &n_keys);
	if (!keys)
		return -ENOMEM;
	fputc('\n', out);
	print_heading(v, out);
	fill_summary(&sheet, v, keys, n_keys);
	/* Many times make it too wide; they have tables of their own anyway. */
	if (!sheet.err && n_keys && table__width(sheet.table) > WIDTH) {
		table__free(sheet.table);
		memset(&sheet, 0, sizeof(sheet));
		fill_summary(&sheet, v, keys, 0);
	}
	free(keys);
	err = sheet__finish(&sheet, out);
	for (size_t i = 0; i < v->workload->n_cases && !err; i++)
		err = explain_unobservable(v->diff, &v->workload->cases[i]->total, true, &said);
	return print_unobservable(&said, err, out);
}

static void write_p(struct sheet *sheet, double p)
{
	if (p < 0.0001)
		sheet__cell(sheet, "<.0001");
	else
		/* Rounded it must not seem to be on the other side of the limit. */
		sheet__cell(sheet, p < DIFF_P && p > DIFF_P - 5e-5 ? "%.5f" : "%.4f", p);
}

static void times_row(struct sheet *sheet, const struct view *v, const struct diff_case *c,
		      const struct diff_time *time)
{
	const struct stats_summary *base = &time->summary[BASE], *new = &time->summary[NEW];

	param_cells(sheet, v, c, true);
	if (base->n == new->n)
		sheet__cell(sheet, "%zu", base->n);
	else
		sheet__cell(sheet, "%zu/%zu", base->n, new->n);
	for (int side = 0; side < SIDES; side++) {
		if (!time->summary[side].n) {
			sheet__cell(sheet, "N/A");
			sheet__cell(sheet, "N/A");
			continue;
		}
		write_time(sheet, time->summary[side].median);
		write_time(sheet, time->summary[side].mad);
	}
	if (!base->n || !new->n) {
		for (int i = 0; i < 4; i++)
			sheet__cell(sheet, "N/A");
		sheet__cell(sheet, "only on %s", v->diff->side[base->n ? BASE : NEW].label);
	} else {
		if (time->difference == 0)
			sheet__cell(sheet, "=");
		else
			sheet__cell(sheet, "%+.*f", decimals(time->difference), time->difference);
		write_time_percent(sheet, time->percent);
		sheet__cell(sheet, "%+.*f..%+.*f", decimals(time->ci_low), time->ci_low,
			    decimals(time->ci_high), time->ci_high);
		write_p(sheet, time->p_adjusted);
		sheet__cell(sheet, "%s%s", diff_verdict__words(time->verdict),
			    time->runs_overlap ? " *" : "");
	}
	sheet__end_row(sheet);
}

/* "0.8 %" or "0.2 to 0.8 %" over the cases; false where no run of the side knows. */
static bool ours_text(const struct view *v, const char *key, int side, char *text, size_t size)
{
	double low = INFINITY, high = -INFINITY;
	int shown;

	for (size_t i = 0; i < v->workload->n_cases; i++) {
		const struct diff_time *time = diff_case__time(v->workload->cases[i], key);

		if (!time || isnan(time->ours_percent[side]))
			continue;
		low = fmin(low, time->ours_percent[side]);
		high = fmax(high, time->ours_percent[side]);
	}
	if (low > high)
		return false;
	shown = snprintf(text, size, "%.2f", low);
	if (high - low >= 0.01)
		snprintf(text + shown, size - (size_t)shown, " to %.2f", high);
	return true;
}

/* How much of the time is the watching itself, where both sides know. */
static void print_ours(const struct view *v, const char *key, FILE *out)
{
	const struct diff_time *any = diff_case__time(v->workload->cases[0], key);
	char base[80], new[80], text[320];

	if (!ours_text(v, key, BASE, base, sizeof(base)) ||
	    !ours_text(v, key, NEW, new, sizeof(new)))
		return;
	snprintf(text, sizeof(text), "mmuscope's own part%s: %s %% on %.40s, %s %% on %.40s.",
		 any && any->ours_of_call ? ", of the whole call" : "", base,
		 v->diff->side[BASE].label, new, v->diff->side[NEW].label);
	print_wrapped(out, "  ", text);
}

/* One table for each time, so that a time reads down its parameters. */
static int print_time(const struct view *v, const char *key, FILE *out)
{
	static const char *const medians[SIDES] = {"base\nmedian", "new\nmedian"};
	struct sheet sheet = {0};
	bool overlap = false;
	int err;

	fprintf(out, "\n%s, time of %s in %s:\n", v->workload->name, key,
		diff__time_unit(v->diff, v->workload->cases[0]));
	param_columns(&sheet, v);
	sheet__column(&sheet, true, "n");
	for (int side = 0; side < SIDES; side++) {
		sheet__column(&sheet, true, "%s", medians[side]);
		sheet__column(&sheet, true, "spread");
	}
	sheet__column(&sheet, true, "change");
	sheet__column(&sheet, true, "%%");
	sheet__column(&sheet, true, "95 %% CI");
	sheet__column(&sheet, true, "p");
	sheet__column(&sheet, false, "new is");
	sheet__begin(&sheet);
	for (size_t i = 0; i < v->workload->n_cases; i++) {
		const struct diff_time *time = diff_case__time(v->workload->cases[i], key);

		if (!time)
			continue;
		overlap |= time->runs_overlap;
		times_row(&sheet, v, v->workload->cases[i], time);
	}
	err = sheet__finish(&sheet, out);
	print_ours(v, key, out);
	if (overlap)
		print_wrapped(out, "  * ",
			      "the samples differ, but so do the runs of one kernel: "
			      "the medians of the two kernels' runs overlap.");
	return err;
}

static int print_times(const struct view *v, FILE *out)
{
	const char **keys;
	size_t n_keys;
	int err = 0;

	keys = time_keys(v, &n_keys);
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < n_keys && !err; i++)
		err = print_time(v, keys[i], out);
	free(keys);
	return err;
}

static void phase_line(struct sheet *sheet, const struct diff *diff, const struct diff_row *row,
		       int side, const char *label)
{
	if (row->key)
		sheet__cell(sheet, "%s", side == BASE ? row->key : "");
	sheet__cell(sheet, "%s", label ? label : diff->side[side].label);
	for (int i = 0; i < METRIC_COUNT; i++) {
		enum metric_id id = (enum metric_id)i;

		if (!diff_row__has(row, id))
			continue;
		if (side == SIDES)
			write_change(sheet, &row->count[id]);
		else
			write_value(sheet, &row->count[id].side[side]);
	}
	sheet__end_row(sheet);
}

static bool same_group(const struct diff_row *a, const struct diff_row *b)
{
	return a->section == b->section && result__same(a->driver, b->driver);
}

/* A table of the rows from `from` that belong together. Returns where it ends, or -errno. */
static int print_group(const struct diff *diff, const struct diff_case *c, size_t from, FILE *out)
{
	const struct diff_row *first = &c->rows[from];
	struct sentences said = {0};
	struct sheet sheet = {0};
	size_t to = from;
	int err;

	fprintf(out, "  %s%s%s\n", metric_section__name(first->section),
		first->driver ? " of " : "", first->driver ? first->driver : "");
	if (first->key)
		sheet__column(&sheet, false,
			      first->section == SECTION_MIGRATIONS ? "direction" : "phase");
	sheet__column(&sheet, false, "%s", kernel_heading(diff));
	for (int id = 0; id < METRIC_COUNT; id++)
		if (diff_row__has(first, (enum metric_id)id))
			sheet__column(&sheet, true, "%s", metrics[id].heading);
	sheet__begin(&sheet);
	for (; to < c->n_rows && same_group(first, &c->rows[to]); to++) {
		const struct diff_row *row = &c->rows[to];

		if (diff_row__equal(row)) {
			phase_line(&sheet, diff, row, BASE, "both");
		} else {
			phase_line(&sheet, diff, row, BASE, NULL);
			phase_line(&sheet, diff, row, NEW, NULL);
			phase_line(&sheet, diff, row, SIDES, "change");
		}
		if (!sheet.err)
			sheet.err = explain_unobservable(diff, row, false, &said);
	}
	err = sheet__finish(&sheet, out);
	err = print_unobservable(&said, err, out);
	return err ? err : (int)to;
}

static int print_phases(const struct view *v, FILE *out)
{
	for (size_t i = 0; i < v->workload->n_cases; i++) {
		const struct diff_case *c = v->workload->cases[i];
		char *title = diff_workload__title(v->workload, c);
		int at = 0;

		if (!title)
			return -ENOMEM;
		fprintf(out, "\n%s, by driver and phase:\n", title);
		free(title);
		while ((size_t)at < c->n_rows) {
			at = print_group(v->diff, c, (size_t)at, out);
			if (at < 0)
				return at;
		}
	}
	return 0;
}

static void print_header(const struct diff *diff, FILE *out)
{
	static const char *const names[SIDES] = {"base:", "new: "};
	const struct result *first = diff->side[BASE].first;

	for (int side = 0; side < SIDES; side++) {
		const struct result_set *set = diff->side[side].set;
		const struct result *run = set->runs[0];

		fprintf(out, "%s %s%s%s%s, %zu run%s, from %s\n", names[side], run->release,
			run->variant ? " (" : "", run->variant ? run->variant : "",
			run->variant ? ")" : "", set->n_runs, set->n_runs == 1 ? "" : "s",
			set->path);
	}
	fprintf(out, "%s, %s on %s",
		strcmp(diff->clock, "ns") ? "Costs in guest instructions" : "Times in nanoseconds",
		first->machine,
		diff->times_forbidden ? "different accelerators"
		: first->accel	      ? first->accel
				      : "an unknown accelerator");
	if (first->driver)
		fprintf(out, "; device %s", first->driver);
	if (first->chunk_pages && first->chunk_pages == diff->side[NEW].first->chunk_pages)
		fprintf(out, ", %" PRId64 " pages a chunk", first->chunk_pages);
	fputs(".\n", out);
	if (diff->same_kernel)
		fputs("Both sides are the same kernel (A/A): a difference is noise.\n", out);
	if (diff->times_forbidden)
		fprintf(out, "Times are not compared: %s. Counts are.\n", diff->times_forbidden);
}

/* Prints one part of the output for each workload. */
static int each_workload(const struct diff *diff, int (*print)(const struct view *, FILE *),
			 FILE *out)
{
	int err = 0;

	for (size_t i = 0; i < diff->n_workloads && !err; i++) {
		struct view view = {.diff = diff, .workload = &diff->workloads[i]};

		err = print(&view, out);
	}
	return err;
}

static void print_legend(const struct diff *diff, FILE *out)
{
	bool missing = false;

	for (size_t i = 0; i < diff->n_cases; i++)
		missing |= !diff_case__joined(&diff->cases[i]);
	fputc('\n', out);
	print_wrapped(out, "",
		      "Delivered: calls of a driver's callback; it performed the invalidation or "
		      "skipped it. Excess: pages that migrations invalidated beyond those they "
		      "migrated. Refaults: device faults on ranges dropped before.");
	print_wrapped(out, "",
		      diff->n_tests ? "Counts are totals of one run, times are medians. "
				      "'=': exactly equal; '~': no difference seen."
				    : "Counts are totals of one run. '=': exactly equal.");
	if (missing)
		print_wrapped(out, "", "N/A: measured on the other side only.");
}

static void print_time_legend(const struct diff *diff, FILE *out)
{
	char *text;

	if (asprintf(
		    &text,
		    "n: samples a side; a run that repeats another one by one counts once; "
		    "spread: median absolute deviation; p: "
		    "Mann-Whitney U test, two-sided, adjusted for the %zu test%s made here (Holm); "
		    "a difference is seen where p < %g.",
		    diff->n_tests, diff->n_tests == 1 ? "" : "s", DIFF_P) < 0)
		return;
	print_wrapped(out, "", text);
	free(text);
}

static void print_sentences(const struct sentences *list, const char *prefix, size_t max, FILE *out)
{
	if (list->n)
		fputc('\n', out);
	for (size_t i = 0; i < list->n && i < max; i++)
		print_wrapped(out, prefix, list->text[i]);
	if (list->n > max)
		fprintf(out, "%sand %zu more (--json shows all).\n", prefix, list->n - max);
}

int diff__print(const struct diff *diff, const char *verdict, bool by_phase, FILE *out)
{
	int err;

	print_header(diff, out);
	err = each_workload(diff, print_summary, out);
	if (err)
		return err;
	print_legend(diff, out);
	print_sentences(&diff->notes, "! ", WARNINGS_SHOWN, out);
	err = each_workload(diff, print_times, out);
	if (err)
		return err;
	if (diff->n_tests)
		print_time_legend(diff, out);
	if (by_phase)
		err = each_workload(diff, print_phases, out);
	if (err)
		return err;
	print_sentences(&diff->warnings, "warning: ", WARNINGS_SHOWN, out);
	fprintf(out, "\n%s\n", verdict);
	return ferror(out) ? -EIO : 0;
}
