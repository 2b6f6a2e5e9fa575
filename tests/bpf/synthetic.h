/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SYNTHETIC_H
#define SYNTHETIC_H

/* What synthetic.bpf.c and tests/vm/synthetic.c share. */
#define ARENA_BYTES (2 << 20)

#endif
