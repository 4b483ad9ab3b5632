/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main loop takes whole vectors; the rest goes through a padded vector with the same code, so
 * that a value's result is the same wherever it stands. The unit is asked for on every call: that
 * is a load and a compare (__builtin_cpu_supports reads a table filled at start), against which
 * even the shortest array costs more.
 */
#include "vtanh.h"

#include "vtanh_priv.h"

#include <sleef.h>

#if defined(__aarch64__)
#include <arm_neon.h>

static void vtanh_advsimd(double *x, size_t n)
{
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        vst1q_f64(x + i, Sleef_tanhd2_u10advsimd(vld1q_f64(x + i)));
    }
    if (i < n) {
        double pad[2] = {x[i], 0};
        vst1q_f64(pad, Sleef_tanhd2_u10advsimd(vld1q_f64(pad)));
        x[i] = pad[0];
    }
}
#endif

#if !defined(__aarch64__)
static void vtanh_scalar(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = Sleef_tanh_u10(x[i]);
    }
}
#endif

static vtanh_fn *choose(const char **name)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        *name = "avx512";
        return vtanh_avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        *name = "avx2";
        return vtanh_avx2;
    }
#endif
#if defined(__aarch64__)
    *name = "advsimd";
    return vtanh_advsimd;
#else
    *name = "scalar";
    return vtanh_scalar;
#endif
}

void vtanh(double *x, size_t n)
{
    const char *name;
    choose (&name)(x, n);
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
    const char *name;
    choose(&name);
    return name;
}
