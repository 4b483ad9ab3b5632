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

#include "base/names.h"
#include "store/data/data_store.h"
#include "store/models/model_store.h"
#include "store/sqlite/db.h"

#define JOB_MAX_STALLED  3
#define JOB_MAX_FAULTS   5
#define JOB_HISTORY      1000
#define JOB_MAX_WAIT_MS  300000 /* until a job that met a fault is tried again */
#define JOB_ORIGIN_CHARS 16

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
    char message[240];         /* why it failed, waits or was not promoted; empty otherwise */
    struct training_data data; /* the rows of its last attempt */
    int priority;
    char origin[JOB_ORIGIN_CHARS + 1]; /* who asked: request, new_rows, schedule, drift */
    int64_t not_before_ms;             /* queued: it waits until then */
    int faults;                        /* that passed, or may */
    int64_t base_version;              /* of its last attempt; 0: cold start */
    bool promoted;                     /* its version became the default */
};

const char *job_state_name(enum job_state state); /* "queued", ... */
struct names job_state_known(void);

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

/* When the next queued job may begin, UTC ms, 1 or more; 0: there is none. */
enum err_code job_store_next(struct db *db, int64_t *at_ms, struct err *err) MUST_CHECK;

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

/* The rows that trained a version; an empty fingerprint when it was not trained here. *base_version
 * may be NULL. */
enum err_code job_store_training_data(struct db *db, const char *model, int64_t version,
                                      struct training_data *data, int64_t *base_version,
                                      struct err *err) MUST_CHECK;

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

enum err_code job_store_get(struct db *db, int64_t id, struct job_row *row,
                            struct err *err) MUST_CHECK;

/* The texts of a job; each is the caller's (mem_free) and ends with a NUL; gate and scores may be
 * NULL. */
struct job_details {
    char *request;
    char *gate;
    char *scores;
};
enum err_code job_store_details(struct db *db, int64_t id, struct job_details *out,
                                struct err *err) MUST_CHECK;
void job_details_release(struct job_details *details);

struct job_filter {
    const char *model; /* NULL: of every model */
    int state;         /* enum job_state; -1: any */
    int limit;
};

/* Newest first. *rows is the caller's (mem_free). */
enum err_code job_store_list(struct db *db, const struct job_filter *filter, struct job_row **rows,
                             size_t *n_rows, struct err *err) MUST_CHECK;

/* At start: every running job is queued again or, having got nowhere, failed. */
enum err_code job_store_recover(struct db *db, int *n_requeued, int *n_failed,
                                struct err *err) MUST_CHECK;

/* ---- state of a running job (job_checkpoint_store.c) ---- */

/* Replaces what a task of a job left before, by its number, with a head and the bytes behind it;
 * and the job's curves [n_curves]. */
struct job_state_bytes {
    int task;
    const void *head; /* NULL: none */
    size_t n_head;
    const void *bytes;
    size_t n_bytes;
    const void *curves; /* NULL: as they are */
    size_t n_curves;
};
enum err_code job_store_save_checkpoint(struct db *db, int64_t id,
                                        const struct job_state_bytes *state,
                                        struct err *err) MUST_CHECK;

/* Head and bytes together; the caller's (mem_free). ERR_NOT_FOUND without a message; ERR_CORRUPT.
 */
enum err_code job_store_load_checkpoint(struct db *db, int64_t id, int task, void **bytes,
                                        size_t *n_bytes, struct err *err) MUST_CHECK;

/* What the job has saved is of no use any more. */
enum err_code job_store_drop_checkpoints(struct db *db, int64_t id, struct err *err) MUST_CHECK;

/* Losses by step (jobs/curves.h). *bytes is the caller's; NULL and 0 when there are none. */
enum err_code job_store_set_curves(struct db *db, int64_t id, const void *bytes, size_t n_bytes,
                                   struct err *err) MUST_CHECK;
enum err_code job_store_curves(struct db *db, int64_t id, void **bytes, size_t *n_bytes,
                               struct err *err) MUST_CHECK;

#endif
