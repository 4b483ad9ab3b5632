/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a job: queued, running, then succeeded, failed or cancelled.
 *
 * A job that was running when its process died is queued again by job_store_recover, until
 * JOB_MAX_STALLED attempts in a row have stored no checkpoint; then it has failed. After a
 * transient fault (no memory, a full disk) a job is put back to be tried later. The request is
 * stored as opaque text, so a job means the same after a restart. Of the jobs of a model that have
 * ended, the last JOB_HISTORY are kept.
 */
#ifndef JOB_STORE_H
#define JOB_STORE_H

#include "store/jobs/job_read.h"
#include "store/models/model_store.h"
#include "store/sqlite/db.h"

#define JOB_MAX_STALLED 3
#define JOB_MAX_FAULTS  5
#define JOB_HISTORY     1000
#define JOB_MAX_WAIT_MS 300000 /* after a fault, until the next attempt */

/* ---- beginning ---- */

/* Whose share of a model's queue a new job falls under. */
enum job_share { JOB_SHARE_TOKEN, JOB_SHARE_ADDRESS, JOB_N_SHARES };

struct job_new {
    enum job_kind kind;
    const char *model;
    int64_t base_version; /* that an analysis reads, which is not deleted until the job has ended */
    const void *request;  /* [n_request] */
    size_t n_request;
    int priority;
    const char *origin; /* as in job_row */
    int64_t policy_ms;  /* asked for by the policy that was changed at this time; 0: by no policy */
    int64_t max_queued; /* jobs of the model; 0: no limit */
    int64_t seed_from;  /* as in job_row, as is the next */
    int64_t split_from;
    const char *request_id;          /* as in job_row; NULL: none */
    const char *traceparent;         /* as in job_row; NULL: none */
    const char *whose[JOB_N_SHARES]; /* NULL: nobody's */
    int64_t max_share[JOB_N_SHARES]; /* queued jobs of the model and of whom; 0: no limit */
    enum job_share *full;            /* set with ERR_RATE; may be NULL where no share is limited */
};

/*
 * Queues a job. ERR_NOT_FOUND: no such model. ERR_QUEUE_FULL; ERR_RATE: a share of the queue is
 * full, *job->full. ERR_CONFLICT, only for a job that a
 * policy asks for: the policy has been changed or removed, or a job of the model is queued or
 * running.
 */
enum err_code job_store_add(struct db *db, const struct job_new *job, int64_t *id,
                            struct err *err) MUST_CHECK;

/*
 * Makes a queued job of a lane running: of those that may start now, and whose model has no running
 * job of that lane, the one with the highest priority, and of equals the oldest. A start more than
 * JOB_MAX_WAIT_MS away was noted before the clock was set back, and counts as due. ERR_NOT_FOUND:
 * there is none. The caller frees *request (mem_free), behind which stands a NUL.
 */
enum err_code job_store_claim(struct db *db, enum job_lane lane, struct job_row *row,
                              void **request, size_t *n_bytes, struct err *err) MUST_CHECK;

/*
 * Notes the rows of a job's attempt, and the version it starts from (0: none). job_store_publish
 * stores them with the version.
 */
enum err_code job_store_set_data(struct db *db, int64_t id, const struct training_data *data,
                                 int64_t base_version, struct err *err) MUST_CHECK;

/* ---- another attempt ---- */

/* Puts a running job back because the server stops. The attempt does not count. */
enum err_code job_store_requeue(struct db *db, int64_t id, struct err *err) MUST_CHECK;

/*
 * Puts a running job back after a fault. It does not start before at_ms, at most JOB_MAX_WAIT_MS
 * away. ERR_CONFLICT: it is not running, or was cancelled.
 */
enum err_code job_store_retry(struct db *db, int64_t id, int64_t at_ms, const char *message,
                              struct err *err) MUST_CHECK;

/* At start: queues each job that was running, or fails it if it has got nowhere. */
enum err_code job_store_recover(struct db *db, int *n_requeued, int *n_failed,
                                struct err *err) MUST_CHECK;

/* ---- the end ---- */

/*
 * Requests cancellation. A queued job is cancelled at once, a running one gets cancel_requested.
 * *row: the job afterwards. ERR_CONFLICT: it has ended already. ERR_NOT_FOUND.
 */
enum err_code job_store_cancel(struct db *db, int64_t id, struct job_row *row,
                               struct err *err) MUST_CHECK;

/*
 * Cancels all queued jobs of a model. *ids: [*n], the caller's (mem_free), after a failure too.
 * ERR_NOT_FOUND.
 */
enum err_code job_store_cancel_queued(struct db *db, const char *model, int64_t **ids, size_t *n,
                                      struct err *err) MUST_CHECK;

/* Ends a running job that publishes nothing, as failed or cancelled; deletes its checkpoints. */
enum err_code job_store_finish(struct db *db, int64_t id, enum job_state state, const char *message,
                               struct err *err) MUST_CHECK;

/* What a job that succeeded leaves. */
struct job_result {
    const struct put_request *put;
    const char *message;
    const char *gate;     /* JSON object; NULL: none */
    const char *scores;   /* JSON object or null; NULL: none */
    const char *warnings; /* JSON array, of the version; NULL: none */
    /*
     * judged: the version was compared with the default version judged_against (0: there was none
     * that could be served), and is published only if that is still the default.
     */
    bool judged;
    int64_t judged_against;
};

/*
 * Publishes the version and ends the job in one transaction, so the version exists exactly when the
 * job has succeeded. *out: as of model_store_put. ERR_CANCELLED: cancellation was requested;
 * ERR_PRECONDITION: the default version has changed since the comparison.
 */
enum err_code job_store_publish(struct db *db, int64_t id, const struct job_result *result,
                                struct put_result *out, struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/* Ends a running job that has succeeded without a version. ERR_CONFLICT: it does not run. */
enum err_code job_succeed(struct conn *conn, int64_t id, struct err *err) MUST_CHECK;

#endif
