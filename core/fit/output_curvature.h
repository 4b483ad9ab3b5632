/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First and second derivatives of an objective with respect to the network's outputs, row by row: a
 * Hessian is made of these and of the network's own derivatives. They do not include the prior.
 */
#ifndef OUTPUT_CURVATURE_H
#define OUTPUT_CURVATURE_H

#include "fit/curvature.h"

struct output_curvature {
    double *first;  /* [rows x n_out] by an output */
    double *second; /* [rows x n_out] by the same output twice; not 0, except by u */
    double *cross;  /* [rows x n_out / 2] by f and u of predicted noise; NULL: not wanted */
};

/* Rows of a problem that are evaluated together. */
struct output_tile {
    int rows;
    const double *f; /* [rows x n_out]: the network's values there */
    const double *y; /* [rows x targets] */
};

/*
 * Fills `out` for a tile; all is 0 where a row misses an output. With `expected` the second
 * derivatives are their expectations over y under the model, of which cross is 0. This matters for
 * predicted noise only.
 */
void output_curvature(const struct curvature_problem *problem, const struct output_tile *tile,
                      bool expected, const struct output_curvature *out);

#endif
