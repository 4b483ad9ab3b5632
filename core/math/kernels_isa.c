/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One set of kernels. meson compiles this file once for each vector unit, with KERNELS_ISA as its
 * name and KERNELS_VECTOR as the bytes of its registers; kernels_real.inc is the source for both
 * precisions. Loops over single values are plain C for the compiler to vectorise; only the products
 * are written with vector registers.
 *
 * tanh. Let n be the integer nearest to 2|x| / ln 2, r the rest and s = 2^n, so that
 * e^(2|x|) = s e^(2r). With T = tanh r
 *
 *     tanh |x| = ((s - 1) + (s + 1) T) / ((s + 1) + (s - 1) T)
 *
 * and since |r| <= 0.18, T needs only a few terms of an odd polynomial. No difference cancels: near
 * 0, n is 0 and the quotient is T itself. The polynomials are Chebyshev fits computed with 60
 * digits; their relative errors are 3.8e-18 in double (of T / f as a function of f, f = r divided
 * by ln 2 / 2) and 2.5e-8 in float.
 *
 * exp. Let n be the integer nearest to x / ln 2 and r the rest, |r| <= 0.35. Then e^x = 2^n e^r,
 * and e^r is its Taylor sum to degree 13 (the next term is 4e-18).
 *
 * tanh measured on AVX-512 (EPYC, one core): 0.82 ns for a double, 0.44 ns for a float; SLEEF's u35
 * functions take 1.9 and 0.80 ns, its u10 functions 3.9 and 1.8 ns.
 */
#include "math/kernels.h"

#include "math/halves.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__FMA__) || defined(__aarch64__)
#define HAVE_FMA 1
#else
#define HAVE_FMA 0
#endif

#if KERNELS_VECTOR >= 32
#include <immintrin.h>
#endif

#define PASTE_(a, b)  a##b
#define PASTE(a, b)   PASTE_(a, b)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

#if HAVE_FMA
/* Adding 1.5 * 2^52 rounds to an integer, which the low bits of the sum then hold. */
ALWAYS_INLINE double tanh_one_f64(double x)
{
    double ax = fabs(x);
    ax = ax > 20.0 ? 20.0 : ax;
    double n = fma(ax, 0x1.71547652b82fep+1, 0x1.8p52);
    int64_t bits;
    memcpy(&bits, &n, sizeof bits);
    n -= 0x1.8p52;
    double f = fma(ax, 0x1.71547652b82fep+1, -n);
    double u = f * f;
    double t = 0x1.ec76611c14776p-29;
    t = fma(t, u, -0x1.499c9381168bbp-24);
    t = fma(t, u, 0x1.a77b74ef95124p-20);
    t = fma(t, u, -0x1.0fe45da055b97p-15);
    t = fma(t, u, 0x1.5d87fe785cae8p-11);
    t = fma(t, u, -0x1.c6b08d7049f98p-7);
    t = fma(t, u, 0x1.62e42fefa39efp-2);
    t *= f;
    uint64_t power = ((uint64_t)bits + 1023) << 52;
    double s;
    memcpy(&s, &power, sizeof s);
    double below = s - 1.0;
    double above = s + 1.0;
    return copysign(fma(above, t, below) / fma(below, t, above), x);
}

/*
 * In float, 2 ulp need more care: r is computed in two parts; n is rounded with an offset, so
 * that it becomes 1 at a larger x (the numerator is smallest just there); and the rounding errors
 * of numerator and quotient are added back.
 */
ALWAYS_INLINE float tanh_one_f32(float x)
{
    float ax = fabsf(x);
    ax = ax > 10.0f ? 10.0f : ax;
    float n = fmaf(ax, 0x1.715476p+1f, -0.3f) + 0x1.8p23f;
    int32_t bits;
    memcpy(&bits, &n, sizeof bits);
    n -= 0x1.8p23f;
    float r = fmaf(n, -0x1.62cp-2f, ax);
    r = fmaf(n, -0x1.217f7ep-13f, r);
    float u = r * r;
    float t = -0x1.a5be66p-5f;
    t = fmaf(t, u, 0x1.10eb16p-3f);
    t = fmaf(t, u, -0x1.555540p-2f);
    t = fmaf(r * u, t, r);
    uint32_t power = ((uint32_t)bits + 127) << 23;
    float s;
    memcpy(&s, &power, sizeof s);
    float below = s - 1.0f;
    float above = s + 1.0f;
    float numerator = fmaf(above, t, below);
    float denominator = fmaf(below, t, above);
    float lost = fmaf(above, t, below - numerator);
    float inverse = 1.0f / denominator;
    float quotient = numerator * inverse;
    float rest = fmaf(-quotient, denominator, numerator);
    return copysignf(fmaf(rest + lost, inverse, quotient), x);
}

/* 2^n for rounded = n + 1.5 * 2^52, which holds the integer n in its low bits. */
ALWAYS_INLINE double power_of_2(double rounded)
{
    uint64_t bits;
    double s;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&s, &bits, sizeof s);
    return s;
}

/* 2^n is applied as two factors, so that results near the ends of the range are right too. */
ALWAYS_INLINE double exp_one(double x)
{
    x = x > 710.0 ? 710.0 : x;
    x = x < -746.0 ? -746.0 : x;
    double n = fma(x, 0x1.71547652b82fep+0, 0x1.8p52) - 0x1.8p52;
    double r = fma(n, -0x1.62e42fefa39efp-1, x);
    r = fma(n, -0x1.abc9e3b39803fp-56, r);
    double q = 1.0 / 6227020800.0;
    q = fma(q, r, 1.0 / 479001600.0);
    q = fma(q, r, 1.0 / 39916800.0);
    q = fma(q, r, 1.0 / 3628800.0);
    q = fma(q, r, 1.0 / 362880.0);
    q = fma(q, r, 1.0 / 40320.0);
    q = fma(q, r, 1.0 / 5040.0);
    q = fma(q, r, 1.0 / 720.0);
    q = fma(q, r, 1.0 / 120.0);
    q = fma(q, r, 1.0 / 24.0);
    q = fma(q, r, 1.0 / 6.0);
    q = fma(q, r, 0.5);
    double half = fma(n, 0.5, 0x1.8p52);
    double rest = n - (half - 0x1.8p52);
    return (1.0 + fma(r * r, q, r)) * power_of_2(half) * power_of_2(rest + 0x1.8p52);
}
#else
ALWAYS_INLINE double exp_one(double x)
{
    return exp(x);
}

ALWAYS_INLINE double tanh_one_f64(double x)
{
    return tanh(x);
}

ALWAYS_INLINE float tanh_one_f32(float x)
{
    return (float)tanh((double)x);
}
#endif

/* ---- vectors: load, store, broadcast, fused multiply-add ---- */

#if KERNELS_VECTOR == 64
typedef __m512d vec_f64;
typedef __m512 vec_f32;
#define load_f64   _mm512_loadu_pd
#define store_f64  _mm512_storeu_pd
#define spread_f64 _mm512_set1_pd
#define fma_f64    _mm512_fmadd_pd
#define load_f32   _mm512_loadu_ps
#define store_f32  _mm512_storeu_ps
#define spread_f32 _mm512_set1_ps
#define fma_f32    _mm512_fmadd_ps
#define BLOCK_OUT  8 /* outputs and vectors of a register block: 8 x 3 sums in 32 registers */
#define BLOCK_VEC  3
#elif KERNELS_VECTOR == 32
typedef __m256d vec_f64;
typedef __m256 vec_f32;
#define load_f64   _mm256_loadu_pd
#define store_f64  _mm256_storeu_pd
#define spread_f64 _mm256_set1_pd
#define fma_f64    _mm256_fmadd_pd
#define load_f32   _mm256_loadu_ps
#define store_f32  _mm256_storeu_ps
#define spread_f32 _mm256_set1_ps
#define fma_f32    _mm256_fmadd_ps
#define BLOCK_OUT  4 /* 4 x 3 sums in 16 registers */
#define BLOCK_VEC  3
#else
typedef double vec_f64 __attribute__((vector_size(16), aligned(8)));
typedef float vec_f32 __attribute__((vector_size(16), aligned(4)));

ALWAYS_INLINE vec_f64 load_f64(const double *p)
{
    vec_f64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS_INLINE void store_f64(double *p, vec_f64 v)
{
    memcpy(p, &v, sizeof v);
}

ALWAYS_INLINE vec_f64 spread_f64(double x)
{
    return (vec_f64){x, x};
}

ALWAYS_INLINE vec_f64 fma_f64(vec_f64 a, vec_f64 b, vec_f64 c)
{
#if HAVE_FMA
    return (vec_f64){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
#else
    return a * b + c;
#endif
}

ALWAYS_INLINE vec_f32 load_f32(const float *p)
{
    vec_f32 v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS_INLINE void store_f32(float *p, vec_f32 v)
{
    memcpy(p, &v, sizeof v);
}

ALWAYS_INLINE vec_f32 spread_f32(float x)
{
    return (vec_f32){x, x, x, x};
}

ALWAYS_INLINE vec_f32 fma_f32(vec_f32 a, vec_f32 b, vec_f32 c)
{
#if HAVE_FMA
    return (vec_f32){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]),
                     fmaf(a[3], b[3], c[3])};
#else
    return a * b + c;
#endif
}
#define BLOCK_OUT 4
#define BLOCK_VEC 2
#endif

ALWAYS_INLINE double fma_one_f64(double a, double b, double c)
{
    return HAVE_FMA ? fma(a, b, c) : a * b + c;
}

ALWAYS_INLINE float fma_one_f32(float a, float b, float c)
{
    return HAVE_FMA ? fmaf(a, b, c) : a * b + c;
}

#include "math/kernels_activation.inc"

#define REAL     double
#define F(name)  PASTE(name, _f64)
#define SILU_MAX 708.0
#define GELU_MAX 37.5
#include "math/kernels_real.inc"
#include "math/kernels_back_columns.inc"
#include "math/kernels_sweeps.inc"
#undef REAL
#undef F
#undef SILU_MAX
#undef GELU_MAX
#define REAL     float
#define F(name)  PASTE(name, _f32)
#define SILU_MAX 87.0f
#define GELU_MAX 13.0f
#include "math/kernels_real.inc"
#include "math/kernels_back_columns.inc"
#include "math/kernels_sweeps.inc"
#undef REAL
#undef F
#undef SILU_MAX
#undef GELU_MAX

#include "math/kernels_halves.inc"
#include "math/kernels_reduce.inc"

/* Products with one row: in double, in double with weights in 32 bits, and in float. */
#define get_f64(w) (w)
#define get_f32(w) (w)
#define REAL       double
#define F(name)    PASTE(name, _f64)
#define WEIGHT     double
#define R(name)    PASTE(name, _f64)
#define PLACE(v)   ((v) / 2 * (int)N_DOUBLES + (v) % 2 * KERNELS_OUT / 2)
#include "math/kernels_rows.inc"
#include "math/kernels_back.inc"
#undef R
#undef PLACE
#undef WEIGHT
#define WEIGHT uint32_t
#define LOAD_BLOCK
#define R(name)  PASTE(name, _mixed)
#define PLACE(v) ((v) / 2 * (int)N_DOUBLES + (v) % 2 * KERNELS_OUT / 2)
#include "math/kernels_rows.inc"
#include "math/kernels_back.inc"
#undef R
#undef PLACE
#undef LOAD_BLOCK
#undef WEIGHT
#undef F
#undef REAL
#define REAL     float
#define F(name)  PASTE(name, _f32)
#define WEIGHT   float
#define R(name)  PASTE(name, _f32)
#define PLACE(v) ((v) * (int)LANES)
#include "math/kernels_rows.inc"
#undef R
#undef PLACE
#undef F
/* Eight sums in float too, of which a vector of half the width is enough. */
#define F(name)            PASTE(name, _f32x8)
#define R(name)            PASTE(name, _f32x8)
#define PLACE(v)           ((v) / 2 * (int)N_FLOATS + (v) % 2 * KERNELS_OUT / 2)
#define kernels_rows_f32x8 kernels_rows_f32
#include "math/kernels_back.inc"
#undef kernels_rows_f32x8
#undef R
#undef PLACE
#undef WEIGHT
#undef F
#undef REAL

#include "math/kernels_train.inc"

static void exp_all(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_one(x[i]);
    }
}

#define TEXT_(a) #a
#define TEXT(a)  TEXT_(a)

extern const struct kernels PASTE(kernels_, KERNELS_ISA);

const struct kernels PASTE(kernels_, KERNELS_ISA) = {
    .isa = TEXT(KERNELS_ISA),
    .exp_f64 = exp_all,
    .sweeps_f64 = sweeps_f64,
    .sweeps_f32 = sweeps_f32,
    .tanh_f64 = tanh_all_f64,
    .step_f64 = step_f64,
    .layer_f64 = layer_f64,
    .slope_f64 = slope_f64,
    .columns_f64 = columns_f64,
    .back_columns_f64 = back_columns_f64,
    .lanes_f64 = lanes_f64,
    .tanh_f32 = tanh_all_f32,
    .step_f32 = step_f32,
    .layer_f32 = layer_f32,
    .slope_f32 = slope_f32,
    .columns_f32 = columns_f32,
    .back_columns_f32 = back_columns_f32,
    .lanes_f32 = lanes_f32,
    .rows_f64 = rows_f64,
    .rows_f32 = rows_f32,
    .rows_mixed = rows_mixed,
    .back_f64 = back_f64,
    .back_f32 = back_f32x8,
    .back_mixed = back_mixed,
    .widen = widen,
    .product = product,
    .outer = outer,
    .sums = sums,
    .axpy = axpy,
    .adam = adam,
};
