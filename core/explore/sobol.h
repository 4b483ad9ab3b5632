/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sobol' sequences: points of [0, 1)^d that fill the cube evenly, with the direction numbers of Joe
 * and Kuo [1] in the order of Gray codes [2]. Unscrambled, the first point is 0.
 *
 * Scrambled, each digit becomes a random linear function of the digits before it (a lower
 * triangular matrix with ones on its diagonal, for each dimension), and a random shift is added
 * digit by digit [3]: each point is uniform on the cube, the points are a digital net with the same
 * parameters as before, and averages over them are unbiased. Sequences of different seeds are
 * independent, so the spread of their averages estimates the error of one.
 *
 * A struct is the state of one sequence, and belongs to one thread; a copy of it made by
 * sobol_copy goes on from the same point.
 *
 * [1] S. Joe, F. Y. Kuo, Constructing Sobol sequences with better two-dimensional projections, SIAM
 *     Journal on Scientific Computing 30(5), 2008.
 * [2] P. Bratley, B. L. Fox, Algorithm 659: implementing Sobol's quasirandom sequence generator,
 *     ACM TOMS 14(1), 1988.
 * [3] J. Matousek, On the L2-discrepancy for anchored boxes, Journal of Complexity 14, 1998.
 */
#ifndef SOBOL_H
#define SOBOL_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SOBOL_MAX_DIMENSIONS 1111
#define SOBOL_MAX_POINTS     ((uint64_t)1 << 32)
#define SOBOL_COLUMNS        32 /* direction numbers of a dimension */

struct sobol_sequence {
    int d;
    uint64_t index;       /* of the next point */
    uint64_t *directions; /* [d x SOBOL_COLUMNS] in units of 2^-52; mem, as are the next two */
    uint64_t *shift;      /* [d] */
    uint64_t *state;      /* [d] the next point without its shift */
};

/* A zeroed struct may be released. ERR_LIMIT (d), ERR_NOMEM. */
enum err_code sobol_init(struct sobol_sequence *sobol, int d, bool scrambled, uint64_t seed,
                         struct err *err) MUST_CHECK;
void sobol_release(struct sobol_sequence *sobol);

/* ERR_NOMEM. */
enum err_code sobol_copy(struct sobol_sequence *to, const struct sobol_sequence *from,
                         struct err *err) MUST_CHECK;

/* x [d] <- the next point, each number a multiple of 2^-52 in [0, 1). At most SOBOL_MAX_POINTS. */
void sobol_next(struct sobol_sequence *sobol, double *x);

/* Goes to point number `index`, counted from 0. */
void sobol_seek(struct sobol_sequence *sobol, uint64_t index);

#endif
