/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good a model's predictions are on rows it has not seen, by output, in the user's units. The
 * predictive distribution of an output at a row is the one that the server reports: a normal with
 * the predicted mean and total variance (variance over draws, and noise).
 */
#ifndef SCORES_H
#define SCORES_H

#include "base/compiler.h"
#include "base/err.h"

#define SCORES_INTERVALS 3  /* central intervals of 50, 90 and 95 % */
#define SCORES_LEVELS    19 /* of the calibration curve: 0.05, 0.10, .. 0.95 */

extern const double scores_intervals[SCORES_INTERVALS];

/*
 * Arrays are mem; only rmse and output_range are always there when n_rows > 0. Of the others a
 * number is NaN where there is no such score of that output; of rmse too, where no row had the
 * output.
 */
struct scores {
    int n_rows;            /* with at least one output; 0: no scores */
    int *counts;           /* [o] rows that had each output; NULL: all n_rows */
    double relative_error; /* mean over rows of ||f - y|| / ||y||, outputs scaled to the training
                              range, over those that the row has */
    double *rmse;          /* [o] */
    double *output_range;  /* [o x 2] low, high of the training outputs */
    double *nll;           /* [o] mean of -log density of the normal */
    double *nll_draws;     /* [o] the same of the mixture over draws of N(f_j, noise) */
    double *crps;          /* [o] mean continuous ranked probability score of the normal */
    double *coverage;      /* [o x SCORES_INTERVALS] share of rows within */
    double *width;         /* [o x SCORES_INTERVALS] mean width */
    double *calibration;   /* [o x SCORES_LEVELS] share of rows below the level's quantile */
};

/* A zeroed one may be released. */
void scores_release(struct scores *scores);

#endif
