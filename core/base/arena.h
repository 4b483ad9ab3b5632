/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator for everything that lives as long as one request or one training run: many
 * allocations, one release. Blocks are aligned to MEM_ALIGN bytes. An arena belongs to one thread.
 */
#ifndef ARENA_H
#define ARENA_H

#include "base/compiler.h"

#include <stddef.h>

struct arena_page;

struct arena {
    struct arena_page *head; /* newest page; NULL: nothing allocated yet */
};

#define ARENA_INIT                                                                                 \
    {                                                                                              \
        .head = NULL                                                                               \
    }

/* NULL when memory is short or the size overflows. The bytes are not cleared. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
void *arena_alloc_array(struct arena *arena, size_t n, size_t size) MUST_CHECK;
void *arena_zalloc_array(struct arena *arena, size_t n, size_t size) MUST_CHECK;
char *arena_strndup(struct arena *arena, const char *text, size_t len) MUST_CHECK;
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/*
 * Forgets every allocation but keeps one page, the largest of at most 1 MiB, so that the next use
 * need not ask for memory.
 */
void arena_clear(struct arena *arena);

/* Frees every page; the arena is then empty and may be used again. */
void arena_release(struct arena *arena);

#endif
