/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background worker: claims queued jobs one after the other, trains, publishes a version and
 * has it served. It runs at lower priority than the threads that answer requests.
 *
 * A job's life is in the store; its progress is in memory. What a job computes depends on its
 * request and the rows alone, so a job that was interrupted and starts again ends with the same
 * version.
 */
#ifndef TRAINER_H
#define TRAINER_H

#include "cancel.h"
#include "job_store.h"
#include "log.h"
#include "metrics.h"
#include "registry.h"
#include "train.h"

/* Reads a job's request (the JSON text that the API stored) into a spec. */
typedef enum err_code trainer_parse_fn(const char *text, size_t len, struct train_spec *spec,
                                       struct err *err);

struct trainer_settings {
    struct db *db;
    struct registry *registry;
    struct log *log;
    struct metrics *metrics;
    trainer_parse_fn *parse;
    int n_threads; /* of one job */
    int nice;      /* 0 to 19 */
};

/* NULL in a read-only replica, which runs no jobs: the functions below take it. */
struct trainer;

/* Puts interrupted jobs back into the queue and starts the worker. */
enum err_code trainer_start(const struct trainer_settings *settings, struct trainer **out,
                            struct err *err) MUST_CHECK;

/* Cancels the running job, which goes back to the queue, and joins the worker. NULL is fine. */
void trainer_stop(struct trainer *trainer);

/* There is a new job. */
void trainer_notify(struct trainer *trainer);

/* Cancels a job, queued or running; errors and *row as of job_store_cancel. */
enum err_code trainer_cancel(struct trainer *trainer, int64_t id, struct job_row *row,
                             struct err *err) MUST_CHECK;

struct trainer_progress {
    struct progress last;
    double eta_s; /* negative: not known yet */
};

/* The progress of a job that is running now; false for any other. */
bool trainer_get_progress(struct trainer *trainer, int64_t id, struct trainer_progress *out);

#endif
