/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of points by the criteria of suggest.h. */
#ifndef CRITERION_H
#define CRITERION_H

#include "explore/suggest.h"

struct scoring_rule {
    const struct suggest_spec *spec;
    const double *scales;      /* [n_outputs] of the outputs */
    double best;               /* of expected_improvement, in the user's units */
    const struct spread *refs; /* of integrated_variance: points .. */
    int first_ref, n_refs;     /* .. [first_ref, first_ref + n_refs) of it */
    int draw;                  /* of thompson: a column of the spread, and .. */
    double column_scale;       /* .. what makes it a deviation from the mean; or else .. */
    const double *weights;     /* .. [width] of the columns, for a draw from a closed form */
};

/* The score of a point of a spread. square: scratch [n_outputs x n_outputs]. */
double criterion_score(const struct scoring_rule *rule, const struct spread *spread, int point,
                       double *square);

/* Is the score a function of mean and standard deviation of one output alone? */
bool criterion_has_slopes(const struct suggest_spec *spec);

/* Then: the score, and its derivatives by the mean and the standard deviation. */
double criterion_slopes(const struct scoring_rule *rule, double mean, double std, double *by_mean,
                        double *by_std);

/* May the score be negative? */
bool criterion_is_signed(enum criterion criterion);

#endif
