/* SPDX-License-Identifier: Apache-2.0 */
/* Training rows of a model: append, summary, batches, export, delete. */
#include "api/handlers.h"

#include "api/exports/answer_room.h"
#include "api/exports/data_export.h"
#include "api/quota.h"
#include "api/reply.h"
#include "api/rows/run_status.h"
#include "api/rows/space_warnings.h"
#include "api/rows/upload.h"
#include "api/request_times.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "documents/space_json.h"
#include "jobs/rows/row_roles.h"
#include "store/data/data_cursor.h"
#include "store/data/data_delete.h"
#include "store/data/data_key.h"
#include "store/data/data_read.h"
#include "store/data/data_stats.h"

#include <math.h>
#include <string.h>

#define BATCHES_DEFAULT 100 /* listed at a time */
#define BATCHES_MAX     1000

/* New rows must fit the version that is served, if there is one. */
static enum err_code check_against_model(struct app *app, const char *model,
                                         const struct data_upload *up, struct err *err)
{
    struct served *served = NULL;
    struct err absent = ERR_INIT;
    if (models_get(app->models, model, 0, &served, &absent) != ERR_OK) {
        /* With a version that cannot be read now, nobody knows whether they fit. */
        return absent.code == ERR_NOT_FOUND || absent.code == ERR_CORRUPT
                   ? ERR_OK
                   : err_set(err, absent.code, "%s", absent.msg);
    }
    int outputs = served->model->o;
    if (outputs != up->o && row_roles_count_outputs(served->model, &outputs, err) != ERR_OK) {
        served_unref(served);
        return err->code;
    }
    if (served->model->d != up->d || (served->model->o != up->o && outputs != up->o)) {
        err_set(err, ERR_SHAPE, "the rows have %s and %s, model %s has %d and %d",
                phrase_count(up->d, "input").text, phrase_count(up->o, "output").text, model,
                served->model->d, outputs);
    }
    served_unref(served);
    return err->code;
}

static void write_duplicates(struct json_write *json, const struct data_append_result *r)
{
    int64_t n = r->n_duplicates < DATA_PLACES ? r->n_duplicates : DATA_PLACES;
    json_write_object(json, "duplicates");
    json_write_int(json, "count", r->n_duplicates);
    json_write_bool(json, "skipped", r->skipped != 0);
    json_write_array(json, "rows");
    for (int64_t i = 0; i < n; i++) {
        json_write_int(json, NULL, r->duplicates[i]);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

static void write_outliers(struct json_write *json, const struct data_append_result *r)
{
    int64_t n = r->n_outliers < DATA_PLACES ? r->n_outliers : DATA_PLACES;
    json_write_object(json, "outliers");
    json_write_int(json, "count", r->n_outliers);
    json_write_array(json, "values");
    for (int64_t i = 0; i < n; i++) {
        const struct data_outlier *outlier = &r->outliers[i];
        json_write_object(json, NULL);
        json_write_int(json, "row", outlier->row);
        json_write_int(json, "column", outlier->column);
        json_write_real(json, "value", outlier->value);
        json_write_reals(json, "usual", outlier->usual, 2);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

/* Rows that were left out, as the upload's query asked. */
static void write_nonfinite(struct json_write *json, const struct request *req,
                            const struct upload *up)
{
    int n = up->skipped.n < NONFINITE_LISTED ? up->skipped.n : NONFINITE_LISTED;
    if (!up->skip_nonfinite) {
        return;
    }
    json_write_object(json, "nonfinite");
    json_write_int(json, "count", up->skipped.n);
    json_write_array(json, "rows");
    for (int i = 0; i < n; i++) {
        json_write_int(json, NULL, up->skipped.rows[i]);
    }
    json_write_array_end(json);
    if (up->is_text) {
        int64_t lines[NONFINITE_LISTED];
        text_rows_lines(&up->text, req, up->skipped.rows, n, lines);
        json_write_array(json, "lines");
        for (int i = 0; i < n; i++) {
            json_write_int(json, NULL, lines[i]);
        }
        json_write_array_end(json);
    }
    json_write_object_end(json);
}

static void write_texts(struct json_write *json, const char *key, const char *const *names, int n)
{
    json_write_array(json, key);
    for (int i = 0; i < n; i++) {
        json_write_text(json, NULL, names[i]);
    }
    json_write_array_end(json);
}

/* How a text table was read. */
static void write_table(struct json_write *json, const struct upload *up)
{
    const struct text_table_reader *reader = &up->text.reader;
    json_write_object(json, "table");
    json_write_text(json, "separator", text_separator_name(reader->dialect.separator));
    json_write_text(json, "decimal", text_decimal_name(reader->dialect.decimal));
    json_write_text(json, "header", reader->names != NULL ? "present" : "absent");
    if (up->failed != NULL) {
        json_write_text(json, RUN_STATUS_KEY, "present");
    }
    if (reader->first_column > 0) {
        write_texts(json, "left_out", reader->left_out, reader->first_column);
    }
    json_write_object_end(json);
}

static void write_result(struct json_write *json, const struct request *req,
                         const struct upload *up, const struct data_append_result *r)
{
    json_write_object(json, NULL);
    reply_write_positive(json, "batch", r->batch);
    json_write_int(json, "rows", r->n_rows);
    json_write_int(json, "total_rows", r->total_rows);
    json_write_int(json, "inputs", up->data.d);
    json_write_int(json, "outputs", up->data.o);
    json_write_int(json, "failed_rows", r->n_failed);
    json_write_int(json, "missing_values", r->n_missing);
    if (r->n_discarded > 0) {
        json_write_int(json, "discarded_values", r->n_discarded);
    }
    if (up->data.n_ids > 0) {
        json_write_int(json, "closed", up->n_closed);
    }
    write_duplicates(json, r);
    write_outliers(json, r);
    write_nonfinite(json, req, up);
    if (upload_space(up) != NULL) {
        space_json_write_names(json, "names", upload_space(up));
    }
    space_warnings_write(json, upload_space(up), &up->data);
    if (up->is_text) {
        write_table(json, up);
    }
    if (r->repeated != 0) {
        json_write_bool(json, "repeated", true);
    }
    json_write_object_end(json);
}

/*
 * A repeated upload is answered without being parsed. *done: it is one, `result` is its answer, and
 * the upload has the shape of the model's rows.
 */
static enum err_code find_repeated(struct app *app, const char *model, struct upload *up,
                                   struct data_append_result *result, bool *done, struct err *err)
{
    if (up->data.key == NULL) {
        return ERR_OK;
    }
    enum err_code code = data_store_find_key(app->db, model, up->key, up->payload, result, err);
    *done = code == ERR_OK;
    if (code == ERR_NOT_FOUND) {
        err_clear(err);
    }
    struct data_summary summary;
    if (*done && data_store_summary(app->db, model, &summary, err) == ERR_OK) {
        up->data.d = summary.n_inputs;
        up->data.o = summary.n_outputs;
        err_kept(model_space_load(app->db, model, &up->space, err)); /* its names are told */
    }
    return err->code;
}

static void count_result(struct metrics *metrics, const struct data_append_result *result)
{
    if (result->repeated != 0) {
        metrics_add(&metrics->repeated_uploads, 1);
        return;
    }
    metrics_add(&metrics->uploaded_rows, result->n_rows);
    metrics_add(&metrics->duplicate_rows, result->n_duplicates);
    metrics_add(&metrics->outlier_values, result->n_outliers);
}

#define MAX_READINGS 5 /* while others change the space of the model */

/* Reads the rows and stores them; again when the space that they were read under has changed. */
static enum err_code read_and_append(struct app *app, const struct request *req, const char *model,
                                     struct upload *up, struct data_append_result *result,
                                     struct err *err)
{
    const struct upload head = *up;
    for (int i = 0; i < MAX_READINGS; i++) {
        if (upload_read_rows(app, req, model, up, err) != ERR_OK) {
            return err->code;
        }
        if (i == 0) {
            quota_charge_rows(app, req, up->data.n);
        }
        if (check_against_model(app, model, &up->data, err) != ERR_OK) {
            return err->code;
        }
        request_times_parsed(req);
        if (data_store_append(app->db, model, &up->data, result, err) != ERR_PRECONDITION) {
            return err->code;
        }
        err_clear(err);
        upload_release(up);
        *up = head;
        up->data.key = head.data.key != NULL ? up->key : NULL;
        up->data.payload = head.data.payload != NULL ? up->payload : NULL;
    }
    return err_set(err, ERR_BUSY, "the space of the model keeps changing; try again later");
}

static enum err_code reply_upload(struct app *app, const struct request *req, struct response *res,
                                  const struct upload *up, const struct data_append_result *result,
                                  struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (app->keeper != NULL) {
        keeper_notify(app->keeper);
    }
    count_result(app->metrics, result);
    write_result(&json, req, up, result);
    return reply_json(res, result->batch > 0 ? 201 : 200, &json, err);
}

enum err_code handle_data_post(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *model;
    struct upload up = {.key = ""};
    struct data_append_result result = {.batch = 0};
    bool done = false;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        upload_read_head(req, &up, err) != ERR_OK ||
        find_repeated(app, model, &up, &result, &done, err) != ERR_OK) {
        upload_release(&up);
        return err->code;
    }
    request_times_parsed(req); /* once more when rows have been read */
    if (done || read_and_append(app, req, model, &up, &result, err) == ERR_OK) {
        err_kept(reply_upload(app, req, res, &up, &result, err));
    }
    upload_release(&up);
    return err->code;
}

/* ---- reading ---- */

/* Null where no row has a value. */
static void write_statistics(struct json_write *json, const struct column_stats *c)
{
    static const double levels[] = {0.25, 0.5, 0.75};
    bool some = c->n > 0.0;
    json_write_real(json, "mean", some ? c->mean : (double)NAN);
    json_write_real(json, "std", some ? column_stats_deviation(c) : (double)NAN);
    json_write_real(json, "min", some ? c->low : (double)NAN);
    json_write_real(json, "max", some ? c->high : (double)NAN);
    json_write_array(json, "quartiles");
    for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) {
        json_write_real(json, NULL, some ? column_stats_quantile(c, levels[k]) : (double)NAN);
    }
    json_write_array_end(json);
}

/* Column j of the rows: inputs come first, then outputs. */
static void write_column(struct json_write *json, const struct data_summary *summary,
                         const struct space *space, int j, const struct column_stats *c)
{
    bool input = j < summary->n_inputs;
    json_write_object(json, NULL);
    json_write_int(json, input ? "input" : "output", input ? j : j - summary->n_inputs);
    if (space != NULL && space->d == summary->n_inputs && space->o == summary->n_outputs) {
        json_write_text(json, "name", space_column_name(space, j));
        if (input && space->inputs[j].type == SPACE_CATEGORY) {
            /* Places in a list have no mean. */
            const struct space_input *category = &space->inputs[j];
            json_write_text(json, "type", space_type_name(SPACE_CATEGORY));
            write_texts(json, "values", (const char *const *)category->values, category->n_values);
            json_write_object_end(json);
            return;
        }
    }
    if (!input) {
        json_write_int(json, "missing", summary->n_rows - (int64_t)c->n);
    }
    write_statistics(json, c);
    json_write_object_end(json);
}

static void write_summary(struct json_write *json, const char *model,
                          const struct data_summary *summary, const struct training_data *data)
{
    json_write_text(json, "model", model);
    json_write_int(json, "rows", summary->n_rows);
    json_write_int(json, "failed_rows", summary->n_failed);
    json_write_int(json, "batches", summary->n_batches);
    json_write_int(json, "inputs", summary->n_inputs);
    json_write_int(json, "outputs", summary->n_outputs);
    reply_write_time(json, "first", summary->first_ms);
    reply_write_time(json, "last", summary->last_ms);
    json_write_text(json, "fingerprint", data->fingerprint);
}

enum err_code handle_data_get(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    const char *model;
    struct data_summary summary;
    struct training_data data;
    struct column_stats *columns = NULL;
    struct model_space space;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        data_store_describe(app->db, model, &summary, &data, &columns, err) != ERR_OK) {
        return err->code;
    }
    if (model_space_load(app->db, model, &space, err) != ERR_OK) {
        mem_free(columns);
        return err->code;
    }
    json_write_object(&json, NULL);
    write_summary(&json, model, &summary, &data);
    json_write_array(&json, "columns");
    int n_columns = (int)data_stats_width(summary.n_inputs, summary.n_outputs);
    for (int j = 0; columns != NULL && j < n_columns; j++) {
        write_column(&json, &summary, space.space, j, &columns[j]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    model_space_release(&space);
    mem_free(columns);
    return reply_json(res, 200, &json, err);
}

struct batch_list {
    struct json_write *json;
    int64_t n;
    int64_t last;
    int64_t limit;
    bool more;
};

static void write_batch(void *ctx, const struct data_batch *batch)
{
    struct batch_list *list = ctx;
    struct json_write *json = list->json;
    if (list->n == list->limit) {
        list->more = true;
        return;
    }
    list->n++;
    list->last = batch->id;
    json_write_object(json, NULL);
    json_write_int(json, "batch", batch->id);
    json_write_int(json, "rows", batch->n_rows);
    json_write_int(json, "inputs", batch->n_inputs);
    json_write_int(json, "outputs", batch->n_outputs);
    reply_write_time(json, "created", batch->created_ms);
    json_write_text(json, "format", batch->format);
    json_write_text(json, "source", batch->source[0] != '\0' ? batch->source : NULL);
    json_write_raw_bytes(json, "provenance", batch->provenance, batch->n_provenance);
    json_write_text(json, "digest", batch->digest);
    json_write_int(json, "duplicates", batch->n_duplicates);
    json_write_int(json, "outliers", batch->n_outliers);
    json_write_object_end(json);
}

enum err_code handle_batches_list(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *model;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    struct batch_list list = {.json = &json, .limit = BATCHES_DEFAULT};
    struct data_listing listing = {.visit = write_batch, .ctx = &list};
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        reply_query_int(req, "after", 0, INT64_MAX, &listing.after, err) != ERR_OK ||
        reply_query_int(req, "limit", 1, BATCHES_MAX, &list.limit, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_array(&json, "batches");
    /* One more than is shown, to know whether there are more. */
    listing.limit = list.limit + 1;
    if (data_store_batches(app->db, model, &listing, err) != ERR_OK) {
        return err->code;
    }
    json_write_array_end(&json);
    reply_write_positive(&json, "next", list.more ? list.last : 0);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_rows_export(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *model;
    const char *format = request_query(req, "format");
    int64_t batch = 0;
    struct data_export what = {.format = format != NULL ? format : "json"};
    struct answer_claim *claim = arena_zalloc_array(req->arena, 1, sizeof *claim);
    if (claim == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        reply_query_int(req, "batch", 1, INT64_MAX, &batch, err) != ERR_OK ||
        data_cursor_open(app->db, model, batch, &what.cursor, err) != ERR_OK) {
        return err->code;
    }
    /* After the rows: a category can only have got more values since. */
    if (model_space_load(app->db, model, &what.space, err) != ERR_OK ||
        answer_room_claim(app, data_cursor_bytes(&what.cursor), claim, err) != ERR_OK) {
        data_cursor_close(&what.cursor);
        model_space_release(&what.space);
        return err->code;
    }
    if (data_export(&what, app->log, req->arena, res, err) == ERR_OK) {
        answer_room_hand_over(claim, res);
    } else {
        answer_room_release(claim);
    }
    return err->code;
}

/* ---- deleting ---- */

static enum err_code reply_deleted(const struct request *req, struct response *res, int64_t n_rows,
                                   struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_int(&json, "deleted_rows", n_rows);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_data_delete(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *model;
    int64_t n_rows = 0;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        data_store_delete(app->db, model, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    return reply_deleted(req, res, n_rows, err);
}

enum err_code handle_batch_delete(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *model;
    int64_t batch;
    int64_t n_rows = 0;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        reply_number(req->params[1], "batch", &batch, err) != ERR_OK ||
        data_store_delete_batch(app->db, model, batch, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    return reply_deleted(req, res, n_rows, err);
}
