// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "variants.h"

#include <stddef.h>
#include <string.h>

#include "kernel_info.h"

static const struct variant variants[] = {
	/* Upstream since 5.11: 998427b3ad2c, 7d17e83abec1, 5e5dda81a0df. */
	{ .name = "patched", .acts = 0, .holes = 1, .holes_acts = 0, .avoidable = 0 },
	/* Patches 3 and 5 undone. */
	{ .name = "unpatched", .acts = 1, .holes = 1, .holes_acts = 1, .avoidable = 0 },
	/* Patch 3 undone, 5 kept: the driver looks for an event that never comes. */
	{ .name = "no-event", .acts = 1, .holes = 1, .holes_acts = 1, .avoidable = 0 },
	/* Patch 5's test undone, 3 kept: told, but not used. */
	{ .name = "no-optin", .acts = 1, .holes = 1, .holes_acts = 1, .avoidable = 1 },
	/* The notification for holes alone has no owner, as from 5.9 to 5.10. */
	{ .name = "no-hole-owner", .acts = 0, .holes = 1, .holes_acts = 1, .avoidable = 0 },
	/* The withdrawn patch 6: no notification for holes. */
	{ .name = "patch6", .acts = 0, .holes = 0, .holes_acts = 0, .avoidable = 0 },
};

const struct variant *variant__find(const char *name)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (!strcmp(variants[i].name, name))
			return &variants[i];
	return NULL;
}

const struct variant *variant__running(void)
{
	const char *name = kernel_info__variant();

	if (name[0])
		return variant__find(name);
	return kernel_info__version() >= 5011 ? variant__find("patched") : NULL;
}
