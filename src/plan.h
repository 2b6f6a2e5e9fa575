/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_PLAN_H
#define MMUSCOPE_PLAN_H

/*
 * The attach plan: for each target how it is watched on this kernel, or why it
 * cannot be. Decided from what the kernel offers before anything is loaded,
 * then marked with what really happened.
 */
#include <stdbool.h>
#include <stddef.h>

enum plan_source {
	PLAN_NONE = 0,		/* not observable; reason[] says why */
	PLAN_FENTRY,		/* fentry, fexit or a BTF tracepoint */
	PLAN_KPROBE,
	PLAN_REGISTRY,		/* the walk at the exit of a notification, bpf/registry.bpf.h */
};

/* The rungs of the ladder that a target may use, best first in the enum's order. */
#define RUNG(source) (1U << (source))
#define RUNG_PROBES (RUNG(PLAN_FENTRY) | RUNG(PLAN_KPROBE))

/* What a target is needed for; names are JSON metrics of the result. */
struct plan_target {
	const char *metric;	/* "notifications", "callbacks", "migrations", "faults", ... */
	char symbol[64];
	char module[56];	/* "" for the kernel itself */
	enum plan_source source;
	bool off;		/* not wanted in this run, reason[] says by what */
	bool absent;		/* it is not there: nothing that could be missed */
	unsigned long long address; /* of a kprobe whose name is not enough; else 0 */
	char reason[160];
};

struct plan {
	struct plan_target *targets;
	size_t count;
};

/* What the decision rests on. Filled by symbol_facts__read(), or by a test. */
struct symbol_facts {
	bool module_loaded;	/* or no module */
	bool in_kallsyms;
	bool in_btf;		/* FUNC in vmlinux BTF or the module's */
	bool traceable;		/* in available_filter_functions: has an ftrace site */
	bool traceable_known;	/* that file could be read */
	bool prefer_kprobe;	/* fentry would pin an idle module */
	unsigned long long address; /* 0: hidden, or not asked for */
	unsigned int namesakes;	/* in kallsyms, beside it, of whatever module */
	unsigned long long loaded_as; /* another number each time the module is loaded */
};

/*
 * Decides one target, for the best of the rungs (RUNG() bits) that this kernel
 * allows. Sets source, or PLAN_NONE and a reason that is a clause ("module
 * test_hmm is not loaded"). A target that is off keeps its reason.
 */
void plan__decide(struct plan_target *target, const struct symbol_facts *facts, unsigned int rungs);

/* After a refusal: the best of the remaining rungs, if any; the refusal stays in reason[]. */
void plan__fall(struct plan_target *target, const struct symbol_facts *facts, unsigned int rungs);

/* Appends a target and returns it (valid until the next call), NULL: no memory. */
struct plan_target *plan__add(struct plan *plan, const char *metric, const char *symbol,
			      const char *module);
struct plan_target *plan__find(struct plan *plan, const char *symbol);
void plan__clear(struct plan *plan);

/* The rung of that name, PLAN_NONE for any other word. */
enum plan_source plan_source__parse(const char *name);

const char *plan_source_name(enum plan_source source); /* "fentry", "kprobe", "registry", "-" */

/*
 * Reads the facts about every target of the plan on the running kernel into
 * facts[plan->count]: BTF, and in one pass over /proc/kallsyms the addresses of what is
 * in modules and of what is not in BTF. What cannot be read counts as not there. What has
 * an ftrace site is not known yet; prefer_kprobe is left false.
 */
void symbol_facts__read(struct symbol_facts *facts, const struct plan *plan);

/* The list of ftrace sites, one more pass over a file of which the kernel makes each line. */
void symbol_facts__read_sites(struct symbol_facts *facts, const struct plan *plan);

/* Is the target's module as it was when the facts were read? */
bool symbol_facts__current(const struct symbol_facts *facts, const struct plan_target *target);

/*
 * The BTF of the running kernel, read once for the life of the process: it takes
 * longer than all else that a plan does. NULL where there is none.
 */
struct btf *kernel_btf(void);

/* The address of a function of the kernel ("") or of a module; 0: hidden, or not there. */
unsigned long long symbol_address(const char *symbol, const char *module);

/* The BTF of a module that is loaded, to be freed. NULL: it has none. */
struct btf *module_btf(const char *module);

/* Users of a loaded module, from sysfs; -ENOENT where it is not loaded or built in. */
int module_users(const char *module);

#endif
