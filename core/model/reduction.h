/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reduction of outputs that are a field, a curve or a map of p points, to k coefficients: the
 * discrete Karhunen-Loeve expansion [1] about the mean of the rows that trained,
 *
 *   c_i = sum_j w_j V_ji (y_j - mean_j)        encode
 *   y_j = mean_j + sum_i V_ji c_i              decode
 *
 * where the modes V are orthonormal in the inner product of the weights w, sum_j w_j V_ji V_jl =
 * (i = l), so that fields on grids of other spacings have the same coefficients when the weights
 * are those of a quadrature. The network of a model with a reduction predicts the coefficients
 * (struct model). What k modes cannot say of output j has the variance truncation_j.
 *
 * A reduction never changes once it has been made, and is shared by reference counts.
 *
 * [1] R. G. Ghanem, P. D. Spanos, Stochastic Finite Elements, Springer 1991, section 2.3.
 */
#ifndef REDUCTION_H
#define REDUCTION_H

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define REDUCTION_MAX_POINTS 1000000 /* p */
#define REDUCTION_MAX_MODES  1024    /* k */
#define REDUCTION_MAX_AXES   4       /* coordinates of a point */

struct reduction {
    int p;               /* points: outputs of the model */
    int k;               /* modes: coefficients */
    int q;               /* coordinates of a point; 0: none are known */
    double *mean;        /* [p] */
    double *modes;       /* [k x p], one after the other; V_ji is at i p + j */
    double *deviations;  /* [k] of the coefficients in the rows that trained, descending, > 0 */
    double *truncation;  /* [p] variances, >= 0 */
    double *weights;     /* [p] > 0; NULL: all are 1 */
    double *coordinates; /* [p x q]; NULL when q is 0 */
    double explained;    /* share of the rows' weighted variance that the modes have, (0, 1] */
    atomic_int refs;
};

/* One with room for its arrays, of zeros. ERR_LIMIT, ERR_NOMEM; ERR_TOO_LARGE (beyond the limit of
 * MEM_MODELS). */
enum err_code reduction_new(int p, int k, int q, bool weighted, struct reduction **out,
                            struct err *err) MUST_CHECK;
struct reduction *reduction_ref(struct reduction *r);
/* Frees with the last reference; NULL is fine. */
void reduction_unref(struct reduction *r);

/*
 * Are all numbers finite, weights positive, variances not negative, and the modes orthonormal to
 * 1e-6? ERR_INVALID naming the place; ERR_NOMEM.
 */
enum err_code reduction_check(const struct reduction *r, struct err *err) MUST_CHECK;

/* c [n x k] <- coefficients of n fields y [n x p] that are whole: no value is NaN. ERR_NOMEM. */
enum err_code reduction_encode(const struct reduction *r, size_t n, const double *y, double *c,
                               struct err *err) MUST_CHECK;

/*
 * Some points of the modes, next to each other: a block is what decoding works on. Each number is
 * summed in the order of the modes, so that it does not depend on the points beside it.
 */
#define REDUCTION_BLOCK 256

struct reduction_points {
    int n;                          /* at most REDUCTION_BLOCK */
    size_t stride;                  /* from a mode to the next */
    const double *modes;            /* mode i of the points is at modes + i stride */
    const double *mean;             /* [n] */
    const double *truncation;       /* [n] */
    double own[2][REDUCTION_BLOCK]; /* mean and truncation of points that are not neighbours */
};

/* Points outputs[0 .. n-1], or first .. first + n - 1 where outputs is NULL. */
struct reduction_choice {
    const int *outputs;
    size_t first;
    int n; /* at most REDUCTION_BLOCK */
};

/* scratch: [k x REDUCTION_BLOCK], which must outlive the points; NULL is fine without outputs. */
void reduction_take_points(const struct reduction *r, struct reduction_choice choice,
                           double *scratch, struct reduction_points *points);

/* y [n] <- the points at coefficients c [k]. */
void reduction_decode(const struct reduction *r, const struct reduction_points *points,
                      const double *c, double *y);

/* v [n] <- sum_il V_ji S_il V_jl for the covariance S [k x k] of the coefficients; at least 0. */
void reduction_variance(const struct reduction *r, const struct reduction_points *points,
                        const double *s, double *v);

/* v [n] <- sum_i V_ji^2 u_i, for coefficients that are independent and have variances u [k]. */
void reduction_independent(const struct reduction *r, const struct reduction_points *points,
                           const double *u, double *v);

/* sum_il V_ai S_il V_bl, the covariance of outputs a, b for that of the coefficients. */
double reduction_covariance_at(const struct reduction *r, const double *s, size_t a, size_t b);

/* Bytes of its arrays. */
size_t reduction_bytes(const struct reduction *r);

/* As part of a model's bytes (codec.h). reduction_get: NULL, and the reader fails or has no memory,
 * when it cannot be read. */
void reduction_put(struct bytes_writer *w, const struct reduction *r);
struct reduction *reduction_get(struct bytes_reader *r);

#endif
