/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job's checkpoints in the registry file: each task of the job saves its state every
 * CHECKPOINTS_S seconds, the first time after 2, and the next attempt loads it again.
 *
 * A save that fails is logged and does not stop the job; the task saves again when it is due.
 *
 * A state is valid only for the same computation. It therefore begins with a digest of the program
 * (base/build.h) and of the job's request, rows and base. Loading a state with another digest is
 * ERR_CORRUPT, like loading a damaged one.
 */
#ifndef CHECKPOINTS_H
#define CHECKPOINTS_H

#include "base/checkpoint.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/metrics.h"
#include "jobs/curves.h"
#include "store/jobs/job_read.h"
#include "store/sqlite/db.h"

#include <stdatomic.h>

/* A state shall never be older than 30 s; a slow step or disk takes the rest. */
#define CHECKPOINTS_S     20
#define CHECKPOINTS_SLOTS 1024

/* Bytes before a state: the digest and the size of the state. */
#define CHECKPOINTS_HEAD (SHA256_BYTES + 8)

struct checkpoints {
    struct checkpoint core; /* for train_run */
    struct db *db;
    const struct job_row *job;
    struct log *log;
    struct metrics *metrics;
    int64_t every_ns;
    unsigned char identity[SHA256_BYTES];
    atomic_bool loaded; /* a state was found, good or not */
    /* When a task saved last, in slot (task number mod slots). Tasks that run at the same time have
     * numbers close together, so they do not share a slot. */
    atomic_llong last[CHECKPOINTS_SLOTS];
    /* Appends the present curves, which are saved with the state. */
    void (*curves)(void *ctx, struct bytes_writer *writer);
    void *ctx;
};

/* What a computation depends on besides the program. Borrowed for the call. */
struct checkpoints_inputs {
    const void *request;
    size_t n_request;
    const char *fingerprint; /* of the rows */
    const char *space;       /* digest of the space that they are read under; NULL, "": none */
    int64_t base_version;    /* of a warm start; 0: cold */
};

/* The caller sets db, job, log, metrics, curves and ctx before. every_ms 0: CHECKPOINTS_S.
 * ERR_NOMEM. */
enum err_code checkpoints_init(struct checkpoints *checkpoints, int64_t every_ms,
                               const struct checkpoints_inputs *inputs, struct err *err) MUST_CHECK;

#endif
