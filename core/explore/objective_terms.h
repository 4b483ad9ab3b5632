/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an optimisation looks at: numbers that a model gives for an output at a point, and limits on
 * them. All are minimised here; what is maximised has sign -1. With mean mu and standard deviation
 * s of the model, without noise:
 *
 *   mean      mu
 *   bound     mu + k s, k of either sign
 *   quantile  of the draws, or of the normal mixture of a closed form (predict/results.def)
 */
#ifndef OBJECTIVE_TERMS_H
#define OBJECTIVE_TERMS_H

#include "base/arena.h"
#include "base/cancel.h"
#include "base/names.h"
#include "model/model.h"

#define TERMS_MAX 32

enum term_kind { TERM_MEAN, TERM_BOUND, TERM_QUANTILE };

struct term {
    enum term_kind kind;
    int output;
    double k;     /* of a bound */
    double level; /* of a quantile, in (0, 1) */
    double sign;  /* 1 or -1 */
    double limit; /* the term is sign * (number - limit); 0 of an objective */
};

struct terms {
    const struct model *model;
    int n; /* objectives first */
    int n_objectives;
    const struct term *list; /* [n] */
    int n_threads;
    const struct cancel *cancel;
};

/* values [n x terms->n] <- the terms at x [n x d]. Errors of a prediction. scratch may be cleared
 * afterwards. */
enum err_code terms_values(const struct terms *terms, int n, const double *x, double *values,
                           struct arena *scratch, struct err *err) MUST_CHECK;

/* Are there exact gradients of all terms? */
bool terms_have_gradients(const struct terms *terms);

/* values [terms->n] and gradients [terms->n x d] at one point. */
enum err_code terms_gradients(const struct terms *terms, const double *x, double *values,
                              double *gradients, struct arena *scratch, struct err *err) MUST_CHECK;

/* values [n x terms->n] <- the terms when one draw is the truth; draw: its place in the order that
 * `seed` gives the draws. */
struct terms_draw {
    const struct terms *terms;
    int draw;
    uint64_t seed;
};
enum err_code terms_of_draw(const struct terms_draw *draw, int n, const double *x, double *values,
                            struct arena *scratch, struct err *err) MUST_CHECK;

/* The number of a term in the user's units, from its value. */
static inline double term_number(const struct term *term, double value)
{
    return term->sign * value + term->limit;
}

/* By how much limits are passed: the largest of their terms, 0 when all hold. */
double terms_excess(const struct terms *terms, const double *values);

#endif
