// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan.h"

static const char not_loaded[] = "module test_hmm is not loaded";
static const char no_function[] = "this kernel has no such function, or it was inlined";
static const char not_in_btf[] = "it is not in BTF";
static const char no_site[] = "it has no ftrace site";
static const char hidden[] = "its address is hidden: set kernel.kptr_restrict to 0 or 1";
static const char namesake[] = "other functions have its name";
static const char pins[] = "fentry would keep an idle module from being unloaded";

/* One decision, written down by hand. */
struct decision {
	const char *module;
	struct symbol_facts facts;
	unsigned int rungs;
	enum plan_source source;
	const char *reason;
};

/* In the order of struct symbol_facts. */
#define FACTS(loaded, kallsyms, btf, traceable, known, prefer) \
	{ loaded, kallsyms, btf, traceable, known, prefer, 0, 0, 0 }
/* The same, and other functions have its name. */
#define NAMESAKE(address) { 1, 1, 1, 1, 1, 0, address, 1, 0 }
#define ADDRESS 0xffffffffc0000000
#define F RUNG(PLAN_FENTRY)
#define FK RUNG_PROBES
#define K RUNG(PLAN_KPROBE)
#define R RUNG(PLAN_REGISTRY)

static void decides_as_the_kernel_allows(void **state)
{
	static const struct decision decisions[] = {
		/* All is there. */
		{ "", FACTS(1, 0, 1, 1, 1, 0), F, PLAN_FENTRY, "" },
		{ "", FACTS(1, 1, 1, 1, 1, 0), FK, PLAN_FENTRY, "" },
		{ "test_hmm", FACTS(1, 0, 1, 1, 1, 0), FK, PLAN_FENTRY, "" },
		/* The list of ftrace sites could not be read: try it. */
		{ "", FACTS(1, 0, 1, 0, 0, 0), F, PLAN_FENTRY, "" },
		/* lib/ is built without ftrace. */
		{ "test_hmm", FACTS(1, 0, 1, 0, 1, 0), FK, PLAN_KPROBE, no_site },
		{ "", FACTS(1, 0, 1, 0, 1, 0), F, PLAN_NONE,
		  "no fentry: it has no ftrace site" },
		/* 5.10 has no BTF of modules. */
		{ "test_hmm", FACTS(1, 1, 0, 1, 1, 0), FK, PLAN_KPROBE, not_in_btf },
		{ "", FACTS(1, 1, 0, 1, 1, 0), F, PLAN_NONE, "no fentry: it is not in BTF" },
		/* An idle module must stay free to go; without kprobes it cannot. */
		{ "test_hmm", FACTS(1, 0, 1, 1, 1, 1), FK, PLAN_KPROBE, pins },
		{ "test_hmm", FACTS(1, 0, 1, 0, 0, 1), FK, PLAN_KPROBE, pins },
		{ "test_hmm", FACTS(1, 0, 1, 1, 1, 1), F, PLAN_FENTRY, "" },
		/* The stronger reason is told. */
		{ "test_hmm", FACTS(1, 1, 0, 1, 1, 1), FK, PLAN_KPROBE, not_in_btf },
		{ "test_hmm", FACTS(1, 0, 1, 0, 1, 1), FK, PLAN_KPROBE, no_site },
		/* Inlined, or of another version. */
		{ "", FACTS(1, 0, 0, 0, 1, 0), FK, PLAN_NONE, no_function },
		{ "", FACTS(1, 0, 0, 1, 1, 0), F, PLAN_NONE, no_function },
		{ "test_hmm", FACTS(1, 0, 0, 0, 0, 1), FK, PLAN_NONE, no_function },
		/* Not loaded comes before anything else; the kernel proper is always loaded. */
		{ "test_hmm", FACTS(0, 0, 0, 0, 0, 0), FK, PLAN_NONE, not_loaded },
		{ "test_hmm", FACTS(0, 1, 1, 1, 1, 1), FK, PLAN_NONE, not_loaded },
		{ "", FACTS(0, 1, 1, 1, 1, 0), F, PLAN_FENTRY, "" },
		/* A name that is not enough: by its address, of which fentry knows none. */
		{ "hfi1", NAMESAKE(ADDRESS), FK | R, PLAN_KPROBE, namesake },
		{ "hfi1", NAMESAKE(ADDRESS), F, PLAN_NONE,
		  "no fentry: other functions have its name" },
		{ "hfi1", NAMESAKE(ADDRESS), K, PLAN_KPROBE, "" },
		{ "hfi1", NAMESAKE(ADDRESS), R, PLAN_REGISTRY, "" },
		{ "hfi1", NAMESAKE(0), FK, PLAN_NONE,
		  "other functions have its name, and its address is hidden: set "
		  "kernel.kptr_restrict to 0 or 1" },
		/* The kernel proper is looked at first. */
		{ "", NAMESAKE(0), F, PLAN_FENTRY, "" },
		/* The walk of the registry is the last rung, not the first. */
		{ "test_hmm", FACTS(1, 1, 1, 1, 1, 0), FK | R, PLAN_FENTRY, "" },
		{ "test_hmm", FACTS(1, 1, 1, 0, 1, 0), FK | R, PLAN_KPROBE, no_site },
		/* One rung alone: by --via, or the walk by --no-latency. */
		{ "test_hmm", FACTS(1, 1, 1, 1, 1, 1), F, PLAN_FENTRY, "" },
		{ "test_hmm", FACTS(1, 1, 1, 1, 1, 0), K, PLAN_KPROBE, "" },
		{ "test_hmm", { 1, 1, 1, 1, 1, 0, ADDRESS, 0, 0 }, R, PLAN_REGISTRY, "" },
		{ "test_hmm", FACTS(1, 1, 1, 1, 1, 0), R, PLAN_NONE, hidden },
		{ "test_hmm", FACTS(0, 0, 0, 0, 1, 0), R, PLAN_NONE, not_loaded },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		const struct decision *d = &decisions[i];
		struct plan_target t = { .source = PLAN_KPROBE, .reason = "of an earlier time" };

		strcpy(t.module, d->module);
		plan__decide(&t, &d->facts, d->rungs);
		assert_int_equal(t.address, d->module[0] && d->facts.module_loaded &&
							    d->facts.namesakes ?
						    d->facts.address : 0);
		if (t.source != d->source || strcmp(t.reason, d->reason))
			fail_msg("decision %zu: %s (%s), not %s (%s)", i,
				 plan_source_name(t.source), t.reason, plan_source_name(d->source),
				 d->reason);
	}
}

/* What must be true of each of the 2^8 combinations. */
static void check_combination(unsigned int bits)
{
	const struct symbol_facts facts = {
		.module_loaded = bits & 1,
		.in_kallsyms = bits & 2,
		.in_btf = bits & 4,
		.traceable = bits & 8,
		.traceable_known = bits & 16,
		.prefer_kprobe = bits & 32,
	};
	bool has_kprobe = bits & 64, module = bits & 128;
	bool there = (facts.module_loaded || !module) && (facts.in_kallsyms || facts.in_btf);
	bool fentry = facts.in_btf && (facts.traceable || !facts.traceable_known);
	struct plan_target t = { .module = "" };

	if (module)
		strcpy(t.module, "m");
	plan__decide(&t, &facts, has_kprobe ? FK : F);
	/* What is there and can be seen in any way is seen. */
	assert_int_equal(t.source != PLAN_NONE, there && (fentry || has_kprobe));
	/* By kprobe only where fentry cannot, or must not. */
	if (t.source == PLAN_KPROBE)
		assert_true(has_kprobe && (!fentry || facts.prefer_kprobe));
	if (t.source == PLAN_FENTRY)
		assert_true(fentry && !(facts.prefer_kprobe && has_kprobe));
	/* Whatever is not fentry has a reason. */
	assert_int_equal(t.reason[0] != '\0', t.source != PLAN_FENTRY);

	/* Off is off, for the reason that was given. */
	t = (struct plan_target){ .off = true, .source = PLAN_FENTRY, .reason = "by --no-latency" };
	plan__decide(&t, &facts, has_kprobe ? FK : F);
	assert_int_equal(t.source, PLAN_NONE);
	assert_string_equal(t.reason, "by --no-latency");
}

static void decides_every_combination(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 256; bits++)
		check_combination(bits);
}

static void adds_and_finds(void **state)
{
	struct plan_target *t;
	struct plan plan = {};
	char name[32];

	(void)state;
	assert_null(plan__find(&plan, "a"));
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "function_%d", i);
		t = plan__add(&plan, "callbacks", name, i & 1 ? "m" : NULL);
		assert_non_null(t);
		assert_int_equal(t->source, PLAN_NONE);
		assert_false(t->off);
		assert_string_equal(t->reason, "");
	}
	assert_int_equal(plan.count, 100);
	t = plan__find(&plan, "function_57");
	assert_ptr_equal(t, &plan.targets[57]);
	assert_string_equal(t->metric, "callbacks");
	assert_string_equal(t->module, "m");
	assert_string_equal(plan__find(&plan, "function_0")->module, "");
	assert_null(plan__find(&plan, "function_"));
	assert_null(plan__find(&plan, "function_100"));
	plan__clear(&plan);
	assert_int_equal(plan.count, 0);
	assert_null(plan__find(&plan, "function_57"));
	plan__clear(&plan);
}

static void cuts_names_that_are_too_long(void **state)
{
	struct plan plan = {};
	struct plan_target *t;
	char name[200];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	t = plan__add(&plan, "callbacks", name, name);
	assert_non_null(t);
	assert_int_equal(strlen(t->symbol), sizeof(t->symbol) - 1);
	assert_int_equal(strlen(t->module), sizeof(t->module) - 1);
	plan__decide(t, &(struct symbol_facts){}, FK | R);
	assert_int_equal(t->source, PLAN_NONE);
	plan__clear(&plan);
}

static void names_the_sources(void **state)
{
	(void)state;
	assert_string_equal(plan_source_name(PLAN_FENTRY), "fentry");
	assert_string_equal(plan_source_name(PLAN_KPROBE), "kprobe");
	assert_string_equal(plan_source_name(PLAN_REGISTRY), "registry");
	assert_string_equal(plan_source_name(PLAN_NONE), "-");
}

/* What the kernel refuses falls to the next rung, and keeps the refusal as its reason. */
static void falls_rung_by_rung(void **state)
{
	const struct symbol_facts facts = FACTS(1, 1, 1, 1, 1, 0);
	struct plan_target t = { .module = "m", .reason = "refused" };

	(void)state;
	plan__fall(&t, &facts, K | R);
	assert_int_equal(t.source, PLAN_KPROBE);
	plan__fall(&t, &facts, R);
	assert_int_equal(t.source, PLAN_REGISTRY);
	plan__fall(&t, &facts, 0);
	assert_int_equal(t.source, PLAN_NONE);
	assert_string_equal(t.reason, "refused");
}

/* On whatever kernel this runs: none of it is there, and that is told. */
static void what_does_not_exist_is_not_there(void **state)
{
	struct symbol_facts facts[2];
	struct plan plan = {};

	(void)state;
	assert_int_equal(module_users("no_such_module"), -ENOENT);
	assert_non_null(plan__add(&plan, "faults", "mmuscope_no_such_function", NULL));
	assert_non_null(plan__add(&plan, "callbacks", "f", "no_such_module"));
	memset(facts, 0xff, sizeof(facts));
	symbol_facts__read(facts, &plan);
	assert_true(facts[0].module_loaded);
	assert_false(facts[1].module_loaded);
	for (int i = 0; i < 2; i++) {
		assert_false(facts[i].in_kallsyms);
		assert_false(facts[i].in_btf);
		assert_false(facts[i].traceable);
		assert_false(facts[i].prefer_kprobe);
		assert_int_equal(facts[i].address, 0);
	}
	plan__clear(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_as_the_kernel_allows),
		cmocka_unit_test(decides_every_combination),
		cmocka_unit_test(adds_and_finds),
		cmocka_unit_test(cuts_names_that_are_too_long),
		cmocka_unit_test(names_the_sources),
		cmocka_unit_test(falls_rung_by_rung),
		cmocka_unit_test(what_does_not_exist_is_not_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
