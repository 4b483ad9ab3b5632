/* SPDX-License-Identifier: Apache-2.0 */
/* zlib with the project's own memory, so that its blocks are counted and tests can make them fail.
 */
#ifndef ZLIB_MEMORY_H
#define ZLIB_MEMORY_H

#include <zlib.h>

#include "base/mem.h"

static inline void *zlib_memory_alloc(void *ctx, unsigned items, unsigned size)
{
    (void)ctx;
    return mem_alloc_array(items, size);
}

static inline void zlib_memory_free(void *ctx, void *block)
{
    (void)ctx;
    mem_free(block);
}

/* What a stream is before inflateInit2 or deflateInit2. */
#define ZLIB_MEMORY_STREAM                                                                         \
    {                                                                                              \
        .zalloc = zlib_memory_alloc, .zfree = zlib_memory_free                                     \
    }

#endif
