// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_info.h"

#include <bpf/libbpf.h>
#include <cpuid.h>
#include <sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

const char *kernel_info__release(void)
{
	static struct utsname u;

	if (!u.release[0])
		uname(&u);
	return u.release;
}

const char *kernel_info__variant(void)
{
	static const char tag[] = "-mmuscope-";
	const char *at = strstr(kernel_info__release(), tag);

	return at ? at + strlen(tag) : "";
}

int kernel_info__version(void)
{
	int major = 0, minor = 0;

	sscanf(kernel_info__release(), "%d.%d", &major, &minor);
	return major * 1000 + minor;
}

const char *kernel_info__clock(void)
{
	const char *clock = getenv("MMUSCOPE_CLOCK");

	return clock && !strcmp(clock, "guest-insn") ? "guest-insn" : "ns";
}

/* The hypervisor's signature in CPUID leaf 0x40000000; it exists where ECX bit 31 of 1 is set. */
static const char *accel(void)
{
	unsigned int a, b, c, d;
	char sig[13] = "";

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1U << 31))
		return NULL;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(sig, &b, 4);
	memcpy(sig + 4, &c, 4);
	memcpy(sig + 8, &d, 4);
	if (!strcmp(sig, "TCGTCGTCGTCG"))
		return "tcg";
	if (!strncmp(sig, "KVMKVMKVM", 9))
		return "kvm";
	return NULL;
}

/* Of the kernel's configuration, in hex; "" where there is none. */
static void hash_config(char hex[SHA256_DIGEST_STRING_LENGTH])
{
	unsigned char buffer[65536];
	char path[128];
	SHA2_CTX ctx;
	/* gzread() passes a file through that is not compressed. */
	gzFile f = gzopen("/proc/config.gz", "rb");
	int n;

	hex[0] = '\0';
	if (!f) {
		snprintf(path, sizeof(path), "/boot/config-%.64s", kernel_info__release());
		f = gzopen(path, "rb");
	}
	if (!f)
		return;
	SHA256Init(&ctx);
	while ((n = gzread(f, buffer, sizeof(buffer))) > 0)
		SHA256Update(&ctx, buffer, (size_t)n);
	gzclose(f);
	if (n == 0)
		SHA256End(&ctx, hex);
}

/* Once: it is some million instructions, and a result of each interval has it. */
static json_t *config_sha256(void)
{
	static char hex[SHA256_DIGEST_STRING_LENGTH];
	static bool known;

	if (!known)
		hash_config(hex);
	known = true;
	return hex[0] ? json_string(hex) : json_null();
}

static json_t *boot_id(void)
{
	char id[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f && !fgets(id, sizeof(id), f))
		id[0] = '\0';
	if (f)
		fclose(f);
	id[strcspn(id, "\n")] = '\0';
	return id[0] ? json_string(id) : json_null();
}

json_t *kernel_info__json(void)
{
	struct utsname u;

	uname(&u);
	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:o, s:o}", "release", u.release, "version",
			 u.version, "machine", u.machine, "variant",
			 kernel_info__variant()[0] ? kernel_info__variant() : NULL, "accel",
			 accel(), "config_sha256", config_sha256(), "boot_id", boot_id());
}

json_t *tool_info__json(void)
{
	char libbpf[32];

	snprintf(libbpf, sizeof(libbpf), "%u.%u", libbpf_major_version(), libbpf_minor_version());
	return json_pack("{s:s, s:s}", "version", MMUSCOPE_VERSION, "libbpf", libbpf);
}
