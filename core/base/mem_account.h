/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory one piece of work may use. Blocks of core/base/mem.h that a thread with an
 * account allocates and frees are counted in it, and allocations beyond its limit fail. The threads
 * of core/base/par share the account of the thread that called it. Blocks that were there before
 * the work began, or that outlive it, make the count slightly wrong, so an account is meant to last
 * for one training run.
 */
#ifndef MEM_ACCOUNT_H
#define MEM_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mem_account {
    size_t limit;        /* bytes; 0: no limit */
    atomic_llong used;   /* bytes now */
    atomic_llong peak;   /* highest `used`, nearly: threads may miss the last change of others */
    atomic_bool refused; /* an allocation went beyond the limit */
};

/* Sets the account of the calling thread; NULL: none. */
void mem_account_use(struct mem_account *account);
struct mem_account *mem_account_get(void);

#endif
