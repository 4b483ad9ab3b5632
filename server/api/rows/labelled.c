/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/labelled.h"

#include "api/reply.h"
#include "base/phrase.h"
#include "formats/media_type.h"

#include <string.h>

enum err_code labelled_parse(const struct request *req, int max_rows, struct labelled *out,
                             struct err *err)
{
    struct json_tensor tensors[] = {
        {.key = "inputs", .max_rows = max_rows, .max_columns = JSON_TENSOR_COLUMNS},
        {.key = "outputs", .max_rows = max_rows, .max_columns = JSON_TENSOR_COLUMNS}};
    *out = (struct labelled){.body = NULL};
    const char *type = request_header(req, "Content-Type");
    out->is_csv = media_type_is(type, MEDIA_TYPE_CSV) || media_type_is(type, MEDIA_TYPE_TSV);
    if (out->is_csv) {
        return text_rows_read(req, max_rows, &out->text, err) == ERR_OK
                   ? text_rows_check_finite(&out->text, req, err)
                   : err->code;
    }
    if (json_tensor_parse(req->body, req->n_body, (struct json_tensors){tensors, 2}, req->arena,
                          &out->body, err) == ERR_OK) {
        out->x = tensors[0];
        out->y = tensors[1];
    }
    reply_explain_syntax(req, err);
    return err->code;
}

/* "outputs" in the query may be left out; else it is the model's number of outputs. */
static enum err_code check_outputs(const struct request *req, int o, struct err *err)
{
    int64_t outputs = o;
    if (reply_query_int(req, "outputs", 1, ARCH_MAX_OUTPUTS, &outputs, err) == ERR_OK &&
        outputs != o) {
        return err_set(err, ERR_INVALID, "outputs is %d, the model has %d", (int)outputs, o);
    }
    return err->code;
}

enum err_code labelled_split(const double *rows, const struct data *shape, struct arena *arena,
                             struct data *out, struct err *err)
{
    size_t n = (size_t)shape->n;
    size_t d = (size_t)shape->d;
    size_t o = (size_t)shape->o;
    double *x = arena_alloc_array(arena, n * d, sizeof *x);
    double *y = arena_alloc_array(arena, n * o, sizeof *y);
    if (x == NULL || y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * d, rows + i * (d + o), d * sizeof *x);
        memcpy(y + i * o, rows + i * (d + o) + d, o * sizeof *y);
    }
    *out = (struct data){.n = shape->n, .d = shape->d, .o = shape->o, .x = x, .y = y};
    return ERR_OK;
}

static enum err_code rows_of_csv(const struct labelled *labelled, const struct request *req, int d,
                                 int o, struct data *out, struct err *err)
{
    const struct data shape = {.n = labelled->text.table.n, .d = d, .o = o};
    if (check_outputs(req, o, err) != ERR_OK) {
        return err->code;
    }
    if (labelled->text.table.k != d + o) {
        return err_set(err, ERR_SHAPE, "%s, the model's %s and %s need %d",
                       phrase_count(labelled->text.table.k, "column").text,
                       phrase_count(d, "input").text, phrase_count(o, "output").text, d + o);
    }
    return labelled_split(labelled->text.table.values, &shape, req->arena, out, err);
}

static enum err_code rows_of_json(const struct labelled *labelled, int d, int o, struct data *out,
                                  struct err *err)
{
    const struct json_tensor *x = &labelled->x;
    const struct json_tensor *y = &labelled->y;
    if (json_tensor_check(x, labelled->body, d, err) != ERR_OK ||
        json_tensor_check(y, labelled->body, o, err) != ERR_OK) {
        return err->code;
    }
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "inputs has %s, outputs has %s",
                       phrase_count(x->n, "row").text, phrase_count(y->n, "row").text);
    }
    *out = (struct data){.n = x->n, .d = d, .o = o, .x = x->values, .y = y->values};
    return ERR_OK;
}

enum err_code labelled_rows(const struct labelled *labelled, const struct request *req, int d,
                            int o, struct data *out, struct err *err)
{
    if ((labelled->is_csv ? rows_of_csv(labelled, req, d, o, out, err)
                          : rows_of_json(labelled, d, o, out, err)) != ERR_OK) {
        return err->code;
    }
    return out->n > 0 ? ERR_OK
                      : err_set(err, ERR_INVALID, "there are no rows to evaluate the model on");
}
