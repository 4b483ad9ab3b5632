/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First and second derivatives of an objective by the network's outputs, row by row: what sits
 * between the network's own derivatives in a Hessian. The prior has no part in it.
 */
#ifndef OUTPUT_CURVATURE_H
#define OUTPUT_CURVATURE_H

#include "fit/curvature.h"

struct output_curvature {
    double *first;  /* [rows x n_out]: d/df */
    double *second; /* [rows x n_out]: d2/df2, the same output twice; never 0 but for predicted u */
    double *cross;  /* [rows x n_out / 2]: d2/df du of predicted noise; NULL: not wanted */
};

/* Rows of a problem that are looked at together. */
struct output_tile {
    int rows;
    const double *f; /* [rows x n_out]: the network's values there */
    const double *y; /* [rows x targets] */
};

/*
 * Fills `out` for a tile. `expected`: the second derivatives are their expectation over y under
 * the model, which makes cross 0; else the derivatives themselves. They differ for predicted noise
 * only.
 */
void output_curvature(const struct curvature_problem *problem, const struct output_tile *tile,
                      bool expected, const struct output_curvature *out);

#endif
