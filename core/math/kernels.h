/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops of prediction and training: one set for each vector unit, in double and in float.
 * Their functions take dimensions and pointers as BLAS does.
 *
 * A value is computed by the same sequence of operations on every unit, however many rows stand
 * beside it and wherever it stands among them: a product starts from the bias and takes one fused
 * multiply-add for each k, in order. So the results are the same to the last bit on all machines
 * with fused multiply-add (AVX2 with FMA, AVX-512, AArch64). The fallback for older x86-64 machines
 * rounds each multiplication and addition, and uses libm.
 *
 * The kernels of training also sum over the minibatch, where each lane of a vector has a sum of its
 * own and the lanes are added at the end. These sums (outer, sums) therefore round differently on
 * units of different width; on one machine they never change, and do not depend on the number of
 * threads.
 *
 * The error of tanh is at most 4 ulp in double (2.5 seen) and 2 ulp in float, that of exp at most 1
 * ulp. NaN stays NaN. The other activations, in ulp in double and in float (seen against long
 * double): relu 0, sin 3 and 3 (1.8, 1.8), silu 5 and 5 (3.7, 3.1), gelu 10 and 8 (7.3, 5.5); their
 * derivatives are off by at most 1e-15 and 5e-7 (5e-16, 2e-7).
 */
#ifndef KERNELS_H
#define KERNELS_H

#include "math/activation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Columns: the rows of the batch lie side by side along the vectors, one feature after the other,
 * [features x ld]. ld is a multiple of KERNELS_PAD of that precision, which fills one register of
 * the widest unit. Any finite numbers may stand in the padding.
 */
#define KERNELS_PAD_F64 8
#define KERNELS_PAD_F32 16

/*
 * The weights wt of n_out outputs and n_in inputs lie in blocks of KERNELS_OUT outputs, each
 * [n_in x KERNELS_OUT]; the last block is narrower when n_out is not a multiple of KERNELS_OUT. So
 * the kernels read weights in order, whatever the width of a vector.
 */
#define KERNELS_OUT 16

/* Where the weight from input k to output o lies. */
static inline size_t kernels_at(int n_out, int n_in, int k, int o)
{
    int first = o / KERNELS_OUT * KERNELS_OUT;
    int width = n_out - first < KERNELS_OUT ? n_out - first : KERNELS_OUT;
    return (size_t)first * (size_t)n_in + (size_t)k * (size_t)width + (size_t)(o - first);
}

/* Lanes: this many networks lie side by side, the same element of all of them in a row. */
#define KERNELS_LANES 16

#define KERNELS_MEMBERS(real, suffix)                                                              \
    /* x <- tanh(x), [n] */                                                                        \
    void (*tanh_##suffix)(real * x, size_t n);                                                     \
    /* z <- z + h tanh(a), [n] */                                                                  \
    void (*step_##suffix)(const real *a, real h, real *z, size_t n);                               \
    /* a <- tanh(a), next <- z + h a; [n] */                                                       \
    void (*layer_##suffix)(size_t n, real h, const real *z, real *a, real *next);                  \
    /* d <- h g (1 - a^2), [n] */                                                                  \
    void (*slope_##suffix)(size_t n, real h, const real *g, const real *a, real *d);               \
    /* out [n_out x ld] <- bias + W z: bias [n_out] or NULL, z [n_in x ld] */                      \
    void (*columns_##suffix)(int n_out, int n_in, size_t ld, const real *wt, const real *bias,     \
                             const real *z, real *out);                                            \
    /* The transposed product: out [n_in x ld] <- W^T d, or out + W^T d with `add`; */             \
    /* d [n_out x ld]. A row has the bits that it has in `back`. */                                \
    void (*back_columns_##suffix)(int n_out, int n_in, size_t ld, bool add, const real *wt,        \
                                  const real *d, real *out);                                       \
    /* As columns, for KERNELS_LANES networks side by side, one a lane: wt [n_in x n_out x */      \
    /* LANES], bias [n_out x LANES] or NULL, z [n_in x LANES], out [n_out x LANES]. */             \
    void (*lanes_##suffix)(int n_out, int n_in, const real *wt, const real *bias, const real *z,   \
                           real *out);

/*
 * n products of weights with one row each. Product i: out + i n_out [n_out] <- bias + W z, with the
 * weights and biases at (i / share) stride of the first ones, and z at (i % period) n_in of z. So
 * `share` rows in turn go through one network, and networks may take the same rows.
 */
#define KERNELS_ROWS(real, weight, suffix)                                                         \
    struct kernels_rows_##suffix {                                                                 \
        int n_out, n_in;                                                                           \
        int n, share, period;                                                                      \
        size_t stride;                                                                             \
        size_t ahead; /* weights of 32 bits: so many further on are asked for; 0: none */          \
        const weight *wt;                                                                          \
        const weight *bias; /* or NULL */                                                          \
        const real *z;                                                                             \
        real *out;                                                                                 \
    };
KERNELS_ROWS(double, double, f64)
KERNELS_ROWS(float, float, f32)
KERNELS_ROWS(double, uint32_t, mixed) /* weights in 32 bits (halves.h), arithmetic in double */
#undef KERNELS_ROWS

/* ---- training, in double: columns as above, but weights in the order of the parameters ---- */

/* out [n_out x ld] <- W z + bias, or out + W z with `add`; z: [n_in x ld]. */
struct kernels_product {
    int n_out, n_in;
    size_t ld;
    const double *w;      /* W[o][k] is w[o by_out + k by_in] */
    size_t by_out, by_in; /* (n_in, 1) for a row-major W, (1, n_out) for its transpose */
    const double *bias;   /* [n_out] or NULL; not with add */
    bool add;
    const double *z;
    double *out;
};

/*
 * out [n_a x n_b] <- a b^T, or out + a b^T with `add`. a: [n_a x ld] with zeros in its padding, b:
 * [n_b x ld] with finite numbers there.
 */
struct kernels_outer {
    int n_a, n_b;
    size_t ld;
    bool add;
    const double *a, *b;
    double *out;
};

/* params -= size m / (sqrt(v) / root + epsilon), after the gradient has entered m and v. */
struct kernels_adam {
    double beta1, beta2, epsilon;
    double size, root;
};

/*
 * An activation over arrays, each [n]. The identity has none of them, tanh only the first two: the
 * functions layer and slope of its own serve it (activation_by_value).
 */
#define KERNELS_SWEEPS(real, suffix)                                                               \
    struct kernels_sweeps_##suffix {                                                               \
        void (*value)(real * x, size_t n);                      /* x <- act(x) */                  \
        void (*step)(const real *a, real h, real *z, size_t n); /* z <- z + h act(a) */            \
        void (*slopes)(size_t n, real *u, real *a);             /* a <- act(u), u <- act'(u) */    \
        /* next <- z + h act(u), u <- act'(u) */                                                   \
        void (*layer)(size_t n, real h, const real *z, real *u, real *next);                       \
        void (*bends)(size_t n, real *u); /* u <- act''(u) */                                      \
    };
KERNELS_SWEEPS(double, f64)
KERNELS_SWEEPS(float, f32)
#undef KERNELS_SWEEPS

struct kernels {
    const char *isa;                      /* "avx512", "avx2" or "generic" */
    void (*exp_f64)(double *x, size_t n); /* x <- e^x, [n] */
    KERNELS_MEMBERS(double, f64)
    KERNELS_MEMBERS(float, f32)
    const struct kernels_sweeps_f64 *sweeps_f64; /* [ACT_COUNT] */
    const struct kernels_sweeps_f32 *sweeps_f32;
    void (*rows_f64)(const struct kernels_rows_f64 *p);
    void (*rows_f32)(const struct kernels_rows_f32 *p);
    void (*rows_mixed)(const struct kernels_rows_mixed *p);
    /*
     * The transposed products, one row each, and one after the other: z is [n x n_out] here, out
     * [n x n_in] <- W^T z, or out + W^T z with `add`. bias, share, period and ahead are not used.
     */
    void (*back_f64)(const struct kernels_rows_f64 *p, bool add);
    void (*back_f32)(const struct kernels_rows_f32 *p, bool add);
    void (*back_mixed)(const struct kernels_rows_mixed *p, bool add);
    /* to [n_in x n_out] <- weights of halves.h, in the kernels' order */
    void (*widen)(int n_out, int n_in, const uint32_t *from, double *to);
    void (*product)(const struct kernels_product *p);
    void (*outer)(const struct kernels_outer *p);
    /* out[i] <- the sum of a's row i; a: [n_a x ld] with zeros in its padding */
    void (*sums)(int n_a, size_t ld, const double *a, double *out);
    /* y <- y + s x, [n] */
    void (*axpy)(size_t n, double s, const double *x, double *y);
    void (*adam)(const struct kernels_adam *p, size_t n, const double *grad, double *m, double *v,
                 double *params);
};

/* The best set for this machine. */
const struct kernels *kernels_get(void);

/* Every set that runs on this machine, the best last; *n: how many. */
const struct kernels *const *kernels_all(int *n);

#endif
