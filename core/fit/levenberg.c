/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All factorisations are of H in the coordinates in which its diagonal part is the identity: with
 * c_k = a_k + lambda, M = I + diag(c)^-1/2 J' L J diag(c)^-1/2. No eigenvalue of M is below 1, so a
 * pivot of its Cholesky factor can only fail by rounding, where the largest eigenvalue is above
 * about 1e15 / K. A step then takes a larger lambda; the posterior adds a multiple of the identity
 * (JITTER), which raises all prior precisions by the same share.
 *
 * [1] K. Levenberg, Quarterly of Applied Mathematics 2, 1944; D. Marquardt, SIAM J. 11, 1963.
 * [2] F. D. Foresee, M. T. Hagan, Gauss-Newton approximation to Bayesian learning, ICNN 1997.
 */
#include "fit/levenberg.h"

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

/* Shares of the largest diagonal element of M that are added to all of them when M is singular to
 * rounding: the first one, the factor, and the last one. */
#define JITTER      1e-14
#define JITTER_STEP 10.0
#define JITTER_MAX  1e-6

#define TILE 64 /* rows and columns that are transposed together */

enum err_code levenberg_init(struct levenberg *self, const struct levenberg_problem *problem,
                             struct err *err)
{
    size_t k = (size_t)problem->net->n_params;
    size_t o = (size_t)problem->net->n_out;
    *self = (struct levenberg){.problem = problem, .damping = LEVENBERG_DAMPING};
    self->memory = mem_zalloc_array(6 * k + 3 * o, sizeof *self->memory);
    self->sums = mem_alloc_array(k * k, sizeof *self->sums);
    self->factor = mem_alloc_array(k * k, sizeof *self->factor);
    if (self->memory == NULL || self->sums == NULL || self->factor == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a curvature of %zu parameters", k);
    }
    double *vectors[] = {self->memory,         self->memory + k,     self->memory + 2 * k,
                         self->memory + 3 * k, self->memory + 4 * k, self->memory + 5 * k};
    self->params = vectors[0];
    self->precision = vectors[1];
    self->gradient = vectors[2];
    self->scale = vectors[3];
    self->step = vectors[4];
    self->trial = vectors[5];
    self->sigmas = self->memory + 6 * k;
    self->squares = self->sigmas + o;
    self->trial_squares = self->squares + o;
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
                                                 .cancel = problem->cancel};
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

double levenberg_loss(const struct levenberg *self, const double *params, const double *squares)
{
    double loss = 0.0;
    for (int j = 0; j < self->problem->net->n_out; j++) {
        loss += 0.5 * squares[j] / (self->sigmas[j] * self->sigmas[j]);
    }
    for (int k = 0; k < self->problem->net->n_params; k++) {
        loss += 0.5 * self->precision[k] * params[k] * params[k];
    }
    return loss;
}

enum err_code levenberg_linearise(struct levenberg *self, struct err *err)
{
    const struct levenberg_problem *p = self->problem;
    size_t k = (size_t)p->net->n_params;
    if (residuals_squares(&self->residuals, &p->rows, self->params, p->cancel, self->squares,
                          err) != ERR_OK ||
        curvature_rows_normal(self->rows, self->sums, self->gradient, err) != ERR_OK) {
        return err->code;
    }
    double sum = levenberg_loss(self, self->params, self->squares);
    for (size_t i = 0; i < k; i++) {
        sum += self->gradient[i] + self->sums[i * k + i];
    }
    return isfinite(sum) ? ERR_OK : err_set(err, ERR_NUMERIC, "a derivative is not finite");
}

/* factor <- M of the precisions and a lambda, its lower triangle; scale <- c^-1/2. Returns the
 * largest element of the diagonal. */
static double scale_sums(struct levenberg *self, double damping)
{
    size_t k = (size_t)self->problem->net->n_params;
    double max = 0.0;
    for (size_t i = 0; i < k; i++) {
        self->scale[i] = 1.0 / sqrt(self->precision[i] + damping);
    }
    for (size_t row = 0; row < k; row += TILE) {
        for (size_t column = 0; column <= row; column += TILE) {
            for (size_t i = row; i < k && i < row + TILE; i++) {
                for (size_t j = column; j <= i && j < column + TILE; j++) {
                    self->factor[i * k + j] =
                        self->sums[j * k + i] * self->scale[i] * self->scale[j];
                }
            }
        }
    }
    for (size_t i = 0; i < k; i++) {
        self->factor[i * k + i] += 1.0;
        max = fmax(max, self->factor[i * k + i]);
    }
    return max;
}

/* trial <- theta - (H + lambda I)^-1 g; *slope <- g' of that step. */
static void make_trial(struct levenberg *self, double *slope)
{
    int k = self->problem->net->n_params;
    for (int i = 0; i < k; i++) {
        self->step[i] = (self->gradient[i] + self->precision[i] * self->params[i]) * self->scale[i];
    }
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, k, self->factor, k,
                self->step, 1);
    /* |L^-1 g|^2 */
    *slope = cblas_ddot(k, self->step, 1, self->step, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, k, self->factor, k, self->step,
                1);
    for (int i = 0; i < k; i++) {
        self->trial[i] = self->params[i] - self->step[i] * self->scale[i];
    }
}

enum err_code levenberg_step(struct levenberg *self, bool *moved, struct err *err)
{
    const struct levenberg_problem *p = self->problem;
    size_t k = (size_t)p->net->n_params;
    double before = levenberg_loss(self, self->params, self->squares);
    double damping = self->damping;
    *moved = false;
    for (int i = 0; i < TRIES && damping <= MAX_DAMPING; i++, damping *= RAISE) {
        double slope;
        scale_sums(self, damping);
        if (decompose_cholesky((int)k, self->factor, p->cancel, err) == ERR_NUMERIC) {
            err_clear(err);
            continue;
        }
        if (err->code != ERR_OK) {
            return err->code;
        }
        make_trial(self, &slope);
        if (slope <= ROUNDING * before) {
            return ERR_OK;
        }
        if (residuals_squares(&self->residuals, &p->rows, self->trial, p->cancel,
                              self->trial_squares, err) != ERR_OK) {
            return err->code;
        }
        if (levenberg_loss(self, self->trial, self->trial_squares) < before) {
            memcpy(self->params, self->trial, k * sizeof *self->params);
            memcpy(self->squares, self->trial_squares,
                   (size_t)p->net->n_out * sizeof *self->squares);
            self->damping = fmax(damping / LOWER, MIN_DAMPING);
            *moved = true;
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/* factor <- the Cholesky factor of M, with as little jitter as it takes. */
static enum err_code factorise(struct levenberg *self, struct err *err)
{
    const struct cancel *cancel = self->problem->cancel;
    size_t k = (size_t)self->problem->net->n_params;
    double max = scale_sums(self, 0.0);
    enum err_code code = decompose_cholesky((int)k, self->factor, cancel, err);
    for (double jitter = JITTER; code == ERR_NUMERIC && jitter <= JITTER_MAX;
         jitter *= JITTER_STEP) {
        err_clear(err);
        scale_sums(self, 0.0);
        for (size_t i = 0; i < k; i++) {
            self->factor[i * k + i] += jitter * max;
        }
        code = decompose_cholesky((int)k, self->factor, cancel, err);
    }
    return code;
}

enum err_code levenberg_posterior(struct levenberg *self, double *logdet, double *determined,
                                  struct err *err)
{
    size_t k = (size_t)self->problem->net->n_params;
    if (factorise(self, err) != ERR_OK) {
        return err->code;
    }
    double sum = linalg_logdet((int)k, self->factor);
    if (decompose_invert_lower((int)k, self->factor, self->problem->cancel, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < k; i++) {
        sum -= 2.0 * log(self->scale[i]);
        determined[i] = 1.0;
    }
    /* factor <- T = L^-1 diag(c)^-1/2, whose T' T is H^-1. */
    for (size_t i = 0; i < k; i++) {
        double *row = self->factor + i * k;
        for (size_t j = 0; j <= i; j++) {
            determined[j] -= row[j] * row[j];
            row[j] *= self->scale[j];
        }
    }
    *logdet = sum;
    return ERR_OK;
}

enum err_code levenberg_by_output(struct levenberg *self, double *by_output, struct err *err)
{
    return curvature_rows_leverage(self->rows, self->factor, by_output, err);
}

void levenberg_covariance(const struct levenberg *self, double *factor)
{
    size_t k = (size_t)self->problem->net->n_params;
    memcpy(factor, self->factor, k * k * sizeof *factor);
    linalg_transpose((int)k, factor);
}
