// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * synthetic modules|made: runs the handlers of tests/bpf/synthetic.bpf.c on structures
 * of drivers whose hardware is not there, and prints a line for each case, with its
 * numbers. What drivers decline and how they say who they are comes from src/drivers.c.
 *
 * modules: the structures lie as the BTF of this kernel's modules says; of what is not
 * loaded it says so. made: as a BTF says that is made here, on top of this kernel's, of
 * structures with members at odd places.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "src/drivers.h"
#include "src/owners.h"
#include "tests/bpf/synthetic.h"

typedef __u32 u32;
typedef __u64 u64;
#include "inner.skel.h"
#include "synthetic.skel.h"

#define CALLS 23
#define PAGES 5
#define START 0x700000000000ULL
#define ROW_SHIFT 4
#define WORK_BIT 1ULL

enum { UNMAP = 0, CLEAR = 1, MIGRATE = 6 }; /* enum mmu_notifier_event */

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- types ---- */

static struct btf *kernel, *made;

/* The BTF that describes a driver's structures, NULL: this kernel has no such driver. */
static const struct btf *btf_of(const char *module)
{
	static struct {
		const char *module;
		struct btf *btf;
	} known[16];

	if (made || !module[0])
		return made ? made : kernel;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!known[i].module) {
			known[i].module = module;
			known[i].btf = btf__load_module_btf(module, kernel);
		}
		if (!strcmp(known[i].module, module))
			return known[i].btf;
	}
	die("too many modules");
}

/* Where "a.b.c" of a struct is, in bytes: a search through all types. */
static u64 look_up(const char *module, const char *name, const char *path)
{
	const struct btf *btf = btf_of(module);
	long at = btf ? btf_member_offset(btf, name, path) : -ENOENT;

	if (at < 0)
		die("%s has no %s.%s", module[0] ? module : "the kernel", name, path);
	return (u64)at;
}

/* The same, remembered; all three are literals. */
static u64 offset_of(const char *module, const char *name, const char *path)
{
	static struct {
		const char *module, *name, *path;
		u64 offset;
	} known[128];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!known[i].name) {
			known[i].module = module;
			known[i].name = name;
			known[i].path = path;
			known[i].offset = look_up(module, name, path);
		}
		if (!strcmp(known[i].module, module) && !strcmp(known[i].name, name) &&
		    !strcmp(known[i].path, path))
			return known[i].offset;
	}
	die("too many members");
}

static bool has(const char *module, const char *name)
{
	const struct btf *btf = btf_of(module);

	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT) > 0;
}

/* Of struct mmu_notifier_range; renamed in 5.14. */
static const char *owner_member(void)
{
	int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	return major * 1000 + minor < 5014 ? "migrate_pgmap_owner" : "owner";
}

/* ---- the BTF that is made ---- */

struct made_member {
	const char *name;
	u32 at;			/* bytes */
	const char *type;	/* of the kernel, or made before; NULL: a pointer */
};

#define POINTER NULL

static int pointer;

static int make_struct(const char *name, u32 size, const struct made_member *members)
{
	int id = btf__add_struct(made, name, size);

	for (; id > 0 && members->name; members++) {
		int type = members->type ? btf__find_by_name_kind(made, members->type,
								  BTF_KIND_STRUCT) :
					   pointer;

		if (type <= 0 || btf__add_field(made, members->name, type, members->at * 8, 0))
			die("cannot make %s.%s", name, members->name);
	}
	return id > 0 ? id : (die("cannot make struct %s", name), 0);
}

#define MAKE(name, size, ...) \
	make_struct(name, size, \
		    (const struct made_member[]){ __VA_ARGS__, { NULL, 0, POINTER } })

/* Places that no kernel has, some not even aligned. */
static void make_types(void)
{
	made = btf__new_empty_split(kernel);
	if (!made)
		die("cannot make BTF");
	pointer = btf__add_ptr(made, 0);
	MAKE("dmirror", 512, { "notifier", 40, "mmu_interval_notifier" },
	     { "mdevice", 333, POINTER });
	MAKE("nouveau_drm", 256, { "dev", 77, POINTER });
	MAKE("nouveau_cli", 2048, { "drm", 1001, POINTER });
	MAKE("nouveau_vmm", 64, { "cli", 9, POINTER });
	MAKE("nouveau_svmm", 256, { "notifier", 56, "mmu_notifier" }, { "vmm", 155, POINTER });
	MAKE("svm_notifier", 512, { "svmm", 3, POINTER },
	     { "notifier", 136, "mmu_interval_notifier" });
	MAKE("ttm_device", 64, { "made", 0, POINTER });
	MAKE("ttm_buffer_object", 128, { "bdev", 31, POINTER });
	MAKE("amdgpu_bo", 512, { "tbo", 88, "ttm_buffer_object" });
	MAKE("amdgpu_mman", 256, { "bdev", 16, "ttm_device" });
	MAKE("amdgpu_device", 200000, { "mman", 70001, "amdgpu_mman" }, { "hive", 99991, POINTER });
	MAKE("svm_range_bo", 64, { "bo", 5, POINTER });
	MAKE("svm_range", 512, { "svm_bo", 21, POINTER },
	     { "notifier", 64, "mmu_interval_notifier" });
	MAKE("drm_pagemap_peer", 64, { "owner", 11, POINTER });
	MAKE("drm_gpuvm", 128, { "made", 0, POINTER });
	MAKE("drm_gpuva", 128, { "vm", 3, POINTER });
	MAKE("drm_gpusvm_ops", 64, { "invalidate", 17, POINTER });
	MAKE("drm_gpusvm", 128, { "ops", 19, POINTER });
	MAKE("drm_gpusvm_notifier", 512, { "gpusvm", 23, POINTER },
	     { "notifier", 64, "mmu_interval_notifier" });
	MAKE("made_svm", 700, { "gpusvm", 24, "drm_gpusvm" }, { "peer", 401, "drm_pagemap_peer" });
	MAKE("xe_vm", 2048, { "gpuvm", 40, "drm_gpuvm" }, { "svm", 801, "made_svm" });
	MAKE("xe_vma", 256, { "gpuva", 7, "drm_gpuva" });
	MAKE("xe_userptr", 512, { "notifier", 48, "mmu_interval_notifier" });
	MAKE("xe_userptr_vma", 1024, { "vma", 8, "xe_vma" }, { "userptr", 304, "xe_userptr" });
	MAKE("nvkm_vmm_map", 128, { "pfn", 29, POINTER });
}

/* ---- the object and its memory ---- */

static struct synthetic_bpf *skel;
static unsigned char *arena;
static struct mmuscope_cpu *cpus;
static u64 arena_at, arena_used;
static int cpu_count;

static void run_program(struct bpf_program *prog, u64 a, u64 b, u64 c)
{
	u64 args[3] = { a, b, c };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (err || opts.retval)
		die("%s: %s, %u", bpf_program__name(prog), strerror(-err), opts.retval);
}

static u64 run(struct bpf_program *prog, u64 a, u64 b, u64 c)
{
	run_program(prog, a, b, c);
	return skel->bss->result;
}

/* Memory for a struct, as the address that the kernel has for it. */
static u64 take(u64 bytes)
{
	u64 at = arena_at + arena_used;

	arena_used += (bytes + 63) & ~63ULL;
	if (arena_used > ARENA_BYTES)
		die("the arena is full");
	return at;
}

static void put(u64 address, u64 value)
{
	memcpy(arena + (address - arena_at), &value, sizeof(value));
}

static void *map_memory(const struct bpf_map *map, size_t bytes)
{
	void *p = mmap(NULL, (bytes + 4095) & ~4095UL, PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(map), 0);

	return p != MAP_FAILED ? p : (die("mmap: %s", strerror(errno)), NULL);
}

static void size_maps(void)
{
	u32 rows = 1U << ROW_SHIFT;

	bpf_map__set_max_entries(skel->maps.cpus, (u32)cpu_count);
	bpf_map__set_max_entries(skel->maps.rows, (u32)cpu_count * rows);
	bpf_map__set_max_entries(skel->maps.callback_rows, (u32)cpu_count * rows);
	bpf_map__set_max_entries(skel->maps.row_index, 2 * rows);
	bpf_map__set_max_entries(skel->maps.free_rows, rows);
	bpf_map__set_max_entries(skel->maps.free_callback_rows, rows);
}

/* Can the driver's structures be laid out here? */
static bool is_here(u32 reader)
{
	const struct owner_way *way = owner_way(reader);
	struct mmuscope_owner_path path;

	return !way || (btf_of(way->module) &&
			!owner_way__resolve(way, btf_of(way->module), &path));
}

static void tell_owner(u32 reader)
{
	const struct owner_way *way = owner_way(reader);
	struct mmuscope_owner_path path = {};

	if (way && is_here(reader))
		owner_way__resolve(way, btf_of(way->module), &path);
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.owner_paths), &reader, &path, BPF_ANY))
		die("owner_paths: %s", strerror(errno));
}

static void load(void)
{
	struct bpf_program *prog;
	bool storage;

	cpu_count = libbpf_num_possible_cpus();
	skel = synthetic_bpf__open();
	if (!skel)
		die("cannot open the object: %s", strerror(errno));
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, bpf_program__type(prog) ==
							BPF_PROG_TYPE_RAW_TRACEPOINT);
	storage = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL) == 1;
	bpf_map__set_autocreate(skel->maps.task_storage, storage);
	bpf_map__set_autocreate(skel->maps.task_hash, !storage);
	*(struct mmuscope_config *)&skel->rodata->cfg = (struct mmuscope_config){
		.scope = SCOPE_PROCESS, .tgid = (u32)getpid(), .row_shift = ROW_SHIFT,
		.latency = 1, .task_storage = storage, .slots = 1, .direct = 1,
		.cpus = (u32)cpu_count,
	};
	if (has("nouveau", "nvkm_vmm_map"))
		skel->rodata->pfn_offset = (u32)offset_of("nouveau", "nvkm_vmm_map", "pfn");
	size_maps();
	if (synthetic_bpf__load(skel))
		die("cannot load the object");
	arena = map_memory(skel->maps.arena, ARENA_BYTES);
	cpus = map_memory(skel->maps.cpus, (size_t)cpu_count * sizeof(*cpus));
	arena_at = run(skel->progs.arena_address, 0, 0, 0);
	for (u32 reader = 0; reader < OWNER_READERS; reader++)
		tell_owner(reader);
}

/* Begins a case: for this callback, as a session would set it, and nothing counted. */
static void begin(const struct driver_callback *d, bool work_watched)
{
	struct mmuscope_control *control = &skel->data_control->control;

	skel->bss->callback_id = 0;
	skel->data->callback_declines = d->declines;
	skel->bss->callback_owner = d->owner;
	skel->bss->callback_no_sequence = d->no_sequence;
	skel->bss->callback_work_bit = d->work ? WORK_BIT : 0;
	arena_used = 0;
	memset(cpus, 0, (size_t)cpu_count * sizeof(*cpus));
	control->enabled = 1;
	control->leaving = 1;
	control->generation++;
	control->contended = 0;
	control->work_watched = d->work && work_watched ? WORK_BIT : 0;
	run(skel->progs.migration, 0, 0, 0);
}

/* ---- drivers ---- */

static const struct driver_callback *driver(const char *symbol)
{
	const struct driver_callback *d = driver__find(symbol, "");

	return d ? d : (die("%s is not in the table", symbol), d);
}

/* A subscription of that callback's driver, whose owner is `owner`; 0: of nobody's. */
static u64 subscribe(const struct driver_callback *d, u64 owner)
{
	u64 a = take(4096), b, c, e, f;

	switch (d->owner) {
	case OWNER_TEST_HMM:
		put(a + offset_of("test_hmm", "dmirror", "mdevice"), owner);
		return a + offset_of("test_hmm", "dmirror", "notifier");
	case OWNER_NOUVEAU:
	case OWNER_NOUVEAU_FAULT:
		b = take(4096), c = take(4096), e = take(65536);
		put(a + offset_of("nouveau", "nouveau_svmm", "vmm"), b);
		put(b + offset_of("nouveau", "nouveau_vmm", "cli"), c);
		put(c + offset_of("nouveau", "nouveau_cli", "drm"), e);
		put(e + offset_of("nouveau", "nouveau_drm", "dev"), owner);
		if (d->owner == OWNER_NOUVEAU)
			return a + offset_of("nouveau", "nouveau_svmm", "notifier");
		f = take(1024);
		put(f + offset_of("nouveau", "svm_notifier", "svmm"), a);
		return f + offset_of("nouveau", "svm_notifier", "notifier");
	case OWNER_AMDGPU:
		b = take(1024), c = take(4096), e = take(1 << 20);
		put(a + offset_of("amdgpu", "svm_range", "svm_bo"), b);
		put(b + offset_of("amdgpu", "svm_range_bo", "bo"), owner ? c : 0);
		put(c + offset_of("amdgpu", "amdgpu_bo", "tbo.bdev"),
		    e + offset_of("amdgpu", "amdgpu_device", "mman.bdev"));
		put(e + offset_of("amdgpu", "amdgpu_device", "hive"), owner);
		return a + offset_of("amdgpu", "svm_range", "notifier");
	case OWNER_XE_SVM:
		b = take(65536);
		put(a + offset_of("xe", "drm_gpusvm_notifier", "gpusvm"),
		    b + offset_of("xe", "xe_vm", "svm.gpusvm"));
		put(b + offset_of("xe", "xe_vm", "svm.peer.owner"), owner);
		return a + offset_of("xe", "drm_gpusvm_notifier", "notifier");
	case OWNER_XE_USERPTR:
		b = take(65536);
		put(a + offset_of("xe", "xe_userptr_vma", "vma.gpuva.vm"),
		    b + offset_of("xe", "xe_vm", "gpuvm"));
		put(b + offset_of("xe", "xe_vm", "svm.peer.owner"), owner);
		return a + offset_of("xe", "xe_userptr_vma", "userptr.notifier");
	default:
		return a + 64;
	}
}

static u64 owner_number(int i)
{
	return 0xffff888100000000ULL + (u64)i * 4999;
}

/* ---- cases ---- */

/* For what does not depend on the callback. */
static const struct driver_callback *any(void)
{
	return driver("mlx5_ib_invalidate_range");
}

/* How many of CALLS owners, each another one, are read as they are. */
static void check_owner(const char *symbol)
{
	const struct driver_callback *d = driver(symbol);
	int right = 0, nobody;

	if (!is_here(d->owner)) {
		printf("owner %s: not here\n", symbol);
		return;
	}
	begin(any(), false);
	for (int i = 0; i < CALLS; i++) {
		arena_used = 0;
		right += run(skel->progs.owner, d->owner, subscribe(d, owner_number(i)), 0) ==
			 owner_number(i);
	}
	/* What the driver does not have comes from nowhere else, though a migration is open. */
	memset(arena, 0, ARENA_BYTES);
	arena_used = 0;
	run(skel->progs.migration, owner_number(1), 0, 0);
	nobody = run(skel->progs.owner, d->owner, subscribe(d, 0), 0) != 0;
	printf("owner %s: %d right, %d for nobody's\n", symbol, right, nobody);
}

/* amdgpu without a hive: the device itself. */
static void check_lone_amdgpu(void)
{
	const struct driver_callback *d = driver("svm_range_cpu_invalidate_pagetables");
	u64 range, device, bo, owner;

	if (!is_here(d->owner)) {
		printf("owner of an amdgpu without a hive: not here\n");
		return;
	}
	begin(any(), false);
	range = subscribe(d, 1) - offset_of("amdgpu", "svm_range", "notifier");
	memcpy(&bo, arena + (range - arena_at) + offset_of("amdgpu", "svm_range", "svm_bo"), 8);
	memcpy(&bo, arena + (bo - arena_at) + offset_of("amdgpu", "svm_range_bo", "bo"), 8);
	memcpy(&device, arena + (bo - arena_at) + offset_of("amdgpu", "amdgpu_bo", "tbo.bdev"), 8);
	device -= offset_of("amdgpu", "amdgpu_device", "mman.bdev");
	put(device + offset_of("amdgpu", "amdgpu_device", "hive"), 0);
	owner = run(skel->progs.owner, d->owner,
		    range + offset_of("amdgpu", "svm_range", "notifier"), 0);
	printf("owner of an amdgpu without a hive: %s\n",
	       owner == device ? "the device" : "something else");
}

/* The migration's, where the driver's source says nothing of one. */
static void check_owner_of_migration(void)
{
	const struct driver_callback *d = driver("mlx5_ib_invalidate_range");
	int right = 0, none;

	begin(any(), false);
	none = run(skel->progs.owner, d->owner, subscribe(d, 0), 0) == 0;
	for (int i = 0; i < CALLS; i++) {
		run(skel->progs.migration, owner_number(i), 0, 0);
		right += run(skel->progs.owner, d->owner, subscribe(d, 0), 0) == owner_number(i);
		run(skel->progs.migration, 0, 0, 0);
	}
	printf("owner of the open migration: %d right, %d without one\n", right, none);
}

struct mm {
	u64 address, subscriptions, range;
};

static struct mm make_mm(u64 seq, u64 open, u32 event, u64 owner)
{
	struct mm m = { take(4096), take(256), take(256) };
	u64 range = m.range;

	put(m.address + offset_of("", "mm_struct", "notifier_subscriptions"), m.subscriptions);
	put(m.subscriptions + offset_of("", "mmu_notifier_subscriptions", "invalidate_seq"), seq);
	put(m.subscriptions +
		    offset_of("", "mmu_notifier_subscriptions", "active_invalidate_ranges"),
	    open);
	/* Of 4 bytes: what is written behind it comes later. */
	put(range + offset_of("", "mmu_notifier_range", "event"), event);
	put(range + offset_of("", "mmu_notifier_range", owner_member()), owner);
	put(range + offset_of("", "mmu_notifier_range", "mm"), m.address);
	put(range + offset_of("", "mmu_notifier_range", "start"), START);
	put(range + offset_of("", "mmu_notifier_range", "end"), START + PAGES * 4096);
	skel->data_control->control.target_mm = m.address;
	return m;
}

/* One field of the rows of callback `id`, over all CPUs, events and phases. */
static void print_rows(int id)
{
	struct mmuscope_callback_row sum = {};
	u64 calls = 0;

	for (int c = 0; c < cpu_count; c++) {
		for (int i = 0; i < MMUSCOPE_DIRECT_ROWS; i++) {
			const struct mmuscope_callback_row *row =
				&cpus[c].direct_callback[id * MMUSCOPE_DIRECT_ROWS + i];

			for (int o = 0; o < OUTCOME_MAX; o++) {
				sum.outcome[o] += row->outcome[o];
				calls += row->outcome[o];
			}
			sum.pages += row->pages;
			sum.pages_performed += row->pages_performed;
			sum.avoidable += row->avoidable;
			sum.avoidable_pages += row->avoidable_pages;
		}
	}
	printf(" delivered %" PRIu64, (uint64_t)calls);
	if (sum.outcome[OUTCOME_PERFORMED])
		printf(" performed %" PRIu64, (uint64_t)sum.outcome[OUTCOME_PERFORMED]);
	if (sum.outcome[OUTCOME_SKIPPED])
		printf(" skipped %" PRIu64, (uint64_t)sum.outcome[OUTCOME_SKIPPED]);
	if (sum.outcome[OUTCOME_FAILED])
		printf(" failed %" PRIu64, (uint64_t)sum.outcome[OUTCOME_FAILED]);
	if (sum.outcome[OUTCOME_UNDETERMINED])
		printf(" undetermined %" PRIu64, (uint64_t)sum.outcome[OUTCOME_UNDETERMINED]);
	printf(" pages %" PRIu64 " acted %" PRIu64, (uint64_t)sum.pages,
	       (uint64_t)sum.pages_performed);
	if (sum.avoidable)
		printf(" avoidable %" PRIu64 " pages %" PRIu64, (uint64_t)sum.avoidable,
		       (uint64_t)sum.avoidable_pages);
	putchar('\n');
}

static u64 total(enum mmuscope_total t)
{
	u64 sum = 0;

	for (int c = 0; c < cpu_count; c++)
		sum += cpus[c].total[t];
	return sum;
}

/* What the driver does in the middle of its callback. */
struct deed {
	u32 event;
	bool foreign;	/* the notification has another owner than the driver */
	bool watched;	/* its work function is */
	bool works;	/* it calls that */
	bool sets;	/* the sequence number */
	bool fails;
	bool contended;	/* another invalidation of the mm is open */
};

static void call(const struct driver_callback *d, const struct deed *deed, int i)
{
	const bool interval = !strcmp(d->kind, KIND_INTERVAL);
	u64 seq = 0x1001 + 2 * (u64)i, at, subscription;
	struct mm mm;

	memset(arena, 0, ARENA_BYTES);
	arena_used = 0;
	mm = make_mm(seq, deed->contended ? 2 : 1, deed->event,
		     owner_number(deed->foreign ? i + CALLS : i));
	subscription = subscribe(d, owner_number(i));
	at = interval ? subscription + offset_of("", "mmu_interval_notifier", "invalidate_seq") : 0;
	if (at)
		put(at, seq - 2);
	run(interval ? skel->progs.enter_interval : skel->progs.enter_notifier, subscription,
	    mm.range, seq);
	if (deed->works)
		run(skel->progs.work, 0, 0, 0);
	if (at && deed->sets)
		put(at, seq);
	run(interval ? skel->progs.leave_interval : skel->progs.leave_notifier, deed->fails, 0, 0);
}

static void check_callback(const char *what, const char *symbol, struct deed deed)
{
	const struct driver_callback *d = driver(symbol);

	if (!is_here(d->owner)) {
		printf("%s: not here\n", what);
		return;
	}
	begin(d, deed.watched);
	for (int i = 0; i < CALLS; i++)
		call(d, &deed, i);
	printf("%s:", what);
	print_rows(0);
	if (total(TOTAL_CALLBACK_ENTRIES) != CALLS || total(TOTAL_CALLBACK_EXITS) != CALLS)
		die("%s: %ju entered, %ju left", what, (uintmax_t)total(TOTAL_CALLBACK_ENTRIES),
		    (uintmax_t)total(TOTAL_CALLBACK_EXITS));
}

/* ---- the walk of the registry ---- */

/* Subscribers of one address space and the ids that their functions have. */
static void tell(u64 function, const struct driver_callback *d, int id)
{
	const struct mmuscope_callback_id known = {
		.what = (u64)id, .declines = d->declines, .owner = d->owner,
		.no_sequence = d->no_sequence,
	};

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.callbacks), &function, &known, BPF_ANY))
		die("callbacks: %s", strerror(errno));
}

static u64 make_ops(const char *type, const char *field, u64 function)
{
	u64 ops = take(256);

	put(ops + offset_of("", type, field), function);
	return ops;
}

static u64 make_interval(u64 at, u64 ops, u64 seq, u64 left, u64 right)
{
	put(at + offset_of("", "mmu_interval_notifier", "interval_tree.rb.rb_left"), left);
	put(at + offset_of("", "mmu_interval_notifier", "interval_tree.rb.rb_right"), right);
	put(at + offset_of("", "mmu_interval_notifier", "interval_tree.start"), START);
	put(at + offset_of("", "mmu_interval_notifier", "interval_tree.last"), ~0ULL);
	put(at + offset_of("", "mmu_interval_notifier", "interval_tree.__subtree_last"), ~0ULL);
	put(at + offset_of("", "mmu_interval_notifier", "ops"), ops);
	put(at + offset_of("", "mmu_interval_notifier", "invalidate_seq"), seq);
	return at;
}

/* A notifier in the list, and a tree of three intervals of three drivers. */
static void walk_once(const struct driver_callback *d[4], u64 owner, u64 seq)
{
	u64 functions[4], left, right, root, mn;
	struct mm mm;

	memset(arena, 0, ARENA_BYTES);
	arena_used = 0;
	mm = make_mm(seq, 1, MIGRATE, owner);
	for (int i = 0; i < 4; i++) {
		functions[i] = 0xffffffffc0001000ULL + (u64)i * 4096;
		tell(functions[i], d[i], i);
	}
	mn = subscribe(d[0], owner);
	put(mn + offset_of("", "mmu_notifier", "ops"),
	    make_ops("mmu_notifier_ops", "invalidate_range_start", functions[0]));
	/* Acted on; without a number that says so; declined. */
	left = make_interval(subscribe(d[1], owner),
			     make_ops("mmu_interval_notifier_ops", "invalidate", functions[1]),
			     seq, 0, 0);
	right = make_interval(subscribe(d[2], owner),
			      make_ops("mmu_interval_notifier_ops", "invalidate", functions[2]),
			      seq - 2, 0, 0);
	root = make_interval(subscribe(d[3], owner),
			     make_ops("mmu_interval_notifier_ops", "invalidate", functions[3]),
			     seq - 2, left, right);
	put(mm.subscriptions + offset_of("", "mmu_notifier_subscriptions", "list.first"), mn);
	put(mm.subscriptions +
		    offset_of("", "mmu_notifier_subscriptions", "itree.rb_root.rb_node"),
	    root);
	run(skel->progs.walked, mm.range, MIGRATE, 0);
}

static void check_walk(void)
{
	static const char *const symbols[4] = {
		"nouveau_svmm_invalidate_range_start", "svm_range_cpu_invalidate_pagetables",
		"gntdev_invalidate", "tid_cover_invalidate",
	};
	const struct driver_callback *d[4];

	for (int i = 0; i < 4; i++) {
		d[i] = driver(symbols[i]);
		if (!is_here(d[i]->owner)) {
			printf("walk: not here\n");
			return;
		}
	}
	begin(d[0], false);
	for (int i = 0; i < CALLS; i++)
		walk_once(d, owner_number(i), 0x2001 + 2 * (u64)i);
	for (int i = 0; i < 4; i++) {
		printf("walk %s:", symbols[i]);
		print_rows(i);
	}
	printf("walk: lost %" PRIu64 "\n", (uint64_t)total(LOST_STATE));
}

/* ---- page-table writes ---- */

static void write_table(struct bpf_program *prog, u64 n, u64 invalid, bool readable)
{
	u64 map, pfns;

	memset(arena, 0, ARENA_BYTES);
	arena_used = 0;
	map = take(4096);
	pfns = take(n * 8);
	/* Valid ones with every other bit, invalid ones with every bit but the one. */
	for (u64 i = 0; i < n; i++)
		put(pfns + i * 8, i < invalid ? ~1ULL : 1 | i << 12);
	put(map + offset_of("nouveau", "nvkm_vmm_map", "pfn"), readable ? pfns : 8);
	run(prog, n, map, 0);
}

static void print_table_totals(const char *what)
{
	printf("%s: entries %" PRIu64 " invalid %" PRIu64 " lost %" PRIu64 "\n", what,
	       (uint64_t)total(TOTAL_TABLE_ENTRIES), (uint64_t)total(TOTAL_TABLE_INVALID),
	       (uint64_t)total(LOST_PAGES));
}

static void check_tables(void)
{
	if (!has("nouveau", "nvkm_vmm_map")) {
		printf("tables: not here\n");
		return;
	}
	begin(any(), false);
	for (u64 i = 0; i < CALLS; i++)
		write_table(skel->progs.pgt_written, 17, i % 5, true);
	print_table_totals("tables, 4 KiB pages");
	for (u64 i = 0; i < CALLS; i++)
		write_table(skel->progs.pd0_written, 3, 1, true);
	print_table_totals("tables, 2 MiB pages too");
	write_table(skel->progs.pgt_written, 512, 512, true);
	print_table_totals("tables, a whole one");
	write_table(skel->progs.pgt_written, 0, 0, true);
	print_table_totals("tables, nothing");
	write_table(skel->progs.pgt_written, 7, 0, false);
	print_table_totals("tables, out of reach");
	skel->data_control->control.enabled = 0;
	write_table(skel->progs.pgt_written, 7, 7, true);
	print_table_totals("tables, switched off");
}

/* ---- the driver behind drm_gpusvm ---- */

static void check_inner(void)
{
	const char *const module = "drm_gpusvm_helper";
	const u64 outer = 0xffffffffc0770000ULL;
	struct inner_bpf *inner;
	int right = 0, others = 0;

	/* It has CO-RE find the structs, which reads no BTF that is made. */
	if (made || !has(module, "drm_gpusvm_notifier")) {
		printf("inner of drm_gpusvm: not here\n");
		return;
	}
	inner = inner_bpf__open();
	if (!inner)
		die("cannot open the object: %s", strerror(errno));
	bpf_program__set_autoload(inner->progs.arena_address, true);
	bpf_program__set_autoload(inner->progs.inner, true);
	inner->rodata->gpusvm_function = outer;
	if (inner_bpf__load(inner))
		die("cannot load the object");
	arena = map_memory(inner->maps.arena, ARENA_BYTES);
	run_program(inner->progs.arena_address, 0, 0, 0);
	arena_at = inner->bss->result;
	for (int i = 0; i < CALLS; i++) {
		u64 function = 0xffffffffc0880000ULL + (u64)i * 16, notifier, gpusvm, ops, at;

		arena_used = 0;
		notifier = take(4096), gpusvm = take(4096), ops = take(256);
		put(notifier + offset_of(module, "drm_gpusvm_notifier", "gpusvm"), gpusvm);
		put(gpusvm + offset_of(module, "drm_gpusvm", "ops"), ops);
		put(ops + offset_of(module, "drm_gpusvm_ops", "invalidate"), function);
		at = notifier + offset_of(module, "drm_gpusvm_notifier", "notifier");
		run_program(inner->progs.inner, at, outer, 0);
		right += inner->bss->result == function;
		/* Another callback has no driver behind it. */
		run_program(inner->progs.inner, at, outer + 16, 0);
		others += inner->bss->result != 0;
	}
	printf("inner of drm_gpusvm: %d right, %d of others\n", right, others);
	inner_bpf__destroy(inner);
}

int main(int argc, char **argv)
{
	if (argc != 2 || (strcmp(argv[1], "made") && strcmp(argv[1], "modules")))
		die("usage: synthetic modules|made");
	kernel = btf__load_vmlinux_btf();
	if (!kernel)
		die("no BTF");
	if (!strcmp(argv[1], "made"))
		make_types();
	load();

	for (size_t i = 0; i < driver_callback_count; i++)
		if (driver_callbacks[i].owner != OWNER_OF_MIGRATION)
			check_owner(driver_callbacks[i].symbol);
	check_lone_amdgpu();
	check_owner_of_migration();
	check_tables();
	check_callback("mlx5 beside another invalidation", "mlx5_ib_invalidate_range",
		       (struct deed){ .event = CLEAR, .sets = 1, .contended = 1 });
	check_walk();

#define NOUVEAU "nouveau_svmm_invalidate_range_start"
	check_callback("nouveau declines its own", NOUVEAU,
		       (struct deed){ .event = MIGRATE, .watched = 1 });
	check_callback("nouveau acts on its own", NOUVEAU,
		       (struct deed){ .event = MIGRATE, .watched = 1, .works = 1 });
	check_callback("nouveau acts on another's", NOUVEAU,
		       (struct deed){ .event = MIGRATE, .watched = 1, .works = 1, .foreign = 1 });
	check_callback("nouveau may not block", NOUVEAU,
		       (struct deed){ .event = CLEAR, .watched = 1, .fails = 1 });
	check_callback("nouveau unwatched, CLEAR", NOUVEAU, (struct deed){ .event = CLEAR });
	check_callback("nouveau unwatched, MIGRATE", NOUVEAU, (struct deed){ .event = MIGRATE });
	check_callback("kvm, UNMAP", "kvm_mmu_notifier_invalidate_range_start",
		       (struct deed){ .event = UNMAP });
	check_callback("hfi1, UNMAP", "mmu_notifier_range_start", (struct deed){ .event = UNMAP });
	check_callback("radeon moves a buffer", "radeon_mn_invalidate",
		       (struct deed){ .event = CLEAR, .watched = 1, .works = 1 });
	check_callback("radeon has nothing bound", "radeon_mn_invalidate",
		       (struct deed){ .event = CLEAR, .watched = 1 });
	check_callback("radeon unwatched", "radeon_mn_invalidate", (struct deed){ .event = CLEAR });
	check_callback("gntdev", "gntdev_invalidate", (struct deed){ .event = CLEAR });
	check_callback("hfi1 clears a TID", "tid_rb_invalidate",
		       (struct deed){ .event = UNMAP, .watched = 1, .works = 1 });
	check_callback("hfi1 has no use for CLEAR", "tid_rb_invalidate",
		       (struct deed){ .event = CLEAR, .watched = 1 });
	check_callback("hfi1 covers, UNMAP", "tid_cover_invalidate",
		       (struct deed){ .event = UNMAP, .sets = 1 });
	check_callback("hfi1 covers, CLEAR", "tid_cover_invalidate",
		       (struct deed){ .event = CLEAR });
	check_callback("test_hmm declines its own", "dmirror_interval_invalidate",
		       (struct deed){ .event = MIGRATE, .watched = 1 });
	check_callback("test_hmm by its number", "dmirror_interval_invalidate",
		       (struct deed){ .event = MIGRATE, .sets = 1, .foreign = 1 });
	check_callback("test_hmm beside another invalidation", "dmirror_interval_invalidate",
		       (struct deed){ .event = MIGRATE, .sets = 1, .foreign = 1, .contended = 1 });
#define SVM "svm_range_cpu_invalidate_pagetables"
	check_callback("amdgpu acts on its own", SVM, (struct deed){ .event = MIGRATE, .sets = 1 });
	check_callback("amdgpu acts on another's", SVM,
		       (struct deed){ .event = MIGRATE, .sets = 1, .foreign = 1 });
	check_callback("amdgpu, CLEAR", SVM, (struct deed){ .event = CLEAR, .sets = 1 });
	check_callback("xe acts on its own", "drm_gpusvm_notifier_invalidate",
		       (struct deed){ .event = MIGRATE, .sets = 1 });
	check_callback("xe acts on another's", "drm_gpusvm_notifier_invalidate",
		       (struct deed){ .event = MIGRATE, .sets = 1, .foreign = 1 });
	check_callback("xe userptr acts on its own", "xe_vma_userptr_invalidate_start",
		       (struct deed){ .event = MIGRATE, .sets = 1 });
	synthetic_bpf__destroy(skel);
	check_inner();
	return 0;
}
