/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prior and noise of a Gaussian model by its evidence (type II maximum likelihood).
 *
 * n_rows residuals have noise precision beta (times known factors), n_params parameters prior
 * precision alpha (times known factors); in the coordinates in which the prior is isotropic the
 * likelihood's curvature is beta times a matrix of eigenvalues l_i. With rho = alpha / beta
 *
 *   log evidence = 1/2 sum log(rho / (rho + l_i)) + n_rows/2 log(beta / 2 pi) - beta/2 S(rho)
 *
 * where S = |residuals|^2 + rho |parameters|^2 at the mode [1, eq. 3.86 with 3.82]. Two forms of S:
 *
 *   the mode moves with rho   S = s0 + sum c_i^2 (rho - rho0) / ((l_i + rho0) (l_i + rho)); s0 is S
 *                             at rho0, c = the eigenvectors' share of Phi'y (linear models)
 *   the mode stays            S = s0 + rho penalty (Laplace's method with a fixed mode)
 *
 * The best beta for a rho is n_rows / S, so only rho must be found: on a grid of its logarithm,
 * then by bisection of the derivative. With respect to log rho this is (gamma - alpha
 * |parameters|^2) / 2, where gamma = sum l_i / (l_i + rho), the number of parameters that the rows
 * determine. MacKay's fixed point has the same solutions, but may wander among several, or off to
 * infinity; the grid cannot.
 *
 * [1] C. M. Bishop, Pattern Recognition and Machine Learning, 2006, section 3.5.
 * [2] D. J. C. MacKay, Bayesian Interpolation, Neural Computation 4, 1992.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include "base/compiler.h"

#include <stdbool.h>

/* The smallest standard deviation of the noise that can result: outputs are scaled to about 1. */
#define EVIDENCE_MIN_SIGMA 1e-4

struct evidence {
    int n_params;
    const double *eigenvalues; /* [n_params], >= 0 but for rounding; borrowed */
    double n_rows;
    double s0;
    double rho0;          /* the smallest rho, > 0 */
    const double *c;      /* [n_params], or NULL: the mode stays */
    double penalty;       /* |parameters|^2 at the mode that stays */
    double precision;     /* beta when it is known; 0: to be found */
    double max_precision; /* of beta to be found */
};

struct evidence_point {
    double alpha, beta;
    double gamma;
    double log_evidence; /* without constants that the caller left out of rows and parameters */
    bool at_bound;       /* rho was found at an end of its range */
};

/* The smallest rho that differs from 0 beyond the rounding errors of the eigenvalues. */
double evidence_min_rho(int n, const double *eigenvalues);

/* Value at a rho. */
struct evidence_point evidence_at(const struct evidence *e, double rho);

/* The best rho in [rho0, rho0 * 1e24]. */
struct evidence_point evidence_maximise(const struct evidence *e);

#endif
