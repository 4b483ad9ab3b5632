/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several objectives at once: points of which none is better than another in all of them (the
 * Pareto front), by NSGA-II [1] over the cube of a region, with simulated binary crossover and
 * polynomial mutation [2]. Points that pass limits or linear constraints lose against those that
 * pass them by less, and these against all that pass none.
 *
 * [1] K. Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE
 *     Transactions on Evolutionary Computation 6(2), 2002.
 * [2] K. Deb, R. B. Agrawal, Simulated binary crossover for continuous search space, 1995.
 */
#ifndef PARETO_H
#define PARETO_H

#include "explore/objective_terms.h"
#include "explore/region.h"

#define PARETO_MAX_OBJECTIVES  4
#define PARETO_MAX_POPULATION  400
#define PARETO_MAX_GENERATIONS 1000

struct pareto_spec {
    struct terms terms;
    int population;
    int generations;
    uint64_t seed;
};

struct pareto_front {
    int n;          /* 0: no point meets the limits */
    double *x;      /* [n x d], by the first objective, best first; in the arena, as is the next */
    double *values; /* [n x terms.n] numbers in the user's units */
};

/* ERR_LIMIT, ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM, ERR_INVALID of a region without points. */
enum err_code pareto_run(const struct region *region, const struct pareto_spec *spec,
                         struct arena *arena, struct pareto_front *out, struct err *err) MUST_CHECK;

#endif
