/* SPDX-License-Identifier: Apache-2.0 */
#include "math/vtanh.h"

#include "math/kernels.h"

void vtanh(double *x, size_t n)
{
    kernels_get()->tanh_f64(x, n);
}

void vtanh_bias(double *z, const double *b, size_t n, size_t r)
{
    if (b != NULL) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < r; j++) {
                z[i * r + j] += b[j];
            }
        }
    }
    vtanh(z, n * r);
}

const char *vtanh_isa(void)
{
    return kernels_get()->isa;
}
