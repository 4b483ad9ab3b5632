/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry without a trainer whose jobs a test moves as the trainer would, the events of them,
 * and one who follows them. Failures fail the test.
 */
#ifndef MOVED_JOBS_H
#define MOVED_JOBS_H

#include <pthread.h>

#include "jobs/events.h"
#include "store/jobs/job_read.h"
#include "tmpdb.h"

#define MOVED_MODELS 4 /* a model has one job running at most */

struct moved_jobs {
    struct tmpdb place;
    struct db *db;
    struct log log;
    struct events *events;
};

void moved_jobs_init(struct moved_jobs *m);
void moved_jobs_release(struct moved_jobs *m);
/* The events of a process that has just started. */
void moved_jobs_restart_events(struct moved_jobs *m);

/* Queues a job of model 0 to MOVED_MODELS - 1. */
int64_t moved_jobs_add(struct moved_jobs *m, int model);
/* Makes the oldest queued job running. */
int64_t moved_jobs_claim(struct moved_jobs *m);
void moved_jobs_requeue(struct moved_jobs *m, int64_t id);
void moved_jobs_fail(struct moved_jobs *m, int64_t id);
void moved_jobs_cancel(struct moved_jobs *m, int64_t id);
struct job_row moved_jobs_get(struct moved_jobs *m, int64_t id);
void moved_jobs_report(struct moved_jobs *m, int64_t job, double fraction);

/* Who waits until called. */
struct follower {
    struct event_waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls; /* under the lock */
    bool is_gone;
};

/* Has seen all there is; is never silent. */
void follower_init(struct follower *f, struct events *events, int64_t job);
void follower_release(struct follower *f);
int follower_calls(struct follower *f);
/* Until it has been called so often in all. */
void follower_wait(struct follower *f, int n);

#endif
