/* SPDX-License-Identifier: Apache-2.0 */
/* The tensors of an inference request as rows of the model's inputs. */
#include "api/oip/infer_request.h"

#include "api/native/prediction_options.h"
#include "api/rows/columns.h"
#include "base/phrase.h"
#include "predict/predict_units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rows that are being filled in. */
struct rows {
    const struct model *model;
    int max_rows;
    int n;
    double *x; /* [n x d] */
    struct arena *arena;
};

static enum err_code make_rows(struct rows *rows, size_t n, struct err *err)
{
    if (n > (size_t)rows->max_rows) {
        return err_set(err, ERR_TOO_LARGE,
                       "inputs have more than %s, which is the limit for one request",
                       phrase_count(rows->max_rows, "row").text);
    }
    rows->n = (int)n;
    rows->x = arena_alloc_array(rows->arena, n * (size_t)rows->model->d, sizeof *rows->x);
    return rows->x != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the rows");
}

static enum err_code read_numbers(const struct infer_tensor *tensor, double *out, struct err *err)
{
    size_t bad = 0;
    if (tensor->values != NULL) {
        memcpy(out, tensor->values, tensor->n * sizeof *out);
    } else if (!tensor_type_read(tensor->type, tensor->bytes, tensor->n, out, &bad)) {
        return err_set(err, ERR_INVALID,
                       "input %.40s: number %zu is beyond 2^53, which a float64 does not hold",
                       tensor->name, bad);
    }
    return ERR_OK;
}

/* ---- one tensor with all inputs ---- */

static enum err_code refuse_shape(const struct infer_tensor *tensor, int d, struct err *err)
{
    char shape[160];
    int at = 0;
    for (int k = 0; k < tensor->rank; k++) {
        at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%zu", k > 0 ? "," : "",
                       tensor->shape[k]);
    }
    return err_set(err, ERR_SHAPE, "input " INFER_INPUT " has the shape [%s], [rows,%d] is needed",
                   shape, d);
}

/* The shape of bytes without JSON. */
static enum err_code deduce_shape(struct infer_tensor *tensor, size_t d, struct err *err)
{
    size_t row = d * tensor_type_size(tensor->type);
    if (tensor->n_bytes % row != 0) {
        return err_set(err, ERR_SHAPE,
                       "the body has %zu bytes, a multiple of %zu is needed: rows of %zu numbers "
                       "of %s",
                       tensor->n_bytes, row, d, tensor_type_oip().list[tensor->type]);
    }
    tensor->rank = 2;
    tensor->shape[0] = tensor->n_bytes / row;
    tensor->shape[1] = d;
    tensor->n = tensor->n_bytes / tensor_type_size(tensor->type);
    return ERR_OK;
}

static enum err_code read_matrix(struct rows *rows, struct infer_tensor *tensor, struct err *err)
{
    size_t d = (size_t)rows->model->d;
    if (tensor->rank == 0 && deduce_shape(tensor, d, err) != ERR_OK) {
        return err->code;
    }
    bool is_row = tensor->rank == 1 && tensor->shape[0] == d;
    bool is_column = tensor->rank == 1 && d == 1;
    if (!is_row && !is_column && (tensor->rank != 2 || tensor->shape[1] != d)) {
        return refuse_shape(tensor, rows->model->d, err);
    }
    return make_rows(rows, tensor->n / d, err) == ERR_OK ? read_numbers(tensor, rows->x, err)
                                                         : err->code;
}

/* ---- a tensor for each input ---- */

static int find_column(const struct model *model, const char *name)
{
    for (int j = 0; model->input_names != NULL && j < model->d; j++) {
        if (model->input_names[j] != NULL && strcmp(model->input_names[j], name) == 0) {
            return j;
        }
    }
    return -1;
}

static enum err_code refuse_name(const struct rows *rows, const char *name, struct err *err)
{
    char known[160];
    size_t at = 0;
    for (int j = 0; rows->model->input_names != NULL && j < rows->model->d; j++) {
        const char *input = rows->model->input_names[j];
        int len = input != NULL ? snprintf(known + at, sizeof known - at, ", %s", input) : 0;
        if (len < 0 || at + (size_t)len >= sizeof known) {
            break; /* the first of them are enough */
        }
        at += (size_t)len;
    }
    known[at] = '\0';
    return err_set(err, ERR_INVALID,
                   "input \"%.40s\" is unknown; " INFER_INPUT " with all inputs is needed%s%s",
                   name, at > 0 ? ", or one tensor for each of" : "", at > 0 ? known + 1 : "");
}

/* numbers: room for those of one input. */
static enum err_code place_column(struct rows *rows, const struct infer_tensor *tensor, int column,
                                  double *numbers, struct err *err)
{
    if (tensor->n != (size_t)rows->n || tensor->rank > 2 ||
        (tensor->rank == 2 && tensor->shape[1] != 1)) {
        return err_set(err, ERR_SHAPE,
                       "input %.40s does not have the shape [%d] or [%d,1], as the first input has",
                       tensor->name, rows->n, rows->n);
    }
    if (read_numbers(tensor, numbers, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < rows->n; i++) {
        rows->x[(size_t)i * (size_t)rows->model->d + (size_t)column] = numbers[i];
    }
    return ERR_OK;
}

static enum err_code refuse_missing(const struct rows *rows, const bool *seen, struct err *err)
{
    for (int j = 0; j < rows->model->d; j++) {
        if (!seen[j]) {
            const char *name =
                rows->model->input_names != NULL ? rows->model->input_names[j] : NULL;
            return err_set(err, ERR_INVALID,
                           "inputs have no tensor for \"%.40s\"; the model has %s",
                           name != NULL ? name : "an input without a name",
                           phrase_count(rows->model->d, "input").text);
        }
    }
    return ERR_OK;
}

static enum err_code read_columns(struct rows *rows, const struct infer_request *request,
                                  struct err *err)
{
    bool *seen = arena_zalloc_array(rows->arena, (size_t)rows->model->d, sizeof *seen);
    double *numbers = NULL;
    for (int i = 0; i < request->n_inputs; i++) {
        const struct infer_tensor *tensor = &request->inputs[i];
        int column = find_column(rows->model, tensor->name);
        if (column < 0) {
            return refuse_name(rows, tensor->name, err);
        }
        if (numbers == NULL) {
            if (make_rows(rows, tensor->n, err) != ERR_OK) {
                return err->code;
            }
            numbers = arena_alloc_array(rows->arena, tensor->n, sizeof *numbers);
        }
        if (numbers == NULL || seen == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the rows");
        }
        if (seen[column]) {
            return err_set(err, ERR_INVALID, "input %.40s comes twice", tensor->name);
        }
        seen[column] = true;
        if (place_column(rows, tensor, column, numbers, err) != ERR_OK) {
            return err->code;
        }
    }
    return refuse_missing(rows, seen, err);
}

/* ---- the whole ---- */

static enum err_code check_finite(const struct rows *rows, struct err *err)
{
    int d = rows->model->d;
    for (int i = 0; i < rows->n; i++) {
        for (int j = 0; j < d; j++) {
            if (!isfinite(rows->x[(size_t)i * (size_t)d + (size_t)j])) {
                return err_set_at(err, ERR_NONFINITE, i, j,
                                  "inputs: row %d, column %d is not finite", i, j);
            }
        }
    }
    return ERR_OK;
}

/* Nobody asked for a square that is no number. */
static void leave_out_squares(struct infer_request *request, const struct model *model)
{
    int n = 0;
    if (request->named || predict_units_have_squares(model)) {
        return;
    }
    for (int i = 0; i < request->n_outputs; i++) {
        if (request->outputs[i].index != PREDICT_INDEX_VARIANCE) {
            request->outputs[n++] = request->outputs[i];
        }
    }
    request->n_outputs = n;
    request->predict.want &= ~(unsigned)PREDICT_VARIANCE;
}

enum err_code infer_request_fit(struct infer_request *request, const struct model *model,
                                int max_rows, struct arena *arena, struct err *err)
{
    struct rows rows = {.model = model, .max_rows = max_rows, .arena = arena};
    bool whole = request->n_inputs == 1 && strcmp(request->inputs[0].name, INFER_INPUT) == 0;
    if ((whole ? read_matrix(&rows, &request->inputs[0], err)
               : read_columns(&rows, request, err)) != ERR_OK ||
        check_finite(&rows, err) != ERR_OK) {
        return err->code;
    }
    request->predict.n = rows.n;
    request->predict.x = rows.x;
    leave_out_squares(request, model);
    prediction_options_fit(&request->predict, model);
    if (model->space != NULL) {
        const struct space_rows numbers = {(size_t)rows.n, (size_t)model->d, rows.x};
        return columns_read_numbers(model->space, &numbers, "inputs: ", err);
    }
    return ERR_OK;
}
