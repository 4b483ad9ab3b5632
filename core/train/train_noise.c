/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The noise of a training run. It is known before the solver starts (given, or estimated from one
 * network fitted to the squared error), comes from the solver (learned), or is measured on kept
 * rows once the model is there. Where no kept row has an output, training rows tell of its noise.
 */
#include "base/mem.h"
#include "fit/residuals.h"
#include "train/train_part.h"
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#define MIN_SIGMA 1e-4 /* of scaled outputs */

/* Root mean squares of a fit's residuals at some rows, scaled; NaN where no row has the output. */
static enum err_code root_squares(const struct trainee *t, const struct train_rows *from,
                                  const double *params, double *sigmas, struct err *err)
{
    struct data rows = train_rows_scaled(from);
    int counts[ARCH_MAX_OUTPUTS];
    if (residual_squares(&t->model->net, &rows, params, t->run->cancel, sigmas, err) != ERR_OK) {
        return err->code;
    }
    if (data_has_holes(&rows)) {
        data_count(&rows, counts);
    }
    for (int j = 0; j < rows.o; j++) {
        int n = data_has_holes(&rows) ? counts[j] : rows.n;
        sigmas[j] = n > 0 ? fmax(sqrt(sigmas[j] / (double)n), MIN_SIGMA) : (double)NAN;
    }
    return ERR_OK;
}

static bool any_nan(const double *values, int n)
{
    for (int j = 0; j < n; j++) {
        if (isnan(values[j])) {
            return true;
        }
    }
    return false;
}

/* values [n] <- others where they are NaN */
static void replace_nan(double *values, const double *others, int n)
{
    for (int j = 0; j < n; j++) {
        values[j] = isnan(values[j]) ? others[j] : values[j];
    }
}

/* Of kept rows where there are some that have the output, else of training rows. */
static enum err_code estimate_sigmas(const struct trainee *t, const double *params, double *sigmas,
                                     struct err *err)
{
    double of_train[ARCH_MAX_OUTPUTS];
    int o = t->model->o;
    const struct train_rows *rows = t->kept.n > 0 ? &t->kept : &t->train;
    if (root_squares(t, rows, params, sigmas, err) == ERR_OK && any_nan(sigmas, o) &&
        root_squares(t, &t->train, params, of_train, err) == ERR_OK) {
        replace_nan(sigmas, of_train, o);
    }
    return err->code;
}

/* noise_sigmas from one network fitted to the squared error. */
static enum err_code estimate_noise(struct trainee *t, struct err *err)
{
    const struct train_spec *spec = t->run->spec;
    struct solver_settings settings = spec->settings;
    struct solver_problem problem = {
        .net = &t->model->net,
        .train = train_rows_scaled(&t->train),
        .validation = train_rows_scaled(&t->kept),
        .beliefs = {.noise = NOISE_ESTIMATED, .flat = true},
        .terms = t->terms.terms,
        .start = t->warm.start,
        .seed = (uint64_t)spec->seed,
    };
    struct train_part part = {.run = t->run, .number = 0, .from = 0.0, .to = 0.1};
    double *params = mem_alloc_array((size_t)t->model->net.n_params, sizeof *params);
    if (params == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to estimate the noise");
    }
    if (settings.epochs == 0) {
        settings.epochs = solver_defaults(spec->solver).epochs;
    }
    train_part_attach(&part, &problem);
    if (solver_fit_network(&problem, &settings, params, err) == ERR_OK) {
        err_kept(estimate_sigmas(t, params, t->noise_sigmas, err));
    }
    mem_free(params);
    return err->code;
}

enum err_code train_noise_of_rows(struct trainee *t, struct err *err)
{
    const struct data rows = train_rows_user(&t->train);
    const struct train_roles *roles = &t->run->spec->roles;
    if ((rows.sigmas == NULL && train_roles_have(roles, TRAIN_SIGMA)) ||
        (rows.weights == NULL && train_roles_have(roles, TRAIN_WEIGHT)) ||
        (rows.jacobian == NULL && train_roles_have(roles, TRAIN_DERIVATIVE)) ||
        (rows.kept == NULL && train_roles_have(roles, TRAIN_VALIDATION))) {
        return err_set(err, ERR_UNSUPPORTED,
                       "columns: rows with columns of these roles are needed");
    }
    if (rows.sigmas == NULL) {
        return ERR_OK;
    }
    if (t->run->spec->noise != NOISE_GIVEN) {
        return err_set(err, ERR_INVALID,
                       "rows have noise of their own, and the noise is %s, not "
                       "given",
                       noise_kind_name(t->run->spec->noise));
    }
    t->own_sigmas = mem_zalloc_array((size_t)rows.o, sizeof *t->own_sigmas);
    if (t->own_sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (int j = 0; j < rows.o; j++) {
        double sum = 0.0;
        int n = 0;
        for (int i = 0; i < rows.n; i++) {
            size_t cell = (size_t)i * (size_t)rows.o + (size_t)j;
            if (!isnan(rows.y[cell])) {
                /* hypot: also where squares are no numbers. */
                sum = hypot(sum, rows.sigmas[cell]);
                n++;
            }
        }
        t->own_sigmas[j] = n > 0 ? sum / sqrt((double)n) : 1.0;
    }
    t->own_spec = *t->run->spec;
    t->own_spec.n_noise_sigmas = rows.o;
    t->own_spec.noise_sigmas = t->own_sigmas;
    t->own_run = *t->run;
    t->own_run.spec = &t->own_spec;
    t->run = &t->own_run;
    return ERR_OK;
}

enum err_code train_noise_begin(struct trainee *t, struct err *err)
{
    const struct train_spec *spec = t->run->spec;
    bool estimate = spec->noise == NOISE_ESTIMATED && solver_needs_sigma(spec->solver);
    if (spec->noise != NOISE_GIVEN && !estimate) {
        return ERR_OK;
    }
    t->noise_sigmas = mem_alloc_array((size_t)t->model->o, sizeof *t->noise_sigmas);
    if (t->noise_sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (int j = 0; spec->noise == NOISE_GIVEN && j < t->model->o; j++) {
        double sigma = spec->noise_sigmas[spec->n_noise_sigmas > 1 ? j : 0];
        const struct scaler *s = &t->model->out[j];
        t->noise_sigmas[j] = scaler_is_constant(s) ? 1.0 : sigma / s->scale;
    }
    return estimate ? estimate_noise(t, err) : ERR_OK;
}

/* ---- of a result ---- */

static bool any_log(const struct model *model)
{
    for (int j = 0; j < model->o; j++) {
        if (model->out[j].kind == SCALER_LOG) {
            return true;
        }
    }
    return false;
}

/* The root of a^2 + b^2 / n, also where squares are no numbers. */
static double add_roots(double a, double b, int n)
{
    double square = b * b;
    return (isnormal(square) || b == 0.0) && isfinite(a * a) ? sqrt(a * a + square / (double)n)
                                                             : hypot(a, b / sqrt((double)n));
}

/* The noise of output j of a result, in the user's unit. What was given stays, also of a constant.
 */
static double sigma_of(const struct trainee *t, const struct solver_result *result, int j)
{
    const struct train_spec *spec = t->run->spec;
    const struct scaler *s = &t->model->out[j];
    return spec->noise == NOISE_GIVEN && scaler_is_constant(s)
               ? spec->noise_sigmas[spec->n_noise_sigmas > 1 ? j : 0]
               : result->noise_sigma[j] * s->scale;
}

enum err_code train_noise_add(const struct trainee *t, struct model *model,
                              const struct solver_result *result, int n_folds, struct err *err)
{
    if (result->noise_sigma == NULL || model->noise_predicted) {
        return ERR_OK;
    }
    if (model->noise_sigma == NULL) {
        model->noise_sigma = mem_zalloc_array((size_t)model->o, sizeof *model->noise_sigma);
    }
    if (model->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    model->noise_of_logs = t->n_folds == 1 && any_log(model);
    for (int j = 0; j < model->o; j++) {
        /* The root of the folds' mean variance. */
        model->noise_sigma[j] = add_roots(model->noise_sigma[j], sigma_of(t, result, j), n_folds);
    }
    return ERR_OK;
}

/* ---- on kept rows ---- */

/* Outputs that no kept row has are measured on training rows. */
static enum err_code fill_noise(const struct trainee *t, const struct model *model, double *sigma,
                                struct err *err)
{
    const struct evaluation_run run = {.n_threads = t->run->n_threads, .cancel = t->run->cancel};
    const struct data rows = train_rows_user(&t->train);
    if (!any_nan(sigma, model->o)) {
        return ERR_OK;
    }
    double *of_train = mem_alloc_array((size_t)model->o, sizeof *of_train);
    if (of_train == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    if (evaluation_noise(model, &rows, &run, of_train, err) == ERR_OK) {
        replace_nan(sigma, of_train, model->o);
    }
    mem_free(of_train);
    return err->code;
}

/* sigma [o] <- what kept rows say, and training rows of outputs that no kept row has. Where no row
 * is kept, what a cross-validation said. */
static enum err_code find_noise(const struct trainee *t, int number, const struct model *model,
                                double *sigma, struct err *err)
{
    struct evaluation_run run = trainee_scoring(t, number);
    struct data rows = train_rows_user(t->kept.n > 0 ? &t->kept : &t->train);
    if (t->kept.n == 0 && t->run->cross_noise != NULL) {
        memcpy(sigma, t->run->cross_noise, (size_t)model->o * sizeof *sigma);
        return ERR_OK;
    }
    return evaluation_noise(model, &rows, &run, sigma, err) == ERR_OK
               ? fill_noise(t, model, sigma, err)
               : err->code;
}

/*
 * Measures the noise on the kept rows, where it was neither given nor learned. Of folds that
 * learned it of logarithms, whose normalised scores need one number, too: then on training rows, if
 * there are no others, since that is better than a noise in the wrong unit. number: of the scoring.
 */
enum err_code train_noise_measure(const struct trainee *t, int number, struct model *model,
                                  struct err *err)
{
    bool known = model->noise_sigma != NULL && (model->noise_of_logs || !any_log(model));
    bool rows = t->kept.n > 0 || t->run->cross_noise != NULL || model->noise_sigma != NULL;
    if (model->noise_predicted || !rows || known) {
        return ERR_OK;
    }
    double *sigma = mem_alloc_array((size_t)model->o, sizeof *sigma);
    if (sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    if (find_noise(t, number, model, sigma, err) != ERR_OK) {
        mem_free(sigma);
        return err->code;
    }
    for (int j = 0; model->noise_sigma != NULL && j < model->o; j++) {
        if (model->out[j].kind != SCALER_LOG) {
            sigma[j] = model->noise_sigma[j];
        }
    }
    mem_free(model->noise_sigma);
    model->noise_sigma = sigma;
    return ERR_OK;
}
