/* SPDX-License-Identifier: Apache-2.0 */
#include "math/halves.h"

#include "math/kernels.h"

#define SIGN     (UINT64_C(1) << 63)
#define HALF     (UINT64_C(1) << 32)
#define SMALLEST UINT64_C(0x00100000) /* upper half of the smallest normal number */
#define LARGEST  UINT64_C(0x7fefffff) /* upper half of the largest finite number */

/* The upper half that, with this lower half below it, is nearest to the value. */
static uint64_t nearest(double value, uint64_t lower)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t size = bits & ~SIGN;
    uint64_t upper = size + HALF / 2 > lower ? (size + HALF / 2 - lower) >> 32 : 0;
    /* A number below the normal ones would be slow to compute with. */
    upper = upper < SMALLEST && lower != 0 ? SMALLEST : upper;
    upper = upper > LARGEST ? LARGEST : upper;
    return (bits & SIGN) >> 32 | upper;
}

void halves_store(size_t n, const double *values, uint32_t *to)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint32_t)nearest(values[i], 0);
    }
}

void halves_store_weights(int n_out, int n_in, const double *wt, uint32_t *to)
{
    const size_t pairs = KERNELS_OUT / 2;
    size_t whole = (size_t)(n_out / KERNELS_OUT) * (size_t)n_in; /* rows of KERNELS_OUT weights */
    for (size_t row = 0; row < whole; row++) {
        for (size_t i = 0; i < pairs; i++) {
            size_t at = row * KERNELS_OUT + i;
            uint64_t lower = nearest(wt[at + pairs], 0);
            uint64_t word = nearest(wt[at], lower) << 32 | lower;
            memcpy(to + row * KERNELS_OUT + 2 * i, &word, sizeof word);
        }
    }
    size_t done = whole * KERNELS_OUT;
    halves_store((size_t)n_out * (size_t)n_in - done, wt + done, to + done);
}
