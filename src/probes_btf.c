// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "probes_btf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "kernel_info.h"
#include "order.h"
#include "session.h"
#include "subscribers_walk.h"
#include "surface.h"
#include "table.h"

static const char *state(const struct surface_item *item)
{
	return item->present ? "present" : item->module ? "module" : "absent";
}

static enum status print_json(const struct surface *s, const char *path)
{
	json_t *list = json_array(), *doc;
	int err;

	for (size_t i = 0; i < s->count; i++) {
		const struct surface_item *item = &s->items[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "kind",
					surface_kind_name(item->kind), "name", item->name, "state",
					state(item), "module", item->module, "otherwise",
					item->otherwise));
	}
	doc = json_pack("{s:s, s:o, s:s, s:o}", "schema", "mmuscope-surface/1", "tool",
			tool_info__json(), "btf", path, "items", list);
	err = !doc || json_dumpf(doc, stdout, JSON_INDENT(1));
	json_decref(doc);
	putchar('\n');
	return err ? STATUS_FAILED : STATUS_OK;
}

static enum status print_table(const struct surface *s)
{
	static const struct table_column columns[] = {
		{ "KIND", false }, { "NAME", false }, { "HERE", false }, { "OTHERWISE", false },
	};
	struct table *table = table__new(columns, 4);
	size_t present = 0, absent = 0;
	int err = table ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->count && !err; i++) {
		const struct surface_item *item = &s->items[i];
		const char *cells[] = { surface_kind_name(item->kind), item->name, state(item),
					item->present ? NULL : item->otherwise };

		present += item->present;
		absent += !item->present && !item->module;
		err = table__add_row(table, cells);
	}
	err = err ? err : table__print(table, stdout);
	table__free(table);
	if (err) {
		msg("cannot print the table: out of memory.");
		return STATUS_FAILED;
	}
	printf("%zu present, %zu absent, %zu in the BTF of a module or nowhere\n", present, absent,
	       s->count - present - absent);
	return STATUS_OK;
}

static int silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

enum status probes_btf__print(const char *path, bool json)
{
	struct surface_object objects[3];
	struct surface s = {};
	enum status status;
	struct btf *kernel;
	int err;

	if (access(path, R_OK)) {
		msg("cannot read %s: %s.", path, strerror(errno));
		return STATUS_FAILED;
	}
	libbpf_set_print(silent);
	kernel = btf__parse(path, NULL);
	if (!kernel) {
		msg("%s has no BTF, or not the whole of it: give /sys/kernel/btf/vmlinux, a vmlinux, "
		    "or what scripts/kernel-build.sh keeps as vmlinux.btf.",
		    path);
		return STATUS_FAILED;
	}
	session__object(&objects[0]);
	subscribers_walk__object(&objects[1]);
	order__object(&objects[2]);
	err = surface__read(&s, objects, 3, kernel);
	if (err) {
		msg("cannot read what the programs ask of a kernel: %s.", strerror(-err));
		status = STATUS_FAILED;
	} else {
		status = json ? print_json(&s, path) : print_table(&s);
	}
	surface__clear(&s);
	btf__free(kernel);
	return status;
}
