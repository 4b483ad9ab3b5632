/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Designs: n points that fill a region.
 *
 *   sobol, halton  a low-discrepancy sequence, scrambled or not
 *   lhs            a Latin hypercube, whose points are far from each other unless maximin is false
 *   maximin        points of a scrambled Sobol' sequence, each as far as possible from those before
 *                  it and from the points that exist
 *   grid           all combinations of equally spaced levels of each input
 *   random         independent points
 *
 * With points that exist, the points of sobol, halton, lhs and random are candidates, from which
 * maximin takes n: the new points fill the gaps of the old ones.
 *
 * Linear constraints are met by leaving points out, so the points that remain are evenly spread in
 * what is allowed. Where they leave less than about one point of 64, all points come from a random
 * walk through what is allowed instead (walk.h), and maximin still spreads those that it takes. A
 * Latin hypercube fills a box and is refused with constraints.
 */
#ifndef DESIGN_H
#define DESIGN_H

#include "explore/region.h"

#include "base/names.h"

#define DESIGN_MAX_POINTS   100000
#define DESIGN_MAX_VALUES   4000000 /* points times inputs */
#define DESIGN_MAX_EXISTING 20000
#define DESIGN_MAX_WORK     2e9 /* multiplications of distances */

enum design_kind {
#define DESIGN(NAME, name) DESIGN_##NAME,
#include "explore/design.def"
#undef DESIGN
};
const char *design_kind_name(enum design_kind kind);
struct names design_kind_known(void);

struct design_spec {
    enum design_kind kind;
    int n;          /* of a grid at most so many, unless levels is given */
    bool scrambled; /* sobol, halton */
    bool maximin;   /* lhs */
    int64_t skip;   /* sobol, halton: points of the sequence that are left out */
    int levels;     /* grid: of each input that has so many values; 0: as n allows */
    uint64_t seed;
    int n_existing;
    const double *existing; /* [n_existing x d] */
    const struct cancel *cancel;
};

struct design {
    int n;
    double *x; /* [n x d] in the arena */
};

/*
 * ERR_INVALID: no points meet the constraints; a Latin hypercube with constraints; a grid with too
 * few points for two levels. ERR_LIMIT, ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code design_make(const struct region *region, const struct design_spec *spec,
                          struct arena *arena, struct design *out, struct err *err) MUST_CHECK;

#endif
