/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/drift.h"

#include "base/mem.h"
#include "jobs/gate.h"
#include "jobs/model_space.h"
#include "jobs/rows/row_roles.h"
#include "model/space_rows.h"
#include "store/data/data_cursor.h"
#include "store/data/data_newest.h"

#include <math.h>
#include <string.h>

/* Rows with inputs and outputs in matrices of their own. A zeroed one may be released. */
struct columns {
    struct data data;
    double *x, *y;
};

static void columns_release(struct columns *columns)
{
    mem_free(columns->x);
    mem_free(columns->y);
}

/* Copies the last n rows. The caller releases *out in any case. */
static enum err_code columns_of(const struct data_newest *rows, int64_t n, struct columns *out,
                                struct err *err)
{
    size_t d = (size_t)rows->d;
    size_t o = (size_t)rows->o;
    const double *row = rows->rows + (size_t)(rows->n - n) * (d + o);
    out->x = mem_alloc_array((size_t)n * d, sizeof *out->x);
    out->y = mem_alloc_array((size_t)n * o, sizeof *out->y);
    if (out->x == NULL || out->y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to measure drift");
    }
    for (size_t i = 0; i < (size_t)n; i++, row += d + o) {
        memcpy(out->x + i * d, row, d * sizeof *row);
        memcpy(out->y + i * o, row + d, o * sizeof *row);
    }
    out->data = (struct data){.n = (int)n, .d = rows->d, .o = rows->o, .x = out->x, .y = out->y};
    return ERR_OK;
}

/* Of rows as they are stored, those columns that the version predicts. */
static enum err_code leave_targets(const struct drift_request *request, const struct model *version,
                                   struct data_newest *rows, struct err *err)
{
    struct model_space space;
    if (version->o == rows->o ||
        model_space_load(request->db, request->model, &space, err) != ERR_OK) {
        return err->code;
    }
    err_kept(row_roles_leave_targets(version, space.space, rows, err));
    model_space_release(&space);
    return err->code;
}

/* The relative RMSE of a version on the rows kept out of its training, over the outputs of which
 * there are fresh values; counts [o]. */
static double own_score(const struct scores *s, const double *range, int o, const int *counts)
{
    double sum = 0.0;
    int n = 0;
    for (int j = 0; j < o; j++) {
        double share = s->rmse[j] / (range[2 * j + 1] - range[2 * j]);
        sum += counts[j] > 0 ? share * share : 0.0;
        n += counts[j] > 0;
    }
    return sqrt(sum / (double)n);
}

/* Takes the outputs away that are to be left out of a score. */
static void leave_out(const struct columns *columns, const bool *left_out)
{
    size_t o = (size_t)columns->data.o;
    for (size_t c = 0; c < (size_t)columns->data.n * o; c++) {
        columns->y[c] = left_out[c % o] ? (double)NAN : columns->y[c];
    }
}

/* Categories may have got more values since the version was trained. */
static bool knows_members(const struct model *model, const struct data *rows)
{
    struct space_fault fault;
    const struct space_rows x = {(size_t)rows->n, (size_t)rows->d, (double *)rows->x};
    return !model_has_categories(model) || !space_find_fault(model->space, &x, &fault);
}

static enum err_code score_rows(const struct drift_request *request, const struct served *served,
                                const struct gate_sample *sample, double *out, struct err *err)
{
    const struct evaluation_run run = {.n_threads = request->n_threads, .cancel = request->cancel};
    if (sample->rows->d != served->model->d || sample->rows->o != served->model->o) {
        return err_set(err, ERR_SHAPE, "rows have other inputs or outputs than version %lld",
                       (long long)served->version);
    }
    if (!knows_members(served->model, sample->rows)) {
        *out = NAN; /* like one that has no finite prediction: it has drifted */
        return ERR_OK;
    }
    return gate_score(served->model, sample, GATE_RMSE, &run, out, err);
}

/* ---- the first fresh rows ---- */

/* Up to request->n_rows of them; the caller frees the rows in any case. */
static enum err_code copy_first_rows(const struct drift_request *request,
                                     struct data_cursor *cursor, struct data_newest *out,
                                     struct err *err)
{
    size_t width = (size_t)(cursor->d + cursor->o);
    int64_t n = 0;
    *out = (struct data_newest){.d = cursor->d, .o = cursor->o};
    out->rows = mem_alloc_array((size_t)request->n_rows * width, sizeof *out->rows);
    if (out->rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %lld rows", (long long)request->n_rows);
    }
    /* From the end of the last batch that is not fresh. */
    cursor->batch = request->after;
    cursor->seq = INT64_MAX;
    while (out->n < request->n_rows && data_cursor_next(cursor, &n, err) == ERR_OK) {
        if (n == 0) {
            return err_set(err, ERR_CONFLICT, "rows were deleted while drift was measured");
        }
        n = n < request->n_rows - out->n ? n : request->n_rows - out->n;
        memcpy(out->rows + (size_t)out->n * width, cursor->rows,
               (size_t)n * width * sizeof *out->rows);
        out->n += n;
    }
    return err->code;
}

static enum err_code read_first_rows(const struct drift_request *request, struct data_newest *out,
                                     struct err *err)
{
    struct data_cursor cursor;
    if (data_cursor_open(request->db, request->model, 0, &cursor, err) == ERR_OK) {
        err_kept(copy_first_rows(request, &cursor, out, err));
    }
    data_cursor_close(&cursor);
    return err->code;
}

/* ---- the measurement ---- */

/*
 * Scores fresh rows and the version itself on the outputs that both have; out->n stays 0 when there
 * is none, as when all fresh runs failed.
 */
static enum err_code score_fresh(const struct drift_request *request, const struct served *served,
                                 const struct gate_sample *sample, const struct columns *fresh,
                                 struct drift *out, struct err *err)
{
    const struct model *m = served->model;
    if (fresh->data.d != m->d || fresh->data.o != m->o) {
        return score_rows(request, served, sample, &out->score, err); /* which says so */
    }
    bool *left_out = mem_alloc_array((size_t)m->o, sizeof *left_out);
    int *counts = mem_alloc_array((size_t)m->o, sizeof *counts);
    if (left_out == NULL || counts == NULL) {
        err_set(err, ERR_NOMEM, "no memory to measure the drift of %d outputs", m->o);
        goto done;
    }
    for (int j = 0; j < m->o; j++) {
        left_out[j] = isnan(m->scores.rmse[j]);
    }
    leave_out(fresh, left_out);
    if (data_count(&fresh->data, counts) > 0) {
        out->n = fresh->data.n;
        out->baseline = own_score(&m->scores, sample->range, m->o, counts);
        err_kept(score_rows(request, served, sample, &out->score, err));
    }
done:
    mem_free(left_out);
    mem_free(counts);
    return err->code;
}

/* Compares with the version's own scores. */
static enum err_code measure_by_scores(const struct drift_request *request,
                                       const struct served *served, struct drift *out,
                                       struct err *err)
{
    const struct model *m = served->model;
    struct data_newest newest = {.rows = NULL};
    struct columns fresh = {.x = NULL};
    double *range = mem_dup(m->scores.output_range, 2 * (size_t)m->o * sizeof *range);
    const struct gate_sample sample = {&fresh.data, range};
    if (range == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to measure drift");
    }
    gate_fill_range(range, m->o);
    if (data_store_newest(request->db, request->model, request->after, request->n_rows, &newest,
                          err) == ERR_OK &&
        leave_targets(request, m, &newest, err) == ERR_OK &&
        columns_of(&newest, newest.n, &fresh, err) == ERR_OK) {
        err_kept(score_fresh(request, served, &sample, &fresh, out, err));
    }
    columns_release(&fresh);
    mem_free(newest.rows);
    mem_free(range);
    return err->code;
}

/* The first fresh rows, and as many of the newest ones. */
struct two_samples {
    struct columns first, newest;
    double *range; /* [o x 2] of the first ones */
};

/* The caller releases them in any case. They stay empty when there are too few rows. */
static enum err_code read_samples(const struct drift_request *request, const struct model *version,
                                  struct two_samples *out, struct err *err)
{
    struct data_newest first = {.rows = NULL};
    struct data_newest newest = {.rows = NULL};
    if (data_store_newest(request->db, request->model, request->after, 2 * request->n_rows, &newest,
                          err) != ERR_OK ||
        newest.n < 2 * request->n_rows || read_first_rows(request, &first, err) != ERR_OK ||
        leave_targets(request, version, &first, err) != ERR_OK ||
        leave_targets(request, version, &newest, err) != ERR_OK ||
        columns_of(&first, first.n, &out->first, err) != ERR_OK ||
        columns_of(&newest, request->n_rows, &out->newest, err) != ERR_OK) {
        goto done;
    }
    out->range = mem_alloc_array(2 * (size_t)first.o, sizeof *out->range);
    if (out->range == NULL) {
        err_set(err, ERR_NOMEM, "no memory to measure drift");
        goto done;
    }
    gate_find_range(&out->first.data, out->first.data.n, out->range);
    gate_fill_range(out->range, first.o);
done:
    mem_free(first.rows);
    mem_free(newest.rows);
    return err->code;
}

/* Outputs that one of the samples lacks are left out of both; *some: any is left. ERR_NOMEM. */
static enum err_code align_outputs(const struct two_samples *both, bool *some, struct err *err)
{
    size_t o = (size_t)both->first.data.o;
    int *first = mem_alloc_array(o, sizeof *first);
    int *newest = mem_alloc_array(o, sizeof *newest);
    bool *left_out = mem_alloc_array(o, sizeof *left_out);
    *some = false;
    if (first == NULL || newest == NULL || left_out == NULL) {
        err_set(err, ERR_NOMEM, "no memory to measure the drift of %zu outputs", o);
        goto done;
    }
    data_count(&both->first.data, first);
    data_count(&both->newest.data, newest);
    for (int j = 0; j < both->first.data.o; j++) {
        left_out[j] = first[j] == 0 || newest[j] == 0;
        *some = *some || !left_out[j];
    }
    leave_out(&both->first, left_out);
    leave_out(&both->newest, left_out);
done:
    mem_free(first);
    mem_free(newest);
    mem_free(left_out);
    return err->code;
}

/* Compares the newest fresh rows with the first ones, if there are enough of both. */
static enum err_code measure_by_first_rows(const struct drift_request *request,
                                           const struct served *served, struct drift *out,
                                           struct err *err)
{
    struct two_samples both = {.range = NULL};
    bool some = false;
    if (request->n_fresh >= 2 * request->n_rows &&
        read_samples(request, served->model, &both, err) == ERR_OK && both.range != NULL &&
        align_outputs(&both, &some, err) == ERR_OK && some) {
        const struct gate_sample first = {&both.first.data, both.range};
        const struct gate_sample newest = {&both.newest.data, both.range};
        if (score_rows(request, served, &first, &out->baseline, err) == ERR_OK &&
            score_rows(request, served, &newest, &out->score, err) == ERR_OK) {
            out->n = both.newest.data.n;
        }
    }
    columns_release(&both.first);
    columns_release(&both.newest);
    mem_free(both.range);
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
                             ? measure_by_scores(request, served, out, err)
                             : measure_by_first_rows(request, served, out, err);
    served_unref(served);
    return code;
}
