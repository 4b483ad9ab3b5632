/* SPDX-License-Identifier: Apache-2.0 */
#include "vtanh_priv.h"

#include <immintrin.h>
#include <sleef.h>

void vtanh_avx512(double *x, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        _mm512_storeu_pd(x + i, Sleef_tanhd8_u10avx512f(_mm512_loadu_pd(x + i)));
    }
    if (i < n) {
        __mmask8 mask = (__mmask8)((1u << (n - i)) - 1u);
        __m512d v = _mm512_maskz_loadu_pd(mask, x + i);
        _mm512_mask_storeu_pd(x + i, mask, Sleef_tanhd8_u10avx512f(v));
    }
}
