/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <math.h>

#include <cblas.h>

#include "base/mem.h"
#include "math/kernels.h"
#include "timing.h"

double machine_gemm_flops(bool single)
{
    const int n = 1024;
    size_t count = (size_t)n * (size_t)n;
    double *a = mem_zalloc(3 * count * sizeof *a);
    float *f = (float *)a;
    double seconds[5];
    for (int k = 0; k < 6; k++) {
        double start = now();
        if (single) {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, f, n, f + count, n,
                        0, f + 2 * count, n);
        } else {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, a + count, n,
                        0, a + 2 * count, n);
        }
        seconds[k > 0 ? k - 1 : 0] = now() - start;
    }
    mem_free(a);
    return 2.0 * pow(n, 3) / median(seconds, 5);
}

double machine_step_seconds(enum activation act, bool single)
{
    static double a[2048];
    static double z[2048];
    static float af[2048];
    static float zf[2048];
    const struct kernels *k = kernels_get();
    double seconds[5];
    for (int i = 0; i < 2048; i++) {
        af[i] = (float)(a[i] = 6.0 * (i * 37 % 2048) / 2048.0 - 3.0);
    }
    for (int round = 0; round < 5; round++) {
        double start = now();
        for (int i = 0; i < 500; i++) {
            if (single) {
                k->sweeps_f32[act].step(af, 1e-3f, zf, 2048);
            } else {
                k->sweeps_f64[act].step(a, 1e-3, z, 2048);
            }
        }
        seconds[round] = (now() - start) / (500.0 * 2048.0);
    }
    return median(seconds, 5);
}

double machine_tanh_seconds(bool single)
{
    static double x[2048];
    static float xf[2048];
    const struct kernels *k = kernels_get();
    double seconds[5];
    for (int i = 0; i < 2048; i++) {
        xf[i] = (float)(x[i] = 4.0 * i / 2048.0 - 2.0);
    }
    for (int round = 0; round < 5; round++) {
        double start = now();
        for (int i = 0; i < 500; i++) {
            if (single) {
                k->tanh_f32(xf, 2048);
            } else {
                k->tanh_f64(x, 2048);
            }
        }
        seconds[round] = (now() - start) / (500.0 * 2048.0);
    }
    return median(seconds, 5);
}
