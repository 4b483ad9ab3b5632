/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints in memory, for a process that dies: after a given number of saves nothing more is
 * stored, every later save fails, and a cancel is requested. A second run with the same checkpoints
 * then continues from what was stored.
 */
#ifndef MEMORY_CHECKPOINT_H
#define MEMORY_CHECKPOINT_H

#include <pthread.h>

#include "base/cancel.h"
#include "base/checkpoint.h"

struct memory_state {
    int task;
    void *bytes; /* mem */
    size_t n_bytes;
};

struct memory_checkpoint {
    struct checkpoint checkpoint; /* for the problem */
    int every;                    /* `due` is true at every `every`-th call; 0: never */
    int die_after;                /* saves until it dies; 0: never */
    struct cancel *cancel;        /* requested at death; may be NULL */
    pthread_mutex_t lock;
    int n_asked, n_saves, n_loads; /* of loads only those that found something */
    int n_states;
    struct memory_state *states; /* mem */
};

void memory_checkpoint_init(struct memory_checkpoint *self, int every);
void memory_checkpoint_release(struct memory_checkpoint *self);
/* Alive again, with its states: the counts begin at 0. */
void memory_checkpoint_revive(struct memory_checkpoint *self);

#endif
