/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/drift.h"

#include "base/mem.h"
#include "jobs/gate.h"
#include "store/data/data_cursor.h"
#include "store/data/data_newest.h"

#include <math.h>
#include <string.h>

/* 0 and 1 where the outputs did not vary. */
static void mend_range(double *range, int o)
{
    for (int j = 0; j < o; j++) {
        if (!(range[2 * j + 1] > range[2 * j])) {
            range[2 * j] = 0.0;
            range[2 * j + 1] = 1.0;
        }
    }
}

/* Low and high of each output, [o x 2]. */
static void find_range(const struct data_newest *rows, double *range)
{
    for (int j = 0; j < rows->o; j++) {
        range[2 * j] = INFINITY;
        range[2 * j + 1] = -INFINITY;
    }
    for (int64_t i = 0; i < rows->n; i++) {
        const double *y = rows->rows + i * (rows->d + rows->o) + rows->d;
        for (int j = 0; j < rows->o; j++) {
            range[2 * j] = fmin(range[2 * j], y[j]);
            range[2 * j + 1] = fmax(range[2 * j + 1], y[j]);
        }
    }
}

/* The relative RMSE of a version on the rows kept out of its training. */
static double own_score(const struct scores *s, const double *range, int o)
{
    double sum = 0.0;
    for (int j = 0; j < o; j++) {
        double share = s->rmse[j] / (range[2 * j + 1] - range[2 * j]);
        sum += share * share;
    }
    return sqrt(sum / (double)o);
}

static enum err_code score(const struct drift_request *request, const struct served *served,
                           const struct data_newest *fresh, const double *range, double *out,
                           struct err *err)
{
    size_t d = (size_t)fresh->d;
    size_t o = (size_t)fresh->o;
    size_t n = (size_t)fresh->n;
    double *x = NULL;
    double *y = NULL;
    if (fresh->d != served->model->d || fresh->o != served->model->o) {
        return err_set(err, ERR_SHAPE, "rows have other inputs or outputs than version %lld",
                       (long long)served->version);
    }
    x = mem_alloc_array(n * d, sizeof *x);
    y = mem_alloc_array(n * o, sizeof *y);
    if (x == NULL || y == NULL) {
        err_set(err, ERR_NOMEM, "no memory to look at fresh rows");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * d, fresh->rows + i * (d + o), d * sizeof *x);
        memcpy(y + i * o, fresh->rows + i * (d + o) + d, o * sizeof *y);
    }
    const struct evaluation_run run = {.n_threads = request->n_threads, .cancel = request->cancel};
    struct data rows = {.n = (int)n, .d = fresh->d, .o = fresh->o, .x = x, .y = y};
    err_kept(gate_score(served->model, &rows, range, GATE_RMSE, &run, out, err));
done:
    mem_free(x);
    mem_free(y);
    return err->code;
}

/* ---- the first fresh rows ---- */

/* Up to request->n_rows of them; the caller frees the rows in any case. */
static enum err_code take_first(const struct drift_request *request, struct data_cursor *cursor,
                                struct data_newest *out, struct err *err)
{
    size_t width = (size_t)(cursor->d + cursor->o);
    int64_t n = 0;
    *out = (struct data_newest){.d = cursor->d, .o = cursor->o};
    out->rows = mem_alloc_array((size_t)request->n_rows * width, sizeof *out->rows);
    if (out->rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %lld rows", (long long)request->n_rows);
    }
    /* On from the end of the last batch that is not fresh. */
    cursor->batch = request->after;
    cursor->seq = INT64_MAX;
    while (out->n < request->n_rows && data_cursor_next(cursor, &n, err) == ERR_OK) {
        if (n == 0) {
            return err_set(err, ERR_CONFLICT, "rows were deleted while they were looked at");
        }
        n = n < request->n_rows - out->n ? n : request->n_rows - out->n;
        memcpy(out->rows + (size_t)out->n * width, cursor->rows,
               (size_t)n * width * sizeof *out->rows);
        out->n += n;
    }
    return err->code;
}

static enum err_code read_first(const struct drift_request *request, struct data_newest *out,
                                struct err *err)
{
    struct data_cursor cursor;
    if (data_cursor_open(request->db, request->model, 0, &cursor, err) == ERR_OK) {
        err_kept(take_first(request, &cursor, out, err));
    }
    data_cursor_close(&cursor);
    return err->code;
}

/* ---- the measurement ---- */

/* By the version's own scores. */
static enum err_code by_scores(const struct drift_request *request, const struct served *served,
                               struct drift *out, struct err *err)
{
    const struct model *m = served->model;
    struct data_newest fresh = {.rows = NULL};
    double *range = mem_dup(m->scores.output_range, 2 * (size_t)m->o * sizeof *range);
    if (range == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to look at fresh rows");
    }
    mend_range(range, m->o);
    out->baseline = own_score(&m->scores, range, m->o);
    if (data_store_newest(request->db, request->model, request->after, request->n_rows, &fresh,
                          err) == ERR_OK) {
        out->n = (int)fresh.n;
        err_kept(score(request, served, &fresh, range, &out->score, err));
    }
    mem_free(fresh.rows);
    mem_free(range);
    return err->code;
}

/* The newest fresh rows by the first ones, if there are enough of both. */
static enum err_code by_first_rows(const struct drift_request *request, const struct served *served,
                                   struct drift *out, struct err *err)
{
    struct data_newest first = {.rows = NULL};
    struct data_newest fresh = {.rows = NULL};
    double *range = NULL;
    if (request->n_fresh < 2 * request->n_rows) {
        return ERR_OK;
    }
    if (data_store_newest(request->db, request->model, request->after, 2 * request->n_rows, &fresh,
                          err) != ERR_OK ||
        fresh.n < 2 * request->n_rows || read_first(request, &first, err) != ERR_OK) {
        goto done;
    }
    range = mem_alloc_array(2 * (size_t)first.o, sizeof *range);
    if (range == NULL) {
        err_set(err, ERR_NOMEM, "no memory to look at fresh rows");
        goto done;
    }
    find_range(&first, range);
    mend_range(range, first.o);
    struct data_newest newest = fresh;
    newest.n = request->n_rows;
    newest.rows += (fresh.n - newest.n) * (fresh.d + fresh.o);
    if (score(request, served, &first, range, &out->baseline, err) == ERR_OK &&
        score(request, served, &newest, range, &out->score, err) == ERR_OK) {
        out->n = (int)newest.n;
    }
done:
    mem_free(first.rows);
    mem_free(fresh.rows);
    mem_free(range);
    return err->code;
}

enum err_code drift_measure(const struct drift_request *request, struct drift *out, struct err *err)
{
    struct served *served = NULL;
    *out = (struct drift){.score = NAN, .baseline = NAN};
    if (models_get(request->models, request->model, 0, &served, err) != ERR_OK) {
        return err->code;
    }
    enum err_code code = served->model->scores.n_rows > 0
                             ? by_scores(request, served, out, err)
                             : by_first_rows(request, served, out, err);
    served_unref(served);
    return code;
}
