/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain continues where an earlier chain ended, or starts at a draw when the earlier posterior
 * has no chains. A Gaussian that is predicted in closed form is the exception: its draws are meant
 * for the network linearised at the mean and may be very improbable for the network itself, so the
 * chain starts at the mean. If that Gaussian has a covariance of all parameters, the chain runs in
 * its coordinates (core/sample/whitened.h): the variances alone are a poor mass, since they are
 * those of the widest directions.
 *
 * Its inverse mass is the variance of the earlier chain's draws, regularised as in a window of the
 * warm-up. amcmc begins with their covariance, mixed with PRIOR_DRAWS draws of independent
 * parameters so that fewer draws than parameters do no harm. Only the draws of that one chain are
 * used: those of other chains may lie around another copy of the mode, which says nothing about the
 * width of this one.
 *
 * The step size is the one reported for the earlier chain, if the sampler is the same. Draws do not
 * contain log s_j: each starts at the earlier noise, with the variance 1 / (2 n_j) that n_j rows
 * leave. A parameter that is the same in all draws was taken as known, so its variance is unknown
 * here, and the value towards which the regularisation shrinks is used.
 */
#include "solve/solver_chain_start.h"

#include "base/mem.h"
#include "math/linalg.h"
#include "math/moments.h"
#include "sample/sampler_priv.h"
#include "solve/solver_priv.h"

#include <math.h>
#include <string.h>

#define STEP_SIZES  "chains.step_size" /* core/solve/mcmc_report */
#define PRIOR_DRAWS 5.0                /* of independent parameters, in a covariance */

/* The variance of log s_j that the rows with output j leave. */
static double noise_variance(const struct solver_problem *problem, size_t j)
{
    const struct data *train = &problem->train;
    double n = 0.0;
    for (size_t i = 0; data_has_holes(train) && i < (size_t)train->n; i++) {
        n += isnan(train->y[i * (size_t)train->o + j]) ? 0.0 : 1.0;
    }
    return 0.5 / (n > 0.0 ? n : (double)train->n);
}

/* ---- gradient samplers ---- */

/* inv_mass <- variances of the range's draws; mean [K] is scratch. */
static void find_masses(const struct solver_start *start, struct solver_start_range range,
                        double *mean, double *inv_mass)
{
    size_t k = (size_t)start->net->n_params;
    memset(inv_mass, 0, k * sizeof *inv_mass);
    for (int i = 0; i < range.n; i++) {
        moments_add(i + 1, k, start->draws + (size_t)(range.first + i) * k, mean, inv_mass);
    }
    for (size_t i = 0; i < k; i++) {
        double variance = range.n > 1 ? inv_mass[i] / (double)(range.n - 1) : 0.0;
        inv_mass[i] = mass_regularise(variance > 0.0 ? (double)range.n : 0.0, variance);
    }
}

/* The step size reported for the chain of a draw; 0 when there is none that can be used. */
static double step_size_of(const struct solver_start *start, enum sampler_kind kind, int draw)
{
    const struct report_item *sizes = report_find(start->report, STEP_SIZES);
    if (!start->chains || strcmp(solver_name(start->solver), sampler_name(kind)) != 0 ||
        sizes == NULL || sizes->n < 1) {
        return 0.0;
    }
    /* The report covers the chains of the first fold; they stand for those of the other folds. */
    double size = sizes->values[draw / (start->m / start->n_groups) % sizes->n];
    return isfinite(size) && size > 0.0 ? size : 0.0;
}

/* ---- amcmc ---- */

/* Mean and covariance of the range's draws, extended by those of n - K log s_j. */
static void find_covariance(const struct solver_problem *p, struct solver_start_range range,
                            const struct sampler_moments *moments)
{
    size_t n = (size_t)moments->n;
    double *mean = moments->mean;
    double *cov = moments->cov;
    const struct solver_start *start = p->start;
    size_t k = (size_t)start->net->n_params;
    double count = (double)range.n;
    double keep = count / (count + PRIOR_DRAWS);
    struct sampler_moments of_draws = *moments;
    of_draws.n = (int)k; /* packed at first */
    memcpy(mean, start->draws + (size_t)range.first * k, k * sizeof *mean);
    for (int i = 1; i < range.n; i++) {
        sampler_observe(&of_draws, i, start->draws + (size_t)(range.first + i) * k);
    }
    /* From [k x k] to the corner of [n x n], last row first. */
    for (size_t i = k; n != k && i-- > 0;) {
        memmove(cov + i * n, cov + i * k, k * sizeof *cov);
        memset(cov + i * n + k, 0, (n - k) * sizeof *cov);
    }
    memset(cov + k * n, 0, (n - k) * n * sizeof *cov);
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < k; j++) {
            cov[i * n + j] *= i == j ? 1.0 : keep;
        }
        if (!(cov[i * n + i] > 0.0)) {
            cov[i * n + i] = mass_regularise(0.0, 0.0);
        }
    }
    for (size_t i = k; i < n; i++) {
        mean[i] = solver_start_log_s(p, (int)(i - k));
        cov[i * n + i] = noise_variance(p, i - k);
    }
}

/* ---- one chain ---- */

enum err_code solver_chain_start_init(struct solver_chain_start *self,
                                      const struct solver_problem *problem,
                                      const struct solver_chain *chain, struct err *err)
{
    const struct solver_start *start = problem->start;
    int number = chain->number;
    int of = chain->n_chains;
    size_t n = (size_t)chain->n_params;
    size_t k = (size_t)start->net->n_params;
    bool straight = start->gaussian->linearised;
    int draw = straight ? number % start->n_groups * (start->m / start->n_groups)
                        : solver_start_draw(start, number, of);
    struct solver_start_range range = solver_start_range(start, draw);
    bool masses = sampler_uses_gradients(chain->kind);
    *self = (struct solver_chain_start){.q0 = NULL};
    self->memory = mem_zalloc_array(3 + (masses ? 1 : n), n * sizeof *self->memory);
    if (self->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the start of a chain");
    }
    double *mean = self->memory + n;
    double *spread = self->memory + 3 * n; /* the third part is scratch */
    self->q0 = self->memory;
    self->alike = straight || start->m < of;
    memcpy(self->q0,
           straight ? solver_start_fit(start, number, of) : start->draws + (size_t)draw * k,
           k * sizeof *self->q0);
    for (size_t i = k; i < n; i++) {
        self->q0[i] = solver_start_log_s(problem, (int)(i - k));
    }
    self->start = (struct sampler_start){.q0 = self->q0};
    if (range.n < 2) {
        return ERR_OK;
    }
    if (masses) {
        find_masses(start, range, mean, spread);
        for (size_t i = k; i < n; i++) {
            spread[i] = noise_variance(problem, i - k);
        }
        self->start.inv_mass = spread;
        self->start.epsilon = step_size_of(start, chain->kind, draw);
    } else {
        const struct sampler_moments moments = {
            .n = chain->n_params, .mean = mean, .cov = spread, .delta = self->memory + 2 * n};
        find_covariance(problem, range, &moments);
        self->start.count = range.n;
        self->start.mean = mean;
        self->start.cov = spread;
    }
    return ERR_OK;
}

enum err_code solver_chain_start_whiten(const struct solver_problem *problem,
                                        const struct solver_chain *chain,
                                        struct whitened *coordinates, struct err *err)
{
    const struct solver_start *start = problem->start;
    const struct gauss_mixture *mixture = start->gaussian;
    int k = start->net->n_params;
    if (!mixture->linearised || mixture->n_members < 1) {
        return ERR_OK;
    }
    const struct gauss *g = &mixture->members[chain->number % mixture->n_members];
    if (g->n != k || g->std != NULL || g->rank != k ||
        whitened_init(coordinates, chain->n_params, k, err) != ERR_OK) {
        return err->code;
    }
    memcpy(coordinates->mean, g->mean, (size_t)k * sizeof *g->mean);
    for (int i = k; i < chain->n_params; i++) {
        coordinates->mean[i] = solver_start_log_s(problem, i - k);
        coordinates->spread[i - k] = sqrt(noise_variance(problem, (size_t)(i - k)));
    }
    coordinates->factor = g->factor;
    return ERR_OK;
}

void solver_chain_start_release(struct solver_chain_start *self)
{
    mem_free(self->memory);
    *self = (struct solver_chain_start){.q0 = NULL};
}

bool solver_chain_start_knows(const struct solver_start *start, int warmup)
{
    int n = solver_start_range(start, 0).n;
    return warmup < MASS_WINDOW_FULL && warmup < n;
}

/* ---- given starts and covariances ---- */

enum err_code solver_chain_given_factor(const struct solver_given *given, double **factor,
                                        struct err *err)
{
    *factor = NULL;
    if (given->covariance == NULL) {
        return ERR_OK;
    }
    size_t n = (size_t)given->n;
    double *l = mem_dup(given->covariance, n * n * sizeof *l);
    if (l == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a covariance of %d parameters", given->n);
    }
    if (!linalg_cholesky(given->n, l)) {
        mem_free(l);
        return err_set(err, ERR_INVALID, "chain_start: the covariance is not positive definite");
    }
    *factor = l;
    return ERR_OK;
}

enum err_code solver_chain_given_begin(const struct solver_chain_proposals *proposals,
                                       const struct target *target, struct sampler *sampler,
                                       struct err *err)
{
    const struct solver_given *given = proposals->given;
    size_t n = (size_t)given->n;
    double *cov = mem_dup(given->covariance, n * n * sizeof *cov);
    if (cov == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a covariance of %d parameters", given->n);
    }
    for (size_t i = 0; i < n * n; i++) {
        cov[i] /= sampler_amcmc_scale(proposals->settings->gamma, given->n);
    }
    const struct sampler_start start = {
        .q0 = proposals->point, .count = 1, .mean = proposals->point, .cov = cov};
    err_kept(sampler_begin(sampler, proposals->settings, target, &start, proposals->rng, err));
    mem_free(cov);
    return err->code;
}

enum err_code solver_check_given(const struct solver_given *given, int n_params, struct err *err)
{
    double *factor = NULL;
    if (given->n != n_params) {
        return err_set(
            err, ERR_INVALID,
            "chain_start: starts and covariance are of %d parameters, the chains have %d: "
            "those of the network and, where the noise is learned, one for each output",
            given->n, n_params);
    }
    for (size_t i = 0; given->covariance != NULL && i < (size_t)given->n; i++) {
        for (size_t j = 0; j < i; j++) {
            double a = given->covariance[i * (size_t)given->n + j];
            double b = given->covariance[j * (size_t)given->n + i];
            if (fabs(a - b) > 1e-9 * fmax(fabs(a), fabs(b))) {
                return err_set(
                    err, ERR_INVALID,
                    "chain_start: the covariance is not symmetric: %g at [%zu][%zu], %g at "
                    "[%zu][%zu]",
                    a, i, j, b, j, i);
            }
        }
    }
    err_kept(solver_chain_given_factor(given, &factor, err));
    mem_free(factor);
    return err->code;
}
