/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training jobs as rows of the registry: queued, running, succeeded, failed, cancelled.
 *
 * A job left running by a process that died is queued again by job_store_recover, at most
 * JOB_MAX_ATTEMPTS times in all; then it has failed and says so. The request is opaque bytes
 * (core/codec), so a job means the same after a restart.
 */
#ifndef JOB_STORE_H
#define JOB_STORE_H

#include "data_store.h"
#include "db.h"
#include "model_store.h"

#define JOB_MAX_ATTEMPTS 3

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };

struct job_row {
    int64_t id;
    char model[NAME_MAX_CHARS + 1];
    enum job_state state;
    int attempts; /* times it was claimed */
    int64_t created_ms;
    int64_t started_ms;  /* of the last attempt; 0: not yet */
    int64_t finished_ms; /* 0: not yet */
    int64_t version;     /* published; 0: none */
    bool cancel_requested;
    char message[240];         /* why it failed or was not promoted; empty otherwise */
    struct training_data data; /* the rows of its last attempt */
};

const char *job_state_name(enum job_state state); /* "queued", ... */

/* Queues a job. ERR_NOT_FOUND: no such model. */
enum err_code job_store_add(struct db *db, const char *model, const void *request, size_t n_bytes,
                            int64_t *id, struct err *err) MUST_CHECK;

/*
 * Takes the oldest queued job whose model has none running and makes it running. ERR_NOT_FOUND when
 * there is none. *request is the caller's (mem_free).
 */
enum err_code job_store_claim(struct db *db, struct job_row *row, void **request, size_t *n_bytes,
                              struct err *err) MUST_CHECK;

/* Ends a running job: succeeded (with a version, or 0 and a message when not published), failed or
 * cancelled. */
enum err_code job_store_finish(struct db *db, int64_t id, enum job_state state, int64_t version,
                               const char *message, struct err *err) MUST_CHECK;

/*
 * Publishes and finishes in one transaction: the version is there exactly when the job has
 * succeeded. On success *out holds what model_store_put would have given.
 */
enum err_code job_store_publish(struct db *db, int64_t id, const struct put_request *put,
                                const char *message, struct put_result *out,
                                struct err *err) MUST_CHECK;

/* Notes the rows a job was given. Publishing keeps them with the version. */
enum err_code job_store_set_data(struct db *db, int64_t id, const struct training_data *data,
                                 struct err *err) MUST_CHECK;

/* The rows that trained a version; an empty fingerprint when it was not trained here. */
enum err_code job_store_training_data(struct db *db, const char *model, int64_t version,
                                      struct training_data *data, struct err *err) MUST_CHECK;

/* Gives a running job back to the queue (the daemon stops); the attempt does not count. */
enum err_code job_store_requeue(struct db *db, int64_t id, struct err *err) MUST_CHECK;

/*
 * Asks for a stop. A queued job is cancelled at once, a running one gets cancel_requested; *row is
 * the state after it. ERR_CONFLICT: it has ended already. ERR_NOT_FOUND.
 */
enum err_code job_store_cancel(struct db *db, int64_t id, struct job_row *row,
                               struct err *err) MUST_CHECK;

enum err_code job_store_get(struct db *db, int64_t id, struct job_row *row,
                            struct err *err) MUST_CHECK;

/* The request bytes of a job; *request is the caller's (mem_free). */
enum err_code job_store_request(struct db *db, int64_t id, void **request, size_t *n_bytes,
                                struct err *err) MUST_CHECK;

/* Newest first, at most `limit`; model NULL: of every model. *rows is the caller's (mem_free). */
enum err_code job_store_list(struct db *db, const char *model, int limit, struct job_row **rows,
                             size_t *n_rows, struct err *err) MUST_CHECK;

/* At start: every running job is queued again or, out of attempts, failed. */
enum err_code job_store_recover(struct db *db, int *n_requeued, int *n_failed,
                                struct err *err) MUST_CHECK;

#endif
