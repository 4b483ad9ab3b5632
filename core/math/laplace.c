/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cholesky: H = L L', F = L'^-1 / sqrt(scale). A pivot L_ii^2 no larger than the rounding error of
 * H_ii = sum_k L_ik^2 counts as zero. Without this test, Cholesky would succeed for about half of
 * all singular matrices.
 *
 * Eigenvectors: with D = diag(prior), D H D = U' diag(e) U, eigenvectors in rows, and F = D
 * U' diag(max(e, 1))^-1/2 / sqrt(scale). The prior's part of D H D is the identity, so e - 1 are
 * the likelihood's eigenvalues; where one is negative (the fit ended at a saddle point of the
 * likelihood, or too early), the rows are taken to say nothing in that direction, and the posterior
 * is as wide there as the prior.
 */
#include "math/laplace.h"

#include "base/mem.h"
#include "math/decompose.h"
#include "math/linalg.h"

#include <float.h>
#include <math.h>

/* The rounding error of an eigenvalue of D H D, as a share of the largest eigenvalue. */
#define EIGEN_ERROR 1e-12

static enum err_code not_definite(struct err *err)
{
    return err_set(err, ERR_NUMERIC,
                   "the curvature is not positive definite: the rows do not determine all "
                   "parameters; a prior, or a smaller prior sigma, helps");
}

enum err_code laplace_cholesky(int n, double scale, double *h, double *logdet,
                               const struct cancel *cancel, struct err *err)
{
    if (decompose_cholesky(n, h, cancel, err) == ERR_NUMERIC) {
        err_clear(err);
        return not_definite(err);
    }
    if (err->code != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < n; i++) {
        const double *row = h + (size_t)i * (size_t)n;
        double whole = 0.0;
        for (int k = 0; k <= i; k++) {
            whole += row[k] * row[k];
        }
        if (!(row[i] * row[i] > (double)n * DBL_EPSILON * whole)) {
            return not_definite(err);
        }
    }
    *logdet = linalg_logdet(n, h);
    if (decompose_invert_lower(n, h, cancel, err) != ERR_OK) {
        return err->code;
    }
    linalg_transpose(n, h);
    double by = 1.0 / sqrt(scale);
    for (int i = 0; i < n; i++) {
        for (int j = i; j < n; j++) {
            h[(size_t)i * (size_t)n + (size_t)j] *= by;
        }
    }
    return ERR_OK;
}

/* With a prior, raises eigenvalues [n] below 1 to 1. Without one, refuses a matrix that is not
 * positive definite. */
static enum err_code raise_small_eigenvalues(int n, bool prior, double *e, int *n_raised,
                                             struct err *err)
{
    double max = fmax(e[n - 1], 0.0);
    double error = EIGEN_ERROR * fmax(max, prior ? 1.0 : 0.0);
    *n_raised = 0;
    if (!prior && !(e[0] > (double)n * DBL_EPSILON * max)) {
        return not_definite(err);
    }
    for (int k = 0; prior && k < n && e[k] < 1.0; k++) {
        *n_raised += e[k] < 1.0 - error;
        e[k] = 1.0;
    }
    return ERR_OK;
}

enum err_code laplace_eigen(int n, const struct laplace_eigen *how, double *h, double *logdet,
                            int *n_raised, struct err *err)
{
    const double *prior = how->prior;
    size_t size = (size_t)n;
    double *e = mem_alloc_array(size, sizeof *e);
    if (e == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d eigenvalues", n);
    }
    for (size_t i = 0; prior != NULL && i < size; i++) {
        for (size_t j = 0; j < size; j++) {
            h[i * size + j] *= prior[i] * prior[j];
        }
    }
    if (decompose_eigen(n, h, e, how->cancel, err) != ERR_OK ||
        raise_small_eigenvalues(n, prior != NULL, e, n_raised, err) != ERR_OK) {
        goto done;
    }
    linalg_transpose(n, h);
    *logdet = 0.0;
    for (size_t k = 0; k < size; k++) {
        *logdet += log(e[k]) - (prior != NULL ? 2.0 * log(prior[k]) : 0.0);
        e[k] = 1.0 / sqrt(how->scale * e[k]);
    }
    for (size_t i = 0; i < size; i++) {
        for (size_t k = 0; k < size; k++) {
            h[i * size + k] *= e[k] * (prior != NULL ? prior[i] : 1.0);
        }
    }
done:
    mem_free(e);
    return err->code;
}

enum err_code laplace_diagonal(int n, double scale, const double *diagonal, double *std,
                               double *logdet, struct err *err)
{
    *logdet = 0.0;
    for (int k = 0; k < n; k++) {
        double precision = diagonal[k];
        if (!(precision > 0.0)) {
            return err_set(
                err, ERR_NUMERIC,
                "the rows do not determine parameter %d, which has no prior; a prior helps", k);
        }
        *logdet += log(precision);
        std[k] = 1.0 / sqrt(scale * precision);
    }
    return ERR_OK;
}
