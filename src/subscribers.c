// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "subscribers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

enum { NUMBER = 24, PROCESS = 32, SYMBOL = 200 };

void subscribers__clear(struct subscribers *s)
{
	free(s->list);
	free(s->symbols);
	names__clear(&s->names);
	sentences__clear(&s->incomplete);
	memset(s, 0, sizeof(*s));
}

/* ---- collecting ---- */

static int say_incomplete(struct subscribers *s, const char *comm,
			  const struct subscriber_process *p)
{
	switch (p->state) {
	case WALK_COMPLETE:
		return 0;
	case WALK_CHANGED:
		s->changing++;
		return sentences__add(&s->incomplete,
				      "the subscribers of %s:%u changed while they were "
				      "counted; run it again.", comm, p->tgid);
	case WALK_UNSETTLED:
		s->changing++;
		return sentences__add(&s->incomplete,
				      "an invalidation of %s:%u was open, and intervals wait for "
				      "its end to be inserted or removed; run it again.", comm,
				      p->tgid);
	case WALK_CUT:
		return sentences__add(&s->incomplete,
				      "%s:%u has more subscribers than were looked at; see --max "
				      "in mmuscope-subscribers(1).", comm, p->tgid);
	default:
		return sentences__add(&s->incomplete,
				      "there are more rows than fit, and those of %s:%u are not "
				      "all counted; try --pid.", comm, p->tgid);
	}
}

int subscribers__add_process(struct subscribers *s, __u64 mm, const struct subscriber_process *p)
{
	char comm[sizeof(p->comm) + 1];
	int err;

	snprintf(comm, sizeof(comm), "%.16s", p->comm);
	err = names__add_process(&s->names, p->tgid, mm, comm);
	return err ? err : say_incomplete(s, names__comm(&s->names, p->tgid, mm), p);
}

static int add_symbol(struct subscribers *s, __u64 address)
{
	struct symbol *grown;

	for (size_t i = 0; i < s->symbol_count; i++)
		if (s->symbols[i].address == address)
			return 0;
	if (!address)
		return 0;
	grown = reallocarray(s->symbols, s->symbol_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->symbols = grown;
	s->symbols[s->symbol_count++] = (struct symbol){ .address = address };
	return 0;
}

static struct subscriber *find(struct subscribers *s, __u32 tgid, const struct subscriber_key *k)
{
	for (size_t i = 0; i < s->count; i++) {
		struct subscriber *r = &s->list[i];

		if (r->tgid == tgid && r->kind == k->kind && r->function == k->function &&
		    r->inner == k->inner && r->ops == k->ops)
			return r;
	}
	return NULL;
}

int subscribers__add_row(struct subscribers *s, const struct subscriber_process *p,
			 const struct subscriber_key *key, const struct subscriber_row *row)
{
	bool ranged = row->count > row->whole;
	struct subscriber *r;
	int err;

	if (row->attempt != p->attempt)
		return 0;
	err = add_symbol(s, key->function);
	err = err ? err : add_symbol(s, key->inner);
	if (err)
		return err;
	r = find(s, p->tgid, key);
	if (!r) {
		r = reallocarray(s->list, s->count + 1, sizeof(*r));
		if (!r)
			return -ENOMEM;
		s->list = r;
		r += s->count++;
		*r = (struct subscriber){
			.tgid = p->tgid, .mm = key->mm, .kind = key->kind, .ops = key->ops,
			.function = key->function, .inner = key->inner,
		};
	}
	if (ranged && (r->count == r->whole || row->min_pages < r->min_pages))
		r->min_pages = row->min_pages;
	if (row->max_pages > r->max_pages)
		r->max_pages = row->max_pages;
	r->count += row->count;
	r->whole += row->whole;
	r->pages += row->pages;
	return 0;
}

/* ---- names ---- */

static const struct symbol *symbol_of(const struct subscribers *s, __u64 address)
{
	for (size_t i = 0; i < s->symbol_count; i++)
		if (s->symbols[i].address == address && s->symbols[i].name[0])
			return &s->symbols[i];
	return NULL;
}

static const char *name_of(const struct subscribers *s, __u64 address)
{
	const struct symbol *symbol = symbol_of(s, address);

	return symbol ? symbol->name : NULL;
}

static const char *module_of(const struct subscribers *s, __u64 address)
{
	const struct symbol *symbol = symbol_of(s, address);

	return symbol && symbol->module[0] ? symbol->module : NULL;
}

static int by_process(const void *a, const void *b, void *arg)
{
	const struct subscriber *x = a, *y = b;
	const char *name_x = name_of(arg, x->function), *name_y = name_of(arg, y->function);
	int order;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	order = strcmp(name_x ? name_x : "", name_y ? name_y : "");
	if (order)
		return order;
	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->inner < y->inner ? -1 : x->inner > y->inner;
}

void subscribers__resolve(struct subscribers *s, FILE *kallsyms)
{
	symbols__name(s->symbols, s->symbol_count, kallsyms);
	if (s->count)
		qsort_r(s->list, s->count, sizeof(*s->list), by_process, s);
}

size_t subscribers__unnamed(const struct subscribers *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->symbol_count; i++)
		n += !s->symbols[i].name[0];
	return n;
}

const char *subscriber__driver(const struct subscribers *s, const struct subscriber *r)
{
	/* Callbacks of drivers that are built in; a module has its own name. */
	static const struct {
		const char *prefix, *driver;
	} known[] = {
		{ "amdgpu_", "amdgpu" },      { "amdxdna_", "amdxdna" },
		{ "dmirror_", "test_hmm" },   { "gntdev_", "gntdev" },
		{ "i915_", "i915" },	      { "kvm_", "kvm" },
		{ "mlx5_ib_", "mlx5_ib" },    { "mshv_", "mshv" },
		{ "nouveau_", "nouveau" },    { "radeon_", "radeon" },
		{ "rxe_", "rdma_rxe" },	      { "svm_range_", "amdgpu" },
		{ "arm_smmu_mm_", "arm_smmu_v3" }, { "drm_gpusvm_", "drm_gpusvm_helper" },
		{ "gru_", "gru" },	      { "intel_arch_invalidate_", "intel_iommu" },
		{ "intel_invalidate_", "intel_iommu" },
		{ "sva_arch_invalidate_", "amd_iommu" },
		{ "tid_", "hfi1" },	      { "uvm_", "nvidia_uvm" },
		{ "xe_", "xe" },	      { "vma_userptr_", "xe" },
	};
	__u64 innermost = r->inner ? r->inner : r->function;
	const char *name = name_of(s, innermost), *module = module_of(s, innermost);

	for (size_t i = 0; name && !module && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strncmp(name, known[i].prefix, strlen(known[i].prefix)))
			return known[i].driver;
	return module;
}

const char *subscriber_op_name(unsigned int op)
{
	static const char *const names[OP_MAX] = {
		[OP_RELEASE] = "release",
		[OP_CLEAR_FLUSH_YOUNG] = "clear_flush_young",
		[OP_CLEAR_YOUNG] = "clear_young",
		[OP_TEST_YOUNG] = "test_young",
		[OP_CHANGE_PTE] = "change_pte",
		[OP_INVALIDATE_RANGE_START] = "invalidate_range_start",
		[OP_INVALIDATE_RANGE_END] = "invalidate_range_end",
		[OP_INVALIDATE_RANGE] = "invalidate_range",
		[OP_ALLOC_NOTIFIER] = "alloc_notifier",
		[OP_FREE_NOTIFIER] = "free_notifier",
	};

	return op < OP_MAX ? names[op] : "?";
}

static const char *kind_name(__u32 kind)
{
	return kind == SUBSCRIBER_INTERVAL ? "interval" : "notifier";
}

/* ---- printing ---- */

static const char *number(char text[NUMBER], bool known, __u64 n)
{
	if (!known)
		return NULL;
	snprintf(text, NUMBER, "%ju", (uintmax_t)n);
	return text;
}

static void write_symbol(const struct subscribers *s, char text[SYMBOL], __u64 address)
{
	const char *name = name_of(s, address);

	if (name)
		snprintf(text, SYMBOL, "%s", name);
	else
		snprintf(text, SYMBOL, "0x%" PRIx64, (uint64_t)address);
}

static int add_line(const struct subscribers *s, struct table *t, const struct subscriber *r)
{
	const bool interval = r->kind == SUBSCRIBER_INTERVAL, ranged = r->count > r->whole;
	const bool pages = interval && ranged;
	char process[PROCESS], callback[SYMBOL], n[5][NUMBER];
	const char *cells[] = {
		process,
		kind_name(r->kind),
		subscriber__driver(s, r),
		callback,
		number(n[0], true, r->count),
		number(n[1], interval, r->whole),
		number(n[2], pages, r->pages),
		number(n[3], pages, r->min_pages),
		number(n[4], pages, r->max_pages),
	};

	snprintf(process, sizeof(process), "%.15s:%u", names__comm(&s->names, r->tgid, r->mm),
		 r->tgid);
	write_symbol(s, callback, r->function);
	return table__add_row(t, cells);
}

/* "symbol [module]", as in kallsyms. */
static void write_place(const struct subscribers *s, char text[SYMBOL], __u64 address)
{
	const char *module = module_of(s, address);

	write_symbol(s, text, address);
	if (module)
		snprintf(text + strlen(text), SYMBOL - strlen(text), " [%s]", module);
}

/* What does not fit into the table is said once for each callback. */
static bool is_first(const struct subscribers *s, size_t at)
{
	const struct subscriber *r = &s->list[at];

	for (size_t i = 0; i < at; i++)
		if (s->list[i].function == r->function && s->list[i].inner == r->inner &&
		    s->list[i].ops == r->ops)
			return false;
	return true;
}

static void print_ops(const struct subscriber *r, FILE *out)
{
	const char *between = " implements ";

	for (unsigned int op = 0; op < OP_MAX; op++) {
		if (!(r->ops >> op & 1))
			continue;
		fprintf(out, "%s%s", between, subscriber_op_name(op));
		between = ", ";
	}
	fputs(r->ops ? ".\n" : " implements nothing.\n", out);
}

static void print_details(const struct subscribers *s, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct subscriber *r = &s->list[i];
		char callback[SYMBOL], inner[SYMBOL];

		if ((r->kind == SUBSCRIBER_INTERVAL && !r->inner) || !is_first(s, i))
			continue;
		write_place(s, callback, r->function);
		write_place(s, inner, r->inner);
		fprintf(out, "%s%s", any ? "" : "\n", callback);
		any = true;
		if (r->kind == SUBSCRIBER_NOTIFIER)
			print_ops(r, out);
		else
			fprintf(out, " calls %s.\n", inner);
	}
}

int subscribers__print(const struct subscribers *s, FILE *out)
{
	static const struct table_column columns[] = {
		{ "PROCESS", false },  { "KIND", false }, { "DRIVER", false },
		{ "CALLBACK", false }, { "COUNT", true }, { "WHOLE\nMM", true },
		{ "PAGES", true },     { "MIN", true },   { "MAX", true },
	};
	struct table *t = NULL;
	int err = 0;

	if (!s->count) {
		fprintf(out, "Subscribers: none%s\n",
			s->incomplete.n ? " that could be counted" : "");
		return 0;
	}
	t = table__new(columns, sizeof(columns) / sizeof(columns[0]));
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < s->count && !err; i++)
		err = add_line(s, t, &s->list[i]);
	err = err ? err : table__print(t, out);
	if (!err)
		print_details(s, out);
	table__free(t);
	return err;
}

/* ---- JSON ---- */

static json_t *ops_json(const struct subscriber *r)
{
	json_t *ops = json_array();

	for (unsigned int op = 0; op < OP_MAX; op++)
		if (r->ops >> op & 1)
			json_array_append_new(ops, json_string(subscriber_op_name(op)));
	return ops;
}

static json_t *integer(bool known, __u64 n)
{
	return known ? json_integer((json_int_t)n) : json_null();
}

static json_t *row_json(const struct subscribers *s, const struct subscriber *r)
{
	const bool interval = r->kind == SUBSCRIBER_INTERVAL, ranged = r->count > r->whole;
	const bool pages = interval && ranged;
	char callback[SYMBOL], inner[SYMBOL];

	write_symbol(s, callback, r->function);
	write_symbol(s, inner, r->inner);
	return json_pack("{s:I, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:I, "
			 "s:o, s:o, s:o, s:o, s:o, s:o}",
			 "pid", (json_int_t)r->tgid,
			 "comm", names__comm(&s->names, r->tgid, r->mm),
			 "kind", kind_name(r->kind),
			 "callback", r->function ? callback : NULL,
			 "module", module_of(s, r->function),
			 "driver", subscriber__driver(s, r),
			 "inner", r->inner ? inner : NULL,
			 "count", (json_int_t)r->count,
			 "intervals", integer(interval, r->count),
			 "whole", integer(interval, r->whole),
			 "pages", integer(pages, r->pages),
			 "min_pages", integer(pages, r->min_pages),
			 "max_pages", integer(pages, r->max_pages),
			 "ops", interval ? json_null() : ops_json(r));
}

json_t *subscribers__json(const struct subscribers *s)
{
	json_t *rows = json_array(), *incomplete = json_array(), *doc;
	int err = !rows || !incomplete;

	for (size_t i = 0; i < s->count && !err; i++)
		err = json_array_append_new(rows, row_json(s, &s->list[i]));
	for (size_t i = 0; i < s->incomplete.n && !err; i++)
		err = json_array_append_new(incomplete, json_string(s->incomplete.text[i]));
	doc = json_pack("{s:s, s:o, s:o}", "schema", "mmuscope-subscribers/1", "subscribers", rows,
			"incomplete", incomplete);
	if (!err)
		return doc;
	json_decref(doc);
	return NULL;
}
