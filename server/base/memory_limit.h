/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory this process may use: the smallest of what machine, container and limits
 * allow. */
#ifndef MEMORY_LIMIT_H
#define MEMORY_LIMIT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes for blocks of core/base/mem.h: 80 % of the container's limit (cgroup v2 or v1) or of the
 * machine's memory, whichever is less; and at most half of the limit of address space, because
 * stacks and the heaps of threads take address space that they do not use.
 */
size_t memory_limit_usable(void);

/* The text of a cgroup's limit: a number of bytes. False: "max", a number so large that it stands
 * for none, or no number. */
bool memory_limit_read(const char *text, size_t *bytes);

#endif
