/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two models on the same rows. What differs from row to row by the row alone is in the losses of
 * both and falls out of their difference, so a difference of means that is small beside either
 * model's spread can still be told from none.
 */
#ifndef PAIRED_H
#define PAIRED_H

#include "predict/predict.h"

#include <stdbool.h>

/* Of a row, means over outputs: ((f - y) / range)^2, and of the normal prediction (calib.h). */
enum paired_loss { PAIRED_SQUARE, PAIRED_NLL, PAIRED_CRPS, PAIRED_N };

struct paired_rule {
    int o;
    const double *range; /* [o x 2] low, high: the unit of residuals; 1 where they are equal */
    bool noise;          /* the variance is the total one, with noise */
};

/*
 * losses [n x PAIRED_N] of predicted rows, y [n x o]. A row without variance has no density: NAN
 * for nll and crps.
 */
void paired_losses(const struct paired_rule *rule, const struct predict_result *f, const double *y,
                   int n, double *losses);

/* Losses of a model minus those of the first one. A zeroed one is empty. */
struct paired {
    int n;
    double mean[PAIRED_N]; /* NAN when one was */
    double m2[PAIRED_N];   /* sums of squared deviations from it */
    int better[PAIRED_N];  /* rows on which the loss is smaller than the first one's */
};

/* The next n rows; both [n x PAIRED_N]. */
void paired_add(struct paired *paired, const double *first, const double *other, int n);

/* The standard error of the mean over rows that are independent; NAN below two rows. */
double paired_standard_error(const struct paired *paired, enum paired_loss loss);

#endif
