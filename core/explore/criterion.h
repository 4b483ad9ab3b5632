/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of points by the criteria of suggest.h, and their exact derivatives. */
#ifndef CRITERION_H
#define CRITERION_H

#include "explore/outlook.h"
#include "explore/suggest.h"

struct scoring_rule {
    const struct suggest_spec *spec;
    const double *scales;          /* [n_outputs] of the outputs */
    const struct outlook *outlook; /* of what is pending, with the best value of each future */
    const struct spread *refs;     /* of integrated_variance: points .. */
    int first_ref, n_refs;         /* .. [first_ref, first_ref + n_refs) of it */
    int draw;                      /* of thompson: a column of the spread, and .. */
    double column_scale;           /* .. what makes it a deviation from the mean; or else .. */
    const double *weights;         /* .. [width] of the columns, for a draw from a closed form */
};

/* A point of a spread, which is conditioned on what is pending. */
struct scored {
    const struct spread *spread;
    int point;
    const double *shift; /* [OUTLOOK_FUTURES] of its mean; NULL: nothing is pending */
    double *square;      /* scratch [2 x n_outputs x n_outputs] */
};

double criterion_score(const struct scoring_rule *rule, const struct scored *at);

/* Derivatives of a score by what it is made of. */
struct criterion_slope {
    double *by_mean;  /* [n_outputs] */
    double *by_row;   /* [n_outputs x width] by the conditioned rows of A */
    double *by_shift; /* [OUTLOOK_FUTURES] */
};

/* The score, with its derivatives; an observation's noise is taken as the same everywhere. */
double criterion_score_slope(const struct scoring_rule *rule, const struct scored *at,
                             const struct criterion_slope *slope);

/* Does the score depend on the noise of an observation at the point? */
bool criterion_needs_noise(enum criterion criterion);

/* Does the score depend on the values of pending points, not on their places alone? */
bool criterion_needs_outlook(enum criterion criterion);

/* May the score be negative? */
bool criterion_is_signed(enum criterion criterion);

/* square [n_outputs x n_outputs] <- L of the covariance of observations of all outputs at a point,
 * which becomes L L'; false: it is not positive. */
bool criterion_observed(const struct spread *spread, int point, double *square);

/* Likewise, of I + D^-1/2 C D^-1/2 with the noise D. */
bool criterion_informed(const struct spread *spread, int point, double *square);

/* The mean over futures of a criterion of mean and standard deviation of one output; derivatives go
 * where they are wanted, by_shift [OUTLOOK_FUTURES] or NULL. */
double criterion_moments(const struct scoring_rule *rule, const struct scored *at, double *by_mean,
                         double *by_std, double *by_shift);

#endif
