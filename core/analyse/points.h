/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The points of a replicate: uniform numbers that fill the cube. They are a Sobol' sequence,
 * scrambled anew for each replicate, or independent random numbers where there are more dimensions
 * than the sequence has.
 */
#ifndef POINTS_H
#define POINTS_H

#include "base/err.h"
#include "base/rng.h"
#include "explore/sobol.h"

struct points {
    struct rng rng;
    struct sobol_sequence sobol;
    int dims;
};

/* Points of `dims` numbers of a replicate. A zeroed struct may be released. ERR_NOMEM. */
enum err_code points_init(struct points *points, uint64_t seed, int replicate, int dims,
                          struct err *err) MUST_CHECK;
void points_release(struct points *points);

/* u [n x dims] <- the next n points, in (0, 1). */
void points_next(struct points *points, int n, double *u);

#endif
