/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt at a job: from its request to a published version, or to what an analysis found. The
 * result depends only on the request, the rows and the version that training starts from.
 * Checkpoints of an earlier attempt save time and change nothing.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "documents/job_spec.h"
#include "jobs/checkpoints.h"
#include "jobs/launch/launch.h"
#include "jobs/judgement.h"
#include "jobs/rows/rows.h"
#include "jobs/model_space.h"
#include "live/models.h"
#include "store/jobs/job_read.h"
#include "store/models/model_store.h"

struct attempt_settings {
    struct db *db;
    struct models *models;
    struct log *log;
    struct metrics *metrics;
    int n_threads;
    struct job_limits max;                /* of any job; 0: none */
    int64_t checkpoint_ms;                /* between two states of a task; 0: CHECKPOINTS_S */
    const struct launch_settings *launch; /* NULL, or of no command: nothing is launched */
};

struct attempt {
    const struct attempt_settings *settings;
    struct job_row row;
    char *request; /* mem */
    size_t n_request;
    const struct cancel *cancel;
    progress_fn *progress; /* called from several threads, one at a time */
    void *progress_ctx;
    /* Appends the losses so far, for checkpoints and for the end. */
    void (*curves)(void *ctx, struct bytes_writer *writer);

    /* The candidates of auto as they are now; borrowed for the call. */
    void (*show)(void *ctx, const struct auto_table *table);

    struct job_spec spec;
    struct auto_table *table; /* of auto; mem */
    struct job_limits limits; /* set by attempt_read */
    bool is_read;             /* attempt_read has succeeded */
    bool is_launched;         /* it is trained elsewhere; the request does not say it any more */
    struct rows rows;
    struct data stored;         /* the rows as they are stored, before columns took their roles */
    struct space *stored_space; /* NULL: none; a reference of its own */
    struct train_roles_rows columns; /* what the rows borrow of columns that are no targets */
    struct model_space space;        /* of the rows */
    struct served *base;             /* of a warm start; what an analysis reads */
    struct job_spec base_spec;
    bool knows_base_spec; /* false: the version was registered, or its settings cannot be read */
    struct model *model;
    struct train_cross
        cross; /* of auto: predictions of rows that trained, by models without them */
    struct put_result put;
    struct judgement judgement;
};

/* Reads request and limits. ERR_INVALID, ERR_UNSUPPORTED: the request is not valid any more. */
enum err_code attempt_read(struct attempt *attempt, struct err *err) MUST_CHECK;

/*
 * Trains a version, judges it, publishes it and has it served. ERR_CANCELLED; ERR_LIMIT: too much
 * memory; ERR_NOMEM, ERR_IO, ERR_FULL, ERR_BUSY: another attempt may succeed. Any other error would
 * come again.
 */
enum err_code attempt_run(struct attempt *attempt, struct err *err) MUST_CHECK;

/* What a job computes, going on from its checkpoints. ERR_CORRUPT with checkpoints->loaded: they do
 * not fit. */
typedef enum err_code attempt_work_fn(struct attempt *attempt, struct checkpoints *checkpoints,
                                      const void *ctx, struct err *err);

/* Does the work, and once more from the beginning where its checkpoints do not fit. Errors of the
 * work and of checkpoints_init; ERR_NOMEM. */
enum err_code attempt_with_checkpoints(struct attempt *attempt,
                                       const struct checkpoints_inputs *inputs,
                                       attempt_work_fn *work, const void *ctx,
                                       struct err *err) MUST_CHECK;

/* Stores the losses that the attempt has reported so far. */
enum err_code attempt_store_curves(const struct attempt *attempt, struct err *err) MUST_CHECK;

/* A zeroed attempt may be released. */
void attempt_release(struct attempt *attempt);

#endif
