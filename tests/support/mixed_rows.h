/* SPDX-License-Identifier: Apache-2.0 */
/* Random rows for models whose three inputs are scaled in different ways. */
#ifndef MIXED_ROWS_H
#define MIXED_ROWS_H

#include "base/rng.h"

/* x [n x 3]: the second input is positive, as logarithms need it. */
static inline void mixed_rows(double *x, int n)
{
    struct rng rng;
    rng_init(&rng, 12, RNG_TEST, 0);
    for (int i = 0; i < n; i++) {
        x[3 * i] = 5.0 + 2.0 * rng_normal(&rng);
        x[3 * i + 1] = 0.2 + 3.0 * rng_uniform(&rng);
        x[3 * i + 2] = rng_normal(&rng);
    }
}

#endif
