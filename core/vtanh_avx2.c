/* SPDX-License-Identifier: Apache-2.0 */
#include "vtanh_priv.h"

#include <immintrin.h>
#include <sleef.h>
#include <string.h>

void vtanh_avx2(double *x, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        _mm256_storeu_pd(x + i, Sleef_tanhd4_u10avx2(_mm256_loadu_pd(x + i)));
    }
    if (i < n) {
        double pad[4] = {0};
        memcpy(pad, x + i, (n - i) * sizeof *x);
        _mm256_storeu_pd(pad, Sleef_tanhd4_u10avx2(_mm256_loadu_pd(pad)));
        memcpy(x + i, pad, (n - i) * sizeof *x);
    }
}
