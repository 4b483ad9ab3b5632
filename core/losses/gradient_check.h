/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gradient of a function against central differences along random unit directions v,
 *
 *   | g.v - (F(w + h v) - F(w - h v)) / (2 h) |  over the root mean square of g,
 *
 * at a few steps h, of which the best counts: rounding spoils the small ones and the third
 * derivative the large ones. (QUiNN's gradcheck holds the derivatives of the network against
 * differences of a step of 1e-2, to 1e-2.)
 */
#ifndef GRADIENT_CHECK_H
#define GRADIENT_CHECK_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/rng.h"

/* F at w [n] and, unless grad is NULL, its gradient [n]; deterministic. */
struct gradient_check {
    double (*fn)(void *ctx, const double *w, double *grad);
    void *ctx;
    int n;
    const double *w; /* where it is checked */
};

#define GRADIENT_CHECK_DIRECTIONS 8

/* *error <- the largest error over the directions; NaN where F or its gradient is. ERR_NOMEM. */
enum err_code gradient_check_run(const struct gradient_check *check, struct rng *rng, double *error,
                                 struct err *err) MUST_CHECK;

#endif
