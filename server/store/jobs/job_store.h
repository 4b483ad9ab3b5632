/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training jobs as rows of the registry: queued, running, succeeded, failed, cancelled.
 *
 * A job left running by a process that died is queued again by job_store_recover, until
 * JOB_MAX_STALLED attempts in a row have stored no checkpoint; then it has failed and says so. A
 * fault that may pass (no memory, a full disk) puts it back for a later time. The request is opaque
 * text of the API's, so a job means the same after a restart. The last JOB_HISTORY ended jobs of a
 * model are kept.
 */
#ifndef JOB_STORE_H
#define JOB_STORE_H

#include "store/jobs/job_read.h"
#include "store/models/model_store.h"
#include "store/sqlite/db.h"

#define JOB_MAX_STALLED 3
#define JOB_MAX_FAULTS  5
#define JOB_HISTORY     1000
#define JOB_MAX_WAIT_MS 300000 /* until a job that met a fault is tried again */

struct job_new {
    const char *model;
    const void *request; /* [n_request] */
    size_t n_request;
    int priority;
    const char *origin;
    int64_t policy_ms; /* of a policy that was changed then; 0: of nobody's but the caller's */
};

/*
 * Queues a job. ERR_NOT_FOUND: no such model. ERR_CONFLICT, of a policy's alone: it was changed or
 * taken away, or a job of the model is queued or running.
 */
enum err_code job_store_add(struct db *db, const struct job_new *job, int64_t *id,
                            struct err *err) MUST_CHECK;

/*
 * Takes the queued job of highest priority (the oldest of equals) whose time has come and whose
 * model has none running, and makes it running. A time further away than JOB_MAX_WAIT_MS was noted
 * before the clock was set back, and counts as come. ERR_NOT_FOUND when there is none. *request is
 * the caller's (mem_free) and has a NUL behind it.
 */
enum err_code job_store_claim(struct db *db, struct job_row *row, void **request, size_t *n_bytes,
                              struct err *err) MUST_CHECK;

/* Ends a running job that published nothing: failed or cancelled. Its checkpoints go. */
enum err_code job_store_finish(struct db *db, int64_t id, enum job_state state, const char *message,
                               struct err *err) MUST_CHECK;

/* What a job ends with. Texts may be NULL, but message. */
struct job_result {
    const struct put_request *put;
    const char *message;
    const char *gate;   /* JSON object */
    const char *scores; /* JSON object */
    /* The default must be this version still, or with 0 there must be none that can be served. */
    bool judged;
    int64_t judged_against;
};

/*
 * Publishes and finishes in one transaction: the version is there exactly when the job has
 * succeeded. On success *out holds what model_store_put would have given. ERR_CANCELLED;
 * ERR_PRECONDITION: the default has changed since the version was judged.
 */
enum err_code job_store_publish(struct db *db, int64_t id, const struct job_result *result,
                                struct put_result *out, struct err *err) MUST_CHECK;

/* Notes the rows a job was given and the version it starts from (0: none). Publishing keeps them
 * with the version. */
enum err_code job_store_set_data(struct db *db, int64_t id, const struct training_data *data,
                                 int64_t base_version, struct err *err) MUST_CHECK;

/* Gives a running job back to the queue (the daemon stops); the attempt does not count. */
enum err_code job_store_requeue(struct db *db, int64_t id, struct err *err) MUST_CHECK;

/* Gives a running job back to the queue after a fault, not to begin before at_ms, which is at most
 * JOB_MAX_WAIT_MS away. ERR_CONFLICT: it is not running, or was cancelled. */
enum err_code job_store_retry(struct db *db, int64_t id, int64_t at_ms, const char *message,
                              struct err *err) MUST_CHECK;

/*
 * Asks for a stop. A queued job is cancelled at once, a running one gets cancel_requested; *row is
 * the state after it. ERR_CONFLICT: it has ended already. ERR_NOT_FOUND.
 */
enum err_code job_store_cancel(struct db *db, int64_t id, struct job_row *row,
                               struct err *err) MUST_CHECK;

/* At start: every running job is queued again or, having got nowhere, failed. */
enum err_code job_store_recover(struct db *db, int *n_requeued, int *n_failed,
                                struct err *err) MUST_CHECK;

#endif
