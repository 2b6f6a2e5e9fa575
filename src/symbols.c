// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbols.h"

#include <stdlib.h>
#include <string.h>

struct line {
	__u64 address;
	char name[512], module[56]; /* KSYM_NAME_LEN of 6.1; MODULE_NAME_LEN */
};

/* The next function. Returns 0 at the end. */
static int next_function(FILE *f, struct line *l)
{
	char text[640], type;
	unsigned long long address;

	while (fgets(text, sizeof(text), f)) {
		l->module[0] = '\0';
		if (sscanf(text, "%llx %c %511s [%55[^]]]", &address, &type, l->name,
			   l->module) < 3 ||
		    !strchr("tTwW", type))
			continue;
		l->address = address;
		return 1;
	}
	return 0;
}

size_t symbols__name(struct symbol *symbols, size_t n, FILE *kallsyms)
{
	struct line l;
	size_t named = 0;

	for (size_t i = 0; i < n; i++)
		symbols[i].name[0] = symbols[i].module[0] = '\0';
	while (named < n && next_function(kallsyms, &l)) {
		for (size_t i = 0; i < n && l.address; i++) {
			struct symbol *s = &symbols[i];

			/* Of several names the first one is as good as any. */
			if (s->address != l.address || s->name[0])
				continue;
			snprintf(s->name, sizeof(s->name), "%.127s", l.name);
			snprintf(s->module, sizeof(s->module), "%s", l.module);
			named++;
		}
	}
	return named;
}

__u64 symbols__address(const char *name, FILE *kallsyms)
{
	struct line l;

	while (next_function(kallsyms, &l))
		if (!strcmp(l.name, name))
			return l.address;
	return 0;
}
