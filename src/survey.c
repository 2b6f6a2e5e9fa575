// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the session knows of every symbol that it may ever ask for, read at once: the
 * kernel makes each line of /proc/kallsyms anew, 100 million instructions for all.
 */
#include "session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_all(struct session *s)
{
	if (!s->survey_facts)
		s->survey_facts = calloc(s->survey.count, sizeof(*s->survey_facts));
	if (!s->survey_facts)
		return -ENOMEM;
	symbol_facts__read(s->survey_facts, &s->survey);
	s->sites_read = false;
	return 0;
}

int survey__read(struct session *s, const char *const *symbols, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count; i++)
		if (!plan__add(&s->survey, "", symbols[i], NULL))
			return -ENOMEM;
	err = callbacks__plan(&s->survey, NULL);
	err = err ? err : writes__plan(&s->survey);
	return err ? err : read_all(s);
}

struct symbol_facts *survey__facts(const struct session *s, const char *symbol)
{
	for (size_t i = 0; i < s->survey.count; i++)
		if (!strcmp(s->survey.targets[i].symbol, symbol))
			return &s->survey_facts[i];
	return NULL;
}

int survey__copy(struct session *s, const struct plan *plan, struct symbol_facts *facts)
{
	int err = 0;

	for (size_t i = 0; i < plan->count && !err; i++) {
		const struct symbol_facts *f = survey__facts(s, plan->targets[i].symbol);

		if (!f)
			return -ENOENT;
		/* The rest is of the same moment then. */
		if (!symbol_facts__current(f, &plan->targets[i])) {
			err = read_all(s);
			break;
		}
	}
	for (size_t i = 0; i < plan->count && !err; i++)
		facts[i] = *survey__facts(s, plan->targets[i].symbol);
	return err;
}

bool survey__read_sites(struct session *s)
{
	if (s->sites_read)
		return false;
	symbol_facts__read_sites(s->survey_facts, &s->survey);
	s->sites_read = true;
	return true;
}

void survey__clear(struct session *s)
{
	plan__clear(&s->survey);
	free(s->survey_facts);
	s->survey_facts = NULL;
}
