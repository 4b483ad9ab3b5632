/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one allocator. Every heap block of the project comes from here, so that sizes are checked
 * once and tests can make the n-th allocation fail. Blocks are aligned to MEM_ALIGN bytes.
 *
 * mem_free(NULL) does nothing. malloc and its kin are poisoned for whoever includes this header;
 * headers of other libraries that name them come before it.
 */
#ifndef MEM_H
#define MEM_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MEM_ALIGN 64 /* bytes: one cache line, one AVX-512 register */

/* *out = a * b; false (and *out untouched) when the product does not fit. */
bool size_mul(size_t a, size_t b, size_t *out) MUST_CHECK;
/* *out = a + b; false when the sum does not fit. */
bool size_add(size_t a, size_t b, size_t *out) MUST_CHECK;

/* NULL when memory is short or n * size overflows. A size of 0 gives a block that can be freed. */
void *mem_alloc(size_t size) MUST_CHECK;
void *mem_alloc_array(size_t n, size_t size) MUST_CHECK;
void *mem_zalloc(size_t size) MUST_CHECK;
void *mem_zalloc_array(size_t n, size_t size) MUST_CHECK;
/* Grows or shrinks; on failure NULL and the old block stays as it was. */
void *mem_realloc_array(void *old, size_t n, size_t size) MUST_CHECK;
void mem_free(void *block);

/*
 * For a process that runs for months, once at its start: large blocks are mapped one by one and go
 * back to the system when they are freed, and threads share a few heaps. The C library's own rule
 * moves the threshold up with each large block freed, after which models that come and go leave
 * holes in the heaps.
 */
void mem_configure(void);

char *mem_strdup(const char *text) MUST_CHECK;
char *mem_strndup(const char *text, size_t len) MUST_CHECK;
void *mem_dup(const void *bytes, size_t size) MUST_CHECK;

/*
 * Failure point for tests: the n-th allocation from now on fails (1: the next), and with `for_ever`
 * each after it too; 0 turns it off. The counter is process-wide and atomic.
 */
void mem_fail_after(long n, bool for_ever);
/* Allocations attempted since the last mem_fail_after. */
long mem_attempts(void);
/* Number of blocks alive. */
long mem_live(void);

#ifndef MEM_NO_POISON
#pragma GCC poison malloc calloc realloc free aligned_alloc posix_memalign strdup strndup
#endif

#endif
