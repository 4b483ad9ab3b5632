/* SPDX-License-Identifier: Apache-2.0 */
#include "drift.h"

#include "data_store.h"
#include "gate.h"
#include "mem.h"

#include <math.h>
#include <string.h>

/* Low and high of its training outputs, 0 and 1 where they did not vary; NULL: no memory. */
static double *range_of(const struct model *m)
{
    double *range = mem_dup(m->scores.output_range, 2 * (size_t)m->o * sizeof *range);
    for (int j = 0; range != NULL && j < m->o; j++) {
        if (!(range[2 * j + 1] > range[2 * j])) {
            range[2 * j] = 0.0;
            range[2 * j + 1] = 1.0;
        }
    }
    return range;
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

static enum err_code score(const struct model *model, const struct data_newest *fresh,
                           const double *range, int n_threads, struct drift *out, struct err *err)
{
    size_t d = (size_t)fresh->d;
    size_t o = (size_t)fresh->o;
    size_t n = (size_t)fresh->n;
    double *x = mem_alloc_array(n * d, sizeof *x);
    double *y = mem_alloc_array(n * o, sizeof *y);
    if (x == NULL || y == NULL) {
        err_set(err, ERR_NOMEM, "no memory to look at fresh rows");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(x + i * d, fresh->rows + i * (d + o), d * sizeof *x);
        memcpy(y + i * o, fresh->rows + i * (d + o) + d, o * sizeof *y);
    }
    const struct calib_run run = {.n_threads = n_threads};
    struct data rows = {.n = (int)n, .d = fresh->d, .o = fresh->o, .x = x, .y = y};
    out->n = rows.n;
    err_kept(gate_score(model, &rows, range, GATE_RMSE, &run, &out->score, err));
done:
    mem_free(x);
    mem_free(y);
    return err->code;
}

enum err_code drift_measure(struct registry *registry, struct db *db, const char *model,
                            int64_t after, int64_t n_rows, int n_threads, struct drift *out,
                            struct err *err)
{
    struct served *served = NULL;
    struct data_newest fresh = {.rows = NULL};
    double *range = NULL;
    *out = (struct drift){.score = NAN, .baseline = NAN};
    if (registry_get(registry, model, 0, &served, err) != ERR_OK) {
        return err->code;
    }
    const struct model *m = served->model;
    if (m->scores.n_rows == 0) {
        goto done; /* nothing to compare with */
    }
    range = range_of(m);
    if (range == NULL) {
        err_set(err, ERR_NOMEM, "no memory to look at fresh rows");
        goto done;
    }
    out->baseline = own_score(&m->scores, range, m->o);
    if (data_store_newest(db, model, after, n_rows, &fresh, err) != ERR_OK) {
        goto done;
    }
    if (fresh.d == m->d && fresh.o == m->o) {
        err_kept(score(m, &fresh, range, n_threads, out, err));
    } else {
        err_set(err, ERR_SHAPE, "rows have other inputs or outputs than version %lld",
                (long long)served->version);
    }
done:
    served_unref(served);
    mem_free(fresh.rows);
    mem_free(range);
    return err->code;
}
