/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The background workers, one for trainings and one for analyses, so that neither waits for the
 * other. A worker claims queued jobs one after the other. A training publishes a version and has it
 * served (jobs/attempt); an analysis stores what it found (jobs/analysis). Workers run at lower
 * priority than the threads that answer requests.
 *
 * The state of a job is in the store; its progress is in memory. The result of a job depends on its
 * request and rows alone, so an interrupted job ends with the same version, and checkpoints save
 * most of the work. After a transient fault (no memory, disk full) a job waits and tries again, at
 * most JOB_MAX_FAULTS times.
 */
#ifndef TRAINER_H
#define TRAINER_H

#include "documents/choice_json.h"
#include "jobs/attempt.h"
#include "jobs/events.h"
#include "store/jobs/job_read.h"

struct trainer_settings {
    struct attempt_settings attempt;
    struct events *events;                /* NULL: nobody follows */
    const struct launch_settings *launch; /* copied; NULL: nothing is launched */
    int nice;                             /* 0 to 19 */
};

/* A read-only replica has none: the functions below take NULL. */
struct trainer;

/* Requeues interrupted jobs and starts the workers. ERR_INVALID: the command of the launcher. */
enum err_code trainer_start(const struct trainer_settings *settings, struct trainer **out,
                            struct err *err) MUST_CHECK;

/* False: one of its threads has ended. */
bool trainer_is_alive(const struct trainer *trainer);

/* Cancels the running jobs, which go back to the queue, and joins the workers. NULL is fine. */
void trainer_stop(struct trainer *trainer);

/* To be called when a job was queued. */
void trainer_notify(struct trainer *trainer);

/* Cancels a queued or running job. Errors and *row as of job_store_cancel. */
enum err_code trainer_cancel(struct trainer *trainer, int64_t id, struct job_row *row,
                             struct err *err) MUST_CHECK;

/* The number of the training that is running now; 0: none. */
int64_t trainer_running_job(struct trainer *trainer);

struct trainer_progress {
    struct progress last;
    double eta_s; /* negative: not known yet */
};

/* The progress of a job that is running now; false for any other. */
bool trainer_get_progress(struct trainer *trainer, int64_t id, struct trainer_progress *out);

/* The losses of a job that is running now; false for any other. */
bool trainer_get_curves(struct trainer *trainer, int64_t id, struct curves *out);

/* The candidates of a running job that chooses its solver; false for any other. */
bool trainer_get_table(struct trainer *trainer, int64_t id, struct choice_table *out);

#endif
