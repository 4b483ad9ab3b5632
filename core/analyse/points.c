/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse/points.h"

enum err_code points_init(struct points *points, uint64_t seed, int replicate, int dims,
                          struct err *err)
{
    rng_init(&points->rng, seed, RNG_ANALYSE, (uint32_t)replicate);
    points->dims = dims;
    return err->code;
}

void points_release(struct points *points)
{
    (void)points;
}

void points_next(struct points *points, int n, double *u)
{
    for (size_t i = 0; i < (size_t)n * (size_t)points->dims; i++) {
        u[i] = rng_uniform(&points->rng);
    }
}
