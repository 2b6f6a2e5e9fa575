// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "nodes.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

#define LABEL "Mems_allowed_list:"
#define NODES_MAX 1024 /* 1 << MAX_NODES_SHIFT */

/* The kernel's list, "0-1,3", of the nodes that the process may use: without cpusets all. */
static void allowed_nodes(char *list, size_t size)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	snprintf(list, size, "0-%d", NODES_MAX - 1);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, LABEL, strlen(LABEL)))
			snprintf(list, size, "%s", line + strlen(LABEL));
	if (f)
		fclose(f);
}

static int nodes_with_memory(char *list, size_t size)
{
	FILE *f = fopen("/sys/devices/system/node/has_memory", "re");
	int err = 0;

	if (!f)
		return -errno;
	if (!fgets(list, (int)size, f))
		err = -ENODATA;
	fclose(f);
	return err;
}

static bool is_in(const char *list, int node)
{
	int first, last, length;

	/* Blanks before a number are passed over. */
	while (sscanf(list, "%d%n", &first, &length) == 1) {
		list += length;
		last = first;
		if (*list == '-' && sscanf(list, "-%d%n", &last, &length) == 1)
			list += length;
		if (node >= first && node <= last)
			return true;
		list += *list == ',';
	}
	return false;
}

static bool find_two(struct nodes *n, char *reason, size_t size)
{
	char memory[256], allowed[256];
	int found = 0;

	if (nodes_with_memory(memory, sizeof(memory))) {
		snprintf(reason, size, "the kernel has no NUMA nodes");
		return false;
	}
	allowed_nodes(allowed, sizeof(allowed));
	for (int node = 0; node < NODES_MAX && found < 2; node++) {
		if (!is_in(memory, node) || !is_in(allowed, node))
			continue;
		*(found++ ? &n->to : &n->from) = node;
	}
	if (found < 2)
		snprintf(reason, size, "%s one NUMA node has memory that may be used",
			 found ? "only" : "not even");
	return found == 2;
}

bool nodes__open(struct nodes *n, size_t pages, char *reason, size_t size)
{
	memset(n, 0, sizeof(*n));
	if (!find_two(n, reason, size))
		return false;
	n->pages = pages;
	n->page = calloc(pages, sizeof(*n->page));
	n->target = calloc(pages, sizeof(*n->target));
	n->status = calloc(pages, sizeof(*n->status));
	if (n->page && n->target && n->status)
		return true;
	snprintf(reason, size, "there is no memory for the list of pages");
	return false;
}

void nodes__close(struct nodes *n)
{
	free(n->page);
	free(n->target);
	free(n->status);
	memset(n, 0, sizeof(*n));
}

int nodes__move(struct nodes *n, unsigned char *range, int node)
{
	for (size_t i = 0; i < n->pages; i++) {
		n->page[i] = range + i * PAGE_BYTES;
		n->target[i] = node;
		n->status[i] = -ENODATA;
	}
	/* Above 0: so many pages could not be moved. */
	if (syscall(SYS_move_pages, 0, n->pages, n->page, n->target, n->status, MPOL_MF_MOVE) < 0)
		return -errno;
	for (size_t i = 0; i < n->pages; i++) {
		if (n->status[i] == node)
			continue;
		return n->status[i] < 0 ? n->status[i] : -EBUSY;
	}
	return 0;
}

void nodes__hold_still(void)
{
	int mode;

	/* "Preferred" without a node is the local one, as without a policy. */
	if (!syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) && mode == MPOL_DEFAULT)
		syscall(SYS_set_mempolicy, MPOL_PREFERRED, NULL, 0);
}
