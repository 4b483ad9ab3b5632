/* SPDX-License-Identifier: Apache-2.0 */
/* The points of a replicate: uniform numbers that fill the cube, independent between replicates. */
#ifndef POINTS_H
#define POINTS_H

#include "base/err.h"
#include "base/rng.h"

struct points {
    struct rng rng;
    int dims;
};

/* Points of `dims` numbers of a replicate. A zeroed struct may be released. ERR_NOMEM. */
enum err_code points_init(struct points *points, uint64_t seed, int replicate, int dims,
                          struct err *err) MUST_CHECK;
void points_release(struct points *points);

/* u [n x dims] <- the next n points, in (0, 1). */
void points_next(struct points *points, int n, double *u);

#endif
