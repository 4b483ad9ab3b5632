/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two models compared on the same rows. Some rows are harder than others for both models; that part
 * of the losses cancels in their difference. So a difference of the mean losses can be significant
 * even when it is small against the spread of either model's losses.
 */
#ifndef PAIRED_H
#define PAIRED_H

#include "predict/predict.h"

#include <stdbool.h>

/* Losses of a row, averaged over the outputs that it has: ((f - y) / range)^2, and of the scores of
 * the normal prediction (evaluation.h) nll, and crps / range. */
enum paired_loss { PAIRED_SQUARE, PAIRED_NLL, PAIRED_CRPS, PAIRED_N };

struct paired_rule {
    int o;
    const double *range; /* [o x 2] low, high: residuals are divided by high - low, if above 0 */
    bool noise;          /* the total variance is used, with noise */
    /* [o] Predictions of output j are in units of 2^exponents[j], as predict_request.in_units has
     * them; NULL: all in the user's. */
    const int *exponents;
    const bool *constant; /* [o] outputs that have no density; NULL: none */
};

/*
 * Losses [n x PAIRED_N] of predicted rows with observed y [n x o] in the user's unit, NAN where a
 * row misses an output. nll and crps are means over the outputs that are not constant, NAN where
 * the variance of one is 0, since there is no density then; all are where a row has no output.
 */
void paired_losses(const struct paired_rule *rule, const struct predict_result *f, const double *y,
                   int n, double *losses);

/* Sums over rows of one model's losses minus those of the first model. A zeroed struct is empty. */
struct paired {
    int n;                 /* rows with an output */
    double mean[PAIRED_N]; /* of the differences; NAN when one of them
                              was */
    double m2[PAIRED_N];   /* sum of squared deviations from the mean */
    int better[PAIRED_N];  /* rows on which the loss is smaller than the first model's */
};

/* Adds the losses of the next n rows, both [n x PAIRED_N]; rows without an output add nothing. */
void paired_add(struct paired *paired, const double *first, const double *other, int n);

/* Standard error of the mean difference, if rows are independent; NAN for fewer than two rows. */
double paired_standard_error(const struct paired *paired, enum paired_loss loss);

#endif
