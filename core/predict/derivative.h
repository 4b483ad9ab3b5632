/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derivatives of one result at one row by the inputs, along directions: what gradient-based clients
 * ask for, without the matrices. With the result F [k], its Jacobian J [k x d], a sensitivity s [k]
 * and a direction v [d], in the user's units:
 *
 *   gradient   s'J           [d]
 *   Jacobian   J v           [k]
 *   Hessian    d(s'J v)/dx   [d]   the second derivatives of s'F times v
 *
 * A request with a derivative (predict.h) has one row and wants derivative_want(of), with the
 * options of that result; the functions of predict.h compute it, and the answer goes into `out`.
 */
#ifndef DERIVATIVE_H
#define DERIVATIVE_H

#include "predict/predict.h"

enum derivative_kind { DERIVATIVE_GRADIENT, DERIVATIVE_JACOBIAN, DERIVATIVE_HESSIAN };

/* A single sample is the draw that `seed` chooses first. */
enum derivative_of {
    DERIVATIVE_OF_MEAN,
    DERIVATIVE_OF_VARIANCE,
    DERIVATIVE_OF_STD,
    DERIVATIVE_OF_QUANTILES,
    DERIVATIVE_OF_SAMPLE
};

struct derivative {
    enum derivative_kind kind;
    enum derivative_of of;
    const double *sens; /* [k]; NULL for a Jacobian */
    const double *vec;  /* [d]; NULL for a gradient */
    double *out;        /* [d], or [k] of a Jacobian */
};

/*
 * Does the model have it? From draws every derivative is exact: mean, variance and standard
 * deviation everywhere, quantiles where no two draws are equal. A posterior that is predicted in
 * closed form has all of the mean and the first ones of variance and standard deviation. Categories
 * have none.
 */
bool derivative_is_known(const struct model *model, enum derivative_of of,
                         enum derivative_kind kind);

/* PREDICT_* of the result. */
unsigned derivative_want(enum derivative_of of);

/* k of the result of a request. */
size_t derivative_n_values(const struct model *model, const struct predict_request *req);

/* ERR_UNSUPPORTED: derivative_is_known says no. ERR_LIMIT. */
enum err_code derivative_check(const struct model *model, const struct predict_request *req,
                               struct err *err) MUST_CHECK;

/* Multiplications, roughly. */
double derivative_work(const struct model *model, const struct predict_request *req);

/* ERR_INVALID: a logarithm of an input that is not positive. ERR_NUMERIC, ERR_NOMEM. */
enum err_code derivative_compute(const struct model *model, const struct predict_request *req,
                                 struct arena *scratch, struct err *err) MUST_CHECK;

#endif
