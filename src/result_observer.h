/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MMUSCOPE_RESULT_OBSERVER_H
#define MMUSCOPE_RESULT_OBSERVER_H

/* The "observer" object of a bench's result; private to result*.c. */
#include "json_at.h"
#include "result.h"

/*
 * After the samples: fills c->effects, as many as there are time keys, unless the
 * result is older than the object. 0, -ENOMEM, or -EINVAL after json_at__wrong().
 */
int result_case__read_observer(const struct json_at *result, struct result_case *c);

/*
 * Is the effect what its medians and the samples say? NULL, or what is wrong with it, a
 * clause to be freed, about `*key`. -ENOMEM in `*err`.
 */
char *result_case__doubt_observer(const struct result_case *c, size_t key, int *err);

#endif
