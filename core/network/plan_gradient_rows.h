/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reverse mode for many rows of one draw by a plan, with the rows along the vectors: the weights
 * are read once for several rows. A row has the bits that plan_gradient.h gives it alone.
 */
#ifndef PLAN_GRADIENT_ROWS_H
#define PLAN_GRADIENT_ROWS_H

#include "network/plan.h"

/* From this many rows on it is faster than a row at a time. */
int plan_gradient_rows_from(const struct plan *plan);

/* How many of so many rows should be taken at a time; at most PLAN_TILE_ROWS. */
int plan_gradient_rows_group(const struct plan *plan, int rows);

/* Doubles of scratch for n rows, at most PLAN_TILE_ROWS. */
size_t plan_gradient_rows_scratch(const struct plan *plan, int n);

/* Rows of one draw, and the scratch of plan_gradient_rows_scratch for them, aligned to 8 bytes. */
struct plan_gradient_rows {
    const struct plan *plan;
    int draw, n;
    double *scratch;
};

/*
 * Values of the draw at the rows x [n x d], scaled as the network wants them: y [n x n_out]. Leaves
 * in the scratch what the backward pass needs.
 */
void plan_gradient_rows_forward(const struct plan_gradient_rows *of, const double *x, double *y);

/*
 * After plan_gradient_rows_forward, and as often as wanted: dx [n x d] <- each row's gradient by x
 * of a scalar F with dF/dy = dy [n x n_out].
 */
void plan_gradient_rows_backward(const struct plan_gradient_rows *of, const double *dy, double *dx);

#endif
