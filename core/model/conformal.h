/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformal prediction: intervals around a model's mean whose coverage assumes only that rows are
 * exchangeable [1, 2]. It calibrates the model of any solver, each output separately.
 *
 *   split        residual scores R_i of n calibration rows; the interval is mean -+ the
 *                ceil((n + 1)(1 - alpha))-th smallest score
 *   cv+          the rows fall into folds, and each fold has a model that has not seen it; R_i of
 *                row i is by that model; the interval goes from the floor(alpha (n + 1))-th
 * smallest of mean_fold(i) - R_i to the ceil((1 - alpha)(n + 1))-th smallest of mean_fold(i) + R_i
 *   jackknife+   the same with one row in each fold
 *
 * With scores "absolute" R = |y - mean|; with "normalised" R = |y - mean| / s, and intervals are
 * R s wide, where s is the root of the total variance at the row. With folds mean_fold(i) and s are
 * those of the fold's own draws and noise, at the new row.
 *
 * Rows that miss an output have no score of it, and n above is the number of those that have one.
 *
 * Coverage is at least 1 - alpha for split, 1 - 2 alpha for cv+ (less a term of the order of the
 * folds over the rows) and jackknife+ (in practice about 1 - alpha), over rows and calibration
 * together. The ranks exist for alpha >= 1 / (n + 1); below that the interval would be infinite,
 * and is refused.
 *
 * Where we differ: with alpha above 1/2 the lower end of cv+ and jackknife+ may lie above the upper
 * one; [2] has an empty interval then, here it is the point between them, which covers no less.
 *
 * [1] V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2005.
 * [2] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, Predictive inference with the
 *     jackknife+, Annals of Statistics 49, 2021.
 */
#ifndef CONFORMAL_H
#define CONFORMAL_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/names.h"

#include <stdbool.h>
#include <stddef.h>

enum conformal_method {
    CONFORMAL_NONE,
    CONFORMAL_SPLIT,
    CONFORMAL_CV_PLUS,
    CONFORMAL_JACKKNIFE_PLUS
};

const char *conformal_method_name(enum conformal_method method); /* "none", "split", "cv+", .. */
struct names conformal_method_known(void);

#define CONFORMAL_MAX_ROWS 1000000

/*
 * What a model keeps of its calibration. With folds the model's draws (or Gaussians) are those of
 * fold 0, then fold 1, .., equally many of each.
 */
struct conformal {
    enum conformal_method method;
    bool normalised;
    int n_folds;    /* 1 for split */
    int n;          /* calibration rows */
    int *fold;      /* [n]; NULL for split; mem */
    double *scores; /* [n x o], user's units or without unit; NaN: the row misses the output; mem */
    int *counts;    /* [o] scores of each output, set by conformal_count; NULL: n of each; mem */
    /* [n_folds x o] noise variance, user's units, that normalised scores of folds were made with, 0
     * where none was known; NULL for split and absolute scores; mem */
    double *fold_noise;
};

/* A zeroed one may be released. */
void conformal_release(struct conformal *conformal);

/* Sets counts from the scores, which must not change any more. ERR_NOMEM. */
enum err_code conformal_count(struct conformal *conformal, int o, struct err *err) MUST_CHECK;

/* The number of an output's scores. */
static inline int conformal_n(const struct conformal *conformal, int output)
{
    return conformal->counts != NULL ? conformal->counts[output] : conformal->n;
}

/* Does it fit a model of m draws and o outputs? ERR_INVALID, ERR_LIMIT. */
enum err_code conformal_check(const struct conformal *conformal, int m, int o,
                              struct err *err) MUST_CHECK;

/*
 * Rank from below of the upper end for a coverage of 1 - alpha by an output's n scores,
 * ceil((1 - alpha)(n + 1)); that of the lower end is n + 1 - rank. alpha: in (0, 1). ERR_INVALID
 * naming the highest level 1 - alpha that n rows allow.
 */
enum err_code conformal_rank(const struct conformal *conformal, int output, double alpha, int *rank,
                             struct err *err) MUST_CHECK;

/* The k-th smallest of n values (k from 1), which are reordered. */
double conformal_select(double *values, int n, int k);

/* Split: of each output the smallest score of its rank, ranks and thresholds [o]. scratch: [n]. */
void conformal_thresholds(const struct conformal *conformal, int o, const int *ranks,
                          double *scratch, double *thresholds);

/* Predictions at one row for one output. */
struct conformal_point {
    const double *mean; /* [n_folds] of the folds, `stride` apart; split: of the model */
    const double *std;  /* likewise, root of the total variance; used only when normalised */
    size_t stride;
    double unit; /* of mean and std, by the user's: what absolute scores are multiplied with */
};

/*
 * Folds: the n shifted scores of output `output` at a row, mean - R s in ends[0 .. n), mean + R s
 * in ends[n .. 2 n), and of them the interval (which reorders them). Returns n.
 */
int conformal_fold_ends(const struct conformal *conformal, int o, int output,
                        const struct conformal_point *point, double *ends);
void conformal_fold_interval(int n, int rank, double *ends, double interval[2]);

#endif
