/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where points may lie: an input space with narrower bounds, inputs that are fixed, and linear
 * constraints. The free inputs correspond to a cube [0, 1]^n_free by their distributions
 * (marginal.h), so that evenly spread points of the cube are points with these distributions.
 */
#ifndef REGION_H
#define REGION_H

#include "base/arena.h"
#include "explore/marginal.h"

#define REGION_MAX_CONSTRAINTS 64
#define REGION_MAX_TRIES       (1 << 14) /* points of the cube before others are made (walk.h) */

/* sum over inputs of a_j x_j <= limit. Categories have coefficient 0. */
struct region_constraint {
    const double *a; /* [d] */
    double limit;
};

struct region_spec {
    const struct space *space;
    const double *fixed;    /* [d] values, NaN: free; NULL: all are free */
    const double *bounds;   /* [d x 2] in addition to the space's, NaN: none; NULL: none at all */
    const double *fallback; /* [d x 2] where the space has no limits, NaN: none; NULL: none */
    int n_constraints;
    const struct region_constraint *constraints;
};

struct region {
    struct region_spec spec;
    int d;
    int n_free;
    int *free;               /* [n_free] which inputs */
    struct marginal *inputs; /* [n_free] */
};

/*
 * Keeps what the spec points to; the rest is in the arena. ERR_INVALID: an input without limits, or
 * one without a possible value; a fixed value that its input cannot have; a constraint that no
 * point meets; nothing is free. ERR_NOMEM.
 */
enum err_code region_init(struct region *region, const struct region_spec *spec,
                          struct arena *arena, struct err *err) MUST_CHECK;

/* x [d] <- the point at u [n_free], fixed inputs included. */
void region_point(const struct region *region, const double *u, double *x);

/* u [n_free] <- the place in the cube of a point; values outside are moved to its surface. */
void region_unit(const struct region *region, const double *x, double *u);

/* Does it meet the linear constraints? */
bool region_holds(const struct region *region, const double *x);

/*
 * The squared distance in the cube; two different members of a category are 1/2 apart, whatever
 * their order.
 */
double region_distance2(const struct region *region, const double *u, const double *v);

#define REGION_MAX_CORNER_INPUTS 8
#define REGION_MAX_CORNERS       (1 << REGION_MAX_CORNER_INPUTS)

/*
 * x [n x d] <- the corners that meet the constraints, when there are at most
 * REGION_MAX_CORNER_INPUTS free inputs; n is returned. The extremes of a function that rises or
 * falls with each input lie there, and no scattered point comes near in many dimensions. An input
 * without an end has a far quantile. u: scratch [n_free].
 */
int region_corners(const struct region *region, double *u, double *x);

/* Are two places of the cube so close that searches from both would end alike? */
bool region_is_near(const struct region *region, const double *u, const double *v);

#endif
