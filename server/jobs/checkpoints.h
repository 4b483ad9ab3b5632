/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's checkpoints in the registry file: each task of the job saves its state every
 * CHECKPOINTS_S seconds, the first time after 2, and finds it again in the next attempt.
 *
 * A save that fails does not stop the job: it is logged, and tried again at the next time.
 *
 * A state is of use only to the same computation: each begins with the digest of what computes
 * (base/build.h), and of the request, rows and base of the job. One with another digest is
 * ERR_CORRUPT when it is loaded, like one that is damaged.
 */
#ifndef CHECKPOINTS_H
#define CHECKPOINTS_H

#include "base/checkpoint.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/metrics.h"
#include "jobs/curves.h"
#include "store/sqlite/db.h"

#include <pthread.h>
#include <stdatomic.h>

#define CHECKPOINTS_S                                                                              \
    20 /* a state is never older than 30 s, with room for a slow step and disk                     \
        */
#define CHECKPOINTS_SLOTS 1024

/* What stands before a state: the digest, and how many bytes the state has. */
#define CHECKPOINTS_HEAD (SHA256_BYTES + 8)

struct checkpoints {
    struct checkpoint core; /* for train_run */
    struct db *db;
    int64_t job;
    struct log *log;
    struct metrics *metrics;
    int64_t every_ns;
    unsigned char identity[SHA256_BYTES];
    atomic_bool loaded; /* a state was found, good or not */
    /* When a task saved last, by its number modulo the slots. Tasks at work at the same time have
     * numbers close together, so they do not share one. */
    atomic_llong last[CHECKPOINTS_SLOTS];
    /* Bytes of the curves as of now, saved along; mem, the caller's. */
    void (*curves)(void *ctx, struct bytes_writer *writer);
    void *ctx;
};

/* What a computation depends on beside the machine. Borrowed for the call. */
struct checkpoints_inputs {
    const void *request;
    size_t n_request;
    const char *fingerprint; /* of the rows */
    int64_t base_version;    /* of a warm start; 0: cold */
};

/* every_ms 0: CHECKPOINTS_S. The rest of the fields is the caller's to set before it. ERR_NOMEM. */
enum err_code checkpoints_init(struct checkpoints *checkpoints, int64_t every_ms,
                               const struct checkpoints_inputs *inputs, struct err *err) MUST_CHECK;

#endif
