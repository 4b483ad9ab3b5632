/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint kept in memory, and interruptions: it asks for the state at every k-th question and
 * requests a cancel after a number of saves, as a process that dies there would. To resume, call
 * memory_checkpoint_again and run once more with the same checkpoint.
 */
#ifndef MEMORY_CHECKPOINT_H
#define MEMORY_CHECKPOINT_H

#include "cancel.h"
#include "checkpoint.h"

#include <pthread.h>

struct memory_checkpoint_state {
    int task;
    void *bytes; /* mem */
    size_t n_bytes;
};

struct memory_checkpoint {
    struct checkpoint checkpoint; /* to be given to the subject */
    struct cancel cancel;         /* to be given to the subject */
    int every;                    /* due at every so many questions; 0: never */
    int cancel_after;             /* saves until the cancel; 0: no cancel */
    pthread_mutex_t lock;         /* guards what follows */
    int questions;
    int saves; /* since the start or memory_checkpoint_again */
    int loads; /* states found, in all */
    int n_states;
    struct memory_checkpoint_state *states; /* mem */
};

/* The struct must stay where it is until its release. */
void memory_checkpoint_init(struct memory_checkpoint *self, int every, int cancel_after);
void memory_checkpoint_release(struct memory_checkpoint *self);

/* Takes the cancel back and counts saves anew: the next run goes on from the states. */
void memory_checkpoint_again(struct memory_checkpoint *self, int cancel_after);

#endif
