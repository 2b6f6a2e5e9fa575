// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "loader.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <gelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan.h"

#define INITIAL_PID_NAMESPACE 0xEFFFFFFCU /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

/* libbpf's words are kept for the one sentence that we say ourselves. */
static char libbpf_said[512];

static int keep_libbpf_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (getenv("MMUSCOPE_LIBBPF_DEBUG"))
		return vfprintf(stderr, fmt, ap);
	if (level == LIBBPF_WARN) {
		vsnprintf(libbpf_said, sizeof(libbpf_said), fmt, ap);
		libbpf_said[strcspn(libbpf_said, "\n")] = '\0';
	}
	return 0;
}

enum status loader__status(int err)
{
	switch (-err) {
	case 0:
		return STATUS_OK;
	case EPERM:
	case EACCES:
	case ENOENT:
	case ENODEV:
	case EBUSY:
	case EOPNOTSUPP:
		return STATUS_UNAVAILABLE;
	default:
		return STATUS_FAILED;
	}
}

/* CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON, by /proc: no library for one line. */
static bool may_trace(void)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps & 1ULL << 21 || (caps & 1ULL << 38 && caps & 1ULL << 39);
}

int loader__check(void)
{
	if (!may_trace()) {
		msg("needs root: loading BPF programs takes CAP_BPF and CAP_PERFMON; "
		    "run it with sudo.");
		return -EPERM;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		msg("this kernel shows no BTF (/sys/kernel/btf/vmlinux: %s); boot one built with "
		    "CONFIG_DEBUG_INFO_BTF=y, and mount sysfs.",
		    strerror(errno));
		return -ENOENT;
	}
	libbpf_set_print(keep_libbpf_words);
	return 0;
}

bool loader__has_enum(const char *type, const char *value)
{
	const struct btf *btf = kernel_btf();
	const struct btf_type *t;
	bool found = false;
	int id;

	if (!btf)
		return false;
	id = btf__find_by_name_kind(btf, type, BTF_KIND_ENUM);
	t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	for (int i = 0; t && i < btf_vlen(t) && !found; i++)
		found = !strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), value);
	return found;
}

bool loader__has_struct(const char *name)
{
	const struct btf *btf = kernel_btf();

	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT) > 0;
}

/* Has the kernel atomics that give the old value back? 5.12 */
static bool has_fetch(void)
{
	/* It is of the same release, and in BTF. */
	return loader__has_enum("bpf_func_id", "BPF_FUNC_check_mtu");
}

/* An atomic that gives the old value back becomes the plain addition that 5.10 knows. */
static void drop_fetch(struct bpf_insn *insn, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (BPF_CLASS(insn[i].code) != BPF_STX || BPF_MODE(insn[i].code) != BPF_ATOMIC)
			continue;
		insn[i].imm = 0;
	}
}

static int drop_all_fetches(char *elf, size_t size)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	Elf *e;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -EINVAL;
	e = elf_memory(elf, size);
	if (!e)
		return -EINVAL;
	while ((scn = elf_nextscn(e, scn)))
		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_PROGBITS &&
		    shdr.sh_flags & SHF_EXECINSTR && shdr.sh_offset + shdr.sh_size <= size)
			drop_fetch((struct bpf_insn *)(elf + shdr.sh_offset),
				   shdr.sh_size / sizeof(struct bpf_insn));
	elf_end(e);
	return 0;
}

int loader__open(struct bpf_object_skeleton *skeleton)
{
	char *elf;
	int err;

	if (has_fetch())
		return bpf_object__open_skeleton(skeleton, NULL);
	elf = malloc(skeleton->data_sz);
	if (!elf)
		return -ENOMEM;
	memcpy(elf, skeleton->data, skeleton->data_sz);
	err = drop_all_fetches(elf, skeleton->data_sz);
	skeleton->data = elf;
	/* It keeps copies of all that it needs. */
	err = err ? err : bpf_object__open_skeleton(skeleton, NULL);
	free(elf);
	skeleton->data = NULL;
	return err;
}

int loader__failed(int err)
{
	if (err == -EPERM)
		msg("the kernel forbids BPF tracing programs to this root (lockdown, or a "
		    "container without CAP_BPF and CAP_PERFMON); run it on the host.");
	else
		msg("cannot load the BPF programs: %s (%s); run it with MMUSCOPE_LIBBPF_DEBUG=1 "
		    "for the verifier's words.",
		    strerror(-err), libbpf_said[0] ? libbpf_said : "no details");
	return err;
}

bool loader__in_initial_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_PID_NAMESPACE;
}
