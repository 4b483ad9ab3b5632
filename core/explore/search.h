/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local searches for the smallest value of a function over the real inputs of a region, by NLopt:
 * sequential quadratic programming where there are gradients (SLSQP [1]), linear approximations
 * where there are none (COBYLA [2]). Integers, categories and fixed inputs stay as they are at the
 * start. The box and the linear constraints of the region hold for the result; the function is
 * never asked outside of the box.
 *
 * A search is a sequence of evaluations that depends on nothing but the start and their values.
 *
 * [1] D. Kraft, Algorithm 733: TOMP - Fortran modules for optimal control calculations, ACM TOMS
 *     20(3), 1994.
 * [2] M. J. D. Powell, A direct search optimization method that models the objective and constraint
 *     functions by linear interpolation, 1994.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include "explore/region.h"

/*
 * values [1 + n_limits] <- what is minimised, and functions that shall be at most 0, at x [d];
 * gradients [(1 + n_limits) x d] by the inputs, or NULL when they are not wanted.
 */
typedef enum err_code search_fn(void *ctx, const double *x, double *values, double *gradients,
                                struct err *err);

struct search {
    const struct region *region;
    search_fn *fn;
    void *ctx;
    int n_limits;
    bool has_gradients;
    int max_evaluations;
};

/*
 * x [d]: the start, in the region, and the best point that was found; it stays what it was when
 * nothing better is found. *value: of the function there. What fn fails with, ERR_NOMEM.
 */
enum err_code search_run(const struct search *search, double *x, double *value, struct arena *arena,
                         struct err *err) MUST_CHECK;

#endif
