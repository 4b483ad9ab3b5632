/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse/points.h"

#define HALF_STEP 0x1p-53 /* the sequence has multiples of 2^-52 */

enum err_code points_init(struct points *points, uint64_t seed, int replicate, int dims,
                          struct err *err)
{
    *points = (struct points){.dims = dims};
    rng_init(&points->rng, seed, RNG_ANALYSE, (uint32_t)replicate);
    return dims <= SOBOL_MAX_DIMENSIONS
               ? sobol_init(&points->sobol, dims, true, rng_u64(&points->rng), err)
               : ERR_OK;
}

void points_release(struct points *points)
{
    sobol_release(&points->sobol);
}

void points_next(struct points *points, int n, double *u)
{
    size_t dims = (size_t)points->dims;
    for (size_t i = 0; i < (size_t)n; i++) {
        if (points->sobol.d > 0) {
            sobol_next(&points->sobol, u + i * dims);
            for (size_t k = 0; k < dims; k++) {
                u[i * dims + k] += HALF_STEP;
            }
        } else {
            for (size_t k = 0; k < dims; k++) {
                u[i * dims + k] = rng_uniform(&points->rng);
            }
        }
    }
}
