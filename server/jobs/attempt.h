/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt at a job: from its request to a published version. All that it computes depends on
 * the request, the rows and the version it starts from; what an attempt before it has left in
 * checkpoints only saves time.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "documents/job_spec.h"
#include "jobs/checkpoints.h"
#include "jobs/gate.h"
#include "jobs/rows.h"
#include "live/models.h"
#include "store/jobs/job_read.h"
#include "store/models/model_store.h"

struct attempt_settings {
    struct db *db;
    struct models *models;
    struct log *log;
    struct metrics *metrics;
    int n_threads;
    struct job_limits max; /* of any job; 0: none */
    int64_t checkpoint_ms; /* between two states of a task; 0: CHECKPOINTS_S */
};

struct attempt {
    const struct attempt_settings *settings;
    struct job_row row;
    char *request; /* mem */
    size_t n_request;
    const struct cancel *cancel;
    progress_fn *progress; /* called from several threads, one at a time */
    void *progress_ctx;
    /* The present curves, for checkpoints and the end. */
    void (*curves)(void *ctx, struct bytes_writer *writer);

    struct job_spec spec;
    struct job_limits limits; /* known once the request is read */
    struct rows rows;
    struct served *base; /* of a warm start */
    struct job_spec base_spec;
    bool knows_base_spec; /* false: the version was registered, or its settings cannot be read */
    struct model *model;
    struct put_result put;
    struct gate_verdict verdict; /* served_version 0: nothing was judged */
};

/* Reads request and limits; ERR_INVALID and the like when the request makes no sense any more. */
enum err_code attempt_read(struct attempt *attempt, struct err *err) MUST_CHECK;

/*
 * Trains, judges, publishes, has the version served. ERR_CANCELLED; ERR_LIMIT (too much memory);
 * what may pass: ERR_NOMEM, ERR_IO, ERR_FULL, ERR_BUSY; all else is the job's own.
 */
enum err_code attempt_run(struct attempt *attempt, struct err *err) MUST_CHECK;

/* Stores what the attempt has told of its losses so far. */
enum err_code attempt_store_curves(const struct attempt *attempt, struct err *err) MUST_CHECK;

/* A zeroed attempt may be released. */
void attempt_release(struct attempt *attempt);

#endif
