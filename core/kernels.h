/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops of prediction, one set for each vector unit, in double and in float.
 *
 * Every value is computed by the same sequence of operations whatever the unit, the number of rows
 * beside it or its place among them: a product is the bias and then one fused multiply-add for each
 * k in order. So on machines with fused multiply-add (AVX2 with FMA, AVX-512, AArch64) the results
 * are the same to the last bit. The fallback for older x86-64 machines rounds twice and uses libm.
 *
 * tanh: at most 4 ulp in double (2.5 seen), 2 ulp in float; NaN stays NaN.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>

/*
 * Columns: rows of the batch lie along the vector, one feature after the other, [features x ld]
 * with ld a multiple of KERNELS_PAD; what the padding holds does not matter but must be finite.
 */
#define KERNELS_PAD 16

#define KERNELS_MEMBERS(real, suffix)                                                              \
    /* x <- tanh(x), [n] */                                                                        \
    void (*tanh_##suffix)(real * x, size_t n);                                                     \
    /* z <- z + h tanh(a), [n] */                                                                  \
    void (*step_##suffix)(const real *a, real h, real *z, size_t n);                               \
    /* out [n_out x ld] <- bias + W z: wt [n_in x n_out], bias [n_out] or NULL, z [n_in x ld] */   \
    void (*columns_##suffix)(int n_out, int n_in, size_t ld, const real *wt, const real *bias,     \
                             const real *z, real *out);                                            \
    /* The same for one row: z [n_in], out [n_out]. */                                             \
    void (*row_##suffix)(int n_out, int n_in, const real *wt, const real *bias, const real *z,     \
                         real *out);                                                               \
    /* The same for KERNELS_PAD networks side by side, one a lane: wt [n_in x n_out x PAD], */     \
    /* bias [n_out x PAD] or NULL, z [n_in x PAD], out [n_out x PAD]. */                           \
    void (*lanes_##suffix)(int n_out, int n_in, const real *wt, const real *bias, const real *z,   \
                           real *out);

struct kernels {
    const char *isa; /* "avx512", "avx2" or "generic" */
    KERNELS_MEMBERS(double, f64)
    KERNELS_MEMBERS(float, f32)
};

/* The set for this machine. */
const struct kernels *kernels_get(void);

/* Every set that runs on this machine, the best last; *n: how many. */
const struct kernels *const *kernels_all(int *n);

#endif
