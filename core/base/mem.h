/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one allocator. Every heap block of the project comes from here, so that sizes are checked in
 * one place and tests can make the n-th allocation fail. Blocks are aligned to MEM_ALIGN bytes.
 *
 * mem_free(NULL) does nothing. After this header, malloc and its relatives no longer compile;
 * headers of other libraries that name them must be included before it.
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

/* NULL when memory is short or n * size overflows. A size of 0 gives a block that must be freed. */
void *mem_alloc(size_t size) MUST_CHECK;
void *mem_alloc_array(size_t n, size_t size) MUST_CHECK;
void *mem_zalloc(size_t size) MUST_CHECK;
void *mem_zalloc_array(size_t n, size_t size) MUST_CHECK;
/* Grows or shrinks a block; NULL on failure, after which the old block is as it was. */
void *mem_realloc_array(void *old, size_t n, size_t size) MUST_CHECK;
void mem_free(void *block);

/*
 * Called once at the start of a process that runs for months: large blocks are then mapped one by
 * one and return to the system when they are freed, and threads share a few heaps. By default the C
 * library raises its threshold with each large block that is freed, and models that come and go
 * then leave holes in the heaps.
 */
void mem_configure(void);

/*
 * Returns to the system what lies free in the C library's heaps, if that has become much more since
 * the last call. Called once a second or so, by one thread.
 */
void mem_give_back(void);

char *mem_strdup(const char *text) MUST_CHECK;
char *mem_strndup(const char *text, size_t len) MUST_CHECK;
void *mem_dup(const void *bytes, size_t size) MUST_CHECK;

/*
 * A failure point for tests: the n-th allocation from now on fails (1: the next one) and, with
 * `for_ever`, every later one too; 0 turns it off. The counter is process-wide and atomic.
 */
void mem_fail_after(long n, bool for_ever);
/* The number of allocations attempted since the last mem_fail_after. */
long mem_attempts(void);
/* The number of blocks that have not been freed. */
long mem_live(void);

#ifndef MEM_NO_POISON
#pragma GCC poison malloc calloc realloc free aligned_alloc posix_memalign strdup strndup
#endif

#endif
