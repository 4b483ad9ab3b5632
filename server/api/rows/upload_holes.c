/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of an upload that are missing or not finite. Outputs may be missing: of a run that failed,
 * and where upload_may_miss. A row with any other such value is refused, or left out.
 *
 * Complete rows are looked through once and no more.
 */
#include "api/rows/upload_priv.h"

#include "api/rows/run_status.h"
#include "base/phrase.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct nonfinite_rule rule_of(const struct upload *up)
{
    return (struct nonfinite_rule){.k = up->data.d + up->data.o,
                                   .first = up->data.d,
                                   .all = upload_may_miss(up),
                                   .failed = up->failed};
}

static struct run_outputs outputs_of(const struct data_upload *data)
{
    return (struct run_outputs){.y = (double *)data->rows + data->d,
                                .stride = (size_t)data->d + (size_t)data->o,
                                .n = (int)data->n,
                                .o = data->o};
}

/* ---- refusals ---- */

/* Inputs and outputs of JSON and npy are counted by themselves. */
static enum err_code refuse_nonfinite(const struct request *req, const struct upload *up,
                                      const struct nonfinite *found, struct err *err)
{
    bool output = found->column >= up->data.d;
    const char *way = output && isnan(found->value)
                          ? "; ?missing=allow stores what is there, ?on_nonfinite=skip leaves such "
                            "rows out"
                          : "; ?on_nonfinite=skip leaves such rows out";
    if (up->is_text) {
        return text_rows_refuse(&up->text, req, found, way, err);
    }
    bool json = strcmp(up->data.format, "json") == 0;
    const char *what = isnan(found->value) ? json ? "null" : "nan" : "not finite";
    char others[sizeof(struct phrase) + 16] = "";
    if (found->n > 1) {
        snprintf(others, sizeof others, " (as in %s more)", phrase_count(found->n - 1, "row").text);
    }
    return err_set_at(err, ERR_NONFINITE, found->rows[0], found->column,
                      "%srow %d, column %d is %s%s%s",
                      !json    ? ""
                      : output ? "outputs: "
                               : "inputs: ",
                      found->rows[0], json && output ? found->column - up->data.d : found->column,
                      what, others, way);
}

/* A row whose run went well has an output. */
static enum err_code check_status(const struct request *req, const struct upload *up,
                                  const unsigned char *failed, struct err *err)
{
    const struct run_outputs outputs = outputs_of(&up->data);
    int row = failed != NULL ? run_outputs_find_empty(&outputs, failed) : -1;
    if (row < 0) {
        return ERR_OK;
    }
    row = up->data.origin != NULL ? up->data.origin[row] : row;
    if (!up->is_text) {
        return err_set_at(err, ERR_NONFINITE, row, -1, "status: row %d " RUN_STATUS_EMPTY, row);
    }
    int64_t line = 0;
    text_rows_lines(&up->text, req, &row, 1, &line);
    err_set_at(err, ERR_NONFINITE, row, -1, "line %lld, column \"status\" " RUN_STATUS_EMPTY,
               (long long)line);
    err->line = line;
    return err->code;
}

/* ---- rows that are left out ---- */

static enum err_code skip_rows(const struct request *req, struct upload *up, bool writable,
                               struct err *err)
{
    struct data_upload *data = &up->data;
    const struct nonfinite_rule rule = rule_of(up);
    size_t count = (size_t)data->n * (size_t)rule.k;
    if (up->skipped.n == data->n) {
        return err_set(err, ERR_NONFINITE, "all %d rows have a value that is missing or not finite",
                       up->skipped.n);
    }
    int *origin = arena_alloc_array(req->arena, (size_t)data->n, sizeof *origin);
    double *rows =
        writable ? (double *)data->rows : arena_alloc_array(req->arena, count, sizeof *rows);
    if (origin == NULL || rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (!writable) {
        memcpy(rows, data->rows, count * sizeof *rows);
    }
    data->n = nonfinite_remove(rows, (int)data->n, &rule, origin);
    data->rows = rows;
    data->origin = origin;
    return ERR_OK;
}

/* Which of the rows that are left failed, by their status; NULL: nobody said it, or no memory. */
static const unsigned char *failed_of_left(const struct request *req, const struct upload *up)
{
    if (up->failed == NULL || up->data.origin == NULL) {
        return up->failed;
    }
    unsigned char *failed = arena_alloc_array(req->arena, (size_t)up->data.n, sizeof *failed);
    for (int64_t i = 0; failed != NULL && i < up->data.n; i++) {
        failed[i] = up->failed[up->data.origin[i]];
    }
    return failed;
}

/* ---- rows that miss some outputs ---- */

static enum err_code settle_holes(const struct request *req, struct upload *up, bool writable,
                                  struct err *err)
{
    struct data_upload *data = &up->data;
    size_t count = (size_t)data->n * ((size_t)data->d + (size_t)data->o);
    const unsigned char *failed = failed_of_left(req, up);
    if (!writable) {
        double *rows = arena_alloc_array(req->arena, count, sizeof *rows);
        if (rows == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the rows");
        }
        memcpy(rows, data->rows, count * sizeof *rows);
        data->rows = rows;
    }
    if (up->failed != NULL && failed == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    const struct run_outputs outputs = outputs_of(data);
    run_outputs_settle(&outputs);
    data->holes = true;
    return check_status(req, up, failed, err);
}

enum err_code upload_apply_policy(const struct request *req, struct upload *up, bool writable,
                                  struct err *err)
{
    struct data_upload *data = &up->data;
    const struct nonfinite_rule rule = rule_of(up);
    if (up->failed != NULL) {
        const struct run_outputs outputs = outputs_of(data); /* only npy is not writable */
        data->n_discarded = run_outputs_discard(&outputs, up->failed);
    }
    nonfinite_find(data->rows, (int)data->n, &rule, &up->skipped);
    if (up->skipped.n > 0) {
        if (!up->skip_nonfinite) {
            return refuse_nonfinite(req, up, &up->skipped, err);
        }
        if (skip_rows(req, up, writable, err) != ERR_OK) {
            return err->code;
        }
        writable = true;
    }
    return up->skipped.holes ? settle_holes(req, up, writable, err) : ERR_OK;
}
