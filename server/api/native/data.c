/* SPDX-License-Identifier: Apache-2.0 */
/* Training rows of a model: append, summary, batches, export, delete. */
#include "api/handlers.h"

#include "api/native/data_export.h"
#include "api/native/upload.h"
#include "api/reply.h"
#include "base/mem.h"
#include "store/data/data_cursor.h"
#include "store/data/data_delete.h"
#include "store/data/data_key.h"
#include "store/data/data_read.h"

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
        /* A version that cannot be read now may be one that they do not fit. */
        return absent.code == ERR_NOT_FOUND || absent.code == ERR_CORRUPT
                   ? ERR_OK
                   : err_set(err, absent.code, "%s", absent.msg);
    }
    if (served->model->d != up->d || served->model->o != up->o) {
        err_set(err, ERR_SHAPE, "the rows have %d inputs and %d outputs, model %s has %d and %d",
                up->d, up->o, model, served->model->d, served->model->o);
    }
    served_unref(served);
    return err->code;
}

static void write_result(struct textbuf *text, const struct data_append_result *r)
{
    int64_t n_duplicates = r->n_duplicates < DATA_PLACES ? r->n_duplicates : DATA_PLACES;
    int64_t n_outliers = r->n_outliers < DATA_PLACES ? r->n_outliers : DATA_PLACES;
    textbuf_puts(text, "{\"batch\":");
    if (r->batch > 0) {
        textbuf_printf(text, "%lld", (long long)r->batch);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_printf(text,
                   ",\"rows\":%lld,\"total_rows\":%lld,\"duplicates\":{\"count\":%lld,"
                   "\"skipped\":%s,\"rows\":[",
                   (long long)r->n_rows, (long long)r->total_rows, (long long)r->n_duplicates,
                   r->skipped != 0 ? "true" : "false");
    for (int64_t i = 0; i < n_duplicates; i++) {
        textbuf_printf(text, "%s%lld", i > 0 ? "," : "", (long long)r->duplicates[i]);
    }
    textbuf_printf(text, "]},\"outliers\":{\"count\":%lld,\"values\":[", (long long)r->n_outliers);
    for (int64_t i = 0; i < n_outliers; i++) {
        const struct data_outlier *outlier = &r->outliers[i];
        textbuf_printf(text, "%s{\"row\":%lld,\"column\":%lld,\"value\":", i > 0 ? "," : "",
                       (long long)outlier->row, (long long)outlier->column);
        textbuf_real(text, outlier->value);
        textbuf_puts(text, ",\"usual\":");
        textbuf_vector(text, outlier->usual, 2);
        textbuf_puts(text, "}");
    }
    textbuf_printf(text, "]}%s}", r->repeated != 0 ? ",\"repeated\":true" : "");
}

/* A repeated upload is not even parsed. *done: `result` is its answer. */
static enum err_code find_repeated(struct app *app, const char *model, const struct upload *up,
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

enum err_code handle_data_post(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *model;
    struct upload up;
    struct data_append_result result = {.batch = 0};
    bool done = false;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        upload_read_head(req, &up, err) != ERR_OK ||
        find_repeated(app, model, &up, &result, &done, err) != ERR_OK) {
        return err->code;
    }
    if (!done && (upload_read_rows(app, req, model, &up, err) != ERR_OK ||
                  check_against_model(app, model, &up.data, err) != ERR_OK ||
                  data_store_append(app->db, model, &up.data, &result, err) != ERR_OK)) {
        return err->code;
    }
    if (app->keeper != NULL) {
        keeper_notify(app->keeper);
    }
    count_result(app->metrics, &result);
    write_result(&text, &result);
    return reply_json(res, result.batch > 0 ? 201 : 200, &text, err);
}

/* ---- reading ---- */

static void write_columns(struct textbuf *text, const struct data_summary *summary,
                          const struct column_stats *columns)
{
    static const double levels[] = {0.25, 0.5, 0.75};
    textbuf_puts(text, ",\"columns\":[");
    for (int j = 0; columns != NULL && j < summary->n_inputs + summary->n_outputs; j++) {
        bool input = j < summary->n_inputs;
        const struct column_stats *c = &columns[j];
        const double values[] = {c->mean, column_stats_deviation(c), c->low, c->high};
        static const char *const names[] = {"mean", "std", "min", "max"};
        textbuf_printf(text, "%s{\"%s\":%d", j > 0 ? "," : "", input ? "input" : "output",
                       input ? j : j - summary->n_inputs);
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            textbuf_printf(text, ",\"%s\":", names[k]);
            textbuf_real(text, values[k]);
        }
        textbuf_puts(text, ",\"quartiles\":[");
        for (size_t k = 0; k < sizeof levels / sizeof *levels; k++) {
            textbuf_puts(text, k > 0 ? "," : "");
            textbuf_real(text, column_stats_quantile(c, levels[k]));
        }
        textbuf_puts(text, "]}");
    }
    textbuf_puts(text, "]");
}

enum err_code handle_data_get(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    const char *model;
    struct data_summary summary;
    struct training_data data;
    struct column_stats *columns = NULL;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        data_store_describe(app->db, model, &summary, &data, &columns, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, model);
    textbuf_printf(&text, ",\"rows\":%lld,\"batches\":%lld,\"inputs\":%d,\"outputs\":%d,\"first\":",
                   (long long)summary.n_rows, (long long)summary.n_batches, summary.n_inputs,
                   summary.n_outputs);
    reply_time(&text, summary.first_ms);
    textbuf_puts(&text, ",\"last\":");
    reply_time(&text, summary.last_ms);
    textbuf_printf(&text, ",\"fingerprint\":\"%s\"", data.fingerprint);
    write_columns(&text, &summary, columns);
    textbuf_puts(&text, "}");
    mem_free(columns);
    return reply_json(res, 200, &text, err);
}

struct batch_list {
    struct textbuf *text;
    int64_t n;
    int64_t last;
    int64_t limit;
    bool more;
};

static void write_batch(void *ctx, const struct data_batch *batch)
{
    struct batch_list *list = ctx;
    struct textbuf *text = list->text;
    if (list->n == list->limit) {
        list->more = true;
        return;
    }
    list->last = batch->id;
    textbuf_printf(text,
                   "%s{\"batch\":%lld,\"rows\":%lld,\"inputs\":%d,\"outputs\":%d,"
                   "\"created\":",
                   list->n++ > 0 ? "," : "", (long long)batch->id, (long long)batch->n_rows,
                   batch->n_inputs, batch->n_outputs);
    reply_time(text, batch->created_ms);
    textbuf_printf(text, ",\"format\":\"%s\",\"source\":", batch->format);
    if (batch->source[0] != '\0') {
        textbuf_json_string(text, batch->source);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_puts(text, ",\"provenance\":");
    if (batch->provenance != NULL) {
        textbuf_put(text, batch->provenance, batch->n_provenance);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_printf(text, ",\"digest\":\"%s\",\"duplicates\":%lld,\"outliers\":%lld}", batch->digest,
                   (long long)batch->n_duplicates, (long long)batch->n_outliers);
}

enum err_code handle_batches_list(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *model;
    struct textbuf text = textbuf_in(req->arena);
    struct batch_list list = {.text = &text, .limit = BATCHES_DEFAULT};
    struct data_listing listing = {.visit = write_batch, .ctx = &list};
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        reply_query_int(req, "after", 0, INT64_MAX, &listing.after, err) != ERR_OK ||
        reply_query_int(req, "limit", 1, BATCHES_MAX, &list.limit, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"batches\":[");
    /* One more tells whether there are more. */
    listing.limit = list.limit + 1;
    if (data_store_batches(app->db, model, &listing, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "],\"next\":");
    if (list.more) {
        textbuf_printf(&text, "%lld}", (long long)list.last);
    } else {
        textbuf_puts(&text, "null}");
    }
    return reply_json(res, 200, &text, err);
}

enum err_code handle_rows_export(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *model;
    const char *format = request_query(req, "format");
    int64_t batch = 0;
    struct data_cursor cursor;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        reply_query_int(req, "batch", 1, INT64_MAX, &batch, err) != ERR_OK ||
        data_cursor_open(app->db, model, batch, &cursor, err) != ERR_OK) {
        return err->code;
    }
    return data_export(&cursor, format != NULL ? format : "json", app->log, req->arena, res, err);
}

/* ---- deleting ---- */

static enum err_code reply_deleted(const struct request *req, struct response *res, int64_t n_rows,
                                   struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    textbuf_printf(&text, "{\"deleted_rows\":%lld}", (long long)n_rows);
    return reply_json(res, 200, &text, err);
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
