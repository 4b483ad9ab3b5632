/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/upload.h"

#include "api/reply.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "formats/json_tensor.h"
#include "formats/npy.h"
#include "store/data/data_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- rows with a value that is missing or not finite ---- */

#define WAY_TO_SKIP "; ?on_nonfinite=skip leaves such rows out"

/* Inputs and outputs of JSON and npy are counted by themselves. */
static enum err_code refuse_nonfinite(const struct request *req, const struct upload *up,
                                      const struct nonfinite *found, struct err *err)
{
    if (up->is_text) {
        return text_rows_refuse(&up->text, req, found, WAY_TO_SKIP, err);
    }
    bool json = strcmp(up->data.format, "json") == 0;
    bool output = found->column >= up->data.d;
    const char *what = isnan(found->value) ? json ? "null" : "nan" : "not finite";
    char others[sizeof(struct phrase) + 16] = "";
    if (found->n > 1) {
        snprintf(others, sizeof others, " (as in %s more)", phrase_count(found->n - 1, "row").text);
    }
    return err_set_at(err, ERR_NONFINITE, found->rows[0], found->column,
                      "%srow %d, column %d is %s%s" WAY_TO_SKIP,
                      !json    ? ""
                      : output ? "outputs: "
                               : "inputs: ",
                      found->rows[0], json && output ? found->column - up->data.d : found->column,
                      what, others);
}

/* rows: [n x (d + o)]; writable, or else they are copied before any is left out. */
static enum err_code apply_policy(const struct request *req, struct upload *up, bool writable,
                                  struct err *err)
{
    struct data_upload *data = &up->data;
    const int k = data->d + data->o;
    nonfinite_find(data->rows, (int)data->n, k, &up->skipped);
    if (up->skipped.n == 0) {
        return ERR_OK;
    }
    if (!up->skip_nonfinite) {
        return refuse_nonfinite(req, up, &up->skipped, err);
    }
    if (up->skipped.n == data->n) {
        return err_set(err, ERR_NONFINITE, "all %d rows have a value that is missing or not finite",
                       up->skipped.n);
    }
    size_t count = (size_t)data->n * (size_t)k;
    int *origin = arena_alloc_array(req->arena, (size_t)data->n, sizeof *origin);
    double *rows =
        writable ? (double *)data->rows : arena_alloc_array(req->arena, count, sizeof *rows);
    if (origin == NULL || rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (!writable) {
        memcpy(rows, data->rows, count * sizeof *rows);
    }
    data->n = nonfinite_remove(rows, (int)data->n, k, origin);
    data->rows = rows;
    data->origin = origin;
    return ERR_OK;
}

/* ---- JSON ---- */

static enum err_code read_provenance(const json_t *body, struct arena *arena, struct upload *up,
                                     struct err *err)
{
    const json_t *value = json_object_get(body, "provenance");
    char *text = NULL;
    if (value == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(value)) {
        return err_set(err, ERR_INVALID, "provenance is %s, an object is needed",
                       json_read_kind(value));
    }
    if (json_read_dump(value, UPLOAD_PROVENANCE_MAX, "provenance", &text, err) != ERR_OK) {
        return err->code;
    }
    up->data.provenance = arena_strndup(arena, text, strlen(text));
    mem_free(text);
    return up->data.provenance != NULL ? ERR_OK
                                       : err_set(err, ERR_NOMEM, "no memory for the provenance");
}

/* [0.1, 0.2] may be one row or a column of them. */
static enum err_code refuse_flat(const struct json_tensor *t, struct err *err)
{
    if (!t->flat) {
        return ERR_OK;
    }
    return err_set_at(err, ERR_SHAPE, 0, -1,
                      "%s is a list of numbers, a list of rows is needed: [[..], [..]], each row "
                      "with the numbers of one simulation",
                      t->key);
}

static enum err_code read_json(struct app *app, const struct request *req, struct upload *up,
                               struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", "provenance", NULL};
    json_t *body = NULL;
    const int max = app->config->max_rows;
    struct json_tensor tensors[] = {
        {.key = "inputs", .max_rows = max, .max_columns = ARCH_MAX_INPUTS, .holes = true},
        {.key = "outputs", .max_rows = max, .max_columns = ARCH_MAX_OUTPUTS, .holes = true}};
    const struct json_tensor *x = &tensors[0];
    const struct json_tensor *y = &tensors[1];
    if (json_tensor_parse(req->body, req->n_body, (struct json_tensors){tensors, 2}, req->arena,
                          &body, err) != ERR_OK) {
        reply_explain_syntax(req, err);
        return err->code;
    }
    if (json_read_check_keys(body, "body", keys, err) != ERR_OK ||
        json_tensor_check(x, body, 0, err) != ERR_OK ||
        json_tensor_check(y, body, 0, err) != ERR_OK || refuse_flat(x, err) != ERR_OK ||
        refuse_flat(y, err) != ERR_OK || read_provenance(body, req->arena, up, err) != ERR_OK) {
        return err->code;
    }
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "inputs has %s, outputs has %s",
                       phrase_count(x->n, "row").text, phrase_count(y->n, "row").text);
    }
    size_t d = (size_t)x->k;
    size_t o = (size_t)y->k;
    double *rows = arena_alloc_array(req->arena, (size_t)x->n * (d + o), sizeof *rows);
    if (rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)x->n; i++) {
        memcpy(rows + i * (d + o), x->values + i * d, d * sizeof *rows);
        memcpy(rows + i * (d + o) + d, y->values + i * o, o * sizeof *rows);
    }
    up->data.n = x->n;
    up->data.d = x->k;
    up->data.o = y->k;
    up->data.rows = rows;
    return apply_policy(req, up, true, err);
}

/* ---- tables, which have inputs and outputs side by side ---- */

/* The number of output columns: "outputs" in the query, else that of the model's stored rows. */
static enum err_code count_outputs(struct app *app, const struct request *req, const char *model,
                                   int *o, struct err *err)
{
    const char *text = request_query(req, "outputs");
    struct data_summary summary = {.n_outputs = 0};
    struct err absent = ERR_INIT;
    if (text == NULL) {
        if (data_store_summary(app->db, model, &summary, &absent) != ERR_OK ||
            summary.n_outputs == 0) {
            /* A failing store must not look like a mistake of the client. */
            return absent.code != ERR_OK && absent.code != ERR_NOT_FOUND
                       ? err_set(err, absent.code, "%s", absent.msg)
                       : err_set(err, ERR_INVALID,
                                 "say how many of the last columns are outputs: ?outputs=N");
        }
        *o = summary.n_outputs;
        return ERR_OK;
    }
    int64_t value = 0;
    if (reply_query_int(req, "outputs", 1, ARCH_MAX_OUTPUTS, &value, err) == ERR_OK) {
        *o = (int)value;
    }
    return err->code;
}

static enum err_code split_columns(struct upload *up, int k, struct err *err)
{
    if (k <= up->data.o) {
        return err_set(err, ERR_SHAPE, "%s cannot hold %s and an input",
                       phrase_count(k, "column").text, phrase_count(up->data.o, "output").text);
    }
    if (k - up->data.o > ARCH_MAX_INPUTS) {
        return err_set(err, ERR_LIMIT, "%d input columns, at most %d are taken", k - up->data.o,
                       ARCH_MAX_INPUTS);
    }
    up->data.d = k - up->data.o;
    return ERR_OK;
}

static enum err_code read_text(struct app *app, const struct request *req, const char *model,
                               struct upload *up, struct err *err)
{
    if (count_outputs(app, req, model, &up->data.o, err) != ERR_OK ||
        text_rows_read(req, app->config->max_rows, &up->text, err) != ERR_OK ||
        split_columns(up, up->text.table.k, err) != ERR_OK) {
        return err->code;
    }
    up->is_text = true;
    up->data.n = up->text.table.n;
    up->data.rows = up->text.table.values;
    return apply_policy(req, up, true, err);
}

static enum err_code read_npy(struct app *app, const struct request *req, const char *model,
                              struct upload *up, struct err *err)
{
    struct npy npy;
    if (count_outputs(app, req, model, &up->data.o, err) != ERR_OK ||
        npy_parse(req->body, req->n_body, app->config->max_rows, req->arena, &npy, err) != ERR_OK ||
        split_columns(up, npy.k, err) != ERR_OK) {
        return err->code;
    }
    up->data.n = npy.n;
    up->data.rows = npy.values;
    return apply_policy(req, up, false, err);
}

enum err_code upload_read_rows(struct app *app, const struct request *req, const char *model,
                               struct upload *up, struct err *err)
{
    switch (up->data.format[0]) {
    case 'c':
        return read_text(app, req, model, up, err);
    case 'n':
        return read_npy(app, req, model, up, err);
    default:
        return read_json(app, req, up, err);
    }
}
