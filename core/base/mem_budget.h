/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory the process may use, and what it uses it for. Every block of core/base/mem.h is
 * counted under the kind of the thread that allocated it, and is taken off the same kind whoever
 * frees it. An allocation that would pass the budget fails as it does when memory is short.
 *
 * The last sixteenth of the budget is kept for blocks of up to MEM_SMALL_BYTES, so that small
 * requests are still answered while large ones fill the rest.
 */
#ifndef MEM_BUDGET_H
#define MEM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#define MEM_SMALL_BYTES   ((size_t)256 * 1024)
#define MEM_SMALL_RESERVE 16 /* one part in so many */

enum mem_kind {
#define MEM_KIND(code, name) MEM_##code,
#include "base/mem_kind.def"
#undef MEM_KIND
    MEM_N_KINDS
};

/* Constant; "models". */
const char *mem_kind_name(enum mem_kind kind);

/* The kind of what the calling thread allocates from now on (at first MEM_OTHER); returns the one
 * before. Threads of core/base/par have the kind of the thread that called it. */
enum mem_kind mem_kind_use(enum mem_kind kind);
enum mem_kind mem_kind_get(void);

/* Bytes of the process; 0: no limit. */
void mem_budget_set(size_t bytes);
size_t mem_budget_get(void);

/* What one thing of a kind may need, for whoever knows that before allocating; 0: no limit. */
void mem_budget_set_limit(enum mem_kind kind, size_t bytes);
size_t mem_budget_limit(enum mem_kind kind);

/* Bytes of all blocks of a kind, and of all kinds. */
size_t mem_budget_used_by(enum mem_kind kind);
size_t mem_budget_used(void);
/* Allocations that failed because of the budget. */
long long mem_budget_refusals(void);

/* Is there room for so many more bytes? Nothing is set aside. */
bool mem_budget_has_room(size_t bytes);

#endif
