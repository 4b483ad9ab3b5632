/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With the means over replicates yb, the residuals r = yb - f and the covariance
 *
 *   V = noise / n + tau^2 I + C,     C = 1/(m - 1) sum_j d_j d_j',   d_j = f_j - f,
 *
 * the log likelihood is -1/2 r' V^-1 r - 1/2 log |2 pi V|, and that of the replicates around their
 * means. With A = V^-1 r r' V^-1 - V^-1 its derivative by V is A / 2, so
 *
 *   d/dx = r' V^-1 df/dx + 1/(m - 1) sum_j d_j' A df_j/dx,
 *
 * since the d_j add up to 0. For `variance` C and A are their diagonals.
 */
#include "analyse/calibrate_density.h"

#include "math/linalg.h"

#include <math.h>
#include <string.h>

#define LOG_2_PI 1.8378770664093453

static bool infers_sigma(const struct calibrate_spec *spec)
{
    return spec->sigma == NULL && spec->covariance == NULL;
}

/* Where the logarithms begin in the parameters. */
static int first_sigma(const struct calibrate_density *d)
{
    return d->k;
}

static int first_tau(const struct calibrate_density *d)
{
    return d->k + (infers_sigma(d->run->spec) ? d->run->field->o : 0);
}

/* ---- making one ---- */

static bool is_calibrated(const struct calibrate_run *run, int input)
{
    const struct calibrate_spec *spec = run->spec;
    bool somewhere = false;
    for (int e = 0; e < spec->n_experiments; e++) {
        const double *fixed = spec->experiments[e].fixed;
        somewhere = somewhere || fixed == NULL || isnan(fixed[input]);
    }
    return somewhere && !law_is_fixed(&run->laws[input]);
}

static enum err_code find_inputs(struct calibrate_density *d, struct err *err)
{
    for (int b = 0; b < d->run->field->d; b++) {
        if (!is_calibrated(d->run, b)) {
            continue;
        }
        if (!law_is_continuous(&d->run->laws[b])) {
            return err_set(err, ERR_INVALID,
                           "input \"%.60s\" is no real number with a density, so it cannot be "
                           "calibrated; give it a fixed value",
                           d->run->laws[b].input->name);
        }
        d->inputs[d->k++] = b;
    }
    return d->k > 0 ? ERR_OK : err_set(err, ERR_INVALID, "there is no input to calibrate");
}

static void add_number(struct calibrate_density *d, int e, int a)
{
    const struct calibrate_experiment *of = &d->run->spec->experiments[e];
    size_t o = (size_t)d->run->field->o;
    struct calibrate_number *number = &d->numbers[d->n_numbers++];
    *number = (struct calibrate_number){.experiment = e, .output = a, .n = of->n};
    for (int i = 0; i < of->n; i++) {
        number->mean += of->y[(size_t)i * o + (size_t)a] / of->n;
    }
    for (int i = 0; i < of->n; i++) {
        double delta = of->y[(size_t)i * o + (size_t)a] - number->mean;
        number->within += delta * delta;
    }
}

static double *take(struct arena *arena, size_t n, bool *ok)
{
    double *array = arena_alloc_array(arena, n, sizeof *array);
    *ok = *ok && array != NULL;
    return array;
}

static bool allocate(struct calibrate_density *d, struct arena *arena)
{
    const struct field *field = d->run->field;
    size_t cells = (size_t)d->run->spec->n_experiments * (size_t)field->o;
    size_t inputs = (size_t)field->d;
    bool ok = true;
    d->numbers = arena_alloc_array(arena, cells, sizeof *d->numbers);
    d->inputs = arena_alloc_array(arena, inputs, sizeof *d->inputs);
    d->x = take(arena, (size_t)d->run->spec->n_experiments * inputs, &ok);
    d->slope = take(arena, inputs, &ok);
    d->y = take(arena, (size_t)d->m * cells, &ok);
    d->jac = take(arena, (size_t)d->m * cells * inputs, &ok);
    d->mean = take(arena, cells, &ok);
    d->v = take(arena, cells * cells, &ok);
    d->l = take(arena, cells * cells, &ok);
    d->r = take(arena, cells, &ok);
    d->alpha = take(arena, cells, &ok);
    d->deviation = take(arena, cells, &ok);
    d->weighted = take(arena, cells, &ok);
    return ok && d->numbers != NULL && d->inputs != NULL;
}

enum err_code calibrate_density_init(struct calibrate_density *density,
                                     const struct calibrate_run *run, int first, int m,
                                     struct arena *arena, struct err *err)
{
    const struct calibrate_spec *spec = run->spec;
    struct err none = ERR_INIT;
    *density =
        (struct calibrate_density){.run = run, .first = first, .m = m, .beta = 1.0, .err = none};
    if ((double)spec->n_experiments * run->field->o > CALIBRATE_MAX_NUMBERS) {
        return err_set(err, ERR_LIMIT,
                       "%d experiments of %d outputs, at most %d numbers are allowed",
                       spec->n_experiments, run->field->o, CALIBRATE_MAX_NUMBERS);
    }
    if (!allocate(density, arena)) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    for (int e = 0; e < spec->n_experiments; e++) {
        for (int a = 0; a < run->field->o; a++) {
            add_number(density, e, a);
        }
    }
    if (find_inputs(density, err) == ERR_OK) {
        density->n_parameters = first_tau(density) + (spec->discrepancy ? run->field->o : 0);
    }
    return err->code;
}

void calibrate_density_release(struct calibrate_density *density)
{
    arena_release(&density->scratch);
}

/* ---- the surrogate ---- */

static void set_rows(struct calibrate_density *d, const double *q)
{
    size_t inputs = (size_t)d->run->field->d;
    for (int e = 0; e < d->run->spec->n_experiments; e++) {
        const double *fixed = d->run->spec->experiments[e].fixed;
        double *x = d->x + (size_t)e * inputs;
        for (size_t b = 0; b < inputs; b++) {
            x[b] = fixed != NULL && !isnan(fixed[b]) ? fixed[b] : d->run->laws[b].fixed;
        }
        for (int i = 0; i < d->k; i++) {
            size_t b = (size_t)d->inputs[i];
            if (fixed == NULL || isnan(fixed[b])) {
                x[b] = law_from_normal(&d->run->laws[b], q[i]);
            }
        }
    }
    for (int i = 0; i < d->k; i++) {
        d->slope[i] = law_normal_slope(&d->run->laws[d->inputs[i]], q[i]);
    }
}

/* Values, and derivatives if they are wanted. False: it failed, and d->err says why. */
static bool evaluate(struct calibrate_density *d, const double *q, bool gradient)
{
    const struct field *field = d->run->field;
    size_t cells = (size_t)d->n_numbers;
    set_rows(d, q);
    const struct field_rows rows = {
        .first = d->first, .m = d->m, .n = d->run->spec->n_experiments, .x = d->x};
    err_kept(field->ops->values(field, &rows, &d->scratch, d->y, &d->err));
    arena_clear(&d->scratch);
    if (d->err.code == ERR_OK && gradient) {
        err_kept(field->ops->jacobian(field, &rows, &d->scratch, d->jac, &d->err));
        arena_clear(&d->scratch);
    }
    memset(d->mean, 0, cells * sizeof *d->mean);
    for (size_t j = 0; d->err.code == ERR_OK && j < (size_t)d->m; j++) {
        for (size_t i = 0; i < cells; i++) {
            d->mean[i] += d->y[j * cells + i] / d->m;
        }
    }
    return d->err.code == ERR_OK;
}

/* ---- the covariance ---- */

static double noise(const struct calibrate_density *d, const double *q,
                    const struct calibrate_number *a, const struct calibrate_number *b)
{
    const struct calibrate_spec *spec = d->run->spec;
    if (a->experiment != b->experiment) {
        return 0.0;
    }
    if (spec->covariance != NULL) {
        return spec->covariance[a->output * d->run->field->o + b->output] / a->n;
    }
    if (a->output != b->output) {
        return 0.0;
    }
    double sigma =
        spec->sigma != NULL ? spec->sigma[a->output] : exp(q[first_sigma(d) + a->output]);
    return sigma * sigma / a->n;
}

static void set_deviation(struct calibrate_density *d, int draw)
{
    size_t n = (size_t)d->n_numbers;
    for (size_t i = 0; i < n; i++) {
        d->deviation[i] = d->y[(size_t)draw * n + i] - d->mean[i];
    }
}

static void set_covariance(struct calibrate_density *d, const double *q)
{
    enum calibrate_error error = d->run->spec->error;
    size_t n = (size_t)d->n_numbers;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            d->v[i * n + j] = noise(d, q, &d->numbers[i], &d->numbers[j]);
        }
        if (d->run->spec->discrepancy) {
            double tau = exp(q[first_tau(d) + d->numbers[i].output]);
            d->v[i * n + i] += tau * tau;
        }
    }
    bool adds = error == CALIBRATE_VARIANCE || error == CALIBRATE_COVARIANCE;
    for (int draw = 0; adds && d->m > 1 && draw < d->m; draw++) {
        set_deviation(d, draw);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = error == CALIBRATE_COVARIANCE ? 0 : i; j <= i; j++) {
                d->v[i * n + j] += d->deviation[i] * d->deviation[j] / (d->m - 1);
            }
        }
    }
}

/* v <- V^-1 from l. */
static void invert(struct calibrate_density *d)
{
    int n = d->n_numbers;
    for (int c = 0; c < n; c++) {
        double *column = d->weighted;
        for (int i = 0; i < n; i++) {
            double sum = i == c ? 1.0 : 0.0;
            for (int j = 0; j < i; j++) {
                sum -= d->l[i * n + j] * column[j];
            }
            column[i] = sum / d->l[i * n + i];
        }
        for (int i = n - 1; i >= 0; i--) {
            double sum = column[i];
            for (int j = i + 1; j < n; j++) {
                sum -= d->l[j * n + i] * column[j];
            }
            column[i] = sum / d->l[i * n + i];
            d->v[i * n + c] = column[i];
        }
    }
}

/* ---- likelihood and gradient ---- */

/* Of the replicates around their means; adds to the gradient. */
static double within(const struct calibrate_density *d, const double *q, double *grad)
{
    const struct calibrate_spec *spec = d->run->spec;
    double sum = 0.0;
    for (int i = 0; spec->covariance == NULL && i < d->n_numbers; i++) {
        const struct calibrate_number *number = &d->numbers[i];
        double log_sigma = spec->sigma != NULL ? log(spec->sigma[number->output])
                                               : q[first_sigma(d) + number->output];
        double scaled = number->within * exp(-2.0 * log_sigma);
        int free = number->n - 1;
        sum -= 0.5 * scaled + free * (log_sigma + 0.5 * LOG_2_PI) + 0.5 * log(number->n);
        if (grad != NULL && spec->sigma == NULL) {
            grad[first_sigma(d) + number->output] += scaled - free;
        }
    }
    return sum;
}

/* Adds the part of the gradient that comes through the covariance, of A = alpha alpha' - V^-1. */
static void add_covariance_gradient(struct calibrate_density *d, const double *q, double *grad)
{
    const struct calibrate_spec *spec = d->run->spec;
    size_t n = (size_t)d->n_numbers;
    size_t inputs = (size_t)d->run->field->d;
    for (size_t i = 0; i < n; i++) {
        double a_ii = d->alpha[i] * d->alpha[i] - d->v[i * n + i];
        const struct calibrate_number *number = &d->numbers[i];
        if (infers_sigma(spec)) {
            double sigma = exp(q[first_sigma(d) + number->output]);
            grad[first_sigma(d) + number->output] += a_ii * sigma * sigma / number->n;
        }
        if (spec->discrepancy) {
            double tau = exp(q[first_tau(d) + number->output]);
            grad[first_tau(d) + number->output] += a_ii * tau * tau;
        }
    }
    bool adds = spec->error == CALIBRATE_VARIANCE || spec->error == CALIBRATE_COVARIANCE;
    for (int draw = 0; adds && d->m > 1 && draw < d->m; draw++) {
        set_deviation(d, draw);
        double along = 0.0;
        for (size_t i = 0; i < n; i++) {
            along += d->alpha[i] * d->deviation[i];
        }
        for (size_t i = 0; i < n; i++) {
            double sum = (d->alpha[i] * d->alpha[i] - d->v[i * n + i]) * d->deviation[i];
            if (spec->error == CALIBRATE_COVARIANCE) {
                sum = d->alpha[i] * along;
                for (size_t j = 0; j < n; j++) {
                    sum -= d->v[i * n + j] * d->deviation[j];
                }
            }
            const double *jac = d->jac + ((size_t)draw * n + i) * inputs;
            for (int b = 0; b < d->k; b++) {
                grad[b] += sum * jac[d->inputs[b]] * d->slope[b] / (d->m - 1);
            }
        }
    }
}

/* Is this input of the experiment a calibrated one? */
static bool moves(const struct calibrate_density *d, int experiment, int input)
{
    const double *fixed = d->run->spec->experiments[experiment].fixed;
    return fixed == NULL || isnan(fixed[input]);
}

/* Derivatives by inputs that an experiment has fixed are none. */
static void mask_jacobian(struct calibrate_density *d)
{
    size_t n = (size_t)d->n_numbers;
    size_t inputs = (size_t)d->run->field->d;
    for (size_t i = 0; i < n; i++) {
        for (int b = 0; b < d->k; b++) {
            for (size_t j = 0;
                 !moves(d, d->numbers[i].experiment, d->inputs[b]) && j < (size_t)d->m; j++) {
                d->jac[(j * n + i) * inputs + (size_t)d->inputs[b]] = 0.0;
            }
        }
    }
}

static void add_mean_gradient(const struct calibrate_density *d, double *grad)
{
    size_t n = (size_t)d->n_numbers;
    size_t inputs = (size_t)d->run->field->d;
    for (size_t j = 0; j < (size_t)d->m; j++) {
        for (size_t i = 0; i < n; i++) {
            const double *jac = d->jac + (j * n + i) * inputs;
            for (int b = 0; b < d->k; b++) {
                grad[b] += d->alpha[i] * jac[d->inputs[b]] * d->slope[b] / d->m;
            }
        }
    }
}

/* Adds to the gradient. */
static double log_prior(const struct calibrate_density *d, const double *q, double *grad)
{
    const double *scale = d->run->spec->scale;
    double sum = 0.0;
    for (int i = 0; i < d->n_parameters; i++) {
        int a = (i - d->k) % d->run->field->o;
        double centre = i < d->k ? 0.0 : log(scale[a]);
        double spread = i < d->k ? 1.0 : CALIBRATE_SPREAD;
        double z = (q[i] - centre) / spread;
        sum -= 0.5 * z * z + log(spread) + 0.5 * LOG_2_PI;
        if (grad != NULL) {
            grad[i] -= z / spread;
        }
    }
    return sum;
}

/* r, alpha and, for the gradient, V^-1 in v; -1/2 r' V^-1 r - 1/2 log |2 pi V|, NaN: not positive.
 */
static double solve(struct calibrate_density *d)
{
    int n = d->n_numbers;
    double quadratic = 0.0;
    memcpy(d->l, d->v, (size_t)n * (size_t)n * sizeof *d->l);
    if (!linalg_cholesky(n, d->l)) {
        return NAN;
    }
    invert(d);
    for (int i = 0; i < n; i++) {
        d->r[i] = d->numbers[i].mean - d->mean[i];
    }
    for (int i = 0; i < n; i++) {
        d->alpha[i] = 0.0;
        for (int j = 0; j < n; j++) {
            d->alpha[i] += d->v[i * n + j] * d->r[j];
        }
        quadratic += d->r[i] * d->alpha[i];
    }
    return -0.5 * (quadratic + linalg_logdet(n, d->l) + n * LOG_2_PI);
}

/* Adds the gradient of the likelihood to grad, which may be NULL; NaN: it has none. */
static double log_likelihood(struct calibrate_density *d, const double *q, double *grad)
{
    if (!evaluate(d, q, grad != NULL)) {
        return NAN;
    }
    set_covariance(d, q);
    double likelihood = solve(d);
    if (!isfinite(likelihood)) {
        return NAN;
    }
    if (grad != NULL) {
        mask_jacobian(d);
        add_mean_gradient(d, grad);
        add_covariance_gradient(d, q, grad);
    }
    return likelihood + within(d, q, grad);
}

static double log_density(void *ctx, const double *q, double *grad)
{
    struct calibrate_density *d = ctx;
    size_t n = (size_t)d->n_parameters;
    if (d->err.code != ERR_OK || cancel_is_requested(d->run->terms.cancel)) {
        return NAN;
    }
    if (grad != NULL) {
        memset(grad, 0, n * sizeof *grad);
    }
    d->likelihood = log_likelihood(d, q, grad);
    if (isnan(d->likelihood)) {
        return NAN;
    }
    for (size_t i = 0; grad != NULL && i < n; i++) {
        grad[i] *= d->beta;
    }
    return log_prior(d, q, grad) + d->beta * d->likelihood;
}

struct target calibrate_density_target(struct calibrate_density *density)
{
    return (struct target){.n = density->n_parameters, .logp = log_density, .ctx = density};
}

void calibrate_density_parameters(const struct calibrate_density *density, const double *q,
                                  double *out)
{
    for (int i = 0; i < density->n_parameters; i++) {
        out[i] = i < density->k ? law_from_normal(&density->run->laws[density->inputs[i]], q[i])
                                : exp(q[i]);
    }
}
