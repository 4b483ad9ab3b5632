/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How wide the chosen model has to be. By the evidence alone the spread of a nearly exact fit is
 * too small where its optimum is a lucky one, and too large where the iterations end before it.
 * Rows that a fit has not seen tell which: with the residual r_i of row i, in units of the standard
 * deviation that was predicted for it, the likelihood of normals is the highest where all standard
 * deviations are multiplied by
 *
 *   spread^2 = (PRIOR_ROWS + sum_i r_i^2) / (PRIOR_ROWS + n)
 *
 * but for PRIOR_ROWS, which are so many rows that find the spread right, as of a conjugate prior: a
 * few rows change little. r_i^2 is the mean over the outputs that a row has.
 *
 * What tells the spread of fits that ended early tells nothing of one that did not. So the rows
 * have to be predicted by fits with as many starts and iterations as the last one: those of the
 * comparison where they have them, else the first REFITS folds are fitted once more.
 */
#include "train/auto_priv.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define REFITS     2
#define PRIOR_ROWS 10.0
/* Bounds of the factor. */
#define MIN_SPREAD 0.25
#define MAX_SPREAD 4.0

/* May the spread of the chosen one be changed? Its noise has to be its own; folds of a calibration
 * have spreads of their own. */
static bool is_free(const struct auto_work *work)
{
    const struct train_spec *spec = &work->table->candidates[work->table->chosen].spec;
    enum conformal_method method = spec->calibration.method;
    return spec->solver == SOLVER_EVIDENCE && spec->noise == NOISE_LEARNED &&
           (method == CONFORMAL_NONE || method == CONFORMAL_SPLIT) &&
           work->scores[work->table->chosen].means != NULL && work->table->n_scored >= REFITS &&
           work->table->candidates[work->table->chosen].n_folds == work->table->n_scored;
}

/* Were the fits of the comparison as long as the last one will be? */
static bool is_alike(const struct auto_work *work)
{
    const struct solver_settings *last =
        &work->table->candidates[work->table->chosen].spec.settings;
    const struct auto_scores *scores = &work->scores[work->table->chosen];
    return scores->members == last->members && scores->epochs == last->epochs;
}

int auto_count_refits(const struct auto_work *work)
{
    return !is_free(work) || is_alike(work) ? 0 : REFITS;
}

enum err_code auto_begin_refits(struct auto_work *work, struct err *err)
{
    const struct solver_settings *last =
        &work->table->candidates[work->table->chosen].spec.settings;
    struct auto_scores *scores = &work->refit;
    size_t n = (size_t)work->rows.n;
    size_t o = (size_t)work->rows.o;
    auto_release_scores(scores);
    work->n_refits = 0;
    scores->members = last->members;
    scores->epochs = last->epochs;
    scores->sums = mem_zalloc_array(n, sizeof *scores->sums);
    scores->excess = mem_zalloc_array(2 * o, sizeof *scores->excess);
    scores->means = mem_zalloc_array(n * o, sizeof *scores->means);
    scores->stds = mem_zalloc_array(n * o, sizeof *scores->stds);
    return scores->sums != NULL && scores->excess != NULL && scores->means != NULL &&
                   scores->stds != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for folds that are fitted again");
}

/* The mean over the outputs of row i of the squared residual in units of the standard deviation;
 * NaN: it has none. */
static double row_square(const struct auto_work *work, const struct auto_scores *scores, int i)
{
    size_t o = (size_t)work->rows.o;
    const struct data rows = train_rows_user(&work->rows);
    double sum = 0.0;
    for (size_t j = 0; j < o; j++) {
        size_t cell = (size_t)i * o + j;
        if (work->spreads[j] > 0.0 && !isnan(rows.y[cell])) {
            double z = (rows.y[cell] - scores->means[cell]) / scores->stds[cell];
            sum += z * z;
        }
    }
    return work->counts[i] > 0 ? sum / work->counts[i] : (double)NAN;
}

double auto_find_spread(const struct auto_work *work)
{
    if (!is_free(work) || (work->n_refits == 0 && !is_alike(work))) {
        return 0.0;
    }
    const struct auto_scores *scores =
        work->n_refits > 0 ? &work->refit : &work->scores[work->table->chosen];
    int folds = work->n_refits > 0 ? work->n_refits : work->table->n_scored;
    double sum = PRIOR_ROWS;
    double n = PRIOR_ROWS;
    for (int i = 0; i < work->rows.n; i++) {
        double square = work->fold[i] < folds ? row_square(work, scores, i) : (double)NAN;
        if (!isnan(square)) {
            sum += square;
            n += 1.0;
        }
    }
    return fmin(fmax(sqrt(sum / n), MIN_SPREAD), MAX_SPREAD);
}

void auto_use_refits(struct auto_work *work)
{
    const struct auto_scores *to = &work->scores[work->table->chosen];
    size_t o = (size_t)work->rows.o;
    for (int i = 0; i < work->rows.n; i++) {
        if (work->fold[i] < work->n_refits) {
            size_t at = (size_t)i * o;
            memcpy(to->means + at, work->refit.means + at, o * sizeof *to->means);
            memcpy(to->stds + at, work->refit.stds + at, o * sizeof *to->stds);
        }
    }
}

void auto_widen_cross(const struct auto_work *work, struct train_cross *cross)
{
    size_t cells = (size_t)cross->n * (size_t)cross->o;
    for (size_t k = 0; work->table->spread > 0.0 && k < cells; k++) {
        cross->std[k] *= work->table->spread;
    }
}
