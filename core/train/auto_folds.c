/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows in folds, and the scores of a candidate on one of them.
 *
 * The score of an output at a row is -log density at what was observed, of the normal with the
 * predicted mean and total variance, in units of the output's standard deviation s over all rows
 * that train: -log N((y - mean) / s; 0, (std / s)^2). Where the predicted std is less than MIN_STD
 * of that unit it counts as MIN_STD, since a prediction without any spread has no density. An
 * output that is constant in these rows tells nothing of candidates and has no score.
 *
 * Without a fold a candidate is trained as the last model will be: evidence learns its noise from
 * the rows that train and leaves no rows out for it, while other solvers choose their best epoch
 * and measure their noise on rows left out of those.
 */
#include "train/auto_priv.h"

#include "base/mem.h"
#include "base/rng.h"
#include "fit/split.h"
#include "predict/evaluation.h"

#include <math.h>
#include <string.h>

#define MIN_STD         1e-8
#define MIN_OUTPUT_ROWS 2 /* outside of each fold, that have an output */
#define FOLDS           (AUTO_MAX_FOLDS / 2)

/* ---- rows ---- */

/* The standard deviation of the values of output j that are there, of values of any size; 0: they
 * are constant. */
static double spread_of(const struct data *rows, int j)
{
    double low = INFINITY;
    double high = -INFINITY;
    double n = 0.0;
    double mean = 0.0;
    double squares = 0.0;
    int exponent = 0;
    for (size_t c = (size_t)j; c < (size_t)rows->n * (size_t)rows->o; c += (size_t)rows->o) {
        low = fmin(low, rows->y[c]);
        high = fmax(high, rows->y[c]);
    }
    if (!(high > low) || scaler_range_is_constant(low, high)) {
        return 0.0;
    }
    frexp(fmax(fabs(low), fabs(high)), &exponent);
    for (size_t c = (size_t)j; c < (size_t)rows->n * (size_t)rows->o; c += (size_t)rows->o) {
        if (!isnan(rows->y[c])) {
            double value = ldexp(rows->y[c], -exponent);
            double gap = value - mean;
            n += 1.0;
            mean += gap / n;
            squares += gap * (value - mean);
        }
    }
    return ldexp(sqrt(squares / (n - 1.0)), exponent);
}

/* Do the folds that are scored have something to score, and each output rows outside of each? */
static bool folds_suffice(const struct auto_work *work)
{
    const struct train_rows *rows = &work->rows;
    bool any = false;
    for (int i = 0; i < rows->n; i++) {
        any = any || (work->fold[i] < work->table->n_scored && work->counts[i] > 0);
    }
    if (!any) {
        return false;
    }
    for (int f = 0; f < work->table->n_scored; f++) {
        for (int j = 0; j < rows->o; j++) {
            int outside = 0;
            for (int i = 0; i < rows->n; i++) {
                outside +=
                    work->fold[i] != f && !isnan(rows->y[(size_t)i * (size_t)rows->o + (size_t)j]);
            }
            if (outside < MIN_OUTPUT_ROWS) {
                return false;
            }
        }
    }
    return true;
}

/* Sets spreads and counts. */
static void measure_outputs(struct auto_work *work)
{
    const struct data rows = train_rows_user(&work->rows);
    for (int j = 0; j < rows.o; j++) {
        work->spreads[j] = spread_of(&rows, j);
    }
    for (int i = 0; i < rows.n; i++) {
        work->counts[i] = 0;
        for (int j = 0; j < rows.o; j++) {
            work->counts[i] +=
                work->spreads[j] > 0.0 && !isnan(rows.y[(size_t)i * (size_t)rows.o + (size_t)j]);
        }
    }
}

/*
 * Assigns rows to folds at random, where there are enough. Rows of a group are in one fold; sizes
 * of folds differ by at most one group. places: [rows.n] scratch.
 */
static void choose_folds(struct auto_work *work, const struct row_groups *groups, int *places)
{
    struct auto_table *table = work->table;
    int n = work->rows.n;
    struct rng rng;
    int folds = n < AUTO_FEW_ROWS ? AUTO_MAX_FOLDS : FOLDS;
    folds = folds < groups->n ? folds : groups->n;
    rng_init(&rng, (uint64_t)work->run->spec->base.seed, RNG_FOLD, 1);
    rng_permutation(&rng, groups->n, places);
    for (int i = 0; i < n; i++) {
        work->fold[i] = places[groups->of[i]] % folds;
    }
    work->n_groups = groups->n;
    table->n_folds = folds;
    table->n_scored = n >= AUTO_MANY_ROWS ? 1 : folds;
    measure_outputs(work);
    if (n < AUTO_MIN_ROWS || !folds_suffice(work)) {
        table->n_folds = table->n_scored = 0;
    }
}

enum err_code auto_take_rows(struct auto_work *work, struct err *err)
{
    struct train_rows kept = {.n = 0};
    struct train_rows calibration = {.n = 0};
    struct train_rows *const parts[] = {
        [SPLIT_TRAIN] = &work->rows, [SPLIT_KEPT] = &kept, [SPLIT_CALIBRATION] = &calibration};
    struct train_spec base = work->run->spec->base;
    if ((work->run->spec->fixed & AUTO_FIXED_VALIDATION) == 0) {
        base.validation = 0.0;
    }
    if (train_rows_split(&base, &work->run->run.data, parts, err) == ERR_OK) {
        const struct data rows = train_rows_user(&work->rows);
        struct row_groups groups = {.n = 0};
        size_t n = (size_t)work->rows.n;
        int *places = mem_alloc_array(n, sizeof *places);
        work->fold = mem_alloc_array(n, sizeof *work->fold);
        work->counts = mem_alloc_array(n, sizeof *work->counts);
        work->spreads = mem_alloc_array((size_t)work->rows.o, sizeof *work->spreads);
        if (places == NULL || work->fold == NULL || work->counts == NULL || work->spreads == NULL) {
            err_set(err, ERR_NOMEM, "no memory for the folds");
        } else if (row_groups_find(&rows, &groups, err) == ERR_OK) {
            work->table->n_rows = work->rows.n;
            choose_folds(work, &groups, places);
        }
        row_groups_release(&groups);
        mem_free(places);
    }
    train_rows_release(&kept);
    train_rows_release(&calibration);
    return err->code;
}

/* Copies of the rows of a fold, or of all others. index: [rows.n] those rows' places. */
static enum err_code take_fold(const struct auto_work *work, int fold, bool within, int *index,
                               struct train_rows *rows, struct err *err)
{
    const struct data all = train_rows_user(&work->rows);
    int n = 0;
    for (int i = 0; i < all.n; i++) {
        if ((work->fold[i] == fold) == within) {
            index[n++] = i;
        }
    }
    return train_rows_take(rows, &all, index, n, err);
}

/* ---- scores ---- */

struct scoring {
    const struct auto_work *work;
    const struct model *model;
    struct auto_fit *to;
    int n_done;
};

/* The score of output j at a row of a prediction, whose excess it notes. */
static double score_cell(const struct scoring *self, const struct predict_result *f, size_t cell,
                         double y, double *excess)
{
    int j = (int)(cell % (size_t)self->model->o);
    int exponent = model_exponent(self->model, j);
    double unit = ldexp(self->work->spreads[j], -exponent);
    double residual = (ldexp(y, -exponent) - f->mean[cell]) / unit;
    double std = sqrt(f->variance[cell]) / unit;
    *excess = residual * residual - std * std;
    if (f->total_variance != NULL) {
        std = sqrt(f->total_variance[cell]) / unit;
    }
    return evaluation_nll(residual, fmax(std, MIN_STD));
}

/* Keeps what is predicted of a row of the fold. */
static void keep_row(const struct scoring *self, const struct predict_result *f, size_t i)
{
    size_t o = (size_t)self->model->o;
    size_t at = (size_t)self->n_done * o;
    const double *variance = f->total_variance != NULL ? f->total_variance : f->variance;
    for (size_t j = 0; self->to->means != NULL && j < o; j++) {
        int exponent = model_exponent(self->model, (int)j);
        self->to->means[at + j] = ldexp(f->mean[i * o + j], exponent);
        self->to->stds[at + j] = ldexp(sqrt(variance[i * o + j]), exponent);
    }
}

static enum err_code score_block(void *ctx, const struct predict_result *f, const double *y, int n,
                                 struct err *err)
{
    struct scoring *self = ctx;
    size_t o = (size_t)self->model->o;
    for (int i = 0; i < n; i++) {
        double *excess = self->to->excess + (size_t)self->n_done * o;
        double sum = 0.0;
        for (size_t j = 0; j < o; j++) {
            size_t cell = (size_t)i * o + j;
            excess[j] = NAN;
            if (self->work->spreads[j] > 0.0 && !isnan(y[cell])) {
                sum += score_cell(self, f, cell, y[cell], &excess[j]);
            }
        }
        if (!isfinite(sum)) {
            return err_set(err, ERR_NUMERIC, "the score of a row is not finite");
        }
        keep_row(self, f, (size_t)i);
        self->to->sums[self->n_done++] = sum;
    }
    return ERR_OK;
}

/* The spec of a candidate as it is trained without a fold. */
static struct train_spec fold_spec(const struct auto_work *work, const struct auto_fit *fit)
{
    struct train_spec own = work->table->candidates[fit->candidate].spec;
    bool learns = own.solver == SOLVER_EVIDENCE;
    own.calibration = train_defaults(own.solver).calibration;
    own.validation = learns ? 0.0 : fmax(own.validation, AUTO_KEPT);
    own.settings.members = work->scores[fit->candidate].members;
    own.settings.epochs = work->scores[fit->candidate].epochs;
    own.output_scaling = fit->scaling;
    return own;
}

static enum err_code score_rows(const struct auto_work *work, const struct model *model,
                                const struct train_run *run, const struct train_rows *own,
                                struct auto_fit *fit, struct err *err)
{
    struct scoring scoring = {.work = work, .model = model, .to = fit};
    const struct evaluation_run how = {.n_threads = run->n_threads, .cancel = run->cancel};
    const struct evaluation_work work_of = {
        .block = {.want = PREDICT_MEAN | PREDICT_VARIANCE |
                          (model_knows_noise(model) ? PREDICT_TOTAL_VARIANCE : 0u),
                  .in_units = true},
        .run = &how,
        .fn = score_block,
        .ctx = &scoring};
    const struct data rows = train_rows_user(own);
    return evaluation_work(model, &rows, &work_of, err);
}

enum err_code auto_fit_init(const struct auto_work *work, int candidate, int fold,
                            struct auto_fit *fit, struct err *err)
{
    size_t o = (size_t)work->rows.o;
    bool keeps = auto_keeps_predictions(work, candidate);
    *fit = (struct auto_fit){
        .candidate = candidate, .fold = fold, .scaling = auto_scaling_now(work, candidate)};
    for (int i = 0; i < work->rows.n; i++) {
        fit->n += work->fold[i] == fold;
    }
    size_t n = (size_t)fit->n;
    fit->memory = mem_alloc_array(n * (1 + (keeps ? 3 : 1) * o) + 1, sizeof *fit->memory);
    if (fit->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the scores of a fold");
    }
    fit->sums = fit->memory;
    fit->excess = fit->sums + n;
    fit->means = keeps ? fit->excess + n * o : NULL;
    fit->stds = keeps ? fit->means + n * o : NULL;
    return ERR_OK;
}

void auto_fit_release(struct auto_fit *fit)
{
    mem_free(fit->memory);
    *fit = (struct auto_fit){.memory = NULL};
}

enum err_code auto_fit_run(const struct auto_work *work, const struct train_run *run,
                           struct auto_fit *fit, struct err *err)
{
    const struct train_spec spec = fold_spec(work, fit);
    struct train_rows others = {.n = 0};
    struct train_rows own = {.n = 0};
    struct model *model = NULL;
    struct train_run without = *run;
    int *index = mem_alloc_array((size_t)work->rows.n, sizeof *index);
    if (index == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a fold");
    }
    if (take_fold(work, fit->fold, false, index, &others, err) == ERR_OK) {
        without.spec = &spec;
        without.data = train_rows_user(&others);
        without.failed = NULL; /* each of these rows has an output */
        if (train_run(&without, &model, err) == ERR_OK &&
            take_fold(work, fit->fold, true, index, &own, err) == ERR_OK) {
            err_kept(score_rows(work, model, run, &own, fit, err));
        }
    }
    model_unref(model);
    train_rows_release(&others);
    train_rows_release(&own);
    mem_free(index);
    return err->code;
}

void auto_fit_add(const struct auto_fit *fit, struct auto_work *work)
{
    struct auto_scores *to = &work->scores[fit->candidate];
    size_t o = (size_t)work->rows.o;
    size_t at = 0;
    for (size_t i = 0; i < (size_t)work->rows.n; i++) {
        if (work->fold[i] != fit->fold) {
            continue;
        }
        to->sums[i] = fit->sums[at];
        for (size_t j = 0; j < o; j++) {
            double excess = fit->excess[at * o + j];
            to->excess[j] += isnan(excess) ? 0.0 : excess;
            to->excess[o + j] += isnan(excess) ? 0.0 : 1.0;
        }
        if (fit->means != NULL) {
            memcpy(to->means + i * o, fit->means + at * o, o * sizeof *to->means);
            memcpy(to->stds + i * o, fit->stds + at * o, o * sizeof *to->stds);
        }
        at++;
    }
}
