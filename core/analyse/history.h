/* SPDX-License-Identifier: Apache-2.0 */
/*
 * History matching: where in the space of inputs may the inputs be that explain observations [1,
 * 2]? It rules out what cannot, instead of drawing what can. With the mean z of the replicates of
 * an output in an experiment, and mean and variance of the surrogate's draws there, the
 * implausibility of an input x for that number is
 *
 *   I(x) = |z - E f(x)| / sqrt(sigma^2 / n + tau^2 + Var f(x)),
 *
 * with the noise sigma of one of n replicates, the standard deviation tau of the discrepancy of the
 * simulation, and what the surrogate does not know. The implausibility of x is the largest, or, to
 * be lenient with a number that the surrogate or the discrepancy has wrong, the second or third
 * largest over all numbers. x is ruled out where that is above a cut-off: 3, since of any unimodal
 * distribution 95 % lie within three standard deviations [3].
 *
 * Waves are versions of the surrogate: each is trained with simulations of points that the earlier
 * ones have not ruled out, and so knows more there. A point must pass all waves, and is evaluated
 * with a wave only after it passed those before. Its implausibility is the largest of those waves.
 *
 * Points fill the space as its distributions say: R independent randomisations of n points. The
 * share that is not ruled out has their standard error. The optical depth of a cell of one or two
 * inputs is the share of its points that is not ruled out, over all other inputs; its minimum is
 * the lowest implausibility of its points [2].
 *
 * [1] P. S. Craig, M. Goldstein, A. H. Seheult, J. A. Smith, Pressure matching for hydrocarbon
 *     reservoirs, Case Studies in Bayesian Statistics III, 1997.
 * [2] I. Vernon, M. Goldstein, R. G. Bower, Galaxy formation: a Bayesian uncertainty analysis,
 *     Bayesian Analysis 5(4), 2010.
 * [3] F. Pukelsheim, The three sigma rule, The American Statistician 48(2), 1994.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include "analyse/calibrate.h"

#define HISTORY_MAX_WAVES 64
#define HISTORY_MAX_ORDER 3
#define HISTORY_MAX_GRID  100
#define HISTORY_MAX_NEXT  200
#define HISTORY_MAX_KEPT  ((size_t)1 << 25) /* numbers that all replicates keep */

/* All arrays are borrowed. */
struct history_spec {
    uint64_t seed;
    int replicates;
    int n;         /* points of a replicate */
    int order;     /* 1: the largest implausibility of a point counts; 2, 3: the second, third */
    double cutoff; /* above 0 */
    int grid;      /* cells along an input; 0: no depths */
    int n_next;    /* points for the next wave */
    int n_experiments;
    const struct calibrate_experiment *experiments;
    const double *sigma;       /* [o] of one replicate; or the diagonal of .. */
    const double *covariance;  /* [o x o] */
    const double *discrepancy; /* [o] standard deviations; NULL: none */
};

struct history_run {
    const struct history_spec *spec;
    int n_waves;
    const struct field *waves;  /* [n_waves] in their order, of the same d and o */
    const struct law *laws;     /* [d] */
    struct analyse_terms terms; /* tasks of the checkpoint: replicates */
};

/* The part of the space that is left after a wave and all before. */
struct history_share {
    double estimate;
    double sampling_error;
    double lower, upper; /* of 95 %; up to 3 / (R n) where no point is left */
};

/* By one input, or by two. A cell without points has NaN. */
struct history_depth {
    double *depth;
    double *minimum;
};

struct history_result {
    struct history_share *shares; /* [n_waves] */
    int k;                        /* inputs that are free */
    int *inputs;                  /* [k] */
    int *cells;                   /* [k] of an input: the grid, or its values if they are fewer */
    double *values;               /* [k x grid] the middle of a cell, or the value */
    struct history_depth *single; /* [k] of [cells] */
    struct history_depth *pairs;  /* [k (k - 1) / 2] (0,1), (0,2), .. (1,2), ..: [cells x cells] */
    double least;                 /* implausibility: the lowest of all points, which is at .. */
    double *best;                 /* [d] */
    int n_next;                   /* fewer than asked for where too few points are left */
    double *next;                 /* [n_next x d] spread over what is left */
    double *implausibility;       /* [n_next] */
    double runs;                  /* rows times draws that were evaluated */
};

/* ERR_INVALID: a number outside its limits, no free input, no noise. ERR_LIMIT. */
enum err_code history_check(const struct history_run *run, struct err *err) MUST_CHECK;

/* The result is in the arena. Also ERR_CANCELLED, ERR_CORRUPT, ERR_NUMERIC, ERR_NOMEM. */
enum err_code history_run(const struct history_run *run, struct arena *arena,
                          struct history_result *out, struct err *err) MUST_CHECK;

#endif
