/* SPDX-License-Identifier: Apache-2.0 */
#include "math/vtanh.h"

#include "math/kernels.h"

void vtanh(double *x, size_t n)
{
    kernels_get()->tanh_f64(x, n);
}

const char *vtanh_isa(void)
{
    return kernels_get()->isa;
}
