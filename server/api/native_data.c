/* SPDX-License-Identifier: Apache-2.0 */
/* Training rows of a model: append as JSON or CSV, summary, delete. */
#include "handlers.h"

#include "csv.h"
#include "data_store.h"
#include "json_tensor.h"
#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Rows as the store wants them: inputs, then outputs, side by side. */
struct upload {
    int n, d, o;
    const double *rows; /* [n x (d + o)], in the request's arena */
};

static enum err_code read_json(struct app *app, const struct request *req, struct upload *up,
                               struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    json_t *body = NULL;
    const int most = app->config->max_rows;
    struct json_tensor tensors[] = {
        {.key = "inputs", .max_rows = most, .max_columns = JSON_TENSOR_COLUMNS},
        {.key = "outputs", .max_rows = most, .max_columns = JSON_TENSOR_COLUMNS}};
    const struct json_tensor *x = &tensors[0];
    const struct json_tensor *y = &tensors[1];
    if (json_tensor_parse(req->body, req->n_body, tensors, 2, req->arena, &body, err) != ERR_OK ||
        json_io_check_keys(body, "body", keys, err) != ERR_OK ||
        json_tensor_check(x, body, 0, err) != ERR_OK ||
        json_tensor_check(y, body, 0, err) != ERR_OK) {
        return err->code;
    }
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "there are %d rows of inputs and %d of outputs", x->n, y->n);
    }
    up->d = x->k;
    up->o = y->k;
    size_t width = (size_t)up->d + (size_t)up->o;
    double *rows = arena_alloc_array(req->arena, (size_t)x->n * width, sizeof *rows);
    if (rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)x->n; i++) {
        memcpy(rows + i * width, x->values + i * (size_t)up->d, (size_t)up->d * sizeof *rows);
        memcpy(rows + i * width + up->d, y->values + i * (size_t)up->o,
               (size_t)up->o * sizeof *rows);
    }
    up->n = x->n;
    up->rows = rows;
    return ERR_OK;
}

/* The number of output columns: "outputs" in the query, or what the model's rows have already. */
static enum err_code count_outputs(struct app *app, const struct request *req, const char *model,
                                   int *o, struct err *err)
{
    const char *text = request_query(req, "outputs");
    struct data_summary summary = {.n_outputs = 0};
    struct err absent = ERR_INIT;
    if (text == NULL) {
        if (data_store_summary(app->db, model, &summary, &absent) != ERR_OK ||
            summary.n_outputs == 0) {
            return err_set(err, ERR_INVALID,
                           "say how many of the last columns are outputs: "
                           "?outputs=N");
        }
        *o = summary.n_outputs;
        return ERR_OK;
    }
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0 || value < 1 || value > ARCH_MAX_OUTPUTS) {
        return err_set(err, ERR_INVALID, "outputs is \"%.40s\", a number from 1 to %d is needed",
                       text, ARCH_MAX_OUTPUTS);
    }
    *o = (int)value;
    return ERR_OK;
}

static enum err_code read_csv(struct app *app, const struct request *req, const char *model,
                              struct upload *up, struct err *err)
{
    struct csv csv;
    if (count_outputs(app, req, model, &up->o, err) != ERR_OK ||
        csv_parse(req->body, req->n_body, app->config->max_rows, req->arena, &csv, err) != ERR_OK) {
        return err->code;
    }
    if (csv.k <= up->o) {
        return err_set(err, ERR_SHAPE, "%d columns cannot hold %d outputs and an input", csv.k,
                       up->o);
    }
    up->n = csv.n;
    up->d = csv.k - up->o;
    up->rows = csv.values;
    return ERR_OK;
}

static bool is_csv(const struct request *req)
{
    const char *type = request_header(req, "Content-Type");
    return type != NULL && strncasecmp(type, "text/csv", strlen("text/csv")) == 0;
}

/* New rows must fit the version that is served, if there is one. */
static enum err_code check_against_model(struct app *app, const char *model,
                                         const struct upload *up, struct err *err)
{
    struct served *served = NULL;
    struct err absent = ERR_INIT;
    if (registry_get(app->registry, model, 0, &served, &absent) != ERR_OK) {
        return ERR_OK;
    }
    if (served->model->d != up->d || served->model->o != up->o) {
        err_set(err, ERR_SHAPE, "the rows have %d inputs and %d outputs, model %s has %d and %d",
                up->d, up->o, model, served->model->d, served->model->o);
    }
    served_unref(served);
    return err->code;
}

enum err_code handle_data_post(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *model;
    struct upload up = {.n = 0};
    struct data_append_result result;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK) {
        return err->code;
    }
    enum err_code code =
        is_csv(req) ? read_csv(app, req, model, &up, err) : read_json(app, req, &up, err);
    if (code != ERR_OK || check_against_model(app, model, &up, err) != ERR_OK ||
        data_store_append(app->db, model, up.n, up.d, up.o, up.rows, &result, err) != ERR_OK) {
        return err->code;
    }
    metrics_add(&app->metrics->uploaded_rows, up.n);
    textbuf_printf(&text, "{\"batch\":%lld,\"rows\":%d,\"total_rows\":%lld}",
                   (long long)result.batch, up.n, (long long)result.total_rows);
    return reply_json(res, 201, &text, err);
}

enum err_code handle_data_get(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    const char *model;
    struct data_summary summary;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        data_store_summary(app->db, model, &summary, err) != ERR_OK) {
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
    textbuf_puts(&text, "}");
    return reply_json(res, 200, &text, err);
}

enum err_code handle_data_delete(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *model;
    int64_t n_rows = 0;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        data_store_delete(app->db, model, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    textbuf_printf(&text, "{\"deleted_rows\":%lld}", (long long)n_rows);
    return reply_json(res, 200, &text, err);
}
