/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs/job_read.h"

#include "base/mem.h"
#include "base/names.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query_list.h"

static const char *const state_names[] = {"queued", "running", "succeeded", "failed", "cancelled"};

static const char *const kind_names[] = {"train", "analysis", "calibration"};

NAMES_DEFINE(job_state, enum job_state, state_names)
NAMES_DEFINE(job_kind, enum job_kind, kind_names)

static void get_job_row(struct query *q, void *out)
{
    struct job_row *row = out;
    row->id = query_get_int(q, 0);
    query_get_text(q, 1, row->model, sizeof row->model);
    row->state = (enum job_state)query_get_int(q, 2);
    row->attempts = (int)query_get_int(q, 3);
    row->created_ms = query_get_int(q, 4);
    row->started_ms = query_get_int(q, 5);
    row->finished_ms = query_get_int(q, 6);
    row->version = query_get_int(q, 7);
    row->cancel_requested = query_get_int(q, 8) != 0;
    query_get_text(q, 9, row->message, sizeof row->message);
    row->data.n_rows = query_get_int(q, 10);
    row->data.n_batches = query_get_int(q, 11);
    row->data.last_batch = query_get_int(q, 12);
    query_get_text(q, 13, row->data.fingerprint, sizeof row->data.fingerprint);
    row->priority = (int)query_get_int(q, 14);
    query_get_text(q, 15, row->origin, sizeof row->origin);
    row->not_before_ms = query_get_int(q, 16);
    row->faults = (int)query_get_int(q, 17);
    row->base_version = query_get_int(q, 18);
    row->promoted = query_get_int(q, 19) != 0;
    query_get_text(q, 20, row->request_id, sizeof row->request_id);
    query_get_text(q, 21, row->traceparent, sizeof row->traceparent);
    row->seed_from = query_get_int(q, 22);
    row->split_from = query_get_int(q, 23);
    query_get_text(q, 24, row->warnings, sizeof row->warnings);
    row->kind = (enum job_kind)query_get_int(q, 25);
    row->is_launched = query_get_int(q, 26) != 0;
}

enum err_code job_absent(int64_t id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
}

enum err_code job_get(struct conn *conn, int64_t id, struct job_row *row, struct err *err)
{
    bool found = false;
    struct query q = query_open(conn, SQL_JOB_GET, err);
    query_int(&q, ":id", id);
    if (query_row(&q)) {
        found = true;
        get_job_row(&q, row);
    }
    return query_close(&q) == ERR_OK && !found ? job_absent(id, err) : err->code;
}

enum err_code job_store_next(struct db *db, enum job_lane lane, int64_t *at_ms, struct err *err)
{
    struct conn *conn;
    *at_ms = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_NEXT, err);
    query_int(&q, ":lane", (int64_t)lane);
    if (query_row(&q) && !query_is_null(&q, 0)) {
        int64_t at = query_get_int(&q, 0);
        *at_ms = at > 0 ? at : 1;
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}

enum err_code job_store_training_data(struct db *db, const char *model, int64_t version,
                                      struct training_data *data, int64_t *base_version,
                                      struct err *err)
{
    struct conn *conn;
    *data = (struct training_data){.n_rows = 0};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_TRAINING_DATA_GET, err);
    query_text(&q, ":name", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        data->n_rows = query_get_int(&q, 0);
        data->n_batches = query_get_int(&q, 1);
        data->last_batch = query_get_int(&q, 2);
        query_get_text(&q, 3, data->fingerprint, sizeof data->fingerprint);
        if (base_version != NULL) {
            *base_version = query_get_int(&q, 4);
        }
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}

enum err_code job_store_get(struct db *db, int64_t id, struct job_row *row, struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(job_get(conn, id, row, err));
    return db_read_end(db, conn, err);
}

enum err_code job_store_details(struct db *db, int64_t id, struct job_details *out, struct err *err)
{
    struct conn *conn;
    bool found = false;
    *out = (struct job_details){.request = NULL};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_DETAILS, err);
    query_int(&q, ":id", id);
    if (query_row(&q)) {
        found = true;
        query_copy_text(&q, 0, &out->request);
        query_copy_text(&q, 1, &out->gate);
        query_copy_text(&q, 2, &out->scores);
        query_copy_text(&q, 3, &out->warnings);
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_kept(job_absent(id, err));
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        job_details_release(out);
    }
    return err->code;
}

void job_details_release(struct job_details *details)
{
    mem_free(details->request);
    mem_free(details->gate);
    mem_free(details->scores);
    mem_free(details->warnings);
    *details = (struct job_details){.request = NULL};
}

enum err_code job_store_list(struct db *db, const struct job_filter *filter, struct job_row **rows,
                             size_t *n_rows, struct err *err)
{
    struct conn *conn;
    struct query_list list = {.size = sizeof **rows, .get = get_job_row};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_LIST, err);
    query_text(&q, ":name", filter->model);
    query_text(&q, ":models", filter->models);
    query_int(&q, ":state", filter->state);
    query_int(&q, ":limit", filter->limit);
    err_kept(query_list_read(&list, &q));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(list.array);
        return err->code;
    }
    *rows = list.array;
    *n_rows = list.n;
    return ERR_OK;
}

enum err_code job_store_count(struct db *db, int64_t *counts, struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    for (int state = 0; state <= JOB_CANCELLED; state++) {
        counts[state] = 0;
    }
    struct query q = query_open(conn, SQL_JOB_COUNTS, err);
    while (query_row(&q)) {
        int64_t state = query_get_int(&q, 0);
        if (state >= 0 && state <= JOB_CANCELLED) {
            counts[state] = query_get_int(&q, 1);
        }
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}
