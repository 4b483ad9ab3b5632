/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the best answer of a model lies: the minimum or maximum of a number that it gives
 * (objective_terms.h) in a region of the inputs, under limits on other such numbers.
 *
 * The best of many scattered points, and of the corners of few inputs, start local searches
 * (search.h), with exact gradients unless a quantile is asked for or an input is a category.
 * Integers and categories are then changed one at a time, as long as that helps.
 *
 * The same is done for draws of the posterior, each of which is taken for the truth in turn: where
 * their optima lie, and how good they are, says how well the place and the value are known.
 */
#ifndef OPTIMISE_H
#define OPTIMISE_H

#include "explore/objective_terms.h"
#include "explore/region.h"

#define OPTIMISE_MAX_CANDIDATES 20000
#define OPTIMISE_MAX_STARTS     64
#define OPTIMISE_MAX_DRAWS      200

struct optimise_spec {
    struct terms terms;
    int n_candidates; /* scattered points */
    int n_starts;     /* of them that start a search */
    int n_draws;      /* at most as many as the model has; 0: none */
    uint64_t seed;
};

struct optimum {
    double *x;           /* [d]; in the arena, as all are */
    double *values;      /* [terms.n] numbers in the user's units */
    bool holds;          /* all limits do */
    int n_draws;         /* whose optimum meets the limits .. */
    int n_failed;        /* .. and those of which no point was found that does */
    double *draws_x;     /* [n_draws x d] */
    double *draws_value; /* [n_draws] of the objective, in the user's units */
};

/* Do the limits hold for the values of terms, but for the tolerance of searches? */
bool optimise_holds(const struct terms *terms, const double *values);

/*
 * One objective. A result whose limits do not hold (holds is false) is the point that comes
 * closest. ERR_INVALID: no point in the region; ERR_LIMIT, ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code optimise_run(const struct region *region, const struct optimise_spec *spec,
                           struct arena *arena, struct optimum *out, struct err *err) MUST_CHECK;

#endif
