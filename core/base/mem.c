/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks come from posix_memalign and are aligned to a cache line. Large ones ask for huge pages,
 * which make predictions of a large model, read from end to end for each request, 5 to 10 % faster.
 * Growing a block copies it, because realloc does not keep the alignment; how much to copy comes
 * from malloc_usable_size.
 */
#define MEM_NO_POISON
#include "base/mem.h"

#include "base/mem_account.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define OWN_BYTES (256 << 10) /* blocks of this size and more are mapped one by one */
#define MAX_HEAPS 4

static atomic_long fail_at;      /* allocation number that fails; 0: none */
static atomic_bool fail_forever; /* and every later one */
static atomic_long attempts;
static atomic_long live;
static _Thread_local struct mem_account *account; /* of this thread; NULL: none */

bool size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    *out = a * b;
    return true;
}

bool size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) {
        return false;
    }
    *out = a + b;
    return true;
}

static bool must_fail(void)
{
    long n = atomic_fetch_add_explicit(&attempts, 1, memory_order_relaxed) + 1;
    long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0) {
        return false;
    }
    return n == at || (n > at && atomic_load_explicit(&fail_forever, memory_order_relaxed));
}

void mem_account_use(struct mem_account *used)
{
    account = used;
}

struct mem_account *mem_account_get(void)
{
    return account;
}

static void subtract_from_account(size_t size)
{
    atomic_fetch_sub_explicit(&account->used, (long long)size, memory_order_relaxed);
}

/* Adds bytes to the thread's account; false when they go beyond its limit. */
static bool add_to_account(size_t size)
{
    long long used =
        atomic_fetch_add_explicit(&account->used, (long long)size, memory_order_relaxed);
    if (account->limit == 0 || used + (long long)size <= (long long)account->limit) {
        return true;
    }
    subtract_from_account(size);
    atomic_store_explicit(&account->refused, true, memory_order_relaxed);
    return false;
}

/* A block whose usable size is counted, because that is what mem_free will subtract. */
static void *allocate_counted(size_t size, size_t align)
{
    void *block = NULL;
    if (account != NULL && !add_to_account(size)) {
        return NULL;
    }
    int status = posix_memalign(&block, align, size);
    if (account != NULL) {
        subtract_from_account(size);
        atomic_fetch_add_explicit(&account->used,
                                  status == 0 ? (long long)malloc_usable_size(block) : 0,
                                  memory_order_relaxed);
    }
    return status == 0 ? block : NULL;
}

void *mem_alloc(size_t size)
{
    size_t align = size >= 2 * HUGE_PAGE ? HUGE_PAGE : MEM_ALIGN;
    if (must_fail() || size > PTRDIFF_MAX / 2) {
        return NULL;
    }
    void *block = allocate_counted(size > 0 ? size : 1, align);
    if (block == NULL) {
        return NULL;
    }
    if (align > MEM_ALIGN) {
        (void)madvise(block, size, MADV_HUGEPAGE);
    }
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return block;
}

void *mem_alloc_array(size_t n, size_t size)
{
    size_t total;
    return size_mul(n, size, &total) ? mem_alloc(total) : NULL;
}

void *mem_zalloc(size_t size)
{
    void *block = mem_alloc(size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void *mem_zalloc_array(size_t n, size_t size)
{
    size_t total;
    return size_mul(n, size, &total) ? mem_zalloc(total) : NULL;
}

void *mem_realloc_array(void *old, size_t n, size_t size)
{
    size_t total;
    if (!size_mul(n, size, &total)) {
        return NULL;
    }
    void *block = mem_alloc(total);
    if (block != NULL && old != NULL) {
        size_t had = malloc_usable_size(old);
        memcpy(block, old, had < total ? had : total);
        mem_free(old);
    }
    return block;
}

void mem_free(void *block)
{
    if (block != NULL) {
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
        if (account != NULL) {
            subtract_from_account(malloc_usable_size(block));
        }
        free(block);
    }
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void *mem_dup(const void *bytes, size_t size)
{
    void *copy = mem_alloc(size);
    if (copy != NULL && size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void mem_fail_after(long n, bool for_ever)
{
    atomic_store(&attempts, 0);
    atomic_store(&fail_forever, for_ever);
    atomic_store(&fail_at, n);
}

long mem_attempts(void)
{
    return atomic_load(&attempts);
}

long mem_live(void)
{
    return atomic_load(&live);
}

void mem_configure(void)
{
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, OWN_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, OWN_BYTES);
#endif
#ifdef M_ARENA_MAX
    (void)mallopt(M_ARENA_MAX, MAX_HEAPS);
#endif
}
