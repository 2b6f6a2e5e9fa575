// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The life of a session: what it loads, switches on and reads. Callbacks: callbacks.c. */
#include "session_impl.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "kernel_info.h"
#include "loader.h"

#define DEFAULT_ROW_SHIFT 12
#define DEFAULT_RING_BYTES (256 * 1024)
#define DEFAULT_RECORD_BYTES (2 * 1024 * 1024)
#define DRAIN_MS 1000

/* A function of the kernel proper and the programs that watch it, exits first: so no
 * call that is counted at its entry can leave unseen. */
enum { CORE_TARGETS = 13 };

struct core_target {
	const char *metric;
	const char *symbol;
	struct bpf_program *exit, *entry;
	struct bpf_link **exit_link, **entry_link;
};


bool session__for_one_process(const struct session *s)
{
	const struct mmuscope_config *c = &s->config;

	return c->direct && !c->paired && c->slots && !s->options.windows;
}

/* The walk alone sees callbacks, and the notification's time is their time. */
static bool times_the_walk(const struct session *s)
{
	return s->options.via == PLAN_REGISTRY && s->options.latency && !s->options.windows &&
	       !s->options.cause_every && !s->options.records;
}

static struct bpf_program *start_program(const struct session *s)
{
	const bool cause = s->config.cause_every, target = session__for_one_process(s);
	struct core_bpf *c = s->core;

	if (times_the_walk(s))
		return target ? c->progs.target_timed : c->progs.notification_timed;
	if (s->options.windows)
		return cause ? c->progs.notification_windows_cause : c->progs.notification_windows;
	if (!target)
		return cause ? c->progs.notification_cause : c->progs.notification_start;
	if (s->config.latency)
		return cause ? c->progs.target_cause : c->progs.target_start;
	return cause ? c->progs.target_count_cause : c->progs.target_count;
}

static bool records_kind(const struct session *s, enum mmuscope_record_kind kind)
{
	return s->config.records >> kind & 1;
}

static void core_targets(const struct session *s, struct core_target t[CORE_TARGETS])
{
	const bool target = session__for_one_process(s);
	struct core_bpf *c = s->core;
#define PROG(name) c->progs.name
#define LINK(name) &c->links.name
	const struct core_target all[CORE_TARGETS] = {
		{ "notifications", "__mmu_notifier_invalidate_range_start",
		  start_program(s), NULL, LINK(notification_start), NULL },
		{ "notifications.ends", "__mmu_notifier_invalidate_range_end", NULL,
		  s->options.windows ? PROG(window_end) :
		  target ? PROG(target_end) : PROG(notification_end), NULL,
		  LINK(notification_end) },
		{ "migrations", "migrate_vma_setup", PROG(setup_leave), PROG(setup_enter),
		  LINK(setup_leave), LINK(setup_enter) },
		{ "migrations", "migrate_vma_pages", PROG(pages_leave), PROG(pages_enter),
		  LINK(pages_leave), LINK(pages_enter) },
		{ "migrations", "migrate_vma_finalize", PROG(finalize_leave), NULL,
		  LINK(finalize_leave), NULL },
		{ "evictions", "migrate_device_range", PROG(evict_range_leave),
		  PROG(evict_range_enter), LINK(evict_range_leave), LINK(evict_range_enter) },
		{ "evictions", "migrate_device_pfns", PROG(evict_pfns_leave),
		  PROG(evict_pfns_enter), LINK(evict_pfns_leave), LINK(evict_pfns_enter) },
		{ "evictions", "migrate_device_finalize", PROG(evict_finalize_leave), NULL,
		  LINK(evict_finalize_leave), NULL },
		{ "faults", "hmm_range_fault", PROG(device_fault),
		  records_kind(s, RECORD_FAULT) ? PROG(device_fault_enter) : NULL,
		  LINK(device_fault), LINK(device_fault_enter) },
		{ "registry", "__mmu_notifier_release", NULL, PROG(registry_release), NULL,
		  LINK(registry_release) },
		{ "registry", "mmu_interval_notifier_insert", PROG(insert_leave),
		  PROG(insert_enter), LINK(insert_leave), LINK(insert_enter) },
		{ "registry", "mmu_interval_notifier_insert_locked", PROG(insert_locked_leave),
		  PROG(insert_locked_enter), LINK(insert_locked_leave),
		  LINK(insert_locked_enter) },
		{ "registry", "__mmu_notifier_register", NULL, PROG(notifier_registered), NULL,
		  LINK(notifier_registered) },
	};
#undef PROG
#undef LINK
	memcpy(t, all, sizeof(all));
}

/* 0 where the process has gone. */
static unsigned int threads_of(pid_t pid)
{
	unsigned int threads = 0;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (!stat(path, &st))
		threads = (unsigned int)st.st_nlink - 2;
	return threads;
}

/*
 * May a BPF program be preempted? The kernel's version says which model it was
 * built with; PREEMPT_DYNAMIC has its present one in debugfs.
 */
static bool preemptible(void)
{
	char mode[64] = "";
	struct utsname u;
	FILE *f;

	if (uname(&u) || !strstr(u.version, "PREEMPT"))
		return false;
	if (!strstr(u.version, "PREEMPT_DYNAMIC"))
		return true;
	f = fopen("/sys/kernel/debug/sched/preempt", "re");
	if (f && !fgets(mode, sizeof(mode), f))
		mode[0] = '\0';
	if (f)
		fclose(f);
	return !strstr(mode, "(none)") && !strstr(mode, "(voluntary)");
}

/* Up to 5.10 migrate_disable() was preempt_disable(). */
static bool programs_disable_preemption(void)
{
	return kernel_info__version() <= 5010;
}

/*
 * Since 5.12 a program is passed over where it would interrupt itself, and there is a
 * compare-and-swap to keep two programs apart.
 */
static bool programs_are_apart(void)
{
	return kernel_info__version() >= 5012;
}

/* Slots of a CPU's ring: what fits, at least one page. */
static __u8 record_shift(const struct session_options *o)
{
	size_t bytes = o->record_bytes ? o->record_bytes : DEFAULT_RECORD_BYTES;
	__u8 shift = 6;

	while (sizeof(struct mmuscope_record) << (shift + 1) <= bytes)
		shift++;
	return o->records ? shift : 0;
}

enum status session__status(int err)
{
	return loader__status(err);
}

static bool takes_stacks(const struct session *s)
{
	return s->options.cause_every || s->options.windows;
}

int session__check(void)
{
	return loader__check();
}

int session__open(struct session **out, const struct session_options *options)
{
	struct session *s;
	int err = loader__check();

	*out = NULL;
	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->options = *options;
	if (!s->options.row_shift)
		s->options.row_shift = DEFAULT_ROW_SHIFT;
	if (!s->options.ring_bytes)
		s->options.ring_bytes = DEFAULT_RING_BYTES;
	s->cpus = (unsigned int)libbpf_num_possible_cpus();
	s->config = (struct mmuscope_config){
		.scope = options->scope,
		.tgid = (__u32)options->pid,
		.cgroup_id = options->cgroup_id,
		.row_shift = s->options.row_shift,
		.latency = options->latency,
		/* With windows each is paired by its range. */
		.paired = options->running && options->latency && !options->windows &&
			  !options->records,
		.task_storage = loader__has_enum("bpf_func_id", "BPF_FUNC_get_current_task_btf"),
		.preemptible = preemptible() && !programs_disable_preemption(),
		.direct = options->scope == SCOPE_PROCESS &&
			  s->options.row_shift == DEFAULT_ROW_SHIFT,
		.cpus = s->cpus,
		.cause_every = options->cause_every,
		.window_limit = options->window_limit_ns,
		.records = options->records,
		.record_shift = record_shift(options),
	};
	s->config.slots = !s->config.preemptible || programs_are_apart();
	s->config.stack_memo = takes_stacks(s) &&
			       loader__has_enum("bpf_func_id", "BPF_FUNC_task_pt_regs");
	*out = s;
	return 0;
}

static bool probes_only(const struct session *s)
{
	return s->options.via && s->options.via != PLAN_REGISTRY;
}

/* Where the kernel keeps the direct map and its struct pages. */
static const char *const variables[] = { "_text", "page_offset_base", "vmemmap_base" };
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* All that will be asked of the kernel's symbols, at once. */
static int survey(struct session *s)
{
	const char *symbols[CORE_TARGETS + VARIABLES];
	struct core_target targets[CORE_TARGETS];
	size_t n = 0;

	core_targets(s, targets);
	for (; n < CORE_TARGETS; n++)
		symbols[n] = targets[n].symbol;
	for (size_t i = 0; records_kind(s, RECORD_PAGES) && i < VARIABLES; i++)
		symbols[n++] = variables[i];
	return survey__read(s, symbols, n);
}

static int set_up_plan(struct session *s)
{
	struct core_target targets[CORE_TARGETS];
	struct plan_target *t;

	plan__clear(&s->plan);
	core_targets(s, targets);
	for (size_t i = 0; i < CORE_TARGETS; i++)
		if (!plan__add(&s->plan, targets[i].metric, targets[i].symbol, NULL))
			return -ENOMEM;
	t = plan__find(&s->plan, "__mmu_notifier_invalidate_range_end");
	if (s->options.records && !s->options.windows) {
		t->off = true;
		snprintf(t->reason, sizeof(t->reason), "not watched where records are taken");
	} else if (!s->options.latency && !s->options.windows) {
		t->off = true;
		snprintf(t->reason, sizeof(t->reason), "switched off by --no-latency");
	}
	for (size_t i = 0; i < s->plan.count && probes_only(s); i++) {
		struct plan_target *r = &s->plan.targets[i];

		if (strcmp(r->metric, "registry"))
			continue;
		r->off = true;
		snprintf(r->reason, sizeof(r->reason), "switched off by --via");
	}
	for (size_t i = 0; i < s->plan.count; i++)
		plan__decide(&s->plan.targets[i], survey__facts(s, s->plan.targets[i].symbol),
			     RUNG(PLAN_FENTRY));
	return 0;
}

/*
 * The three calls of a migration are one measurement: without one of them the
 * frames of the others would never close. The same for an eviction, which has
 * two ways to begin and one to end.
 */
static void drop_incomplete(struct plan *plan, const char *metric, const char *needed)
{
	struct plan_target *n = plan__find(plan, needed);

	if (n->source != PLAN_NONE)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_target *t = &plan->targets[i];

		if (strcmp(t->metric, metric) || t->source == PLAN_NONE)
			continue;
		t->source = PLAN_NONE;
		snprintf(t->reason, sizeof(t->reason), "useless without %s, which is missing",
			 needed);
	}
}

static void drop_all_incomplete(struct plan *plan)
{
	drop_incomplete(plan, "migrations", "migrate_vma_setup");
	drop_incomplete(plan, "migrations", "migrate_vma_pages");
	drop_incomplete(plan, "migrations", "migrate_vma_finalize");
	drop_incomplete(plan, "evictions", "migrate_device_finalize");
	drop_incomplete(plan, "registry", "__mmu_notifier_release");
	drop_incomplete(plan, "registry", "mmu_interval_notifier_insert");
	drop_incomplete(plan, "registry", "mmu_interval_notifier_insert_locked");
	drop_incomplete(plan, "registry", "__mmu_notifier_register");
}

/* The kernel refuses a map of deeper stacks than it is set to take. */
static __u32 stack_bytes(void)
{
	unsigned int depth = MMUSCOPE_STACK_DEPTH;
	FILE *f = fopen("/proc/sys/kernel/perf_event_max_stack", "re");

	if (f && fscanf(f, "%u", &depth) == 1 && depth > MMUSCOPE_STACK_DEPTH)
		depth = MMUSCOPE_STACK_DEPTH;
	if (f)
		fclose(f);
	return depth * (__u32)sizeof(__u64);
}

static int size_maps(struct session *s)
{
	struct core_bpf *c = s->core;
	__u32 rows = 1U << s->config.row_shift;
	__u32 page = (__u32)sysconf(_SC_PAGESIZE), ring = page;
	int err = 0;

	while (ring < s->options.ring_bytes)
		ring *= 2;
	err = err ?: bpf_map__set_max_entries(c->maps.cpus, s->cpus);
	err = err ?: bpf_map__set_max_entries(c->maps.rows, s->cpus * rows);
	err = err ?: bpf_map__set_max_entries(c->maps.callback_rows, s->cpus * rows);
	err = err ?: bpf_map__set_max_entries(c->maps.row_index, 2 * rows);
	err = err ?: bpf_map__set_max_entries(c->maps.free_rows, rows);
	err = err ?: bpf_map__set_max_entries(c->maps.free_callback_rows, rows);
	err = err ?: bpf_map__set_max_entries(c->maps.ring, ring);
	err = err ?: bpf_map__set_max_entries(c->maps.records,
					      s->config.records ?
						      s->cpus << s->config.record_shift :
						      1);
	err = err ?: bpf_map__set_max_entries(c->maps.cause_stacks, rows);
	err = err ?: bpf_map__set_value_size(c->maps.cause_stacks, stack_bytes());
	err = err ?: bpf_map__set_autocreate(c->maps.cause_stacks, takes_stacks(s));
	err = err ?: bpf_map__set_max_entries(c->maps.open_windows, rows);
	err = err ?: bpf_map__set_max_entries(c->maps.window_reports, rows);
	err = err ?: bpf_map__set_autocreate(c->maps.open_windows, s->options.windows);
	err = err ?: bpf_map__set_autocreate(c->maps.window_reports, s->options.windows);
	err = err ?: bpf_map__set_autocreate(c->maps.stack_scratch, s->config.stack_memo);
	err = err ?: bpf_map__set_autocreate(c->maps.told, s->options.changed);
	err = err ?: bpf_map__set_autocreate(c->maps.task_storage, s->config.task_storage);
	err = err ?: bpf_map__set_autocreate(c->maps.task_hash, !s->config.task_storage);
	return err;
}

static int fill_free_rows(const struct session *s, const struct bpf_map *map)
{
	for (__u32 i = 0; i < 1U << s->config.row_shift; i++)
		if (bpf_map_update_elem(bpf_map__fd(map), NULL, &i, 0))
			return -errno;
	return 0;
}

static void *map_counters(struct bpf_map *map, size_t *bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	*bytes = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	*bytes = (*bytes + page - 1) & ~(page - 1);
	p = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	return p == MAP_FAILED ? NULL : p;
}

/* The first block of each CPU, see bpf/cause.bpf.h. */
static void start_sampling(struct session *s)
{
	__u32 random = 0;

	for (unsigned int c = 0; c < s->cpus && s->config.cause_every; c++) {
		if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
			random = (__u32)(c + (unsigned int)getpid());
		s->cpu[c].cause_place = random % s->config.cause_every;
		s->cpu[c].cause_left = s->cpu[c].cause_place + 1;
	}
}

/* The programs that tell who subscribes, and what they watch. */
enum { WATCH_TARGETS = 4 };

struct watch_target {
	const char *symbol;
	struct bpf_program *prog;
	struct bpf_link **link;
};

static void watch_targets(const struct session *s, struct watch_target t[WATCH_TARGETS])
{
	struct core_bpf *c = s->core;
	const struct watch_target all[WATCH_TARGETS] = {
		{ "mmu_interval_notifier_insert", c->progs.watch_insert, &c->links.watch_insert },
		{ "mmu_interval_notifier_insert_locked", c->progs.watch_insert_locked,
		  &c->links.watch_insert_locked },
		{ "__mmu_notifier_register", c->progs.watch_register, &c->links.watch_register },
		{ "mmu_notifier_get_locked", c->progs.watch_get, &c->links.watch_get },
	};

	memcpy(t, all, sizeof(all));
}

static bool in_kernel_btf(const char *function)
{
	return btf__find_by_name_kind(kernel_btf(), function, BTF_KIND_FUNC) > 0;
}

/* See bpf/fate.bpf.h. */
static void find_page_tables(const struct session *s, struct mmuscope_config *config)
{
	unsigned long long address[VARIABLES];
	char line[4096];
	FILE *f = fopen("/proc/cpuinfo", "re");

	for (size_t i = 0; i < VARIABLES; i++)
		address[i] = survey__facts(s, variables[i])->address;
	config->page_offset_at = address[0] ? address[1] : ~0ULL;
	config->vmemmap_at = address[2];
	/* The kernel clears the flag where it does not use it. */
	while (f && !config->la57 && fgets(line, sizeof(line), f))
		config->la57 = !strncmp(line, "flags", 5) && strstr(line, " la57");
	if (f)
		fclose(f);
}

static int ring_event(void *ctx, void *data, size_t size);

static void choose_programs(struct session *s)
{
	struct core_target targets[CORE_TARGETS];
	struct watch_target watches[WATCH_TARGETS];

	core_targets(s, targets);
	for (size_t i = 0; i < CORE_TARGETS; i++) {
		bool on = plan__find(&s->plan, targets[i].symbol)->source == PLAN_FENTRY;

		if (targets[i].exit)
			bpf_program__set_autoload(targets[i].exit, on);
		if (targets[i].entry)
			bpf_program__set_autoload(targets[i].entry, on);
	}
	watch_targets(s, watches);
	for (int i = 0; i < WATCH_TARGETS; i++)
		bpf_program__set_autoload(watches[i].prog, s->options.changed &&
								   in_kernel_btf(watches[i].symbol));
	bpf_program__set_autoload(s->core->progs.notification_enter,
				  times_the_walk(s) || records_kind(s, RECORD_NOTIFICATION));
	bpf_program__set_autoload(s->core->progs.process_exit, true);
	/* 5.13; before it a window of a task that exits is told as still open. */
	bpf_program__set_autoload(s->core->progs.window_task_exit,
				  s->options.windows &&
				  loader__has_enum("bpf_func_id", "BPF_FUNC_for_each_map_elem"));
	bpf_program__set_autoload(s->core->progs.process_fork,
				  s->config.scope == SCOPE_PROCESSES);
	bpf_program__set_autoload(s->core->progs.process_free,
				  s->config.scope == SCOPE_PROCESSES);
	bpf_program__set_autoload(s->core->progs.process_exec, s->config.scope == SCOPE_PROCESS);
	bpf_program__set_autoload(s->core->progs.thread_created,
				  s->config.scope == SCOPE_PROCESS);
	bpf_program__set_autoload(s->core->progs.discover, true);
	bpf_program__set_autoload(s->core->progs.module_loaded, true);
	bpf_program__set_autoload(s->core->progs.module_gone, true);
}

/* Without a word where the kernel refuses. */
static int load_core(struct session *s)
{
	int err;

	s->core = calloc(1, sizeof(*s->core));
	if (!s->core)
		return -ENOMEM;
	err = core_bpf__create_skeleton(s->core);
	if (!err && s->config.records)
		s->core->skeleton->data =
			(void *)core_record_bpf__elf_bytes(&s->core->skeleton->data_sz);
	err = err ?: templates__announce();
	err = err ?: loader__open(s->core->skeleton);
	err = err ?: templates__new(&s->templates, s->core->obj);
	if (!s->survey_facts)
		err = err ?: survey(s);
	err = err ?: set_up_plan(s);
	if (err)
		return err;
	drop_all_incomplete(&s->plan);
	choose_programs(s);
	if (records_kind(s, RECORD_PAGES))
		find_page_tables(s, &s->config);
	*(struct mmuscope_config *)&s->core->rodata->cfg = s->config;
	err = size_maps(s);
	err = err ?: core_bpf__load(s->core);
	if (!err)
		templates__done(s->templates);
	return err;
}

static void unload_core(struct session *s)
{
	templates__free(s->templates);
	core_bpf__destroy(s->core);
	s->templates = NULL;
	s->core = NULL;
}

int session__load(struct session *s)
{
	int err = load_core(s);

	/* Functions that are in BTF and were inlined are refused, and all else with them. */
	if (err && err != -EPERM && s->survey_facts && survey__read_sites(s)) {
		unload_core(s);
		err = load_core(s);
	}
	if (err)
		return loader__failed(err);
	s->cpu = map_counters(s->core->maps.cpus, &s->cpu_bytes);
	s->rows = map_counters(s->core->maps.rows, &s->rows_bytes);
	s->callback_rows = map_counters(s->core->maps.callback_rows, &s->callback_rows_bytes);
	s->ring = ring_buffer__new(bpf_map__fd(s->core->maps.ring), ring_event, s, NULL);
	if (s->config.records)
		s->records = map_counters(s->core->maps.records, &s->records_bytes);
	if (!s->cpu || !s->rows || !s->callback_rows || !s->ring ||
	    (s->config.records && !s->records))
		return loader__failed(-errno);
	if (s->records)
		records__lay_out(s);
	err = fill_free_rows(s, s->core->maps.free_rows);
	err = err ?: fill_free_rows(s, s->core->maps.free_callback_rows);
	if (err)
		return loader__failed(err);
	start_sampling(s);
	if (s->config.scope == SCOPE_PROCESSES && s->options.pid)
		return session__add_process(s, s->options.pid);
	return 0;
}

int session__add_process(struct session *s, pid_t pid)
{
	__u32 key = (__u32)pid;
	__u64 any_start = 0;

	return bpf_map_update_elem(bpf_map__fd(s->core->maps.targets), &key, &any_start, BPF_ANY) ?
		       -errno :
		       0;
}

static int attach(struct bpf_program *prog, struct bpf_link **link)
{
	if (!prog)
		return 0;
	*link = bpf_program__attach(prog);
	if (*link)
		return 0;
	return -errno;
}

void plan_target__refuse(struct plan_target *t, int err)
{
	t->source = PLAN_NONE;
	snprintf(t->reason, sizeof(t->reason), "the kernel refused to attach: %s",
		 strerror(-err));
}

void plan_target__mark_removed(struct plan_target *t, const char *module)
{
	t->source = PLAN_NONE;
	t->absent = true;
	snprintf(t->reason, sizeof(t->reason), "module %s was removed", module);
}

int session__share_maps(const struct session *s, struct bpf_object *obj)
{
	struct bpf_map *map, *shared;
	int err;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);

		if (strstr(name, ".rodata"))
			continue;
		shared = bpf_object__find_map_by_name(s->core->obj, name);
		if (!shared)
			continue;
		if (bpf_map__fd(shared) < 0) {
			bpf_map__set_autocreate(map, false);
			continue;
		}
		err = bpf_map__reuse_fd(map, bpf_map__fd(shared));
		if (err)
			return err;
	}
	return 0;
}

struct bpf_link *session__attach_kprobe(struct bpf_program *prog, bool at_return,
					const struct plan_target *t)
{
	LIBBPF_OPTS(bpf_kprobe_opts, opts, .retprobe = at_return, .offset = t->address);

	return bpf_program__attach_kprobe_opts(prog, t->address ? NULL : t->symbol, &opts);
}

static void detach_core_target(struct core_target *target)
{
	struct bpf_link **links[] = { target->entry_link, target->exit_link };

	for (int i = 0; i < 2; i++) {
		if (!links[i] || !*links[i])
			continue;
		bpf_link__destroy(*links[i]);
		*links[i] = NULL;
	}
}

static void attach_core_target(struct session *s, struct core_target *target)
{
	struct plan_target *t = plan__find(&s->plan, target->symbol);
	int err;

	if (t->source != PLAN_FENTRY)
		return;
	err = attach(target->exit, target->exit_link);
	if (!err)
		err = attach(target->entry, target->entry_link);
	if (err) {
		detach_core_target(target);
		survey__read_sites(s);
		plan__decide(t, survey__facts(s, t->symbol), RUNG(PLAN_FENTRY));
		/* It has an ftrace site, or nobody knows. */
		if (t->source != PLAN_NONE)
			plan_target__refuse(t, err);
	}
}

__u64 session__recursion_misses(struct bpf_object *obj)
{
	struct bpf_program *prog;
	__u64 sum = 0;

	bpf_object__for_each_program(prog, obj) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

static __u64 recursion_sum(const struct session *s)
{
	__u64 sum = session__recursion_misses(s->core->obj);

	for (size_t i = 0; i < s->watch_count; i++)
		sum += watch__recursion_misses(&s->watches[i]);
	if (s->nouveau)
		sum += session__recursion_misses(s->nouveau->obj);
	return sum;
}

/* Runs the iterator once; what it finds comes through the ring. */
static int find_subscribers(struct session *s)
{
	struct bpf_link *link = bpf_program__attach_iter(s->core->progs.discover, NULL);
	char nothing[64];
	int fd, err = 0;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		err = -errno;
	while (!err && read(fd, nothing, sizeof(nothing)) > 0)
		;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

/*
 * Whoever subscribes already is looked for, and who does so from here on is
 * counted by the walk at once, unless another rung was asked for.
 */
static int arm(struct session *s)
{
	volatile struct mmuscope_control *control = &s->core->data_control->control;
	int err = find_subscribers(s);

	/* Who cannot be looked for is met by the walk, at the price of walking. */
	if (err && !probes_only(s))
		control->registry = 1;
	err = ring_buffer__consume(s->ring);
	if (err >= 0 && !probes_only(s)) {
		control->armed = 1;
		/* Who came between the two was told of, and is not armed yet. */
		err = ring_buffer__consume(s->ring);
		s->armed = true;
	}
	if (err < 0)
		msg("cannot read what the BPF programs tell: %s.", strerror(-err));
	return err < 0 ? err : 0;
}

/* One that cannot be watched costs no other, and is told. */
static void attach_watch(struct session *s)
{
	struct watch_target targets[WATCH_TARGETS];

	watch_targets(s, targets);
	for (int i = 0; i < WATCH_TARGETS && s->options.changed; i++) {
		int err = -ENOENT;

		if (bpf_program__autoload(targets[i].prog))
			err = attach(targets[i].prog, targets[i].link);
		if (err)
			msg("who subscribes through %s() from now on is not seen: %s.",
			    targets[i].symbol, strerror(-err));
	}
}

/*
 * How long a notification took is taken where a callback has no probe that takes its own
 * time. Else it costs a program more, and tells nothing that the callbacks do not.
 */
static int time_notifications(struct session *s)
{
	bool untimed = times_the_walk(s);
	int err;

	if (!untimed && (!records_kind(s, RECORD_NOTIFICATION) || !s->config.latency))
		return 0;
	for (size_t i = 0; i < s->plan.count; i++)
		untimed |= s->plan.targets[i].source == PLAN_REGISTRY;
	if (!untimed)
		return 0;
	err = attach(s->core->progs.notification_enter, &s->core->links.notification_enter);
	if (err)
		return loader__failed(err);
	s->core->data_control->control.timed = 1;
	return 0;
}

int session__attach(struct session *s)
{
	struct core_target targets[CORE_TARGETS];
	struct plan_target *t;
	int err;

	err = attach(s->core->progs.module_loaded, &s->core->links.module_loaded);
	err = err ?: attach(s->core->progs.module_gone, &s->core->links.module_gone);
	err = err ?: attach(s->core->progs.process_exit, &s->core->links.process_exit);
	if (bpf_program__autoload(s->core->progs.window_task_exit))
		err = err ?: attach(s->core->progs.window_task_exit,
				    &s->core->links.window_task_exit);
	if (s->config.scope == SCOPE_PROCESS)
		err = err ?: attach(s->core->progs.process_exec, &s->core->links.process_exec);
	if (s->config.scope == SCOPE_PROCESS)
		err = err ?: attach(s->core->progs.thread_created, &s->core->links.thread_created);
	/* After the program that tells of a second thread, so that none is missed. */
	s->contended = s->config.scope != SCOPE_PROCESS || threads_of(s->options.pid) != 1;
	if (s->config.scope == SCOPE_PROCESSES)
		err = err ?: attach(s->core->progs.process_fork, &s->core->links.process_fork);
	if (s->config.scope == SCOPE_PROCESSES)
		err = err ?: attach(s->core->progs.process_free, &s->core->links.process_free);
	if (err)
		return loader__failed(err);

	core_targets(s, targets);
	for (size_t i = 0; i < CORE_TARGETS; i++)
		attach_core_target(s, &targets[i]);
	/* What the kernel refused may have made others useless: they must not count. */
	drop_all_incomplete(&s->plan);
	for (size_t i = 0; i < CORE_TARGETS; i++)
		if (plan__find(&s->plan, targets[i].symbol)->source == PLAN_NONE)
			detach_core_target(&targets[i]);
	t = plan__find(&s->plan, "__mmu_notifier_invalidate_range_start");
	if (t->source == PLAN_NONE) {
		msg("cannot see notifications: %s: %s; see 'mmuscope probes'.", t->symbol,
		    t->reason);
		return -EOPNOTSUPP;
	}
	err = callbacks__add_module(s, NULL);
	err = err ?: writes__add_module(s, NULL);
	err = err ?: time_notifications(s);
	err = err ?: arm(s);
	if (!err)
		attach_watch(s);
	return err;
}

/* The links alone: objects and maps stay, and with them the memory of the process. */
void session__detach(struct session *s)
{
	callbacks__detach(s);
	writes__detach(s);
	core_bpf__detach(s->core);
}

/* ---- the switch ---- */

static __u64 total(const struct session *s, enum mmuscope_total t)
{
	__u64 sum = 0;

	for (unsigned int c = 0; c < s->cpus; c++)
		sum += ((const volatile struct mmuscope_cpu *)&s->cpu[c])->total[t];
	return sum;
}

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

static bool drained(const struct session *s)
{
	bool paired = s->config.paired || s->options.windows;
	bool ends = !paired || total(s, TOTAL_STARTS) ==
				       total(s, TOTAL_STARTS_FAILED) + total(s, TOTAL_ENDS) +
					       total(s, TOTAL_ABANDONED_WINDOWS) +
					       total(s, TOTAL_OVERRUN_WINDOWS);

	return ends &&
	       total(s, TOTAL_CALLBACK_ENTRIES) ==
		       total(s, TOTAL_CALLBACK_EXITS) + total(s, TOTAL_ABANDONED_CALLBACKS) &&
	       total(s, TOTAL_SETUPS) + total(s, TOTAL_EVICTS) ==
		       total(s, TOTAL_SETUPS_FAILED) + total(s, TOTAL_SETUPS_EMPTY) +
			       total(s, TOTAL_FINALIZES) + total(s, TOTAL_EVICTS_FINALIZED) +
			       total(s, TOTAL_ABANDONED_MIGRATIONS);
}

void session__enable(struct session *s, bool on)
{
	volatile struct mmuscope_control *control = &s->core->data_control->control;
	const struct timespec ms = { .tv_nsec = 1000000 };

	if (on) {
		/* What entered before the last switch-off must not leave into this count. */
		for (unsigned int c = 0; c < s->cpus; c++) {
			volatile struct mmuscope_cpu *cpu = &s->cpu[c];

			cpu->slot.range = 0;
			cpu->slot.task = 0;
			cpu->started.range = 0;
			cpu->window.range = 0;
			cpu->window.task = 0;
		}
		control->generation++;
		control->leaving = 1;
		control->enabled = 1;
		return;
	}
	control->enabled = 0;
	for (int i = 0; i < DRAIN_MS && !drained(s); i++)
		nanosleep(&ms, NULL);
	control->leaving = 0;
	/* What is open now stays as it is, while it is counted and looked at. */
	if (s->options.windows) {
		control->generation++;
		nanosleep(&ms, NULL);
	}
}

volatile __u32 *session__switch(struct session *s)
{
	return &s->core->data_control->control.enabled;
}

/* ---- rows: first those with places, then those that were given out ---- */

/* How many row indices were given out; no row beyond has ever been used. */
static __u64 rows_taken(const struct session *s, enum mmuscope_total which)
{
	__u64 n = total(s, which), max = 1ULL << s->config.row_shift;

	return n < max ? n : max;
}

static __u64 places(const struct session *s)
{
	return s->config.direct ? MMUSCOPE_DIRECT_ROWS : 0;
}

static __u64 callback_places(const struct session *s)
{
	return places(s) * MMUSCOPE_DIRECT_CALLBACKS;
}

static __u64 row_count(const struct session *s)
{
	return places(s) + rows_taken(s, ROWS_TAKEN);
}

static __u64 callback_row_count(const struct session *s)
{
	return callback_places(s) + rows_taken(s, CALLBACK_ROWS_TAKEN);
}

static struct mmuscope_row *row_at(const struct session *s, unsigned int cpu, __u64 i)
{
	if (i < places(s))
		return &s->cpu[cpu].direct[i];
	return &s->rows[(__u64)cpu << s->config.row_shift | (i - places(s))];
}

static struct mmuscope_callback_row *callback_row_at(const struct session *s, unsigned int cpu,
						     __u64 i)
{
	if (i < callback_places(s))
		return &s->cpu[cpu].direct_callback[i];
	return &s->callback_rows[(__u64)cpu << s->config.row_shift | (i - callback_places(s))];
}

/* The key that row `i` has by its place; false where it carries its own. */
static bool key_by_place(const struct session *s, __u64 i, enum mmuscope_row_kind kind,
			 struct mmuscope_row_key *key)
{
	if (i >= (kind == ROW_CALLBACK ? callback_places(s) : places(s)))
		return false;
	*key = (struct mmuscope_row_key){
		.tgid = s->config.tgid,
		.kind = kind,
		.event = i % MMUSCOPE_DIRECT_EVENTS,
		.phase = (__u8)(i % MMUSCOPE_DIRECT_ROWS / MMUSCOPE_DIRECT_EVENTS),
		.what = i / MMUSCOPE_DIRECT_ROWS,
	};
	return true;
}

/* The keys stay, and with them the indices that the kernel side has given out. */
void session__reset(struct session *s)
{
	__u64 rows = row_count(s), callbacks = callback_row_count(s);

	for (unsigned int c = 0; c < s->cpus; c++) {
		for (int t = 0; t < TOTAL_MAX; t++)
			if (t != ROWS_TAKEN && t != CALLBACK_ROWS_TAKEN)
				s->cpu[c].total[t] = 0;
		for (__u64 i = 0; i < rows; i++) {
			struct mmuscope_row *row = row_at(s, c, i);

			memset(row->count, 0, sizeof(row->count));
		}
		for (__u64 i = 0; i < callbacks; i++) {
			struct mmuscope_callback_row *row = callback_row_at(s, c, i);

			if (!callback_row__delivered(row))
				continue;
			memset(row->outcome, 0,
			       sizeof(*row) - offsetof(struct mmuscope_callback_row, outcome));
		}
	}
	start_sampling(s);
	s->recursion_gone = 0;
	s->recursion_base = recursion_sum(s);
}

/* ---- reading ---- */

/* Without a name it was met at work of another, and /proc knows it. */
static int name_process(struct session *s, const struct mmuscope_ring_event *e)
{
	char path[32], comm[sizeof(e->name)];
	bool read;
	FILE *f;

	if (e->name[0])
		return names__add_process(&s->names, e->tgid, e->start, e->name);
	if (names__knows_process(&s->names, e->tgid, e->start))
		return 0;
	snprintf(path, sizeof(path), "/proc/%u/comm", e->tgid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	read = fgets(comm, sizeof(comm), f);
	fclose(f);
	if (!read)
		return 0;
	comm[strcspn(comm, "\n")] = '\0';
	return names__add_process(&s->names, e->tgid, e->start, comm);
}

static void tell_change(const struct session *s, const struct mmuscope_ring_event *e)
{
	struct session_change change = { .name = e->name };

	if (!s->options.changed)
		return;
	switch (e->type) {
	case RING_MODULE_LOADED:
		change.what = CHANGE_MODULE_LOADED;
		break;
	case RING_MODULE_GONE:
		change.what = CHANGE_MODULE_GONE;
		break;
	default:
		change.what = CHANGE_SUBSCRIBED;
		change.pid = (pid_t)e->tgid;
		change.function = e->start;
		change.notifier = e->type == RING_NOTIFIER;
	}
	s->options.changed(s->options.changed_ctx, &change);
}

static int ring_event(void *ctx, void *data, size_t size)
{
	struct session *s = ctx;
	const struct mmuscope_ring_event *e = data;
	int err;

	if (size < sizeof(*e))
		return 0;
	switch (e->type) {
	case RING_PROCESS:
		return name_process(s, e);
	case RING_MODULE_LOADED:
		err = callbacks__add_module(s, e->name);
		err = err ?: writes__add_module(s, e->name);
		tell_change(s, e);
		return err;
	case RING_MODULE_GONE:
		callbacks__remove_module(s, e->name);
		writes__remove_module(s, e->name);
		tell_change(s, e);
		return 0;
	case RING_INTERVAL:
	case RING_NOTIFIER:
		tell_change(s, e);
		return 0;
	case RING_CALLBACK:
		return callbacks__found(s, e->start, e->tgid);
	case RING_CONTENDED:
		callbacks__watch_work(s);
		return 0;
	case RING_RECORDS:
		return 0; /* it has woken who waits: session__take_records() */
	}
	return 0;
}

int session__poll(struct session *s, int timeout_ms)
{
	int n = ring_buffer__poll(s->ring, timeout_ms);

	return n < 0 && n != -EINTR ? n : 0;
}

int session__poll_fd(const struct session *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

static int sum_rows(const struct session *s, struct snapshot *snap)
{
	__u64 n = row_count(s);

	for (__u64 i = 0; i < n; i++) {
		struct mmuscope_row *to = NULL;
		struct mmuscope_row_key key;
		bool placed = key_by_place(s, i, ROW_NOTIFICATION, &key);

		for (unsigned int c = 0; c < s->cpus; c++) {
			const struct mmuscope_row *from = row_at(s, c, i);

			/* A row that this CPU has not used has no key there, and no counts. */
			if (!from->count[0])
				continue;
			to = to ?: snapshot__add_row(snap, placed ? &key : &from->key);
			if (!to)
				return -ENOMEM;
			for (int k = 0; k < MMUSCOPE_COUNTS; k++)
				to->count[k] += from->count[k];
		}
	}
	return 0;
}

static void add_callback_row(struct mmuscope_callback_row *to,
			     const struct mmuscope_callback_row *from)
{
	__u64 one_page = callback_row__delivered(from) - from->whole;

	for (int o = 0; o < OUTCOME_MAX; o++)
		to->outcome[o] += from->outcome[o];
	to->pages += from->pages;
	to->pages_performed += from->pages_performed;
	to->whole += from->whole;
	to->avoidable += from->avoidable;
	to->avoidable_pages += from->avoidable_pages;
	to->avoidable_time += from->avoidable_time;
	for (int i = 0; i < MMUSCOPE_SIZES; i++) {
		to->size[i] += from->size[i];
		one_page -= from->size[i];
	}
	to->size[1] += one_page;
	to->latency_sum += from->latency_sum;
	if (from->latency_min > to->latency_min)
		to->latency_min = from->latency_min;
	if (from->latency_max > to->latency_max)
		to->latency_max = from->latency_max;
	for (int b = 0; b < MMUSCOPE_BUCKETS; b++)
		to->bucket[b] += from->bucket[b];
}

static int sum_callback_rows(const struct session *s, struct snapshot *snap)
{
	__u64 n = callback_row_count(s);

	for (__u64 i = 0; i < n; i++) {
		struct mmuscope_callback_row *to = NULL;
		struct mmuscope_row_key key;
		bool placed = key_by_place(s, i, ROW_CALLBACK, &key);

		for (unsigned int c = 0; c < s->cpus; c++) {
			const struct mmuscope_callback_row *from = callback_row_at(s, c, i);

			if (!callback_row__delivered(from))
				continue;
			to = to ?: snapshot__add_callback(snap, placed ? &key : &from->key);
			if (!to)
				return -ENOMEM;
			add_callback_row(to, from);
		}
	}
	return 0;
}

int session__snapshot(struct session *s, struct snapshot *snap)
{
	int err;

	memset(snap, 0, sizeof(*snap));
	for (int t = 0; t < TOTAL_MAX; t++)
		snap->total[t] = total(s, (enum mmuscope_total)t);
	err = snapshot__reserve(snap, row_count(s), callback_row_count(s));
	err = err ?: sum_rows(s, snap);
	err = err ?: sum_callback_rows(s, snap);
	if (err) {
		snapshot__clear(snap);
		return err;
	}
	snap->recursion = s->recursion_gone + recursion_sum(s) - s->recursion_base;
	return 0;
}

void session__fill_rows(struct session *s, __u64 rows, __u64 callbacks)
{
	struct mmuscope_row_key key = { .tgid = 1 };

	for (unsigned int c = 0; c < s->cpus; c++) {
		for (__u64 i = 0; i < rows; i++) {
			struct mmuscope_row *row = row_at(s, c, places(s) + i);

			key.start = i;
			key.kind = ROW_NOTIFICATION;
			row->key = key;
			row->count[NOTIFICATION_CALLS] = 1;
		}
		for (__u64 i = 0; i < callbacks; i++) {
			struct mmuscope_callback_row *row =
				callback_row_at(s, c, callback_places(s) + i);

			key.start = i;
			key.kind = ROW_CALLBACK;
			row->key = key;
			row->outcome[OUTCOME_PERFORMED] = 1;
		}
	}
	s->cpu[0].total[ROWS_TAKEN] = rows;
	s->cpu[0].total[CALLBACK_ROWS_TAKEN] = callbacks;
}

static int take_open_windows(struct session *s, struct windows *windows)
{
	int fd = bpf_map__fd(s->core->maps.open_windows);
	__u32 counted = s->core->data_control->control.generation - 1;
	__u64 now = now_ns(), key, *last = NULL;
	struct mmuscope_window w;

	while (!bpf_map_get_next_key(fd, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(fd, &key, &w) || w.generation != counted)
			continue;
		w.open_ns = now - w.opened_ns;
		windows->still_open++;
		if (windows__add(windows, &w))
			return -ENOMEM;
	}
	return 0;
}

int session__read_windows(struct session *s, struct windows *windows, bool stopped)
{
	int fd = bpf_map__fd(s->core->maps.window_reports);
	struct mmuscope_window w;

	windows__clear(windows);
	while (!bpf_map_lookup_and_delete_elem(fd, NULL, &w))
		if (windows__add(windows, &w))
			return -ENOMEM;
	return stopped ? take_open_windows(s, windows) : 0;
}

int session__read_stack(const struct session *s, __u32 id, struct causes *causes)
{
	__u64 ip[MMUSCOPE_STACK_DEPTH] = {};

	if (causes__stack(causes, id))
		return 0;
	if (bpf_map_lookup_elem(bpf_map__fd(s->core->maps.cause_stacks), &id, ip))
		return -errno;
	return causes__add_stack(causes, id, ip);
}

int session__read_stacks(const struct session *s, const struct snapshot *snap,
			 const struct windows *windows, struct causes *causes)
{
	int err = 0;

	for (size_t i = 0; i < snap->row_count && !err; i++)
		if (snap->rows[i].key.kind == ROW_CAUSE)
			err = session__read_stack(s, (__u32)snap->rows[i].key.what, causes);
	for (size_t i = 0; windows && i < windows->count && !err; i++)
		if (windows->items[i].stack >= 0)
			err = session__read_stack(s, (__u32)windows->items[i].stack, causes);
	return err;
}

const struct plan *session__plan(const struct session *s)
{
	return &s->plan;
}

struct names *session__names(struct session *s)
{
	return &s->names;
}

bool session__observes(const struct session *s, const char *symbol)
{
	for (size_t i = 0; i < s->plan.count; i++)
		if (!strcmp(s->plan.targets[i].symbol, symbol))
			return s->plan.targets[i].source != PLAN_NONE;
	return false;
}

void session__free(struct session *s)
{
	if (!s)
		return;
	ring_buffer__free(s->ring);
	callbacks__close(s);
	writes__close(s);
	if (s->cpu)
		munmap(s->cpu, s->cpu_bytes);
	if (s->rows)
		munmap(s->rows, s->rows_bytes);
	if (s->callback_rows)
		munmap(s->callback_rows, s->callback_rows_bytes);
	if (s->records)
		munmap(s->records, s->records_bytes);
	unload_core(s);
	survey__clear(s);
	plan__clear(&s->plan);
	names__clear(&s->names);
	free(s);
}

void session__object(struct surface_object *core)
{
	/* Those that record are all of the others, and more. */
	core->elf = core_record_bpf__elf_bytes(&core->size);
}
