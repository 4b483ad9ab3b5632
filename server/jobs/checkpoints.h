/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's checkpoints in the registry file: each task of the job saves its state every
 * CHECKPOINTS_S seconds, the first time after 2, and finds it again in the next attempt.
 *
 * A save that fails does not stop the job: it is logged, and tried again at the next time.
 */
#ifndef CHECKPOINTS_H
#define CHECKPOINTS_H

#include "checkpoint.h"
#include "curves.h"
#include "job_store.h"
#include "log.h"
#include "metrics.h"

#include <pthread.h>
#include <stdatomic.h>

#define CHECKPOINTS_S                                                                              \
    20 /* a state is never older than 30 s, with room for a slow step and disk                     \
        */
#define CHECKPOINTS_SLOTS 1024

struct checkpoints {
    struct checkpoint core; /* for train_run */
    struct db *db;
    int64_t job;
    struct log *log;
    struct metrics *metrics;
    int64_t every_ns;
    atomic_bool loaded; /* a state was found, good or not */
    /* When a task saved last, by its number modulo the slots. Tasks at work at the same time have
     * numbers close together, so they do not share one. */
    atomic_llong last[CHECKPOINTS_SLOTS];
    /* Bytes of the curves as of now, saved along; mem, the caller's. */
    void (*curves)(void *ctx, struct bytes_writer *writer);
    void *ctx;
};

/* every_ms 0: CHECKPOINTS_S. The rest of the fields is the caller's to set before it. */
void checkpoints_init(struct checkpoints *checkpoints, int64_t every_ms);

#endif
