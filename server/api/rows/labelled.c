/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/labelled.h"

#include "api/reply.h"
#include "api/rows/array_rows.h"
#include "api/rows/columns.h"
#include "api/rows/named_rows.h"
#include "api/rows/run_status.h"
#include "base/phrase.h"
#include "formats/media_type.h"
#include "jobs/model_space.h"

#include <math.h>
#include <string.h>

enum err_code labelled_parse(const struct request *req, int max_rows, size_t max_text,
                             struct labelled *out, struct err *err)
{
    struct json_tensor tensors[] = {
        {.key = "inputs", .max_rows = max_rows, .max_columns = JSON_TENSOR_COLUMNS, .mixed = true},
        {.key = "outputs",
         .max_rows = max_rows,
         .max_columns = JSON_TENSOR_COLUMNS,
         .holes = true,
         .mixed = true}};
    const char *missing = request_query(req, "missing");
    *out = (struct labelled){.max_rows = max_rows,
                             .may_miss = missing != NULL && strcmp(missing, "allow") == 0};
    if (missing != NULL && !out->may_miss && strcmp(missing, "refuse") != 0) {
        return err_set(err, ERR_INVALID, "missing is \"%.40s\", refuse or allow is needed",
                       missing);
    }
    const char *type = request_header(req, "Content-Type");
    out->is_csv = media_type_is(type, MEDIA_TYPE_CSV) || media_type_is(type, MEDIA_TYPE_TSV);
    out->is_npy = array_rows_format(req) != ARRAY_NONE;
    if (out->is_csv || out->is_npy) {
        return ERR_OK;
    }
    if (json_tensor_parse(req->body, req->n_body, (struct json_tensors){tensors, 2, max_text},
                          req->arena, &out->body, err) == ERR_OK) {
        out->unread = out->body == NULL;
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
    if (reply_query_int(req, "outputs", 1, SPACE_MAX_OUTPUTS, &outputs, err) == ERR_OK &&
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

/* ERR_NONFINITE for what may not be missing in a table, or is not finite. */
static enum err_code check_table(const struct labelled *labelled, const struct request *req,
                                 const struct text_rows *text, const struct nonfinite_rule *rule,
                                 struct err *err)
{
    struct nonfinite found;
    nonfinite_find(text->table.values, text->table.n, rule, &found);
    if (found.n == 0) {
        return ERR_OK;
    }
    bool hole = found.column >= rule->first && isnan(found.value) && !labelled->may_miss;
    return text_rows_refuse(text, req, &found, hole ? "; ?missing=allow scores what is there" : "",
                            err);
}

/* A table, whose columns with names are put into the order of the space. */
static enum err_code read_table(const struct labelled *labelled, const struct request *req,
                                const struct space *space, struct text_rows *text,
                                unsigned char **failed, struct err *err)
{
    struct columns columns;
    columns_init(&columns, space, SPACE_COLUMNS, req->arena);
    if (text_rows_read(req, labelled->max_rows, &columns.members, text, err) != ERR_OK) {
        return err->code;
    }
    text->reader.members = NULL; /* they end with this function */
    if (columns_arrange(&columns, req, text, failed, err) != ERR_OK) {
        return err->code;
    }
    return space != NULL ? columns_check_text(space, text, req, err) : ERR_OK;
}

/* A run that went well has an output. failed: NULL: nobody said how runs ended. */
static enum err_code check_empty(const struct run_outputs *outputs, const unsigned char *failed,
                                 struct err *err)
{
    int row = failed != NULL ? run_outputs_find_empty(outputs, failed) : -1;
    return row < 0
               ? ERR_OK
               : err_set_at(err, ERR_NONFINITE, row, -1, "status: row %d " RUN_STATUS_EMPTY, row);
}

static enum err_code rows_of_csv(const struct labelled *labelled, const struct request *req,
                                 const struct model *model, struct data *out, struct err *err)
{
    struct text_rows text;
    struct space *space = NULL;
    unsigned char *failed = NULL;
    int d = model->d;
    int o = model->o;
    if (check_outputs(req, o, err) != ERR_OK ||
        model_space_of_version(model, &space, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_table(labelled, req, space, &text, &failed, err));
    space_unref(space);
    if (err->code != ERR_OK) {
        return err->code;
    }
    if (text.table.k != d + o) {
        return err_set(err, ERR_SHAPE, "%s, the model's %s and %s need %d",
                       phrase_count(text.table.k, "column").text, phrase_count(d, "input").text,
                       phrase_count(o, "output").text, d + o);
    }
    const struct data shape = {.n = text.table.n, .d = d, .o = o};
    const struct nonfinite_rule rule = {
        .k = d + o, .first = d, .all = labelled->may_miss, .failed = failed};
    const struct run_outputs outputs = {text.table.values + d, (size_t)(d + o), text.table.n, o};
    if (failed != NULL) {
        (void)run_outputs_discard(&outputs, failed);
    }
    if (check_table(labelled, req, &text, &rule, err) != ERR_OK ||
        check_empty(&outputs, failed, err) != ERR_OK ||
        labelled_split(text.table.values, &shape, req->arena, out, err) != ERR_OK) {
        return err->code;
    }
    return text_rows_check_inputs(&text, req, model, out->x, err);
}

/* Outputs of npz are an array of their own. */
static enum err_code check_split(int n_outputs, const struct model *model, struct err *err)
{
    return n_outputs == 0 || n_outputs == model->o
               ? ERR_OK
               : err_set(err, ERR_SHAPE, "array \"y\" has %s, the model has %s",
                         phrase_count(n_outputs, "column").text,
                         phrase_count(model->o, "output").text);
}

/* Rows of npy or npz, writable, in the order of the space. */
static enum err_code read_array(const struct labelled *labelled, const struct request *req,
                                const struct model *model, double **values, int *n, struct err *err)
{
    struct npy npy;
    struct space *space = NULL;
    int n_outputs = 0;
    size_t k = (size_t)model->d + (size_t)model->o;
    if (array_rows_read(req, labelled->max_rows, &npy, &n_outputs, err) != ERR_OK ||
        check_split(n_outputs, model, err) != ERR_OK ||
        model_space_of_version(model, &space, err) != ERR_OK) {
        return err->code;
    }
    err_kept(columns_arrange_npy(space, SPACE_COLUMNS, req->arena, &npy, err));
    if (err->code == ERR_OK && npy.k != (int)k) {
        err_set(err, ERR_SHAPE, "%s, the model's %s and %s need %d",
                phrase_count(npy.k, "column").text, phrase_count(model->d, "input").text,
                phrase_count(model->o, "output").text, (int)k);
    }
    double *copy = arena_alloc_array(req->arena, (size_t)npy.n * k, sizeof *copy);
    if (copy == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (err->code == ERR_OK) {
        memcpy(copy, npy.values, (size_t)npy.n * k * sizeof *copy);
        const struct space_rows rows = {(size_t)npy.n, k, copy};
        err_kept(space != NULL ? columns_read_numbers(space, &rows, "", err) : ERR_OK);
        *values = copy;
        *n = npy.n;
    }
    space_unref(space);
    return err->code;
}

static enum err_code rows_of_npy(const struct labelled *labelled, const struct request *req,
                                 const struct model *model, struct data *out, struct err *err)
{
    double *values = NULL;
    struct data shape = {.d = model->d, .o = model->o};
    const struct nonfinite_rule rule = {
        .k = model->d + model->o, .first = model->d, .all = labelled->may_miss};
    struct nonfinite found;
    if (check_outputs(req, model->o, err) != ERR_OK ||
        read_array(labelled, req, model, &values, &shape.n, err) != ERR_OK) {
        return err->code;
    }
    nonfinite_find(values, shape.n, &rule, &found);
    if (found.n > 0) {
        bool hole = found.column >= rule.first && isnan(found.value) && !labelled->may_miss;
        return err_set_at(err, ERR_NONFINITE, found.rows[0], found.column,
                          "row %d, column %d is %s%s", found.rows[0], found.column,
                          isnan(found.value) ? "nan" : "not finite",
                          hole ? "; ?missing=allow scores what is there" : "");
    }
    return labelled_split(values, &shape, req->arena, out, err);
}

/* Rows by name, and those of a model that has more than names in its space. */
static enum err_code settle(struct labelled *labelled, const struct request *req,
                            const struct model *model, struct err *err)
{
    struct space *space = NULL;
    if (!labelled->x.left && !labelled->y.left && model->space == NULL) {
        return ERR_OK;
    }
    if (model_space_of_version(model, &space, err) != ERR_OK) {
        return err->code;
    }
    const struct named_rows x = {
        .space = space, .part = SPACE_INPUTS, .key = "inputs", .max_rows = labelled->max_rows};
    const struct named_rows y = {.space = space,
                                 .part = SPACE_OUTPUTS,
                                 .key = "outputs",
                                 .holes = true,
                                 .max_rows = labelled->max_rows};
    if (named_rows_settle(&x, labelled->body, req->arena, &labelled->x, err) == ERR_OK) {
        err_kept(named_rows_settle(&y, labelled->body, req->arena, &labelled->y, err));
    }
    space_unref(space);
    return err->code;
}

static enum err_code rows_of_json(struct labelled *labelled, const struct request *req,
                                  const struct model *model, struct data *out, struct err *err)
{
    const struct json_tensor *x = &labelled->x;
    const struct json_tensor *y = &labelled->y;
    if (settle(labelled, req, model, err) != ERR_OK ||
        json_tensor_check(x, labelled->body, model->d, err) != ERR_OK ||
        json_tensor_check(y, labelled->body, model->o, err) != ERR_OK ||
        check_outputs(req, model->o, err) != ERR_OK) {
        return err->code;
    }
    if (x->n != y->n) {
        return err_set(err, ERR_SHAPE, "inputs has %s, outputs has %s",
                       phrase_count(x->n, "row").text, phrase_count(y->n, "row").text);
    }
    unsigned char *failed = NULL;
    const struct run_outputs outputs = {y->values, (size_t)y->k, y->n, y->k};
    if (run_status_read(labelled->body, x->n, req->arena, &failed, err) != ERR_OK) {
        return err->code;
    }
    if (failed != NULL) {
        (void)run_outputs_discard(&outputs, failed);
    }
    if (check_empty(&outputs, failed, err) != ERR_OK) {
        return err->code;
    }
    *out = (struct data){.n = x->n, .d = model->d, .o = model->o, .x = x->values, .y = y->values};
    return ERR_OK;
}

enum err_code labelled_rows(struct labelled *labelled, const struct request *req,
                            const struct model *model, struct data *out, struct err *err)
{
    if ((labelled->is_csv   ? rows_of_csv(labelled, req, model, out, err)
         : labelled->is_npy ? rows_of_npy(labelled, req, model, out, err)
                            : rows_of_json(labelled, req, model, out, err)) != ERR_OK) {
        return err->code;
    }
    return out->n > 0 ? ERR_OK
                      : err_set(err, ERR_INVALID, "there are no rows to evaluate the model on");
}
