/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages are chained, the newest first. Each is twice as long as the one before it, up to MAX_BYTES:
 * a few small allocations need little memory, and many of them lie in blocks that the C library
 * maps one by one and gives back to the system. A larger request gets a page of its own. Under
 * AddressSanitizer the unused part of a page is poisoned, and a poisoned cache line separates
 * neighbouring blocks, so that overruns within a page are caught as well.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define GAP            MEM_ALIGN
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP            0
#endif

#define PAGE_BYTES ((size_t)64 * 1024) /* of the first page */
/* Of a page with its header. Somewhat less than what mem backs by huge pages. */
#define MAX_BYTES  (((size_t)4 << 20) - MEM_ALIGN)
#define KEEP_BYTES ((size_t)1024 * 1024) /* largest page that arena_clear keeps */

struct arena_page {
    struct arena_page *next;
    size_t size; /* usable bytes after the header line */
    size_t used;
};

static unsigned char *page_bytes(struct arena_page *page)
{
    return (unsigned char *)page + MEM_ALIGN;
}

static struct arena_page *page_new(size_t size)
{
    size_t total;
    if (!size_add(size, MEM_ALIGN, &total)) {
        return NULL;
    }
    struct arena_page *page = mem_alloc(total);
    if (page != NULL) {
        page->size = size;
        page->used = 0;
        POISON(page_bytes(page), size);
    }
    return page;
}

/* The length of the page that follows `page`. After a page made for one large request the lengths
 * begin again at PAGE_BYTES. */
static size_t next_page_bytes(const struct arena_page *page)
{
    size_t bytes = PAGE_BYTES;
    while (page != NULL && page->size < MAX_BYTES && bytes <= page->size) {
        bytes *= 2;
    }
    return bytes < MAX_BYTES - MEM_ALIGN ? bytes : MAX_BYTES - MEM_ALIGN;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t step;
    if (!size_add(size, MEM_ALIGN - 1 + GAP, &step)) {
        return NULL;
    }
    step &= ~(size_t)(MEM_ALIGN - 1);
    struct arena_page *page = arena->head;
    if (page == NULL || page->size - page->used < step) {
        size_t usual = next_page_bytes(page);
        page = page_new(step > usual ? step : usual);
        if (page == NULL) {
            return NULL;
        }
        page->next = arena->head;
        arena->head = page;
    }
    unsigned char *block = page_bytes(page) + page->used;
    page->used += step;
    UNPOISON(block, size);
    return block;
}

void *arena_alloc_array(struct arena *arena, size_t n, size_t size)
{
    size_t total;
    return size_mul(n, size, &total) ? arena_alloc(arena, total) : NULL;
}

void *arena_zalloc_array(struct arena *arena, size_t n, size_t size)
{
    size_t total;
    if (!size_mul(n, size, &total)) {
        return NULL;
    }
    void *block = arena_alloc(arena, total);
    if (block != NULL) {
        memset(block, 0, total);
    }
    return block;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        return NULL;
    }
    char *text = arena_alloc(arena, (size_t)len + 1);
    if (text != NULL) {
        va_start(args, fmt);
        vsnprintf(text, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    return text;
}

static void page_free(struct arena_page *page)
{
    UNPOISON(page_bytes(page), page->size);
    mem_free(page);
}

void arena_clear(struct arena *arena)
{
    struct arena_page *kept = NULL;
    struct arena_page *page = arena->head;
    while (page != NULL) {
        struct arena_page *next = page->next;
        if (page->size > KEEP_BYTES || (kept != NULL && kept->size >= page->size)) {
            page_free(page);
        } else {
            if (kept != NULL) {
                page_free(kept);
            }
            kept = page;
        }
        page = next;
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
        POISON(page_bytes(kept), kept->size);
    }
    arena->head = kept;
}

void arena_release(struct arena *arena)
{
    struct arena_page *page = arena->head;
    while (page != NULL) {
        struct arena_page *next = page->next;
        page_free(page);
        page = next;
    }
    arena->head = NULL;
}
