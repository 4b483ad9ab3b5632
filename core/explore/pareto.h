/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several objectives at once: points of which none is better than another in all of them (the
 * Pareto front), by one of
 *
 *   nsga          NSGA-II [1] over the cube of a region, with simulated binary crossover and
 *                 polynomial mutation [2]. Points that pass limits or linear constraints lose
 *                 against those that pass them by less, and these against all that pass none.
 *   weighted_sum  for each of many weights w, which lie evenly on the simplex [3], the minimum of
 *                 sum_t w_t (f_t - low_t) / (high_t - low_t) by local searches (search.h), with
 *                 exact gradients where there are some; low and high are the extremes of scattered
 *                 points. It finds a front where it is convex, and no point of a hollow.
 *
 * The same is done for draws of the posterior, each of which is taken for the truth in turn. Every
 * point of the front has its nearest one on the front of each draw, in units of the front's extent;
 * how these differ says how well place and values are known.
 *
 * [1] K. Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE
 *     Transactions on Evolutionary Computation 6(2), 2002.
 * [2] K. Deb, R. B. Agrawal, Simulated binary crossover for continuous search space, 1995.
 * [3] I. Das, J. Dennis, Normal-boundary intersection, SIAM Journal on Optimization 8(3), 1998.
 */
#ifndef PARETO_H
#define PARETO_H

#include "explore/objective_terms.h"
#include "explore/region.h"

#define PARETO_MAX_OBJECTIVES  4
#define PARETO_MAX_POPULATION  400
#define PARETO_MAX_GENERATIONS 1000

#define PARETO_MAX_CANDIDATES 20000 /* of weighted sums */
#define PARETO_MAX_DRAWS      50

enum pareto_method { PARETO_NSGA, PARETO_WEIGHTED_SUM };

struct pareto_spec {
    struct terms terms;
    enum pareto_method method;
    int population;   /* of weighted sums: at most so many weights */
    int generations;  /* of nsga */
    int n_candidates; /* scattered points, of weighted sums */
    int n_draws;      /* of pareto_draws, at most as many as the model has */
    uint64_t seed;
    /* Of a front of a draw, made by pareto_draws: the draw, and points of the front to begin with.
     */
    const struct terms_draw *draw;
    int n_start;
    const double *start; /* [n_start x d] */
};

struct pareto_front {
    int n;          /* 0: no point meets the limits */
    double *x;      /* [n x d], by the first objective, best first; in the arena, as is the next */
    double *values; /* [n x terms.n] numbers in the user's units */
};

/* ERR_LIMIT, ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM, ERR_INVALID of a region without points. */
enum err_code pareto_run(const struct region *region, const struct pareto_spec *spec,
                         struct arena *arena, struct pareto_front *out, struct err *err) MUST_CHECK;

/* What pareto_run does for weighted sums. */
enum err_code pareto_weighted_sum(const struct region *region, const struct pareto_spec *spec,
                                  struct arena *arena, struct pareto_front *out,
                                  struct err *err) MUST_CHECK;

/* The fronts of draws. */
struct pareto_spread {
    int n_draws;                /* whose front has points .. */
    int n_failed;               /* .. and those in which no point meets the limits */
    struct pareto_front *draws; /* [n_draws]; in the arena, as are all */
    double *values_mean;        /* [front->n x objectives] of the nearest points .. */
    double *values_std;         /* .. with n_draws - 1 */
    double *inputs_mean;        /* [front->n x d]; of a category without meaning */
    double *inputs_std;         /* [front->n x d] */
};

/* Of a front that pareto_run has found with the same spec. Errors as there. */
enum err_code pareto_draws(const struct region *region, const struct pareto_spec *spec,
                           const struct pareto_front *front, struct arena *arena,
                           struct pareto_spread *out, struct err *err) MUST_CHECK;

/* values [n x terms.n] <- those of the model, or of the draw. */
enum err_code pareto_values(const struct pareto_spec *spec, int n, const double *x, double *values,
                            struct arena *scratch, struct err *err) MUST_CHECK;

#endif
