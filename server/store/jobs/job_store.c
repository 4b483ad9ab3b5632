/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs/job_store.h"

#include "base/mem.h"
#include "store/jobs/job_checkpoint_store.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"
#include "store/sqlite/query_list.h"

/* *request: [*n_bytes] and a NUL, the caller's. */
static enum err_code get_request(struct conn *conn, int64_t id, void **request, size_t *n_bytes,
                                 struct err *err)
{
    char *text = NULL;
    struct query q = query_open(conn, SQL_JOB_REQUEST, err);
    query_int(&q, ":id", id);
    if (query_row(&q)) {
        (void)query_get_blob(&q, 0, n_bytes);
        query_copy_text(&q, 0, &text);
    }
    *request = text;
    return query_close(&q);
}

/*
 * Runs a change of one job. *changed: the job was in the state that the change requires. now -1:
 * the query has no such parameter.
 */
static enum err_code change_job(struct conn *conn, enum sql_query which, int64_t id, int64_t now,
                                bool *changed, struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, ":id", id);
    if (now >= 0) {
        query_int(&q, ":now", now);
    }
    if (query_close(&q) == ERR_OK) {
        *changed = query_changes(conn) > 0;
    }
    return err->code;
}

/* ERR_QUEUE_FULL: the model has as many queued jobs as the request allows. */
static enum err_code check_queue(struct conn *conn, const struct job_new *job, int64_t model,
                                 struct err *err)
{
    int64_t n = 0;
    if (job->max_queued > 0 &&
        query_number_for(conn, SQL_JOB_QUEUED_COUNT, ":model", model, &n, err) == ERR_OK &&
        n >= job->max_queued) {
        return err_set(err, ERR_QUEUE_FULL,
                       "model %.64s has %lld queued jobs, the most that max_queued_jobs allows",
                       job->model, (long long)n);
    }
    return err->code;
}

static int64_t count_queued_of(struct conn *conn, enum sql_query which, int64_t model,
                               const char *whose, struct err *err)
{
    int64_t n = 0;
    struct query q = query_open(conn, which, err);
    query_int(&q, ":model", model);
    query_text(&q, ":whose", whose);
    if (query_row(&q)) {
        n = query_get_int(&q, 0);
    }
    err_kept(query_close(&q));
    return n;
}

/* ERR_RATE: the token or the address has as many queued jobs of the model as it may. */
static enum err_code check_shares(struct conn *conn, const struct job_new *job, int64_t model,
                                  struct err *err)
{
    static const enum sql_query counts[JOB_N_SHARES] = {SQL_JOB_QUEUED_COUNT_BY_TOKEN,
                                                        SQL_JOB_QUEUED_COUNT_BY_ADDRESS};
    static const char *const names[JOB_N_SHARES] = {"token", "address"};
    for (int i = 0; i < JOB_N_SHARES && err->code == ERR_OK; i++) {
        if (job->whose[i] == NULL || job->max_share[i] == 0) {
            continue;
        }
        int64_t n = count_queued_of(conn, counts[i], model, job->whose[i], err);
        if (err->code == ERR_OK && n >= job->max_share[i]) {
            *job->full = (enum job_share)i;
            err_set(err, ERR_RATE,
                    "this %s has %lld queued jobs of model %.64s, and its share of the queue is "
                    "%lld",
                    names[i], (long long)n, job->model, (long long)job->max_share[i]);
        }
    }
    return err->code;
}

enum err_code job_store_add(struct db *db, const struct job_new *job, int64_t *id, struct err *err)
{
    struct conn *conn;
    int64_t model = 0;
    if (model_write_begin(db, job->model, &conn, &model, err) != ERR_OK) {
        return err->code;
    }
    if (check_queue(conn, job, model, err) != ERR_OK ||
        check_shares(conn, job, model, err) != ERR_OK) {
        return db_write_end(db, err);
    }
    const char *token = job->whose[JOB_SHARE_TOKEN];
    const char *address = job->whose[JOB_SHARE_ADDRESS];
    struct query q = query_open(conn, SQL_JOB_INSERT, err);
    query_text(&q, ":token", token != NULL ? token : "");
    query_text(&q, ":address", address != NULL ? address : "");
    query_int(&q, ":model", model);
    query_blob(&q, ":request", job->request, job->n_request);
    query_int(&q, ":priority", job->priority);
    query_text(&q, ":origin", job->origin);
    query_int(&q, ":policy", job->policy_ms);
    query_text(&q, ":request_id", job->request_id != NULL ? job->request_id : "");
    query_text(&q, ":traceparent", job->traceparent != NULL ? job->traceparent : "");
    query_int(&q, ":seed_from", job->seed_from);
    query_int(&q, ":split_from", job->split_from);
    query_int(&q, ":kind", (int64_t)job->kind);
    query_int(&q, ":base_version", job->base_version);
    query_int(&q, ":now", db_now_ms());
    bool added = query_row(&q);
    if (added) {
        *id = query_get_int(&q, 0);
    }
    if (query_close(&q) == ERR_OK && !added) {
        err_set(err, ERR_CONFLICT, "model %.64s has a job already, or another policy", job->model);
    }
    return db_write_end(db, err);
}

enum err_code job_store_claim(struct db *db, enum job_lane lane, struct job_row *row,
                              void **request, size_t *n_bytes, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    *request = NULL;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_CLAIM, err);
    query_int(&q, ":lane", (int64_t)lane);
    query_int(&q, ":now", db_now_ms());
    query_int(&q, ":max_wait", JOB_MAX_WAIT_MS);
    if (query_row(&q)) {
        id = query_get_int(&q, 0);
    }
    if (query_close(&q) == ERR_OK && id == 0) {
        err_set(err, ERR_NOT_FOUND, "no job is waiting");
    }
    if (err->code == ERR_OK && job_get(conn, id, row, err) == ERR_OK) {
        err_kept(get_request(conn, id, request, n_bytes, err));
    }
    if (db_write_end(db, err) != ERR_OK) {
        mem_free(*request);
        *request = NULL;
    }
    return err->code;
}

/* ---- the end of a job ---- */

struct ending {
    int64_t id;
    enum job_state state;
    int64_t version;
    bool promoted;
    const char *message;
    const char *gate;
    const char *scores;
    const char *warnings;
};

/* Deletes the oldest ended jobs of the model of this job, beyond JOB_HISTORY. */
static enum err_code prune_history(struct conn *conn, int64_t id, struct err *err)
{
    struct query q = query_open(conn, SQL_JOB_PRUNE, err);
    query_int(&q, ":id", id);
    query_int(&q, ":keep", JOB_HISTORY);
    return query_close(&q);
}

static enum err_code finish_job(struct conn *conn, const struct ending *end, struct err *err)
{
    struct query q = query_open(conn, SQL_JOB_FINISH, err);
    query_int(&q, ":id", end->id);
    query_int(&q, ":state", (int64_t)end->state);
    query_int(&q, ":version", end->version);
    query_int(&q, ":promoted", end->promoted);
    query_text(&q, ":message", end->message);
    query_text(&q, ":gate", end->gate);
    query_text(&q, ":scores", end->scores);
    query_text(&q, ":warnings", end->warnings);
    query_int(&q, ":now", db_now_ms());
    if (query_close(&q) == ERR_OK && query_changes(conn) == 0) {
        return err_set(err, ERR_CONFLICT, "job %lld is not running", (long long)end->id);
    }
    if (err->code != ERR_OK || job_drop_checkpoints(conn, end->id, err) != ERR_OK) {
        return err->code;
    }
    return prune_history(conn, end->id, err);
}

enum err_code job_store_finish(struct db *db, int64_t id, enum job_state state, const char *message,
                               struct err *err)
{
    struct conn *conn;
    struct ending end = {.id = id, .state = state, .message = message};
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(finish_job(conn, &end, err));
    return db_write_end(db, err);
}

enum err_code job_succeed(struct conn *conn, int64_t id, struct err *err)
{
    struct ending end = {.id = id, .state = JOB_SUCCEEDED, .message = ""};
    return finish_job(conn, &end, err);
}

/* With the version, which may outlive the job. */
static enum err_code store_training_data(struct conn *conn, int64_t id, int64_t version,
                                         struct err *err)
{
    struct query q = query_open(conn, SQL_TRAINING_DATA_INSERT, err);
    query_int(&q, ":job", id);
    query_int(&q, ":version", version);
    return query_close(&q);
}

/* Is the default version still the one that the new version was compared with? */
static enum err_code check_comparison(struct conn *conn, const struct job_result *result,
                                      struct err *err)
{
    const char *name = result->put->model;
    int64_t model = 0;
    int64_t now = 0;
    if (model_find(conn, name, &model, &now, err) != ERR_OK || now == result->judged_against) {
        return err->code;
    }
    if (result->judged_against == 0 &&
        model_check_version(conn, name, model, now, err) == ERR_CONFLICT) {
        err_clear(err); /* it is damaged, so no version could be compared with it */
        return ERR_OK;
    }
    return err->code != ERR_OK
               ? err->code
               : err_set(err, ERR_PRECONDITION, "the default version has changed meanwhile");
}

static enum err_code put_and_finish(struct db *db, struct conn *conn, int64_t id,
                                    const struct job_result *result, struct put_result *out,
                                    struct err *err)
{
    int64_t model = 0;
    int64_t default_version = 0;
    if ((result->judged && check_comparison(conn, result, err) != ERR_OK) ||
        model_put(db, conn, result->put, out, err) != ERR_OK ||
        store_training_data(conn, id, out->version, err) != ERR_OK ||
        model_find(conn, result->put->model, &model, &default_version, err) != ERR_OK) {
        return err->code;
    }
    struct ending end = {.id = id,
                         .state = JOB_SUCCEEDED,
                         .version = out->version,
                         .promoted = default_version == out->version,
                         .message = result->message,
                         .gate = result->gate,
                         .scores = result->scores,
                         .warnings = result->warnings};
    return finish_job(conn, &end, err);
}

enum err_code job_store_publish(struct db *db, int64_t id, const struct job_result *result,
                                struct put_result *out, struct err *err)
{
    struct conn *conn;
    struct job_row row;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    /* A cancellation that was confirmed before this moment holds. */
    if (job_get(conn, id, &row, err) == ERR_OK && row.cancel_requested) {
        err_set(err, ERR_CANCELLED, "job %lld was cancelled", (long long)id);
    }
    if (err->code == ERR_OK) {
        err_kept(put_and_finish(db, conn, id, result, out, err));
    }
    return db_write_end(db, err);
}

enum err_code job_store_set_data(struct db *db, int64_t id, const struct training_data *data,
                                 int64_t base_version, struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_SET_DATA, err);
    query_int(&q, ":id", id);
    query_int(&q, ":n_rows", data->n_rows);
    query_int(&q, ":n_batches", data->n_batches);
    query_int(&q, ":last", data->last_batch);
    query_text(&q, ":fingerprint", data->fingerprint);
    query_int(&q, ":base", base_version);
    err_kept(query_close(&q));
    return db_write_end(db, err);
}

enum err_code job_store_requeue(struct db *db, int64_t id, struct err *err)
{
    struct conn *conn;
    bool changed = false;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (change_job(conn, SQL_JOB_REQUEUE, id, -1, &changed, err) == ERR_OK && !changed) {
        err_set(err, ERR_CONFLICT, "job %lld is not running", (long long)id);
    }
    return db_write_end(db, err);
}

enum err_code job_store_retry(struct db *db, int64_t id, int64_t at_ms, const char *message,
                              struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_RETRY, err);
    query_int(&q, ":id", id);
    query_int(&q, ":at", at_ms);
    query_text(&q, ":message", message);
    if (query_close(&q) == ERR_OK && query_changes(conn) == 0) {
        err_set(err, ERR_CONFLICT, "job %lld is not running, or was cancelled", (long long)id);
    }
    return db_write_end(db, err);
}

enum err_code job_store_cancel(struct db *db, int64_t id, struct job_row *row, struct err *err)
{
    struct conn *conn;
    bool was_queued = false;
    bool was_running = false;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (job_get(conn, id, row, err) == ERR_OK &&
        change_job(conn, SQL_JOB_CANCEL_QUEUED, id, db_now_ms(), &was_queued, err) == ERR_OK &&
        change_job(conn, SQL_JOB_CANCEL_RUNNING, id, -1, &was_running, err) == ERR_OK) {
        if (!was_queued && !was_running) {
            err_set(err, ERR_CONFLICT, "job %lld %s %s already", (long long)id,
                    row->state == JOB_CANCELLED ? "was" : "has", job_state_name(row->state));
        } else if (was_running || (job_drop_checkpoints(conn, id, err) == ERR_OK &&
                                   prune_history(conn, id, err) == ERR_OK)) {
            err_kept(job_get(conn, id, row, err));
        }
    }
    return db_write_end(db, err);
}

static void get_id(struct query *q, void *element)
{
    *(int64_t *)element = query_get_int(q, 0);
}

enum err_code job_store_cancel_queued(struct db *db, const char *model, int64_t **ids, size_t *n,
                                      struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct query_list list = {.size = sizeof **ids, .get = get_id};
    *ids = NULL;
    *n = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_CANCEL_ALL, err);
    query_int(&q, ":model", id);
    query_int(&q, ":now", db_now_ms());
    if (query_list_read(&list, &q) == ERR_OK && list.n > 0 &&
        query_run(conn, SQL_JOB_CHECKPOINT_CLEAR_ENDED, err) == ERR_OK) {
        err_kept(prune_history(conn, ((int64_t *)list.array)[list.n - 1], err));
    }
    *ids = list.array;
    *n = list.n;
    return db_write_end(db, err);
}

enum err_code job_store_recover(struct db *db, int *n_requeued, int *n_failed, struct err *err)
{
    struct conn *conn;
    *n_requeued = 0;
    *n_failed = 0;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(query_run_for(conn, SQL_JOB_RECOVER_CANCELLED, ":now", db_now_ms(), err));
    struct query q = query_open(conn, SQL_JOB_RECOVER_FAILED, err);
    query_int(&q, ":now", db_now_ms());
    query_int(&q, ":attempts", JOB_MAX_STALLED);
    query_text(&q, ":message", "the server stopped each time while the job was running");
    if (query_close(&q) == ERR_OK) {
        *n_failed = (int)query_changes(conn);
    }
    if (query_run(conn, SQL_JOB_RECOVER_QUEUED, err) == ERR_OK) {
        *n_requeued = (int)query_changes(conn);
    }
    err_kept(query_run(conn, SQL_JOB_CHECKPOINT_CLEAR_ENDED, err));
    return db_write_end(db, err);
}
