/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background worker: claims queued jobs one after the other, trains, publishes a version and
 * has it served (jobs/attempt). It runs at lower priority than the threads that answer requests.
 *
 * A job's life is in the store; its progress is in memory. What a job computes depends on its
 * request and the rows alone, so a job that was interrupted ends with the same version, and its
 * checkpoints save it from doing all again. A job that meets a fault that may pass (no memory, disk
 * full) waits and tries again, JOB_MAX_FAULTS times.
 */
#ifndef TRAINER_H
#define TRAINER_H

#include "jobs/attempt.h"
#include "jobs/events.h"
#include "store/jobs/job_read.h"

struct trainer_settings {
    struct attempt_settings attempt;
    struct events *events; /* NULL: nobody follows */
    int nice;              /* 0 to 19 */
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

/* The losses of a job that is running now; false for any other. */
bool trainer_get_curves(struct trainer *trainer, int64_t id, struct curves *out);

#endif
