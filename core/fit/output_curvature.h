/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First and second derivatives of an objective by the network's outputs, row by row: what sits
 * between the network's own derivatives in a Hessian. The prior has no part in it.
 */
#ifndef OUTPUT_CURVATURE_H
#define OUTPUT_CURVATURE_H

#include "fit/objective.h"

struct output_curvature {
    double *first;  /* [rows x n_out]: d/df */
    double *second; /* [rows x n_out]: d2/df2, the same output twice; never 0 but for predicted u */
    double *cross;  /* [rows x n_out / 2]: d2/df du of predicted noise; NULL: not wanted */
};

/*
 * For `rows` of n rows: f [rows x n_out] the network's values there, y [rows x targets], params
 * [objective_n_params]. `fisher`: second is its expectation over y by the model (cross then is 0),
 * else the derivative itself; they differ for predicted noise only.
 */
void output_curvature(const struct objective *obj, const struct resnet *net, int n,
                      const double *params, int rows, const double *f, const double *y, bool fisher,
                      const struct output_curvature *out);

/* Whether the noise is learned: log s_j behind the network's parameters. */
bool output_curvature_learns(const struct objective *obj);

/* Whether outputs come in pairs (f, u). */
bool output_curvature_predicts(const struct objective *obj);

#endif
