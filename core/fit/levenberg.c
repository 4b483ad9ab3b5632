/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All factorisations are of H in the coordinates in which its diagonal part is the identity: with
 * c_k = a_k + lambda, M = I + diag(c)^-1/2 J' L J diag(c)^-1/2. No eigenvalue of M is below 1, so a
 * pivot of its Cholesky factor can only fail by rounding, where the largest eigenvalue is above
 * about 1e15 / K. A step then takes a larger lambda; the posterior adds a multiple of the identity
 * (JITTER), which raises all prior precisions by the same share.
 *
 * Where the values of outputs are fewer than the parameters, a smaller matrix with the same
 * eigenvalues takes the place of M (levenberg_few.c).
 *
 * [1] K. Levenberg, Quarterly of Applied Mathematics 2, 1944; D. Marquardt, SIAM J. 11, 1963.
 * [2] F. D. Foresee, M. T. Hagan, Gauss-Newton approximation to Bayesian learning, ICNN 1997.
 */
#include "fit/levenberg_priv.h"

#include "base/mem.h"
#include "math/decompose.h"
#include "math/gemm.h"
#include "math/linalg.h"

#include <math.h>
#include <string.h>

#define TRIES       16    /* of a step */
#define LOWER       6.0   /* lambda after a success, as in numerical practice since [1] */
#define RAISE       4.0   /* and after a failure */
#define MIN_DAMPING 1e-12 /* so that a first failure can raise it to something */
#define MAX_DAMPING 1e12

/* The decrease of E, as a share of E, that a minimum's rounding errors could also show. */
#define ROUNDING 1e-14

/* The same below which a step is straight: differences that small would tell of rounding. */
#define STRAIGHT 1e-8

/* Shares of the largest diagonal element of M that are added to all of them when M is singular to
 * rounding: the first one, the factor, and the last one. */
#define JITTER      1e-14
#define JITTER_STEP 10.0
#define JITTER_MAX  1e-6

#define BUFFER (1 << 22) /* doubles of derivatives (core/fit/curvature_rows.c) */

static enum err_code allocate(struct levenberg *self, struct err *err)
{
    size_t k = (size_t)self->problem->net->n_params;
    size_t o = (size_t)self->problem->net->n_out;
    size_t size = (size_t)self->size;
    size_t bend = (size_t)self->problem->rows.n < LEVENBERG_BEND_ROWS
                      ? (size_t)self->problem->rows.n * o
                      : LEVENBERG_BEND_ROWS * o;
    self->memory = mem_zalloc_array(8 * k + 3 * o + size + bend, sizeof *self->memory);
    self->sums = mem_alloc_array(size * k, sizeof *self->sums);
    self->factor = mem_alloc_array(size * size, sizeof *self->factor);
    if (self->memory == NULL || self->sums == NULL || self->factor == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a curvature of %zu parameters", k);
    }
    self->params = self->memory;
    self->precision = self->params + k;
    self->gradient = self->precision + k;
    self->scale = self->gradient + k;
    self->step = self->scale + k;
    self->trial = self->step + k;
    self->sigmas = self->trial + k;
    self->squares = self->sigmas + o;
    self->trial_squares = self->squares + o;
    self->by_line = self->trial_squares + o;
    self->bend = self->by_line + size;
    self->acceleration = self->bend + bend;
    self->bent = self->acceleration + k;
    return ERR_OK;
}

enum err_code levenberg_init(struct levenberg *self, const struct levenberg_problem *problem,
                             struct err *err)
{
    *self = (struct levenberg){
        .problem = problem, .damping = LEVENBERG_DAMPING, .few = levenberg_few(problem)};
    self->size = self->few ? problem->rows.n * problem->net->n_out : problem->net->n_params;
    if (allocate(self, err) != ERR_OK) {
        return err->code;
    }
    self->objective = (struct objective){.kind = OBJECTIVE_NLL,
                                         .noise = NOISE_GIVEN,
                                         .noise_sigmas = self->sigmas,
                                         .n_total = problem->rows.n,
                                         .cancel = problem->cancel};
    self->curvature = (struct curvature_problem){.objective = &self->objective,
                                                 .net = problem->net,
                                                 .rows = problem->rows,
                                                 .params = self->params,
                                                 .n_threads = problem->n_threads,
                                                 .cancel = problem->cancel,
                                                 .group_rows = self->few ? problem->rows.n : 0};
    return residuals_init(&self->residuals, problem->net, err) == ERR_OK
               ? curvature_rows_new(&self->rows, &self->curvature, err)
               : err->code;
}

void levenberg_release(struct levenberg *self)
{
    curvature_rows_free(self->rows);
    residuals_release(&self->residuals);
    mem_free(self->memory);
    mem_free(self->sums);
    mem_free(self->factor);
    *self = (struct levenberg){.memory = NULL};
}

double levenberg_values(const struct resnet *net, int n)
{
    return n * (2.0 * net->n_params * net->n_params + BUFFER);
}

double levenberg_loss(const struct levenberg *self, const double *params, const double *squares)
{
    double loss = 0.0;
    for (int j = 0; j < self->problem->net->n_out; j++) {
        loss += 0.5 * squares[j] / (self->sigmas[j] * self->sigmas[j]);
    }
    for (int k = 0; k < self->problem->net->n_params; k++) {
        double gap = params[k] - (self->center != NULL ? self->center[k] : 0.0);
        loss += 0.5 * self->precision[k] * gap * gap;
    }
    return loss;
}

enum err_code levenberg_linearise(struct levenberg *self, struct err *err)
{
    const struct levenberg_problem *p = self->problem;
    size_t k = (size_t)p->net->n_params;
    if (residuals_squares(&self->residuals, &p->rows, self->params, p->cancel, self->squares,
                          err) != ERR_OK ||
        (self->few
             ? levenberg_few_linearise(self, err)
             : curvature_rows_normal(self->rows, self->sums, self->gradient, err)) != ERR_OK) {
        return err->code;
    }
    double sum = levenberg_loss(self, self->params, self->squares);
    for (size_t i = 0; i < k; i++) {
        sum += self->gradient[i] + (self->few ? 0.0 : self->sums[i * k + i]);
    }
    return isfinite(sum) ? ERR_OK : err_set(err, ERR_NUMERIC, "a derivative is not finite");
}

/* factor <- M of scale, its lower triangle, when the values are many. */
static void form_many(struct levenberg *self)
{
    size_t k = (size_t)self->problem->net->n_params;
    for (size_t i = 0; i < k; i++) {
        const double *from = self->sums + i * k;
        double *to = self->factor + i * k;
        for (size_t j = 0; j <= i; j++) {
            to[j] = from[j] * (self->scale[i] * self->scale[j]);
        }
    }
    for (size_t i = 0; i < k; i++) {
        self->factor[i * k + i] += 1.0;
    }
}

/* scale <- c^-1/2 of the precisions and a lambda; factor <- the matrix to be factorised. */
static void form(struct levenberg *self, double damping)
{
    for (int i = 0; i < self->problem->net->n_params; i++) {
        self->scale[i] = 1.0 / sqrt(self->precision[i] + damping);
    }
    if (self->few) {
        levenberg_few_form(self);
    } else {
        form_many(self);
    }
}

void levenberg_many_solve(const struct levenberg *self, double *v)
{
    int k = self->problem->net->n_params;
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, k, self->factor, k, v, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, k, self->factor, k, v, 1);
}

/* step <- (H + lambda I)^-1 g, when the values are many; g: gradient + a theta. */
static void step_many(struct levenberg *self)
{
    int k = self->problem->net->n_params;
    for (int i = 0; i < k; i++) {
        self->step[i] = (self->gradient[i] + levenberg_pull(self, i)) * self->scale[i];
    }
    levenberg_many_solve(self, self->step);
    for (int i = 0; i < k; i++) {
        self->step[i] *= self->scale[i];
    }
}

/* trial <- theta - step. Returns g' step, twice the decrease of E if it were quadratic. */
static double make_trial(struct levenberg *self)
{
    double slope = 0.0;
    if (self->few) {
        levenberg_few_step(self);
    } else {
        step_many(self);
    }
    for (int i = 0; i < self->problem->net->n_params; i++) {
        slope += (self->gradient[i] + levenberg_pull(self, i)) * self->step[i];
        self->trial[i] = self->params[i] - self->step[i];
    }
    return slope;
}

static void accept_trial(struct levenberg *self, double damping)
{
    size_t k = (size_t)self->problem->net->n_params;
    size_t o = (size_t)self->problem->net->n_out;
    memcpy(self->params, self->trial, k * sizeof *self->params);
    memcpy(self->squares, self->trial_squares, o * sizeof *self->squares);
    self->damping = fmax(damping / LOWER, MIN_DAMPING);
}

enum err_code levenberg_step(struct levenberg *self, bool *moved, struct err *err)
{
    const struct levenberg_problem *p = self->problem;
    double before = levenberg_loss(self, self->params, self->squares);
    double damping = self->damping;
    *moved = false;
    /* NOLINTNEXTLINE(cert-flp30-c): it grows by factors, and i bounds the turns */
    for (int i = 0; i < TRIES && damping <= MAX_DAMPING && !*moved; i++, damping *= RAISE) {
        form(self, damping);
        if (decompose_cholesky(self->size, self->factor, p->cancel, err) == ERR_NUMERIC) {
            err_clear(err);
            continue;
        }
        if (err->code != ERR_OK) {
            return err->code;
        }
        double slope = make_trial(self);
        bool trusted = true;
        if (slope <= ROUNDING * before ||
            (slope > STRAIGHT * before && levenberg_bend(self, &trusted, err) != ERR_OK)) {
            return err->code;
        }
        if (!trusted) {
            continue;
        }
        if (residuals_squares(&self->residuals, &p->rows, self->trial, p->cancel,
                              self->trial_squares, err) != ERR_OK) {
            return err->code;
        }
        if (levenberg_loss(self, self->trial, self->trial_squares) < before) {
            accept_trial(self, damping);
            *moved = true;
        }
    }
    return ERR_OK;
}

/* m [n x n] <- its Cholesky factor, with `jitter` added to the diagonal; m is formed before. */
static enum err_code factorise(int n, double *m, double jitter, const struct cancel *cancel,
                               struct err *err)
{
    for (int i = 0; i < n; i++) {
        m[(size_t)i * (size_t)n + (size_t)i] += jitter;
    }
    return decompose_cholesky(n, m, cancel, err);
}

static double largest_diagonal(int n, const double *m)
{
    double max = 0.0;
    for (size_t i = 0; i < (size_t)n; i++) {
        max = fmax(max, m[i * (size_t)n + i]);
    }
    return max;
}

/* t [K x K], lower <- t diag(c)^-1/2 */
static void scale_columns(const struct levenberg *self, double *t)
{
    size_t k = (size_t)self->problem->net->n_params;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j <= i; j++) {
            t[i * k + j] *= self->scale[j];
        }
    }
}

/* determined, and factor <- T = L^-1 diag(c)^-1/2, whose T' T is H^-1, when the values are many. */
static enum err_code posterior_many(struct levenberg *self, double *determined, struct err *err)
{
    size_t k = (size_t)self->problem->net->n_params;
    if (decompose_invert_lower((int)k, self->factor, self->problem->cancel, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < k; i++) {
        determined[i] = 1.0;
    }
    for (size_t i = 0; i < k; i++) {
        const double *row = self->factor + i * k;
        for (size_t j = 0; j <= i; j++) {
            determined[j] -= row[j] * row[j];
        }
    }
    scale_columns(self, self->factor);
    return ERR_OK;
}

enum err_code levenberg_posterior(struct levenberg *self, double *logdet, double *determined,
                                  struct err *err)
{
    const struct cancel *cancel = self->problem->cancel;
    size_t k = (size_t)self->problem->net->n_params;
    form(self, 0.0);
    double max = largest_diagonal(self->size, self->factor);
    enum err_code code = factorise(self->size, self->factor, 0.0, cancel, err);
    for (double jitter = JITTER; code == ERR_NUMERIC && jitter <= JITTER_MAX;) {
        err_clear(err);
        form(self, 0.0);
        code = factorise(self->size, self->factor, jitter * max, cancel, err);
        jitter *= JITTER_STEP;
    }
    if (code != ERR_OK) {
        return code;
    }
    double sum = linalg_logdet(self->size, self->factor);
    for (size_t i = 0; i < k; i++) {
        sum -= 2.0 * log(self->scale[i]);
    }
    *logdet = sum;
    if (self->few) {
        return levenberg_few_determined(self, determined, err);
    }
    return posterior_many(self, determined, err);
}

enum err_code levenberg_by_output(struct levenberg *self, double *by_output, struct err *err)
{
    if (self->few) {
        levenberg_few_by_output(self, by_output);
        return ERR_OK;
    }
    return curvature_rows_leverage(self->rows, self->factor, by_output, err);
}

enum err_code levenberg_left_out(struct levenberg *self, double *variances, struct err *err)
{
    const struct data *rows = &self->problem->rows;
    int counts[ARCH_MAX_OUTPUTS];
    if (self->few) {
        levenberg_few_left_out(self, variances);
    } else if (curvature_rows_left_out(self->rows, self->factor, variances, err) != ERR_OK) {
        return err->code;
    }
    data_count(rows, counts);
    for (int j = 0; j < rows->o; j++) {
        variances[j] -= rows->n - counts[j];
        variances[j] *= self->sigmas[j] * self->sigmas[j];
    }
    return ERR_OK;
}

/* factor [K x K] <- T = L^-1 diag(c)^-1/2 with T' T = H^-1, when the values are few. */
static enum err_code whiten_few(const struct levenberg *self, double *factor, struct err *err)
{
    const struct cancel *cancel = self->problem->cancel;
    int k = self->problem->net->n_params;
    enum err_code code = ERR_NUMERIC;
    for (double jitter = 0.0; code == ERR_NUMERIC && jitter <= JITTER_MAX;) {
        err_clear(err);
        levenberg_few_sums(self, factor);
        code = factorise(k, factor, 1.0 + jitter * largest_diagonal(k, factor), cancel, err);
        jitter = jitter > 0.0 ? jitter * JITTER_STEP : JITTER;
    }
    if (code != ERR_OK || decompose_invert_lower(k, factor, cancel, err) != ERR_OK) {
        return err->code;
    }
    scale_columns(self, factor);
    return ERR_OK;
}

enum err_code levenberg_covariance(const struct levenberg *self, double *factor, struct err *err)
{
    size_t k = (size_t)self->problem->net->n_params;
    if (!self->few) {
        memcpy(factor, self->factor, k * k * sizeof *factor);
    } else if (whiten_few(self, factor, err) != ERR_OK) {
        return err->code;
    }
    linalg_transpose((int)k, factor);
    return ERR_OK;
}
