// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The page-table writes of nouveau, bpf/nouveau.bpf.c: an object that is there while it is. */
#include "session_impl.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "owners.h"

#define MODULE "nouveau"
#define METRIC "page_table_writes"

static const char *const functions[WRITE_TARGETS] = { "gp100_vmm_pgt_pfn", "gp100_vmm_pd0_pfn" };

static struct bpf_program *program(const struct nouveau_bpf *skel, size_t i,
				   enum plan_source source)
{
	if (source == PLAN_KPROBE)
		return i ? skel->progs.pd0_kprobe : skel->progs.pgt_kprobe;
	return i ? skel->progs.pd0_fentry : skel->progs.pgt_fentry;
}

/* Where struct nvkm_vmm_map has the entries, or -ENOENT. */
static long pfn_offset(void)
{
	struct btf *btf = module_btf(MODULE);
	long offset = btf ? btf_member_offset(btf, "nvkm_vmm_map", "pfn") : -ENOENT;

	btf__free(btf);
	return offset;
}

int writes__plan(struct plan *plan)
{
	for (size_t i = 0; i < WRITE_TARGETS; i++)
		if (!plan__add(plan, METRIC, functions[i], MODULE))
			return -ENOMEM;
	return 0;
}

static int decide(struct session *s)
{
	struct symbol_facts facts[WRITE_TARGETS];
	struct plan plan = {};
	int err = writes__plan(&plan);

	err = err ?: survey__copy(s, &plan, facts);
	if (err)
		goto cleanup;
	/* Both are attached at once, so neither may be refused. */
	if (facts[0].module_loaded && survey__read_sites(s))
		err = survey__copy(s, &plan, facts);
	if (err)
		goto cleanup;
	for (size_t i = 0; i < WRITE_TARGETS; i++) {
		struct plan_target *t = &plan.targets[i], *known;

		facts[i].prefer_kprobe = s->options.running && module_users(MODULE) <= 0;
		plan__decide(t, &facts[i], RUNG_PROBES);
		if (t->source && pfn_offset() < 0) {
			t->source = PLAN_NONE;
			snprintf(t->reason, sizeof(t->reason), "its arguments are not in BTF");
		}
		known = plan__find(&s->plan, t->symbol);
		known = known ?: plan__add(&s->plan, METRIC, t->symbol, MODULE);
		if (!known) {
			err = -ENOMEM;
			break;
		}
		*known = *t;
	}
cleanup:
	plan__clear(&plan);
	return err;
}

static int load(struct session *s)
{
	int err;

	s->nouveau = nouveau_bpf__open();
	if (!s->nouveau)
		return -errno;
	*(struct mmuscope_config *)&s->nouveau->rodata->cfg = s->config;
	s->nouveau->rodata->pfn_offset = (__u32)pfn_offset();
	err = session__share_maps(s, s->nouveau->obj);
	for (size_t i = 0; i < WRITE_TARGETS; i++) {
		enum plan_source source = plan__find(&s->plan, functions[i])->source;

		if (source)
			bpf_program__set_autoload(program(s->nouveau, i, source), true);
	}
	return err ?: nouveau_bpf__load(s->nouveau);
}

static void attach(struct session *s, size_t i, int err)
{
	struct plan_target *t = plan__find(&s->plan, functions[i]);

	if (!t->source)
		return;
	if (!err) {
		s->writes[i] = t->source == PLAN_KPROBE ?
				       session__attach_kprobe(program(s->nouveau, i, t->source),
							      false, t) :
				       bpf_program__attach(program(s->nouveau, i, t->source));
		err = s->writes[i] ? 0 : -errno;
	}
	if (err)
		plan_target__refuse(t, err);
}

int writes__add_module(struct session *s, const char *module)
{
	int err;

	if (module && strcmp(module, MODULE))
		return 0;
	writes__close(s);
	err = decide(s);
	if (err || (!plan__find(&s->plan, functions[0])->source &&
		    !plan__find(&s->plan, functions[1])->source))
		return err;
	err = load(s);
	for (size_t i = 0; i < WRITE_TARGETS; i++)
		attach(s, i, err);
	return 0;
}

void writes__remove_module(struct session *s, const char *module)
{
	if (strcmp(module, MODULE))
		return;
	writes__close(s);
	for (size_t i = 0; i < WRITE_TARGETS; i++)
		plan_target__mark_removed(plan__find(&s->plan, functions[i]), module);
}

void writes__detach(struct session *s)
{
	for (size_t i = 0; i < WRITE_TARGETS; i++) {
		bpf_link__destroy(s->writes[i]);
		s->writes[i] = NULL;
	}
}

void writes__close(struct session *s)
{
	if (!s->nouveau)
		return;
	s->recursion_gone += session__recursion_misses(s->nouveau->obj);
	writes__detach(s);
	nouveau_bpf__destroy(s->nouveau);
	s->nouveau = NULL;
}
