/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logistic regression with a quadratic penalty [1]: weights w [d] and a bias b that minimise
 *
 *   |w|^2 / 2 + C sum log(1 + exp(f)) - y f,   f = w x + b
 *
 * over rows with y = 1 or 0. The bias is not penalised. The function is convex and has one minimum,
 * whatever the rows, as long as both classes are among them.
 *
 * [1] scikit-learn's LogisticRegression has the same objective (penalty "l2") and constant C.
 */
#ifndef LOGISTIC_H
#define LOGISTIC_H

#include "base/cancel.h"
#include "fit/data.h"

/*
 * params [d + 1] <- w and then b; factor [(d + 1) x (d + 1)] <- F with F F' the inverse of the
 * second derivatives at the minimum, for C = 1 the covariance of Laplace's approximation; NULL: not
 * wanted. rows->o is 1. ERR_INVALID (one class only), ERR_NUMERIC, ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code logistic_fit(const struct data *rows, double c, const struct cancel *cancel,
                           double *params, double *factor, struct err *err) MUST_CHECK;

#endif
