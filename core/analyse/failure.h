/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the analysis `failure`. A run fails where the margin
 *
 *   g(x) = min over the limits of  value - y (above)  or  y - value (below)
 *
 * is below 0. Points are vectors z of independent standard normal numbers, one for each free input.
 */
#ifndef FAILURE_H
#define FAILURE_H

#include "analyse/analyse_priv.h"

/* The points of one evaluation. */
struct failure_points {
    int first, m; /* draws */
    int n;
    const double *z; /* [n x n_free] */
};

/* g [m x n] <- margins. scratch is cleared. ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM. */
enum err_code failure_margins(const struct analysis *a, const struct failure_points *points,
                              struct arena *scratch, double *g, struct err *err) MUST_CHECK;

/* Room for points that failed. */
struct failure_found {
    int n, room;
    double *z; /* [room x n_free] */
};

#define FAILURE_SUBSET_SHARE 10 /* a tenth of a level's points is the start of the next level */

/* p[m] <- P(g < 0) of the draws [first, first + m) by subset simulation, with the random numbers of
 * a replicate. found: NULL, or where points that failed are appended. */
struct failure_subset {
    const struct analysis *a;
    int replicate;
    int first, m;
    struct failure_found *found;
};
enum err_code failure_subset_run(const struct failure_subset *subset, struct arena *scratch,
                                 double *p, struct err *err) MUST_CHECK;

/* Where importance sampling draws its points. */
#define FAILURE_MAX_MODES 8
struct failure_mixture {
    int n;          /* shifted components */
    double *mode;   /* [n x n_free] */
    double *weight; /* [n + 1] the last is that of the component that is not shifted */
};

/* Finds the modes. ERR_CANCELLED, ERR_NUMERIC, ERR_NOMEM. */
enum err_code failure_mixture_find(struct analysis *a, struct failure_mixture *out,
                                   struct err *err) MUST_CHECK;

/* What no weight of a point exceeds. */
double failure_max_weight(const struct failure_mixture *mixture);

/* One replicate of n points of the mixture: p [m]. */
enum err_code failure_mixture_run(const struct analysis *a, const struct failure_mixture *mixture,
                                  int replicate, struct arena *scratch, double *p,
                                  struct err *err) MUST_CHECK;

#endif
