// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The drivers' callbacks: each on the best rung of a ladder, fentry and fexit, else
 * kprobe and kretprobe, else the walk of the registry, else not observable.
 */
#include "session_impl.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "owners.h"

static volatile struct mmuscope_control *control(struct session *s)
{
	return &s->core->data_control->control;
}

/* ---- the probes ---- */

/* The handlers of this callback: which program enters and which leaves. */
struct handlers {
	struct bpf_program *enter, *leave;
};

static bool is_notifier(const struct driver_callback *driver)
{
	return !strcmp(driver->kind, KIND_NOTIFIER);
}

static struct handlers choose_handlers(const struct session *s,
				       const struct driver_callback *driver,
				       enum plan_source source, int id)
{
	const struct core_bpf *skel = s->core;
	bool notifier = is_notifier(driver);

	if (driver->second_pass && source == PLAN_KPROBE)
		return (struct handlers){ skel->progs.two_pass_kprobe,
					  skel->progs.two_pass_kretprobe };
	if (driver->second_pass)
		return (struct handlers){ s->config.latency ? skel->progs.two_pass_fentry : NULL,
					  skel->progs.two_pass_fexit };
	if (source == PLAN_KPROBE && notifier)
		return (struct handlers){ skel->progs.notifier_kprobe,
					  skel->progs.notifier_kretprobe };
	if (source == PLAN_KPROBE)
		return (struct handlers){ skel->progs.interval_kprobe,
					  skel->progs.interval_kretprobe };
	if (notifier)
		return (struct handlers){ s->config.latency ? skel->progs.notifier_fentry : NULL,
					  skel->progs.notifier_fexit };
	if (id < MMUSCOPE_DIRECT_CALLBACKS && session__for_one_process(s))
		return (struct handlers){ skel->progs.target_fentry, skel->progs.target_fexit };
	return (struct handlers){ s->config.latency ? skel->progs.interval_fentry : NULL,
				  skel->progs.interval_fexit };
}

static int load_clone(const struct session *s, const struct watch *w, struct clone *c,
		      const struct bpf_program *prog, const struct plan_target *t)
{
	if (!prog)
		return 0;
	return clone__load(c, s->templates, prog, s->core->maps.rodata, w->constants, t);
}

static int load_handlers(const struct session *s, const struct watch *w, struct clone *enter,
			 struct clone *leave, const struct handlers *h,
			 const struct plan_target *t)
{
	int err = load_clone(s, w, leave, h->leave, t);

	return err ?: load_clone(s, w, enter, h->enter, t);
}

static struct bpf_program *work_program(const struct session *s, const struct plan_target *work)
{
	return work->source == PLAN_KPROBE ? s->core->progs.work_kprobe :
					     s->core->progs.work_fentry;
}

static int attach_work(const struct session *s, struct watch *w, const struct plan_target *work)
{
	return clone__attach(&w->work, s->templates, work_program(s, work), work);
}

/* Exit before entry: no entry is counted whose exit could be missed. */
static int attach_handlers(const struct session *s, struct clone *enter, struct clone *leave,
			   const struct handlers *h, const struct plan_target *t)
{
	int err = clone__attach(leave, s->templates, h->leave, t);

	if (!err && h->enter)
		err = clone__attach(enter, s->templates, h->enter, t);
	return err;
}

static struct handlers second_pass_handlers(const struct core_bpf *skel, enum plan_source source)
{
	if (source == PLAN_KPROBE)
		return (struct handlers){ skel->progs.second_pass_kprobe,
					  skel->progs.second_pass_kretprobe };
	return (struct handlers){ skel->progs.second_pass_fentry, skel->progs.second_pass_fexit };
}

/* Its bit in control.work_watched; those beyond share one, their work is always watched. */
#define LAST_WORK_BIT 63

static __u64 work_bit(int id)
{
	return 1ULL << (id < LAST_WORK_BIT ? id : LAST_WORK_BIT);
}

/* The target of that name, if it can be watched; NULL for none, and for no name. */
static struct plan_target *planned(struct session *s, const char *symbol)
{
	struct plan_target *t = symbol ? plan__find(&s->plan, symbol) : NULL;

	return t && t->source != PLAN_NONE ? t : NULL;
}

/* The constants of this callback's programs: those of the session, and its own. */
static int make_constants(const struct session *s, struct watch *w, bool work, bool second)
{
	const struct driver_callback *driver = w->driver;
	size_t size = bpf_map__value_size(s->core->maps.rodata);
	struct core_bpf__rodata *own = malloc(size);
	int fd;

	if (!own)
		return -ENOMEM;
	memcpy(own, s->core->rodata, size);
	own->callback_id = (__u32)w->id;
	own->callback_declines = driver->declines;
	own->callback_owner = driver->owner;
	own->callback_no_sequence = driver->no_sequence;
	own->callback_work_bit = work ? work_bit(w->id) : 0;
	own->callback_second_pass = second;
	fd = clone__constants(s->core->maps.rodata, own, size);
	free(own);
	if (fd < 0)
		return fd;
	w->constants = fd;
	return 0;
}

static int attach_probes(struct session *s, struct watch *w, const struct plan_target *t)
{
	const struct driver_callback *driver = w->driver;
	struct plan_target *work = planned(s, driver->work);
	struct plan_target *second = planned(s, driver->second_pass);
	struct handlers handlers = choose_handlers(s, driver, t->source, w->id), second_handlers;
	bool always;
	int err;

	/* Where the sequence number says nothing there is no other evidence to begin with. */
	always = work && (s->contended || is_notifier(driver) || driver->no_sequence ||
			  w->id >= LAST_WORK_BIT);
	err = make_constants(s, w, work, second);
	err = err ?: load_handlers(s, w, &w->enter, &w->leave, &handlers, t);
	if (work)
		err = err ?: load_clone(s, w, &w->work, work_program(s, work), work);
	/* As the work function: no first pass is counted whose second could be missed. */
	if (second) {
		second_handlers = second_pass_handlers(s->core, second->source);
		err = err ?: load_handlers(s, w, &w->second_enter, &w->second_leave,
					   &second_handlers, second);
		err = err ?: attach_handlers(s, &w->second_enter, &w->second_leave,
					     &second_handlers, second);
	}
	/* Before the callback itself: no callback is counted whose work could be missed. */
	if (!err && always)
		err = attach_work(s, w, work);
	if (!err && always)
		control(s)->work_watched |= work_bit(w->id);
	return err ?: attach_handlers(s, &w->enter, &w->leave, &handlers, t);
}

/* ---- the walk of the registry ---- */

/* Why the walk cannot be used on this kernel, or NULL. */
static const char *no_walk(const struct session *s)
{
	for (size_t i = 0; i < s->plan.count; i++) {
		const struct plan_target *t = &s->plan.targets[i];

		/* There is no _locked before 5.7, and whoever has it may have inlined it. */
		if (!strcmp(t->metric, "registry") && t->source == PLAN_NONE)
			return t->reason;
	}
	return NULL;
}

/* Tells the walk what rows the function at this address has. `flags` as of the map. */
static int tell_walk(struct session *s, __u64 address, const struct mmuscope_callback_id *id,
		     __u64 flags)
{
	int fd = bpf_map__fd(s->core->maps.callbacks);

	return bpf_map_update_elem(fd, &address, id, flags) ? -errno : 0;
}

static void forget_function(struct session *s, __u64 address)
{
	bpf_map_delete_elem(bpf_map__fd(s->core->maps.callbacks), &address);
	__atomic_fetch_add(&control(s)->registry_epoch, 1, __ATOMIC_SEQ_CST);
}

static int watch_by_walk(struct session *s, struct watch *w, const struct plan_target *t)
{
	const struct mmuscope_callback_id id = {
		.what = (__u64)w->id,
		.declines = w->driver->declines,
		.owner = w->driver->owner,
		.no_sequence = w->driver->no_sequence,
	};
	int err;

	w->address = w->address ?: symbol_address(t->symbol, t->module);
	if (!w->address)
		return -ENOENT;
	err = tell_walk(s, w->address, &id, BPF_ANY);
	if (!err)
		control(s)->registry = 1;
	return err;
}

/*
 * The callback has probes: the walk must not count it too. -EEXIST: somebody has
 * subscribed before the probes were there, and the walk counts what it sends.
 */
static int keep_from_walk(struct session *s, struct watch *w, const struct plan_target *t)
{
	const struct mmuscope_callback_id seen = { .seen = 1 };

	w->address = w->address ?: symbol_address(t->symbol, t->module);
	if (!w->address)
		return 0;
	return tell_walk(s, w->address, &seen, s->armed ? BPF_NOEXIST : BPF_ANY);
}

/* ---- the ladder ---- */

static void watch__detach(struct watch *w)
{
	struct clone *const clones[] = { &w->enter, &w->leave, &w->work, &w->second_enter,
					 &w->second_leave };

	for (size_t i = 0; i < sizeof(clones) / sizeof(clones[0]); i++)
		clone__detach(clones[i]);
}

static void watch__close(struct watch *w)
{
	struct clone *const clones[] = { &w->enter, &w->leave, &w->work, &w->second_enter,
					 &w->second_leave };

	for (size_t i = 0; i < sizeof(clones) / sizeof(clones[0]); i++)
		clone__close(clones[i]);
	if (w->constants)
		close(w->constants);
	w->constants = 0;
}

__u64 watch__recursion_misses(const struct watch *w)
{
	return clone__recursion_misses(&w->enter) + clone__recursion_misses(&w->leave) +
	       clone__recursion_misses(&w->work) + clone__recursion_misses(&w->second_enter) +
	       clone__recursion_misses(&w->second_leave);
}

/* Tells the programs where the driver's owner is. False where they cannot read it. */
static bool owner_is_read(struct session *s, const struct driver_callback *d)
{
	const struct owner_way *way = owner_way(d->owner);
	struct mmuscope_owner_path path = {};
	__u32 key = d->owner;
	struct btf *btf;

	if (!way)
		return false;
	btf = module_btf(way->module);
	if (btf)
		owner_way__resolve(way, btf, &path);
	btf__free(btf);
	return !bpf_map_update_elem(bpf_map__fd(s->core->maps.owner_paths), &key, &path,
				    BPF_ANY) &&
	       path.steps;
}

static int attach(struct session *s, struct watch *w, const struct plan_target *t)
{
	int err;

	w->id = names__add_callback(&s->names, w->driver->symbol, w->driver->module,
				    w->driver->kind, plan_source_name(t->source));
	if (w->id < 0)
		return w->id;
	if (owner_is_read(s, w->driver))
		s->names.callbacks[w->id].owner_by = OWNER_BY_DRIVER;
	if (t->source == PLAN_REGISTRY)
		return watch_by_walk(s, w, t);
	err = attach_probes(s, w, t);
	return err ?: keep_from_walk(s, w, t);
}

void callbacks__watch_work(struct session *s)
{
	int err;

	s->contended = true;
	for (size_t i = 0; i < s->watch_count; i++) {
		struct watch *w = &s->watches[i];
		struct plan_target *work;

		if (w->work.link || w->work.event || !w->work.prog)
			continue;
		work = plan__find(&s->plan, w->driver->work);
		if (work->source == PLAN_NONE)
			continue;
		err = attach_work(s, w, work);
		if (err)
			plan_target__refuse(work, err);
		else
			control(s)->work_watched |= work_bit(w->id);
	}
}

/* The rungs for callbacks; one program that sees them all is the cheapest. */
static unsigned int callback_rungs(const struct session *s)
{
	if (s->options.via)
		return RUNG(s->options.via);
	if (!s->options.latency && !no_walk(s))
		return RUNG(PLAN_REGISTRY);
	return RUNG_PROBES | (no_walk(s) ? 0 : RUNG(PLAN_REGISTRY));
}

#define METRIC_SECOND_PASS "callbacks.second_pass"

static bool belongs_to(const struct driver_callback *d, const char *module)
{
	return !module || !strcmp(d->module, module);
}

int callbacks__plan(struct plan *plan, const char *module)
{
	for (size_t i = 0; i < driver_callback_count; i++) {
		const struct driver_callback *d = &driver_callbacks[i];

		if (belongs_to(d, module) &&
		    (!plan__add(plan, "callbacks", d->symbol, d->module) ||
		     (d->work && !plan__add(plan, "callbacks.evidence", d->work, d->module)) ||
		     (d->second_pass && !plan__add(plan, METRIC_SECOND_PASS, d->second_pass,
						   d->module))))
			return -ENOMEM;
	}
	return 0;
}

/*
 * Something points to a callback, so no compiler inlines it away: what neither kallsyms
 * nor BTF has its driver does not have.
 */
static void mark_absent(struct plan_target *t)
{
	const struct driver_callback *d = driver__find(t->symbol, t->module);
	char kernels[100] = "";

	if (d)
		driver__kernels(d, kernels, sizeof(kernels));
	t->absent = true;
	snprintf(t->reason, sizeof(t->reason), "not in this kernel%s%s", kernels[0] ? ": " : "",
		 kernels);
}

static void decide(struct session *s, struct plan_target *t, struct symbol_facts *facts)
{
	struct plan_target *known = plan__find(&s->plan, t->symbol);
	/* Neither is a callback of its own, for which the walk could stand in. */
	bool beside = !strcmp(t->metric, "callbacks.evidence") ||
		      !strcmp(t->metric, METRIC_SECOND_PASS);

	/* What is in use cannot be unloaded anyway; an idle module must stay free to go. */
	facts->prefer_kprobe = s->options.running && module_users(t->module) <= 0;
	if (beside && !s->options.latency) {
		t->off = true;
		snprintf(t->reason, sizeof(t->reason), "switched off by --no-latency");
	}
	plan__decide(t, facts, beside ? RUNG_PROBES : callback_rungs(s));
	if (!beside && facts->module_loaded && !facts->in_kallsyms && !facts->in_btf)
		mark_absent(t);
	if (!known)
		known = plan__add(&s->plan, t->metric, t->symbol, t->module);
	if (known)
		*known = *t;
}

/*
 * The kernel refused something of this driver. fentry needs an ftrace site, and what has
 * one was not asked so far: true where the plan has to be another for that.
 */
static bool learn_sites(struct session *s, const struct driver_callback *d)
{
	const char *const mine[] = { d->symbol, d->work, d->second_pass };
	bool changed = false;

	if (!survey__read_sites(s))
		return false;
	for (size_t i = 0; i < s->plan.count; i++) {
		const struct symbol_facts *f = survey__facts(s, s->plan.targets[i].symbol);
		struct plan_target t = s->plan.targets[i];
		struct symbol_facts facts;

		if (t.source != PLAN_FENTRY || !t.module[0] || !f || !f->traceable_known ||
		    f->traceable)
			continue;
		facts = *f;
		decide(s, &t, &facts);
		for (size_t k = 0; k < sizeof(mine) / sizeof(mine[0]); k++)
			changed |= mine[k] && !strcmp(mine[k], t.symbol);
	}
	return changed;
}

/* Watches one callback from the planned rung downwards. */
static int watch_callback(struct session *s, const struct driver_callback *driver,
			  const struct symbol_facts *facts, unsigned int rungs)
{
	struct plan_target *t = plan__find(&s->plan, driver->symbol);
	struct watch w = { .driver = driver, .address = facts->address }, *watches;
	int err;

	if (t->source == PLAN_NONE)
		return 0;
	watches = realloc(s->watches, (s->watch_count + 1) * sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	s->watches = watches;
	while (t->source != PLAN_NONE) {
		enum plan_source tried = t->source;

		err = attach(s, &w, t);
		if (!err) {
			s->watches[s->watch_count++] = w;
			return 0;
		}
		watch__close(&w);
		if (learn_sites(s, driver))
			continue;
		plan_target__refuse(t, err);
		rungs &= ~(2 * RUNG(tried) - 1);
		if (rungs)
			plan__fall(t, facts, rungs);
	}
	return 0;
}

/* What belongs to a callback that is not watched is not watched either. */
static void drop_orphans(struct session *s, const char *module)
{
	for (size_t i = 0; i < driver_callback_count; i++) {
		const struct driver_callback *d = &driver_callbacks[i];
		const char *const beside[] = { d->work, d->second_pass };
		const struct plan_target *owner = plan__find(&s->plan, d->symbol);

		if (!belongs_to(d, module) || !owner->absent || module_users(d->module) < 0)
			continue;
		for (size_t k = 0; k < 2; k++) {
			struct plan_target *t =
				beside[k] ? plan__find(&s->plan, beside[k]) : NULL;

			if (!t)
				continue;
			t->source = PLAN_NONE;
			t->absent = true;
			snprintf(t->reason, sizeof(t->reason),
				 "useless without %s, which is missing", d->symbol);
		}
	}
}

int callbacks__add_module(struct session *s, const char *module)
{
	struct symbol_facts *facts = NULL;
	struct plan plan = {};
	int err = callbacks__plan(&plan, module);

	if (err || !plan.count)
		goto cleanup;
	err = -ENOMEM;
	facts = calloc(plan.count, sizeof(*facts));
	if (!facts)
		goto cleanup;
	err = survey__copy(s, &plan, facts);
	if (err)
		goto cleanup;
	for (size_t i = 0; i < plan.count; i++)
		decide(s, &plan.targets[i], &facts[i]);
	drop_orphans(s, module);
	for (size_t i = 0; i < driver_callback_count && !err; i++) {
		const struct driver_callback *d = &driver_callbacks[i];

		if (belongs_to(d, module))
			err = watch_callback(s, d,
					     &facts[plan__find(&plan, d->symbol) - plan.targets],
					     callback_rungs(s));
	}
cleanup:
	free(facts);
	plan__clear(&plan);
	return err;
}

/* ---- functions that were found ---- */

static bool is_watched(const struct session *s, __u64 address)
{
	for (size_t i = 0; i < s->watch_count; i++)
		if (s->watches[i].address == address)
			return true;
	return false;
}

/* A driver that the table does not have, for as long as the session lives. */
static const struct driver_callback *make_driver(struct session *s,
						 const struct name_callback *name,
						 const char *kind, const char *second_pass)
{
	const struct driver_callback *known = driver__find(name->symbol, name->module);
	struct found_driver *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	if (known)
		f->driver = *known;
	else
		f->driver.declines = DECLINES_UNKNOWN;
	snprintf(f->symbol, sizeof(f->symbol), "%s", name->symbol);
	snprintf(f->module, sizeof(f->module), "%s", name->module);
	f->driver.symbol = f->symbol;
	f->driver.module = f->module;
	f->driver.kind = kind;
	snprintf(f->second_pass, sizeof(f->second_pass), "%s", second_pass);
	f->driver.second_pass = second_pass[0] ? f->second_pass : NULL;
	f->next = s->found;
	s->found = f;
	return &f->driver;
}

/* The function that finishes what the one at this address begins: as the walk found it. */
static void name_second_pass(struct session *s, __u64 address, struct name_callback *name)
{
	struct mmuscope_callback_id id = {};

	name->symbol[0] = '\0';
	if (!bpf_map_lookup_elem(bpf_map__fd(s->core->maps.callbacks), &address, &id) &&
	    id.second_pass)
		names__function(id.second_pass, name);
}

/* Something subscribes with a function before counting begins: it climbs the ladder. */
static int watch_found(struct session *s, const struct name_callback *name, __u64 address,
		       const char *kind)
{
	const struct plan_target *known = plan__find(&s->plan, name->symbol);
	const struct driver_callback *driver;
	struct symbol_facts facts[2];
	struct name_callback second;
	struct plan plan = {};
	int err = -ENOMEM;

	if (known && known->source != PLAN_NONE) {
		if (!strcmp(known->module, name->module))
			return 0;
		/* A namesake in another module has no row in the plan; the walk sees it. */
		control(s)->registry = 1;
		return names__add_function(&s->names, address, kind,
					   plan_source_name(PLAN_REGISTRY));
	}
	name_second_pass(s, address, &second);
	driver = make_driver(s, name, kind, second.symbol);
	if (!driver || !plan__add(&plan, "callbacks", driver->symbol, driver->module) ||
	    (driver->second_pass &&
	     !plan__add(&plan, METRIC_SECOND_PASS, driver->second_pass, second.module)))
		goto cleanup;
	symbol_facts__read(facts, &plan);
	symbol_facts__read_sites(facts, &plan);
	facts[0].address = address;
	for (size_t i = 0; i < plan.count; i++)
		decide(s, &plan.targets[i], &facts[i]);
	err = watch_callback(s, driver, &facts[0], callback_rungs(s));
cleanup:
	plan__clear(&plan);
	return err;
}

int callbacks__found(struct session *s, __u64 address, bool notifier)
{
	const char *kind = notifier ? KIND_NOTIFIER : KIND_INTERVAL;
	struct name_callback name;

	if (is_watched(s, address))
		return 0;
	if (s->armed)
		return names__add_function(&s->names, address, kind,
					   plan_source_name(PLAN_REGISTRY));
	names__function(address, &name);
	return watch_found(s, &name, address, kind);
}

static void mark_removed(struct session *s, const char *symbol, const char *module)
{
	plan_target__mark_removed(plan__find(&s->plan, symbol), module);
}

void callbacks__remove_module(struct session *s, const char *module)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->watch_count; i++) {
		struct watch *w = &s->watches[i];

		if (strcmp(w->driver->module, module)) {
			s->watches[kept++] = *w;
			continue;
		}
		s->recursion_gone += watch__recursion_misses(w);
		if (w->address)
			forget_function(s, w->address);
		if (w->id < LAST_WORK_BIT)
			control(s)->work_watched &= ~work_bit(w->id);
		watch__close(w);
		mark_removed(s, w->driver->symbol, module);
		if (w->driver->work)
			mark_removed(s, w->driver->work, module);
		if (w->driver->second_pass)
			mark_removed(s, w->driver->second_pass, module);
	}
	s->watch_count = kept;
	/* Its other functions: another module's may come to lie at the same address. */
	for (size_t i = 0; i < s->names.callback_count; i++)
		if (s->names.callbacks[i].address && !strcmp(s->names.callbacks[i].module, module))
			forget_function(s, s->names.callbacks[i].address);
}

void callbacks__detach(struct session *s)
{
	for (size_t i = 0; i < s->watch_count; i++)
		watch__detach(&s->watches[i]);
}

void callbacks__close(struct session *s)
{
	for (size_t i = 0; i < s->watch_count; i++)
		watch__close(&s->watches[i]);
	free(s->watches);
	while (s->found) {
		struct found_driver *next = s->found->next;

		free(s->found);
		s->found = next;
	}
}
