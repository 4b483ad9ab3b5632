/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops of prediction, one set for each vector unit, in double and in float.
 *
 * Every value is computed by the same sequence of operations whatever the unit, the number of rows
 * beside it or its place among them: a product is the bias and then one fused multiply-add for each
 * k in order. So on machines with fused multiply-add (AVX2 with FMA, AVX-512, AArch64) the results
 * are the same to the last bit. The fallback for older x86-64 machines rounds twice and uses libm.
 *
 * tanh: at most 4 ulp in double (2.5 seen), 2 ulp in float; exp: at most 1 ulp. NaN stays NaN.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>

/*
 * Columns: rows of the batch lie along the vector, one feature after the other, [features x ld]
 * with ld a multiple of KERNELS_PAD of that precision: one register of the widest unit. What the
 * padding holds does not matter but must be finite.
 */
#define KERNELS_PAD_F64 8
#define KERNELS_PAD_F32 16

/*
 * Weights wt of n_out outputs and n_in inputs lie in blocks of KERNELS_OUT outputs, each
 * [n_in x KERNELS_OUT], the last one narrower when n_out is no multiple: the kernels then read them
 * in order whatever the width.
 */
#define KERNELS_OUT 16

/* Where the weight from input k to output o lies. */
static inline size_t kernels_at(int n_out, int n_in, int k, int o)
{
    int first = o / KERNELS_OUT * KERNELS_OUT;
    int width = n_out - first < KERNELS_OUT ? n_out - first : KERNELS_OUT;
    return (size_t)first * (size_t)n_in + (size_t)k * (size_t)width + (size_t)(o - first);
}

/* Lanes: so many networks side by side, the same element of all in a row. */
#define KERNELS_LANES 16

#define KERNELS_MEMBERS(real, suffix)                                                              \
    /* x <- tanh(x), [n] */                                                                        \
    void (*tanh_##suffix)(real * x, size_t n);                                                     \
    /* z <- z + h tanh(a), [n] */                                                                  \
    void (*step_##suffix)(const real *a, real h, real *z, size_t n);                               \
    /* out [n_out x ld] <- bias + W z: bias [n_out] or NULL, z [n_in x ld] */                      \
    void (*columns_##suffix)(int n_out, int n_in, size_t ld, const real *wt, const real *bias,     \
                             const real *z, real *out);                                            \
    /* The same for one row: z [n_in], out [n_out]. */                                             \
    void (*row_##suffix)(int n_out, int n_in, const real *wt, const real *bias, const real *z,     \
                         real *out);                                                               \
    /* The same for KERNELS_LANES networks side by side, one a lane: wt [n_in x n_out x LANES], */ \
    /* bias [n_out x LANES] or NULL, z [n_in x LANES], out [n_out x LANES]. */                     \
    void (*lanes_##suffix)(int n_out, int n_in, const real *wt, const real *bias, const real *z,   \
                           real *out);

struct kernels {
    const char *isa;                      /* "avx512", "avx2" or "generic" */
    void (*exp_f64)(double *x, size_t n); /* x <- e^x, [n] */
    KERNELS_MEMBERS(double, f64)
    KERNELS_MEMBERS(float, f32)
};

/* The set for this machine. */
const struct kernels *kernels_get(void);

/* Every set that runs on this machine, the best last; *n: how many. */
const struct kernels *const *kernels_all(int *n);

#endif
