// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "variants.h"

#include <stddef.h>
#include <string.h>

#include "kernel_info.h"

static const struct variant variants[] = {
	/* Upstream since 5.11: 998427b3ad2c, 7d17e83abec1, 5e5dda81a0df. */
	{ .name = "patched", .since = 5011, .holes = 1 },
	/* In 5.9 and 5.10 that for holes had no owner yet: a CLEAR. */
	{ .name = "patched", .since = 5009, .before = 5011, .holes = 1, .holes_acts = 1 },
	/* Patches 3 and 5 undone. */
	{ .name = "unpatched", .acts = 1, .holes = 1, .holes_acts = 1 },
	/* Patch 3 undone, 5 kept: the driver looks for an event that never comes. */
	{ .name = "no-event", .acts = 1, .holes = 1, .holes_acts = 1 },
	/* Patch 5's test undone, 3 kept: told, but not used. */
	{ .name = "no-optin", .since = 5011, .acts = 1, .holes = 1, .holes_acts = 1,
	  .avoidable = 1, .holes_avoidable = 1 },
	{ .name = "no-optin", .before = 5011, .acts = 1, .holes = 1, .holes_acts = 1, .avoidable = 1 },
	/* The notification for holes alone has no owner, as from 5.9 to 5.10. */
	{ .name = "no-hole-owner", .holes = 1, .holes_acts = 1 },
	/* The withdrawn patch 6: no notification for holes. */
	{ .name = "patch6" },
};

const struct variant *variant__find(const char *name, int version)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		const struct variant *v = &variants[i];

		if (!strcmp(v->name, name) && version >= v->since &&
		    (!v->before || version < v->before))
			return v;
	}
	return NULL;
}

const struct variant *variant__running(void)
{
	const char *name = kernel_info__variant();

	return variant__find(name[0] ? name : "patched", kernel_info__version());
}
