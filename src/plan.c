// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plan.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *plan_source_name(enum plan_source source)
{
	switch (source) {
	case PLAN_FENTRY:
		return "fentry";
	case PLAN_KPROBE:
		return "kprobe";
	case PLAN_REGISTRY:
		return "registry";
	default:
		return "-";
	}
}

enum plan_source plan_source__parse(const char *name)
{
	for (enum plan_source s = PLAN_FENTRY; s <= PLAN_REGISTRY; s++)
		if (!strcmp(name, plan_source_name(s)))
			return s;
	return PLAN_NONE;
}

struct plan_target *plan__add(struct plan *plan, const char *metric, const char *symbol,
			      const char *module)
{
	struct plan_target *t = realloc(plan->targets, (plan->count + 1) * sizeof(*t));

	if (!t)
		return NULL;
	plan->targets = t;
	t += plan->count++;
	memset(t, 0, sizeof(*t));
	t->metric = metric;
	snprintf(t->symbol, sizeof(t->symbol), "%s", symbol);
	snprintf(t->module, sizeof(t->module), "%s", module ? module : "");
	return t;
}

struct plan_target *plan__find(struct plan *plan, const char *symbol)
{
	for (size_t i = 0; i < plan->count; i++)
		if (!strcmp(plan->targets[i].symbol, symbol))
			return &plan->targets[i];
	return NULL;
}

void plan__clear(struct plan *plan)
{
	free(plan->targets);
	plan->targets = NULL;
	plan->count = 0;
}

void plan__decide(struct plan_target *t, const struct symbol_facts *facts, unsigned int rungs)
{
	const bool has_kprobe = rungs & RUNG(PLAN_KPROBE);
	/* libbpf and the kernel take a name for the first function that has it. */
	const bool unique = !t->module[0] || !facts->namesakes;
	bool fentry = facts->in_btf && unique && (facts->traceable || !facts->traceable_known);
	const char *why_not_fentry;

	t->source = PLAN_NONE;
	if (t->off)
		return;
	t->reason[0] = '\0';
	t->address = unique ? 0 : facts->address;
	t->absent = t->module[0] && !facts->module_loaded;
	if (t->absent) {
		snprintf(t->reason, sizeof(t->reason), "module %s is not loaded", t->module);
		return;
	}
	if (!facts->in_kallsyms && !facts->in_btf) {
		snprintf(t->reason, sizeof(t->reason),
			 "this kernel has no such function, or it was inlined");
		return;
	}
	if (fentry && rungs & RUNG(PLAN_FENTRY) && !(facts->prefer_kprobe && has_kprobe)) {
		t->source = PLAN_FENTRY;
		return;
	}
	if (!(rungs & RUNG_PROBES)) {
		if (facts->address)
			t->source = PLAN_REGISTRY;
		else
			snprintf(t->reason, sizeof(t->reason),
				 "its address is hidden: set kernel.kptr_restrict to 0 or 1");
		return;
	}
	why_not_fentry = !facts->in_btf ? "it is not in BTF" :
			 !unique ? "other functions have its name" :
			 fentry ? "fentry would keep an idle module from being unloaded" :
				  "it has no ftrace site";
	if (!has_kprobe) {
		snprintf(t->reason, sizeof(t->reason), "no fentry: %s", why_not_fentry);
		return;
	}
	if (!unique && !facts->address) {
		snprintf(t->reason, sizeof(t->reason),
			 "other functions have its name, and its address is hidden: set "
			 "kernel.kptr_restrict to 0 or 1");
		return;
	}
	t->source = PLAN_KPROBE;
	if (rungs & RUNG(PLAN_FENTRY))
		snprintf(t->reason, sizeof(t->reason), "%s", why_not_fentry);
}

void plan__fall(struct plan_target *t, const struct symbol_facts *facts, unsigned int rungs)
{
	struct plan_target next = *t;

	if (!(rungs & RUNG_PROBES))
		next.source = rungs & RUNG(PLAN_REGISTRY) ? PLAN_REGISTRY : PLAN_NONE;
	else
		plan__decide(&next, facts, rungs);
	t->source = next.source;
}

struct btf *kernel_btf(void)
{
	static struct btf *btf;

	if (!btf)
		btf = btf__load_vmlinux_btf();
	return btf;
}

struct btf *module_btf(const char *module)
{
	struct btf *base = kernel_btf();

	return base ? btf__load_module_btf(module, base) : NULL;
}

int module_users(const char *module)
{
	char path[128];
	int users = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%d", &users) != 1)
		users = -EIO;
	fclose(f);
	return users;
}

/* Most lines name nothing that is looked for: a table of what names could be. */
#define NAME_HASHES 1024

static unsigned int hash_name(const char *name, size_t len)
{
	unsigned char first = (unsigned char)name[0], last = len ? (unsigned char)name[len - 1] : 0;

	return (unsigned int)(len * 67 + first * 13 + last) % NAME_HASHES;
}

/* The words of a line that tell of a symbol; false where there are too few. */
struct symbol_line {
	char *name;
	size_t len;
	char *module;		/* "[module]", or empty */
};

static bool split_line(char *line, int field, struct symbol_line *out)
{
	for (int i = 0; i < field; i++) {
		line = strchr(line, ' ');
		if (!line)
			return false;
		line++;
	}
	out->name = line;
	out->len = strcspn(line, " \t\n");
	out->module = line + out->len;
	out->module += strspn(out->module, " \t\n");
	return true;
}

static void hit_targets(const struct symbol_line *l, const char *line, const struct plan *plan,
			struct symbol_facts *facts,
			void (*hit)(struct symbol_facts *, const char *line, bool here))
{
	char tag[64];

	l->name[l->len] = '\0';
	l->module[strcspn(l->module, "\n")] = '\0';
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_target *t = &plan->targets[i];

		if (!facts[i].module_loaded || strcmp(l->name, t->symbol))
			continue;
		snprintf(tag, sizeof(tag), t->module[0] ? "[%s]" : "%s", t->module);
		hit(&facts[i], line, !strcmp(l->module, tag));
	}
}

/*
 * One pass over a file that lists a symbol a line as its `field`-th word, with
 * " [module]" behind those of modules; calls hit() for every target found, and for
 * what has a target's name elsewhere, `here` false. Returns 0, or -errno where the
 * file cannot be opened.
 */
static int scan_symbols(const char *path, int field, const struct plan *plan,
			struct symbol_facts *facts,
			void (*hit)(struct symbol_facts *, const char *line, bool here))
{
	bool wanted[NAME_HASHES] = {};
	FILE *f = fopen(path, "re");
	struct symbol_line l;
	char *line = NULL;
	size_t cap = 0;

	if (!f)
		return -errno;
	for (size_t i = 0; i < plan->count; i++) {
		const char *name = plan->targets[i].symbol;

		wanted[hash_name(name, strlen(name))] |= facts[i].module_loaded;
	}
	while (getline(&line, &cap, f) > 0)
		if (split_line(line, field, &l) && wanted[hash_name(l.name, l.len)])
			hit_targets(&l, line, plan, facts, hit);
	free(line);
	fclose(f);
	return 0;
}

static void hit_traceable(struct symbol_facts *facts, const char *line, bool here)
{
	(void)line;
	facts->traceable |= here;
}

static void hit_kallsyms(struct symbol_facts *facts, const char *line, bool here)
{
	if (!here || facts->in_kallsyms) {
		facts->namesakes++;
		return;
	}
	facts->in_kallsyms = true;
	facts->address = strtoull(line, NULL, 16);
}

static void read_btf(struct symbol_facts *facts, const struct plan *plan)
{
	struct btf *base = kernel_btf(), *btf = NULL;
	const char *loaded = "";

	for (size_t i = 0; base && i < plan->count; i++) {
		const struct plan_target *t = &plan->targets[i];
		const struct btf *in = base;

		if (t->module[0]) {
			if (!facts[i].module_loaded)
				continue;
			if (strcmp(loaded, t->module)) {
				btf__free(btf);
				btf = btf__load_module_btf(t->module, base);
				loaded = t->module;
			}
			in = btf;
		}
		facts[i].in_btf = in && btf__find_by_name_kind(in, t->symbol, BTF_KIND_FUNC) > 0;
	}
	btf__free(btf);
}

unsigned long long symbol_address(const char *symbol, const char *module)
{
	struct symbol_facts facts = { .module_loaded = true };
	struct plan plan = {};

	if (plan__add(&plan, "", symbol, module))
		scan_symbols("/proc/kallsyms", 2, &plan, &facts, hit_kallsyms);
	plan__clear(&plan);
	return facts.address;
}

/* The folder in sysfs is a new one each time; 0: it is not loaded. */
static unsigned long long loaded_as(const char *module)
{
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return stat(path, &st) ? 0 : st.st_ino;
}

bool symbol_facts__current(const struct symbol_facts *facts, const struct plan_target *target)
{
	return !target->module[0] || (loaded_as(target->module) == facts->loaded_as &&
				      facts->module_loaded == (module_users(target->module) >= 0));
}

void symbol_facts__read(struct symbol_facts *facts, const struct plan *plan)
{
	bool pass = false;

	memset(facts, 0, plan->count * sizeof(*facts));
	for (size_t i = 0; i < plan->count; i++) {
		const char *module = plan->targets[i].module;

		facts[i].loaded_as = module[0] ? loaded_as(module) : 0;
		facts[i].module_loaded = !module[0] || module_users(module) >= 0;
	}
	read_btf(facts, plan);
	for (size_t i = 0; i < plan->count; i++)
		pass |= facts[i].module_loaded &&
			(plan->targets[i].module[0] || !facts[i].in_btf);
	if (pass)
		scan_symbols("/proc/kallsyms", 2, plan, facts, hit_kallsyms);
}

void symbol_facts__read_sites(struct symbol_facts *facts, const struct plan *plan)
{
	static const char *const sites[] = {
		"/sys/kernel/tracing/available_filter_functions",
		"/sys/kernel/debug/tracing/available_filter_functions",
	};
	int r = -ENOENT;

	for (size_t i = 0; i < 2 && r; i++)
		r = scan_symbols(sites[i], 0, plan, facts, hit_traceable);
	for (size_t i = 0; i < plan->count; i++)
		facts[i].traceable_known = !r;
}
