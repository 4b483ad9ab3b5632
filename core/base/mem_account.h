/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one piece of work may use of memory. Blocks (core/base/mem.h) that a thread with an account
 * takes and gives back are counted in it, and past its limit there are none. core/base/par gives
 * its threads the account of the thread that calls it. Blocks that were there before the work, or
 * outlive it, make the count a little wrong: an account is for the length of a training run.
 */
#ifndef MEM_ACCOUNT_H
#define MEM_ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mem_account {
    size_t limit;        /* bytes; 0: none */
    atomic_llong used;   /* bytes now */
    atomic_bool refused; /* something did not fit */
};

/* Of the calling thread from now on; NULL: none. */
void mem_account_use(struct mem_account *account);
struct mem_account *mem_account_get(void);

#endif
