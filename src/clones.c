// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "clones.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LICENSE "Dual BSD/GPL"
#define PMU "/sys/bus/event_source/devices/kprobe/"
#define TEMPLATES_MAX 32
#define LOG_BYTES (1 << 20)

/* The sections that name no target, and what their programs are. */
static const struct section {
	const char *name;
	enum bpf_prog_type type;
	enum bpf_attach_type attach;
	bool at_return;
} sections[] = {
	{ "fentry", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, false },
	{ "fexit", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, true },
	{ "kprobe", BPF_PROG_TYPE_KPROBE, 0, false },
	{ "kretprobe", BPF_PROG_TYPE_KPROBE, 0, true },
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* A program as libbpf would have loaded it. Its BTF is libbpf's. */
struct template {
	struct bpf_program *prog;
	const struct section *section;
	struct bpf_insn *insns;
	size_t count;
	struct bpf_prog_load_opts opts;
	void *functions, *lines;
};

struct templates {
	struct template items[TEMPLATES_MAX];
	size_t count;
};

/* Whose object is being loaded: libbpf calls back with nothing that tells. */
static struct templates *collecting;

static const struct section *section_of(const struct bpf_program *prog)
{
	for (size_t i = 0; i < SECTIONS; i++)
		if (!strcmp(bpf_program__section_name(prog), sections[i].name))
			return &sections[i];
	return NULL;
}

static void *copy_of(const void *from, size_t bytes)
{
	void *copy = malloc(bytes + 1);

	return copy ? memcpy(copy, from, bytes) : NULL;
}

static int fill(struct template *t, struct bpf_program *prog, const struct bpf_prog_load_opts *opts)
{
	const struct bpf_insn *insns = bpf_program__insns(prog);

	t->prog = prog;
	t->section = section_of(prog);
	t->count = bpf_program__insn_cnt(prog);
	t->opts = *opts;
	t->opts.sz = sizeof(t->opts);
	t->insns = copy_of(insns, t->count * sizeof(*insns));
	t->functions = copy_of(opts->func_info, (size_t)opts->func_info_cnt *
							opts->func_info_rec_size);
	t->lines = copy_of(opts->line_info,
			   (size_t)opts->line_info_cnt * opts->line_info_rec_size);
	t->opts.func_info = t->functions;
	t->opts.line_info = t->lines;
	return t->section && t->insns && t->functions && t->lines ? 0 : -ENOMEM;
}

/* libbpf is about to load it, and all is relocated: keeps it, and leaves a stub. */
static int keep(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	struct bpf_insn stub[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int err;

	(void)cookie;
	if (!collecting || collecting->count == TEMPLATES_MAX)
		return -E2BIG;
	err = fill(&collecting->items[collecting->count++], prog, opts);
	if (err)
		return err;
	opts->expected_attach_type = 0;
	opts->func_info_cnt = opts->line_info_cnt = 0;
	opts->func_info = opts->line_info = NULL;
	return bpf_program__set_insns(prog, stub, 2);
}

int templates__announce(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = keep);
	static bool done;
	int id;

	for (size_t i = 0; i < SECTIONS && !done; i++) {
		/* Of all types the one that asks nothing of the kernel, for the stub. */
		id = libbpf_register_prog_handler(sections[i].name, BPF_PROG_TYPE_SOCKET_FILTER,
						  0, &opts);
		if (id < 0)
			return id;
	}
	done = true;
	return 0;
}

int templates__new(struct templates **out, struct bpf_object *obj)
{
	struct templates *ts = calloc(1, sizeof(*ts));
	struct bpf_program *prog;

	*out = ts;
	if (!ts)
		return -ENOMEM;
	bpf_object__for_each_program(prog, obj)
		if (section_of(prog))
			bpf_program__set_autoload(prog, true);
	collecting = ts;
	return 0;
}

void templates__done(struct templates *ts)
{
	collecting = NULL;
	for (size_t i = 0; i < ts->count; i++)
		bpf_program__unload(ts->items[i].prog);
}

void templates__free(struct templates *ts)
{
	if (!ts)
		return;
	if (collecting == ts)
		collecting = NULL;
	for (size_t i = 0; i < ts->count; i++) {
		free(ts->items[i].insns);
		free(ts->items[i].functions);
		free(ts->items[i].lines);
	}
	free(ts);
}

static const struct template *find(const struct templates *ts, const struct bpf_program *prog)
{
	for (size_t i = 0; i < ts->count; i++)
		if (ts->items[i].prog == prog)
			return &ts->items[i];
	return NULL;
}

/* ---- loading ---- */

int clone__constants(const struct bpf_map *rodata, const void *data, size_t size)
{
	/* The verifier takes it for constants when the program cannot write it, and nobody else. */
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);
	const __u32 zero = 0;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, bpf_map__name(rodata), sizeof(zero),
				(__u32)size, 1, &opts);

	if (fd < 0)
		return -errno;
	if (!bpf_map_update_elem(fd, &zero, data, 0) && !bpf_map_freeze(fd))
		return fd;
	close(fd);
	return -errno;
}

/* The kernel's number of a module's BTF, as a file descriptor; -ENOENT: it has none. */
static int module_btf_fd(const char *module)
{
	__u32 id = 0;

	while (!bpf_btf_get_next_id(id, &id)) {
		struct bpf_btf_info info = {};
		__u32 len = sizeof(info);
		char name[64] = "";
		int fd = bpf_btf_get_fd_by_id(id);

		if (fd < 0)
			continue;
		info.name = (__u64)(unsigned long)name;
		info.name_len = sizeof(name);
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.kernel_btf &&
		    !strcmp(name, module))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* What fentry and fexit are attached to. `fd` of the module's BTF, 0: the kernel's. */
static int find_target(const struct plan_target *t, int *fd)
{
	struct btf *module = NULL, *base = kernel_btf();
	int id;

	*fd = 0;
	if (!base)
		return -ENOENT;
	if (t->module[0])
		module = module_btf(t->module);
	id = btf__find_by_name_kind(module ? module : base, t->symbol, BTF_KIND_FUNC);
	if (id >= (int)btf__type_cnt(base))
		*fd = module_btf_fd(t->module);
	btf__free(module);
	return *fd < 0 ? *fd : id;
}

/* Once, and once more for the verifier's words where somebody wants to read them. */
static int load(const struct template *t, const struct bpf_insn *insns,
		struct bpf_prog_load_opts *opts)
{
	const char *name = bpf_program__name(t->prog);
	int fd = bpf_prog_load(t->section->type, name, LICENSE, insns, t->count, opts);
	int err = -errno;
	char *log;

	if (fd >= 0 || !getenv("MMUSCOPE_LIBBPF_DEBUG"))
		return fd >= 0 ? fd : err;
	log = calloc(1, LOG_BYTES);
	if (!log)
		return err;
	opts->log_buf = log;
	opts->log_size = LOG_BYTES;
	opts->log_level = 1;
	fd = bpf_prog_load(t->section->type, name, LICENSE, insns, t->count, opts);
	err = -errno;
	fprintf(stderr, "%s:\n%s\n", name, log);
	free(log);
	return fd >= 0 ? fd : err;
}

int clone__load(struct clone *c, const struct templates *ts, const struct bpf_program *prog,
		const struct bpf_map *rodata, int own, const struct plan_target *t)
{
	const struct template *from = find(ts, prog);
	struct bpf_prog_load_opts opts;
	struct bpf_insn *insns;
	int id, btf = 0, fd;

	if (!from)
		return -ENOENT;
	opts = from->opts;
	opts.expected_attach_type = from->section->attach;
	if (from->section->type == BPF_PROG_TYPE_TRACING) {
		id = find_target(t, &btf);
		if (id < 0)
			return id;
		opts.attach_btf_id = (__u32)id;
		opts.attach_btf_obj_fd = (__u32)btf;
	}
	fd = -ENOMEM;
	insns = malloc(from->count * sizeof(*insns));
	if (!insns)
		goto cleanup;
	memcpy(insns, from->insns, from->count * sizeof(*insns));
	for (size_t i = 0; i < from->count; i++)
		if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    insns[i].src_reg == BPF_PSEUDO_MAP_VALUE && insns[i].imm == bpf_map__fd(rodata))
			insns[i].imm = own;
	fd = load(from, insns, &opts);
	if (fd >= 0)
		c->prog = fd;
cleanup:
	free(insns);
	if (btf > 0)
		close(btf);
	return fd < 0 ? fd : 0;
}

/* ---- attaching ---- */

/* A number in a file of the kprobe PMU; it was there before 4.17 had kprobes by perf. */
static int pmu_number(const char *file, const char *format)
{
	FILE *f = fopen(file, "re");
	int n;

	if (!f)
		return -errno;
	if (fscanf(f, format, &n) != 1)
		n = -EIO;
	fclose(f);
	return n;
}

static int open_kprobe(const struct plan_target *t, bool at_return)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	int type = pmu_number(PMU "type", "%d"), bit = 0, fd;

	if (at_return)
		bit = pmu_number(PMU "format/retprobe", "config:%d");
	if (type < 0 || bit < 0)
		return type < 0 ? type : bit;
	attr.type = (__u32)type;
	attr.config = at_return ? 1ULL << bit : 0;
	attr.kprobe_func = t->address ? 0 : (__u64)(unsigned long)t->symbol;
	attr.kprobe_addr = t->address;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	/* Where standard input is closed: 0 would be none. */
	if (!fd) {
		fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
		close(0);
	}
	return fd < 0 ? -errno : fd;
}

static int attach_kprobe(struct clone *c, const struct plan_target *t, bool at_return)
{
	int fd = open_kprobe(t, at_return);

	if (fd < 0)
		return fd;
	c->event = fd;
	fd = bpf_link_create(c->prog, c->event, BPF_PERF_EVENT, NULL);
	if (fd >= 0)
		c->link = fd;
	/* 5.15 has links for it. */
	else if (errno != EINVAL || ioctl(c->event, PERF_EVENT_IOC_SET_BPF, c->prog))
		return -errno;
	return ioctl(c->event, PERF_EVENT_IOC_ENABLE, 0) ? -errno : 0;
}

int clone__attach(struct clone *c, const struct templates *ts, const struct bpf_program *prog,
		  const struct plan_target *t)
{
	const struct template *from = find(ts, prog);
	int fd;

	if (!from || !c->prog)
		return -ENOENT;
	if (from->section->type == BPF_PROG_TYPE_KPROBE)
		return attach_kprobe(c, t, from->section->at_return);
	fd = bpf_raw_tracepoint_open(NULL, c->prog);
	if (fd < 0)
		return -errno;
	c->link = fd;
	return 0;
}

__u64 clone__recursion_misses(const struct clone *c)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (!c->prog || bpf_obj_get_info_by_fd(c->prog, &info, &len))
		return 0;
	return info.recursion_misses;
}

void clone__detach(struct clone *c)
{
	if (c->event) {
		ioctl(c->event, PERF_EVENT_IOC_DISABLE, 0);
		close(c->event);
	}
	if (c->link)
		close(c->link);
	c->event = c->link = 0;
}

void clone__close(struct clone *c)
{
	clone__detach(c);
	if (c->prog)
		close(c->prog);
	*c = (struct clone){};
}
