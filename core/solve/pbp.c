/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probabilistic backpropagation [1]: q(w) = prod N(w_k; m_k, v_k) is multiplied by the likelihood
 * of a row and brought back to its own form with the same marginal means and variances. With Z the
 * likelihood's expectation under q [1, eqs. 4 and 5]
 *
 *   m <- m + v dlogZ/dm,   v <- v - v^2 ((dlogZ/dm)^2 - 2 dlogZ/dv)
 *
 * Z is that of Gaussian outputs with the moments of core/network/pbp_moments, independent of each
 * other, so that log Z is the sum over outputs of log N(y_j; mean_j, variance_j + noise_j). An
 * output that a row misses is no factor of Z, and no derivative comes from it.
 *
 * Noise precisions gamma_j ~ Gamma(a_j, b_j), one an output ([1] has one output). The exact Z is a
 * Student's t; it is replaced by the Gaussian of the same variance, noise_j = b / (a - 1). Matching
 * the first two moments of gamma needs Z at shapes a, a + 1, a + 2 [1, eqs. 6 and 7]:
 *
 *   a <- 1 / (Z2 Z / Z1^2 (a + 1) / a - 1),   b <- 1 / (Z2 / Z1 (a + 1) / b - Z1 / Z a / b)
 *
 * The prior N(w_k; 0, s_k^2 / lambda) of each parameter, with lambda ~ Gamma(6, 6), is approximated
 * too, by a Gaussian in w_k times a Gamma in lambda. This factor is refined once an epoch.
 * s_k = 1 / sqrt(fan-in + 1); the authors' layers divide by that root instead, which is the same.
 * Since the scale of the prior is inferred, the beliefs' prior is not used.
 *
 * As in the authors' code:
 *
 * - q starts with the prior's variances and with random means of standard deviation s_k^2: the
 *   start of other fits, U(-1, 1) / sqrt(fan-in), times sqrt(3) s_k. The start is not a factor of
 *   q, so the first refresh of the prior mistakes it for weak evidence from rows. Means of the
 *   usual size would drive lambda down to 1e-4.
 * - a_j starts at 6, and b_j at 6 times the target's variance.
 * - An update that would leave a variance at or below 1e-100, or a shape at or below 1, is skipped.
 * - Each further epoch counts the rows again as if they were new. The authors found that this fits
 *   better than one pass. It also makes the variances smaller than those of the exact posterior,
 *   more so with every epoch.
 *
 * [1] J. M. Hernandez-Lobato, R. P. Adams, Probabilistic Backpropagation for Scalable Learning of
 *     Bayesian Neural Networks, ICML 2015; code: github.com/HIPS/Probabilistic-Backpropagation.
 */
#include "solve/pbp.h"

#include "base/mem.h"
#include "fit/fit.h"

#include <math.h>
#include <string.h>

#define LOG_TWO_PI   1.837877066409345484
#define START_SHAPE  6.0 /* of lambda and of the noise precisions: the weight of 12 observations */
#define MIN_VARIANCE 1e-100 /* of a parameter */
#define MIN_NOISE    1e-8   /* variance; outputs are scaled to about 1 */
#define MAX_CAVITY   1e6    /* a prior factor whose cavity has a larger variance is not refined */

/* ---- life ---- */

static void fill_range(double *values, int first, int n, double value)
{
    for (int k = 0; first >= 0 && k < n; k++) {
        values[first + k] = value;
    }
}

static void fill_scales(const struct resnet *net, double *scale)
{
    const struct arch *a = &net->arch;
    double by_inputs = 1.0 / sqrt((double)a->inputs + 1.0);
    double by_width = 1.0 / sqrt((double)a->width + 1.0);
    fill_range(scale, 0, net->n_params, by_width);
    fill_range(scale, net->off.weight_pre, a->width * a->inputs, by_inputs);
    fill_range(scale, net->off.bias_pre, a->width, by_inputs);
}

/* Variance of column j, over the rows that have it. */
static double target_variance(const struct data *rows, int j)
{
    double mean = 0.0;
    double sum = 0.0;
    int n = 0;
    for (int i = 0; i < rows->n; i++) {
        double y = rows->y[(size_t)i * (size_t)rows->o + (size_t)j];
        if (isnan(y)) {
            continue;
        }
        double dev = y - mean;
        mean += dev / (double)++n;
        sum += dev * (y - mean);
    }
    return n > 0 ? fmax(sum / (double)n, MIN_NOISE) : MIN_NOISE;
}

/* Points the arrays to their places in self->room. */
static void lay_out(struct pbp *self)
{
    size_t k = ((size_t)self->n_params + 7) & ~(size_t)7;
    size_t o = ((size_t)self->n_outputs + 7) & ~(size_t)7;
    double **const by_params[] = {&self->m,       &self->v,       &self->prior_m,
                                  &self->prior_v, &self->prior_a, &self->prior_b,
                                  &self->scale,   &self->gm,      &self->gv};
    double **const by_outputs[] = {&self->noise_a,  &self->noise_b, &self->mean,
                                   &self->variance, &self->d_mean,  &self->d_variance};
    double *at = self->room;
    for (size_t i = 0; i < 9; i++, at += k) {
        *by_params[i] = at;
    }
    for (size_t i = 0; i < 6; i++, at += o) {
        *by_outputs[i] = at;
    }
    self->lambda = at;
}

enum err_code pbp_init(struct pbp *self, const struct pbp_problem *problem, struct rng *rng,
                       struct err *err)
{
    const struct resnet *net = problem->net;
    size_t k = ((size_t)net->n_params + 7) & ~(size_t)7;
    size_t o = ((size_t)net->arch.outputs + 7) & ~(size_t)7;
    *self = (struct pbp){.net = net,
                         .n_params = net->n_params,
                         .n_outputs = net->arch.outputs,
                         .sigmas = problem->sigmas};
    self->room = mem_zalloc_array(9 * k + 6 * o + 2, sizeof *self->room);
    self->moments = pbp_moments_new(net);
    if (self->room == NULL || self->moments == NULL) {
        pbp_release(self);
        return err_set(err, ERR_NOMEM, "no memory for the moments of %d parameters", net->n_params);
    }
    lay_out(self);
    fill_scales(net, self->scale);
    fit_init_params(net, problem->init_factor, rng, self->m);
    self->lambda[0] = self->lambda[1] = START_SHAPE;
    for (int i = 0; i < self->n_params; i++) {
        self->prior_v[i] = (self->lambda[0] - 1.0) / self->lambda[1];
        self->v[i] = self->scale[i] * self->scale[i] / self->prior_v[i];
        self->m[i] *= self->scale[i] * sqrt(3.0);
    }
    for (int j = 0; j < self->n_outputs; j++) {
        self->noise_a[j] = START_SHAPE;
        self->noise_b[j] = START_SHAPE * target_variance(problem->train, j);
    }
    return ERR_OK;
}

/*
 * The Gaussian contains the prior's factors, but the parameters of these factors were not stored.
 * They are set to K equal factors that together give lambda this mean; each adds 1/2 to lambda's
 * shape, as one observed number does. The noise keeps its size, and has the small weight of a cold
 * start.
 */
void pbp_go_on(struct pbp *self, const double *mean, const double *std, double lambda,
               const double *log_s)
{
    double k = (double)self->n_params;
    self->lambda[0] = START_SHAPE + 0.5 * k;
    self->lambda[1] = self->lambda[0] / lambda;
    for (int i = 0; i < self->n_params; i++) {
        self->m[i] = mean[i];
        self->v[i] = fmax(std[i] * std[i], 2.0 * MIN_VARIANCE);
        self->prior_m[i] = 0.0;
        self->prior_v[i] = (self->lambda[0] - 1.0) / self->lambda[1];
        self->prior_a[i] = 0.5;
        self->prior_b[i] = (START_SHAPE - self->lambda[1]) / k;
    }
    for (int j = 0; log_s != NULL && j < self->n_outputs; j++) {
        self->noise_a[j] = START_SHAPE;
        self->noise_b[j] = (START_SHAPE - 1.0) * exp(2.0 * log_s[j]);
    }
}

void pbp_release(struct pbp *self)
{
    pbp_moments_free(self->moments);
    mem_free(self->room);
    *self = (struct pbp){.net = NULL};
}

/* ---- one row ---- */

double pbp_noise_variance(const struct pbp *self, int j)
{
    return self->sigmas != NULL ? self->sigmas[j] * self->sigmas[j]
                                : self->noise_b[j] / (self->noise_a[j] - 1.0);
}

static double log_normal(double residual, double variance)
{
    return -0.5 * (LOG_TWO_PI + log(variance) + residual * residual / variance);
}

double pbp_log_z(struct pbp *self, const double *x, const double *y)
{
    double sum = 0.0;
    pbp_moments_forward(self->moments, (struct gaussians){self->m, self->v},
                        (struct gaussians){x, NULL}, self->mean, self->variance);
    for (int j = 0; j < self->n_outputs; j++) {
        if (isnan(y[j])) {
            self->d_mean[j] = self->d_variance[j] = 0.0;
            continue;
        }
        double total = self->variance[j] + pbp_noise_variance(self, j);
        double residual = y[j] - self->mean[j];
        sum += log_normal(residual, total);
        self->d_mean[j] = residual / total;
        self->d_variance[j] = 0.5 * (residual * residual / total - 1.0) / total;
    }
    return sum;
}

/* The Gamma's new shape and rate from log Z at three shapes; unchanged when the new ones are not
 * valid. */
static void match_gamma(const double *log_z, double *a, double *b)
{
    double shape = 1.0 / (exp(log_z[2] - 2.0 * log_z[1] + log_z[0]) * (*a + 1.0) / *a - 1.0);
    double rate =
        1.0 / (exp(log_z[2] - log_z[1]) * (*a + 1.0) / *b - exp(log_z[1] - log_z[0]) * *a / *b);
    if (isfinite(shape) && isfinite(rate) && shape > 1.0 && rate > 0.0) {
        *a = shape;
        *b = rate;
    }
}

static void update_noise(struct pbp *self, const double *y)
{
    for (int j = 0; self->sigmas == NULL && j < self->n_outputs; j++) {
        double log_z[3];
        if (isnan(y[j])) {
            continue;
        }
        for (int i = 0; i < 3; i++) {
            double noise = self->noise_b[j] / (self->noise_a[j] - 1.0 + i);
            log_z[i] = log_normal(y[j] - self->mean[j], self->variance[j] + noise);
        }
        match_gamma(log_z, &self->noise_a[j], &self->noise_b[j]);
    }
}

static void update_params(struct pbp *self)
{
    long taken = 0;
    for (int k = 0; k < self->n_params; k++) {
        double g = self->gm[k];
        double v = self->v[k];
        double m_new = self->m[k] + v * g;
        double v_new = v - v * v * (g * g - 2.0 * self->gv[k]);
        bool good = v_new > MIN_VARIANCE && v_new < INFINITY && fabs(m_new) < INFINITY;
        self->m[k] = good ? m_new : self->m[k];
        self->v[k] = good ? v_new : v;
        taken += good;
    }
    self->skipped += self->n_params - taken;
}

double pbp_add_row(struct pbp *self, const double *x, const double *y)
{
    double log_z = pbp_log_z(self, x, y);
    if (isfinite(log_z)) {
        pbp_moments_backward(self->moments, self->d_mean, self->d_variance, self->gm, self->gv);
        update_noise(self, y);
        update_params(self);
    }
    return log_z;
}

/* ---- the prior ---- */

/* Refines the factor of one parameter, in units of its scale: w = w_k / s_k ~ N(0, 1 / lambda). */
static void refresh_factor(struct pbp *self, int k)
{
    double s = self->scale[k];
    double precision = s * s / self->v[k];
    double cavity_precision = precision - self->prior_v[k];
    double cavity_linear = self->m[k] / s * precision - self->prior_m[k];
    double v = 1.0 / cavity_precision;
    double m = cavity_linear / cavity_precision;
    double a = self->lambda[0] - self->prior_a[k];
    double b = self->lambda[1] + self->prior_b[k];
    double log_z[3];
    if (!(v > 0.0 && v < MAX_CAVITY && a > 1.0 && b > 0.0)) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        log_z[i] = log_normal(m, v + b / (a - 1.0 + i));
    }
    /* The product of the cavity and N(0, b / (a - 1)): the same as the update by derivatives. */
    double total = v + b / (a - 1.0);
    double m_new = m - v * m / total;
    double v_new = v * (b / (a - 1.0)) / total;
    double a_new = a;
    double b_new = b;
    match_gamma(log_z, &a_new, &b_new);
    if (!(v_new > MIN_VARIANCE)) {
        return;
    }
    self->prior_v[k] = 1.0 / v_new - cavity_precision;
    self->prior_m[k] = m_new / v_new - cavity_linear;
    self->prior_a[k] = a_new - a;
    self->prior_b[k] = b - b_new;
    self->lambda[0] = a_new;
    self->lambda[1] = b_new;
    self->m[k] = s * m_new;
    self->v[k] = s * s * v_new;
}

void pbp_refresh_prior(struct pbp *self)
{
    for (int k = 0; k < self->n_params; k++) {
        refresh_factor(self, k);
    }
}

/* ---- bytes ---- */

void pbp_save(const struct pbp *self, struct bytes_writer *w)
{
    const double *const by_params[] = {self->m,       self->v,       self->prior_m,
                                       self->prior_v, self->prior_a, self->prior_b};
    for (size_t i = 0; i < sizeof by_params / sizeof *by_params; i++) {
        bytes_put_f64(w, by_params[i], (size_t)self->n_params);
    }
    bytes_put_f64(w, self->noise_a, (size_t)self->n_outputs);
    bytes_put_f64(w, self->noise_b, (size_t)self->n_outputs);
    bytes_put_f64(w, self->lambda, 2);
    bytes_put_i64(w, self->skipped);
}

void pbp_load(struct pbp *self, struct bytes_reader *r)
{
    double *const by_params[] = {self->m,       self->v,       self->prior_m,
                                 self->prior_v, self->prior_a, self->prior_b};
    for (size_t i = 0; i < sizeof by_params / sizeof *by_params; i++) {
        bytes_get_f64(r, by_params[i], (size_t)self->n_params);
    }
    bytes_get_f64(r, self->noise_a, (size_t)self->n_outputs);
    bytes_get_f64(r, self->noise_b, (size_t)self->n_outputs);
    bytes_get_f64(r, self->lambda, 2);
    self->skipped = (long)bytes_get_i64(r);
}
