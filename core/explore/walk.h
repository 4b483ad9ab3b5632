/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points of a region whose linear constraints leave so little of the cube that scattered points
 * miss it: a thin slab, a narrow corner, a plane.
 *
 * Several walkers begin at points of the region, found by projecting points of the cube onto the
 * constraints that they break [1]. Each then moves along lines through itself to a point of the
 * line that is inside, by hit-and-run [2]. Most lines have the direction between two other walkers,
 * so they lie along whatever is long and thin [3], others are random or parallel to an axis. What
 * is drawn on a line is uniform between its ends, and is accepted by the ratio of the densities, so
 * points get the inputs' distributions, given the constraints. An integer, a member or a listed
 * value is drawn by its probability and taken when the constraints hold, and integers also move by
 * the difference of two walkers. Points are random and, of neighbours in the sequence, not quite
 * independent; inputs without an end end at far quantiles.
 *
 * [1] L. Gubin, B. Polyak, E. Raik, The method of projections for finding the common point of
 * convex sets, 1967. [2] R. L. Smith, Efficient Monte Carlo procedures for generating points
 * uniformly distributed over bounded regions, Operations Research 32, 1984. [3] W. Gilks, G.
 * Roberts, E. George, Adaptive direction sampling, The Statistician 43, 1994.
 */
#ifndef WALK_H
#define WALK_H

#include "base/cancel.h"
#include "base/rng.h"
#include "explore/region.h"

struct walk {
    const struct region *region;
    const struct cancel *cancel;
    struct rng rng;
    int n;             /* walkers */
    int n_moves;       /* of each walker between two points that it gives */
    int next;          /* the walker that gives the next point */
    double *x;         /* [n x d] */
    double *low;       /* [n_free] finite ends, by far quantiles where there are none */
    double *high;      /* [n_free] */
    double *direction; /* [d] */
    double *trial;     /* [d] */
};

/*
 * In the arena. ERR_INVALID naming the constraint that could not be met: there is no point that
 * meets all, or none was found. ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code walk_init(struct walk *walk, const struct region *region, uint64_t seed,
                        const struct cancel *cancel, struct arena *arena,
                        struct err *err) MUST_CHECK;

/* x [d] <- the next point. */
void walk_next(struct walk *walk, double *x);

#endif
