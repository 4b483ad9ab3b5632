/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes ("ranks", as MPI calls them) that run the same training on the same rows. Each
 * of them does all that is not a task itself, and of the tasks of a solver (members, chains,
 * starts) those whose number modulo n is its own. Then all exchange what these tasks left, and each
 * goes through the tasks of the others from there.
 *
 * What a task leaves is what it saves in the checkpoint when it ends (base/checkpoint.h): a task
 * that finds it does no work and has the same result, bit for bit, as after an interruption. A task
 * that saves no end, or that failed, is done again by every rank: that costs time and changes
 * nothing. So the result does not depend on n. Work after the state that is saved (a factorisation,
 * say) is done again too, unless the task tells the others what came of it (ranks_tell).
 *
 * Core knows no network: the caller passes the exchange of bytes.
 */
#ifndef RANKS_H
#define RANKS_H

#include "base/checkpoint.h"
#include "base/par.h"

#include <pthread.h>

enum ranks_phase {
    RANKS_TOGETHER, /* all do the same */
    RANKS_APART,    /* each does tasks of its own */
    RANKS_REPLAY    /* each goes through the tasks of the others */
};

/* Numbers from each rank to each, in ranks' order; [n] each, offsets from the first number. */
struct ranks_swap {
    const double *to;
    const int *to_counts, *to_offsets; /* what is sent may overlap */
    double *from;
    const int *from_counts, *from_offsets;
};

struct ranks {
    int rank; /* 0 .. n-1 */
    int n;
    void *ctx;
    /* *all <- the bytes of every rank one after the other, in the order of ranks (mem, the
     * caller's), and sizes [n]. All ranks call it the same number of times; it fails on all or is
     * never heard of again. */
    enum err_code (*gather)(void *ctx, const void *bytes, size_t n_bytes, void **all, size_t *sizes,
                            struct err *err);
    /* All ranks call it; does not allocate. Fails as gather does. NULL: there is none. */
    enum err_code (*swap)(void *ctx, const struct ranks_swap *swap, struct err *err);
    /* Called when a phase begins, for measurements; NULL: not wanted. */
    void (*enter)(void *ctx, enum ranks_phase phase);
};

struct ranks_state {
    int task;
    bool told;   /* by ranks_tell */
    void *bytes; /* mem */
    size_t n_bytes;
};

/* A checkpoint that carries states between ranks, and keeps them in another one. */
struct ranks_checkpoint {
    struct checkpoint core; /* for the training */
    const struct ranks *ranks;
    const struct checkpoint *kept; /* NULL on every rank: nothing is kept */
    enum ranks_phase phase;        /* changes on the main thread, while no other one runs */
    pthread_mutex_t lock;
    struct ranks_state *states; /* guarded by lock; mem */
    int n_states, capacity;     /* guarded by lock */
};

/*
 * Borrows both. Each rank may have its own `kept`, or all the same; where all do the same, the one
 * of rank 0 counts and only that one is written. Loads outside of ranks_run must come from the main
 * thread. ERR_NOMEM.
 */
enum err_code ranks_checkpoint_init(struct ranks_checkpoint *self, const struct ranks *ranks,
                                    const struct checkpoint *kept, struct err *err) MUST_CHECK;
void ranks_checkpoint_release(struct ranks_checkpoint *self);

/*
 * par_run (base/par.h) over all ranks of a checkpoint; without ranks, and within a task, it is
 * par_run itself. `fn` must take and leave the state of a task by this checkpoint, and depend on
 * nothing that other tasks of the run leave. Errors: of the lowest rank that failed, and then of
 * all ranks; ERR_NOMEM; ERR_CORRUPT; those of the exchange.
 */
enum err_code ranks_run(const struct checkpoint *checkpoint, int n_threads, int n_tasks, par_fn *fn,
                        void *ctx, struct err *err) MUST_CHECK;

/* The number of ranks; 1 without. */
int ranks_count(const struct checkpoint *checkpoint);

/* Where this rank alone keeps states that no other one needs, from within a task; NULL: nowhere. */
const struct checkpoint *ranks_kept(const struct checkpoint *checkpoint);

/* The ranks, where there are several that can swap and do the same at this moment; else NULL. */
const struct ranks *ranks_together(const struct checkpoint *checkpoint);

/* Are there several ranks? Then a task that ends a part of its work saves it. */
bool ranks_are_several(const struct checkpoint *checkpoint);

/* Arrays that a task computes, in an order of their own. */
struct ranks_piece {
    void *bytes;
    size_t n_bytes;
};

/* At the end of a task within ranks_run: what it has computed beyond its state. Nothing happens
 * where nobody hears it. ERR_NOMEM. */
enum err_code ranks_tell(const struct checkpoint *checkpoint, int task,
                         const struct ranks_piece *pieces, int n, struct err *err) MUST_CHECK;

/* At the beginning: pieces <- what the rank told that has done the task; false: it is to be done.
 */
bool ranks_hear(const struct checkpoint *checkpoint, int task, const struct ranks_piece *pieces,
                int n);

/* Is this the task of another rank, whose state counts more than what this one remembers? */
bool ranks_is_replay(const struct checkpoint *checkpoint);

#endif
