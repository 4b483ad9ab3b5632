/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good the last model is, where it is trained on all rows: what the chosen candidate predicted
 * in the folds.
 */
#include "train/auto_priv.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* Has the candidate been scored on all folds that are? */
static bool is_complete(const struct auto_work *work, int candidate)
{
    int scored = work->table->n_scored;
    return scored > 0 && work->table->candidates[candidate].n_folds == scored;
}

/* Does its solver find everything by the rows that train? */
static bool learns_from_all(const struct auto_work *work, int candidate)
{
    return work->table->candidates[candidate].spec.solver == SOLVER_EVIDENCE;
}

double auto_kept_share(const struct auto_work *work, int candidate)
{
    const struct auto_spec *spec = work->run->spec;
    if ((spec->fixed & AUTO_FIXED_VALIDATION) != 0) {
        return spec->base.validation;
    }
    return learns_from_all(work, candidate) && is_complete(work, candidate) ? 0.0
           : work->rows.n < AUTO_KEEP_LESS                                  ? AUTO_KEPT
                                                                            : AUTO_KEPT_MANY;
}

bool auto_keeps_predictions(const struct auto_work *work, int candidate)
{
    const struct auto_spec *spec = work->run->spec;
    bool fixed = (spec->fixed & AUTO_FIXED_VALIDATION) != 0;
    return fixed ? !(spec->base.validation > 0.0) : learns_from_all(work, candidate);
}

enum err_code auto_keep_predictions(struct auto_work *work, int candidate, struct err *err)
{
    struct auto_scores *scores = &work->scores[candidate];
    size_t cells = (size_t)work->rows.n * (size_t)work->rows.o;
    if (!auto_keeps_predictions(work, candidate)) {
        return ERR_OK;
    }
    scores->means = mem_alloc_array(cells, sizeof *scores->means);
    scores->stds = mem_alloc_array(cells, sizeof *scores->stds);
    return scores->means != NULL && scores->stds != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the predictions of a candidate");
}

enum err_code auto_take_cross(const struct auto_work *work, struct train_cross *out,
                              struct err *err)
{
    const struct auto_scores *scores = &work->scores[work->table->chosen];
    size_t o = (size_t)work->rows.o;
    int n = 0;
    if (scores->means == NULL || !is_complete(work, work->table->chosen)) {
        return ERR_OK;
    }
    for (int i = 0; i < work->rows.n; i++) {
        n += work->fold[i] < work->table->n_scored;
    }
    if (train_cross_new(out, n, work->rows.o, err) != ERR_OK) {
        return err->code;
    }
    out->n_folds = work->table->n_folds;
    size_t at = 0;
    for (size_t i = 0; i < (size_t)work->rows.n; i++) {
        if (work->fold[i] < work->table->n_scored) {
            out->rows[at] = work->rows.places[i];
            memcpy(out->mean + at * o, scores->means + i * o, o * sizeof *out->mean);
            memcpy(out->std + at * o, scores->stds + i * o, o * sizeof *out->std);
            at++;
        }
    }
    return ERR_OK;
}

const double *auto_cross_noise(const struct auto_work *work, double *sigmas)
{
    const struct auto_table *table = work->table;
    const double *excess = work->scores[table->chosen].excess;
    int o = work->rows.o;
    if (excess == NULL || !is_complete(work, table->chosen)) {
        return NULL;
    }
    for (int j = 0; j < o; j++) {
        bool constant = !(work->spreads[j] > 0.0);
        if (!constant && !(excess[o + j] > 0.0)) {
            return NULL;
        }
        sigmas[j] = constant ? 0.0 : work->spreads[j] * sqrt(fmax(0.0, excess[j] / excess[o + j]));
    }
    return sigmas;
}
