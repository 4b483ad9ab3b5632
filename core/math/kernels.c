/* SPDX-License-Identifier: Apache-2.0 */
#include "math/kernels.h"

extern const struct kernels kernels_generic;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
#endif

static const struct kernels *const sets[] = {
    &kernels_generic,
#if defined(__x86_64__)
    &kernels_avx2,
    &kernels_avx512,
#endif
};

const struct kernels *const *kernels_all(int *n)
{
    *n = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        *n = 2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {
            *n = 3;
        }
    }
#endif
    return sets;
}

const struct kernels *kernels_get(void)
{
    int n;
    const struct kernels *const *all = kernels_all(&n);
    return all[n - 1];
}
