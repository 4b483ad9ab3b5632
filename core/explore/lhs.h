/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latin hypercube designs [1]: n points of the unit cube such that, in each dimension, every one of
 * n equal intervals holds one point. With `maximin` the points are also far from each other [2].
 *
 * [1] M. D. McKay, R. J. Beckman, W. J. Conover, A comparison of three methods for selecting values
 *     of input variables in the analysis of output from a computer code, Technometrics 21(2), 1979.
 * [2] M. D. Morris, T. J. Mitchell, Exploratory designs for computational experiments, Journal of
 *     Statistical Planning and Inference 43, 1995.
 */
#ifndef LHS_H
#define LHS_H

#include "base/cancel.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lhs_spec {
    int n;
    int d;
    bool maximin;
    uint64_t seed;
    const struct cancel *cancel;
};

/* x [n x d] <- a design in (0, 1); each point is uniform in its cell. ERR_CANCELLED, ERR_NOMEM. */
enum err_code lhs_fill(const struct lhs_spec *spec, double *x, struct err *err) MUST_CHECK;

/* The smallest squared distance between two of n points; 0 when there are fewer than two. */
double lhs_min_distance2(int n, int d, const double *x);

#endif
