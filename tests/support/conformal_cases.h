/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small trainings with a calibration, and intervals by brute force from the models of their folds.
 * Each of the programs that need them has its own copy.
 */
#ifndef CONFORMAL_CASES_H
#define CONFORMAL_CASES_H

#include "run.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "model/conformal.h"
#include "predict/predict.h"
#include "train/train.h"

enum { D = 1, O = 2, MAX = 400 };
#define SHARE 0.5 /* of the rows for a split calibration */

/* Exchangeable rows of a smooth function; noise that grows with x. */
static inline void make_rows(struct rng *rng, int n, double *x, double *y)
{
    for (int i = 0; i < n; i++) {
        x[i] = 2.0 * rng_uniform(rng) - 1.0;
        y[2 * i] = sin(3.0 * x[i]) + (0.1 + 0.2 * fabs(x[i])) * rng_normal(rng);
        y[2 * i + 1] = 10.0 * x[i] + 2.0 * rng_normal(rng);
    }
}

struct plan_of {
    enum conformal_method method;
    bool normalised;
    enum noise_kind noise;
    double validation;
    int members;
    int folds;
    int epochs;
    uint64_t seed;
};

static inline enum err_code train_resumable(const struct plan_of *plan, struct data rows,
                                            const struct checkpoint *checkpoint,
                                            const struct cancel *cancel, struct model **model,
                                            struct err *err)
{
    struct train_spec spec = train_defaults(SOLVER_ENSEMBLE);
    struct train_run run = {
        .spec = &spec, .data = rows, .n_threads = 1, .checkpoint = checkpoint, .cancel = cancel};
    spec.arch.width = 3;
    spec.arch.layers = 0;
    spec.settings.members = plan->members;
    spec.settings.epochs = plan->epochs;
    spec.settings.batch_size = 16;
    spec.noise = plan->noise;
    spec.validation = plan->validation;
    spec.output_scaling = SCALER_NONE;
    spec.input_scaling = SCALER_NONE;
    spec.seed = (int64_t)plan->seed;
    spec.calibration = (struct train_calibration){.method = plan->method,
                                                  .share = SHARE,
                                                  .folds = plan->folds,
                                                  .normalised = plan->normalised};
    if (train_validate(&spec, err) != ERR_OK || train_resolve(&spec, D, O, err) != ERR_OK) {
        return err->code;
    }
    return train_run(&run, model, err);
}

static inline enum err_code train_model(const struct plan_of *plan, int n, const double *x,
                                        const double *y, struct model **model, struct err *err)
{
    struct data rows = {.n = n, .d = D, .o = O, .x = x, .y = y};
    return train_resumable(plan, rows, NULL, NULL, model, err);
}

/* A model of the draws of one fold alone; the whole one for split. */
static inline struct model *fold_model(const struct model *model, int fold)
{
    const struct conformal *c = &model->conformal;
    struct err err = ERR_INIT;
    struct model *own = NULL;
    int m = model->m / c->n_folds;
    size_t k = (size_t)model->net.n_params;
    ck_assert_int_eq(model_new(&model->net.arch, m, &own, &err), ERR_OK);
    memcpy(own->in, model->in, D * sizeof *own->in);
    memcpy(own->out, model->out, O * sizeof *own->out);
    memcpy(own->draws, model->draws + (size_t)fold * (size_t)m * k,
           (size_t)m * k * sizeof *own->draws);
    ck_assert_int_eq(model_publish(own, &err), ERR_OK);
    return own;
}

/* mean and s [n x O] of a fold's model at the inputs of n rows. */
static inline void predict_fold(const struct model *model, int fold, struct data rows, double *mean,
                                double *std)
{
    const struct conformal *c = &model->conformal;
    struct model *own = fold_model(model, fold);
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_request req = {
        .n = rows.n, .x = rows.x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1};
    ck_assert_int_eq(predict_run(own, &req, &arena, &r, &err), ERR_OK);
    for (int k = 0; k < rows.n * O; k++) {
        double noise = c->fold_noise != NULL ? c->fold_noise[fold * O + k % O] : 0.0;
        if (c->method == CONFORMAL_SPLIT && model->noise_sigma != NULL) {
            noise = model->noise_sigma[k % O] * model->noise_sigma[k % O];
        }
        mean[k] = r.mean[k];
        std[k] = sqrt(r.variance[k] + noise);
    }
    arena_release(&arena);
    model_unref(own);
}

static inline void near(double found, double expected)
{
    ck_assert_double_eq_tol(found, expected, 1e-11 * (1.0 + fabs(expected)));
}

/* The k-th smallest by counting, for lists of any order. */
static inline double kth(const double *values, int n, int k)
{
    for (int i = 0; i < n; i++) {
        int less = 0;
        int equal = 0;
        for (int j = 0; j < n; j++) {
            less += values[j] < values[i];
            equal += values[j] == values[i];
        }
        if (less < k && k <= less + equal) {
            return values[i];
        }
    }
    ck_abort_msg("no such rank");
}

/* floor and ceil as in core/model/conformal.h, of alpha as a fraction, so without rounding. */
static inline void brute_force(const struct conformal *c, int percent, int j,
                               const struct conformal_point *point, double interval[2])
{
    const double *mean = point->mean;
    double low[200], high[200];
    int up = ((100 - percent) * (c->n + 1) + 99) / 100;
    int down = percent * (c->n + 1) / 100;
    for (int i = 0; i < c->n; i++) {
        int fold = c->fold != NULL ? c->fold[i] : 0;
        double half = c->scores[i * O + j] * (c->normalised ? point->std[fold] : 1.0);
        low[i] = c->fold != NULL ? mean[fold] - half : half;
        high[i] = mean[fold] + half;
    }
    if (c->fold == NULL) {
        interval[1] = kth(low, c->n, up);
        interval[0] = mean[0] - interval[1];
        interval[1] += mean[0];
        return;
    }
    interval[0] = kth(low, c->n, down);
    interval[1] = kth(high, c->n, up);
}

#endif
