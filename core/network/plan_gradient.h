/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reverse mode for one row by a plan: values and gradients by the inputs of several draws, with the
 * weights that serve predictions and in the arithmetic of the plan. A draw's weights are read
 * twice, the second time while they are still in the cache. The values have the bits of
 * plan_eval's.
 */
#ifndef PLAN_GRADIENT_H
#define PLAN_GRADIENT_H

#include "network/plan.h"

/* The number of draws that may be taken at a time. */
int plan_gradient_group(const struct plan *plan);

/* Doubles of scratch for n draws. */
size_t plan_gradient_scratch(const struct plan *plan, int n);

/* Draws first .. first + n - 1, and the scratch of plan_gradient_scratch for n draws. */
struct plan_gradient {
    const struct plan *plan;
    int first, n;
    double *scratch;
};

/*
 * Values of the draws at the row x [d], scaled as the network wants it: y [n x n_out]. Leaves in
 * the scratch what the backward pass needs.
 */
void plan_gradient_forward(const struct plan_gradient *of, const double *x, double *y);

/*
 * After plan_gradient_forward of the same draws, and as often as wanted: dx [n x d] <- each draw's
 * gradient by x of a scalar F with dF/dy = dy [n x n_out]. In float a draw whose dy is less than
 * 1e-37 of another one's has 0.
 */
void plan_gradient_backward(const struct plan_gradient *of, const double *dy, double *dx);

#endif
