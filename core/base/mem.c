/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks come from posix_memalign and are aligned to a cache line. Large ones ask for huge pages,
 * which make predictions of a large model, read from end to end for each request, 5 to 10 % faster.
 * Growing a block copies it, because realloc does not keep the alignment; how much to copy comes
 * from malloc_usable_size.
 *
 * The last usable byte of a block holds its kind, so that whoever frees it takes it off the count
 * to which it was added. AddressSanitizer is told that the byte is not the owner's.
 */
#define MEM_NO_POISON
#include "base/mem.h"

#include "base/mem_account.h"
#include "base/mem_budget.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(p) ASAN_POISON_MEMORY_REGION((p), 1)
#define SHOW(p) ASAN_UNPOISON_MEMORY_REGION((p), 1)
#else
#define HIDE(p) ((void)(p))
#define SHOW(p) ((void)(p))
#endif

#define HUGE_PAGE ((size_t)2 << 20)
#define OWN_BYTES (256 << 10) /* blocks of this size and more are mapped one by one */
#define MAX_HEAPS 4

static atomic_long fail_at;      /* allocation number that fails; 0: none */
static atomic_bool fail_forever; /* and every later one */
static atomic_long attempts;
static atomic_long live;
static _Thread_local struct mem_account *account; /* of this thread; NULL: none */
static _Thread_local enum mem_kind kind_now;      /* of what this thread allocates */
static atomic_size_t budget;                      /* bytes; 0: no limit */
static atomic_size_t used_by[MEM_N_KINDS];        /* bytes of blocks, by kind */
static atomic_size_t limit_of[MEM_N_KINDS];       /* bytes of one thing, by kind; 0: no limit */
static atomic_llong refusals;

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

/* ---- the account of a piece of work ---- */

static void subtract_from_account(size_t size)
{
    atomic_fetch_sub_explicit(&account->used, (long long)size, memory_order_relaxed);
}

/* Adds bytes to the thread's account; false when they go beyond its limit. */
static bool add_to_account(size_t size)
{
    long long used =
        atomic_fetch_add_explicit(&account->used, (long long)size, memory_order_relaxed);
    if (used + (long long)size > atomic_load_explicit(&account->peak, memory_order_relaxed)) {
        atomic_store_explicit(&account->peak, used + (long long)size, memory_order_relaxed);
    }
    if (account->limit == 0 || used + (long long)size <= (long long)account->limit) {
        return true;
    }
    subtract_from_account(size);
    atomic_store_explicit(&account->refused, true, memory_order_relaxed);
    return false;
}

/* ---- the budget ---- */

const char *mem_kind_name(enum mem_kind kind)
{
    static const char *const names[] = {
#define MEM_KIND(code, name) name,
#include "base/mem_kind.def"
#undef MEM_KIND
    };
    return names[kind];
}

enum mem_kind mem_kind_use(enum mem_kind kind)
{
    enum mem_kind before = kind_now;
    kind_now = kind;
    return before;
}

enum mem_kind mem_kind_get(void)
{
    return kind_now;
}

void mem_budget_set(size_t bytes)
{
    atomic_store_explicit(&budget, bytes, memory_order_relaxed);
}

size_t mem_budget_get(void)
{
    return atomic_load_explicit(&budget, memory_order_relaxed);
}

void mem_budget_set_limit(enum mem_kind kind, size_t bytes)
{
    atomic_store_explicit(&limit_of[kind], bytes, memory_order_relaxed);
}

size_t mem_budget_limit(enum mem_kind kind)
{
    return atomic_load_explicit(&limit_of[kind], memory_order_relaxed);
}

size_t mem_budget_used_by(enum mem_kind kind)
{
    return atomic_load_explicit(&used_by[kind], memory_order_relaxed);
}

size_t mem_budget_used(void)
{
    size_t used = 0;
    for (int kind = 0; kind < MEM_N_KINDS; kind++) {
        used += mem_budget_used_by((enum mem_kind)kind);
    }
    return used;
}

long long mem_budget_refusals(void)
{
    return atomic_load_explicit(&refusals, memory_order_relaxed);
}

/* What blocks of a size may use together. */
static size_t limit_for(size_t size)
{
    size_t bytes = mem_budget_get();
    return size <= MEM_SMALL_BYTES ? bytes : bytes - bytes / MEM_SMALL_RESERVE;
}

bool mem_budget_has_room(size_t bytes)
{
    size_t limit = limit_for(bytes);
    size_t used = mem_budget_used();
    return limit == 0 || (used <= limit && bytes <= limit - used);
}

/* Adds bytes to the thread's kind; false when all kinds are then beyond the budget. */
static bool claim(size_t size)
{
    size_t limit = limit_for(size);
    atomic_fetch_add_explicit(&used_by[kind_now], size, memory_order_relaxed);
    if (limit == 0 || mem_budget_used() <= limit) {
        return true;
    }
    atomic_fetch_sub_explicit(&used_by[kind_now], size, memory_order_relaxed);
    atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    return false;
}

/* Where the kind of a block stands. */
static unsigned char *kind_of(void *block)
{
    return (unsigned char *)block + malloc_usable_size(block) - 1;
}

/*
 * A block with room for its kind. It is counted by its usable size, because that is what mem_free
 * will subtract. size < PTRDIFF_MAX / 2.
 */
static void *allocate_counted(size_t size, size_t align)
{
    void *block = NULL;
    if (account != NULL && !add_to_account(size)) {
        return NULL;
    }
    size_t got = 0;
    if (claim(size)) {
        got = posix_memalign(&block, align, size + 1) == 0 ? malloc_usable_size(block) : 0;
        /* got is 0 when there is no block; the unsigned difference then takes the claim back. */
        atomic_fetch_add_explicit(&used_by[kind_now], got - size, memory_order_relaxed);
    }
    if (account != NULL) {
        subtract_from_account(size);
        atomic_fetch_add_explicit(&account->used, (long long)got, memory_order_relaxed);
    }
    if (got == 0) {
        return NULL;
    }
    *kind_of(block) = (unsigned char)kind_now;
    HIDE(kind_of(block));
    return block;
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
        size_t had = malloc_usable_size(old) - 1;
        memcpy(block, old, had < total ? had : total);
        mem_free(old);
    }
    return block;
}

void mem_free(void *block)
{
    if (block != NULL) {
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
        SHOW(kind_of(block));
        atomic_fetch_sub_explicit(&used_by[*kind_of(block)], malloc_usable_size(block),
                                  memory_order_relaxed);
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

#if defined(__GLIBC_PREREQ) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GLIBC_PREREQ(2, 33)
#define TRIMS_HEAPS
/* Freed since the last trim: what a trim is worth, as it walks over all free blocks. */
#define GIVE_BACK_BYTES ((size_t)128 * 1024)
#endif
#endif

#ifdef TRIMS_HEAPS
static atomic_size_t trimmed_bytes; /* lay free in the heaps after the last trim, or fewer since */

/* Free bytes are counted whether or not their pages are with the system, so what matters is how
 * many came since the last trim. */
void mem_give_back(void)
{
    size_t bytes = mallinfo2().fordblks;
    size_t before = atomic_load_explicit(&trimmed_bytes, memory_order_relaxed);
    if (bytes > before && bytes - before > GIVE_BACK_BYTES) {
        (void)malloc_trim(0);
        bytes = mallinfo2().fordblks;
        before = bytes;
    }
    atomic_store_explicit(&trimmed_bytes, bytes < before ? bytes : before, memory_order_relaxed);
}
#else
void mem_give_back(void)
{
}
#endif
