/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign_mem.h"

#include <gnutls/gnutls.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

static sqlite3_mem_methods real;
static atomic_long fail_at;
static atomic_bool fail_for_ever;
static atomic_long attempts;

void foreign_mem_fail_after(long n, bool for_ever)
{
    atomic_store(&attempts, 0);
    atomic_store(&fail_for_ever, for_ever);
    atomic_store(&fail_at, n);
}

long foreign_mem_attempts(void)
{
    return atomic_load(&attempts);
}

static bool must_fail(void)
{
    long n = atomic_fetch_add(&attempts, 1) + 1;
    long at = atomic_load(&fail_at);
    return at != 0 && (n == at || (n > at && atomic_load(&fail_for_ever)));
}

static void *sqlite_malloc(int n)
{
    return must_fail() ? NULL : real.xMalloc(n);
}

static void *sqlite_realloc(void *old, int n)
{
    return must_fail() ? NULL : real.xRealloc(old, n);
}

/* GnuTLS 3.7.9 itself loses the handle of a hash whose state it cannot allocate. */
static void *exempt_from_leaks(void *block)
{
#if defined(__SANITIZE_ADDRESS__)
    if (block != NULL && atomic_load(&fail_at) != 0) {
        __lsan_ignore_object(block);
    }
#endif
    return block;
}

static void *tls_malloc(size_t n)
{
    return must_fail() ? NULL : exempt_from_leaks(malloc(n));
}

static void *tls_calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : exempt_from_leaks(calloc(n, size));
}

static void *tls_realloc(void *old, size_t n)
{
    return must_fail() ? NULL : realloc(old, n);
}

void foreign_mem_install(void)
{
    sqlite3_mem_methods own;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) {
        abort();
    }
    own = real;
    own.xMalloc = sqlite_malloc;
    own.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &own) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK) {
        abort();
    }
    gnutls_malloc = tls_malloc;
    gnutls_calloc = tls_calloc;
    gnutls_realloc = tls_realloc;
}
