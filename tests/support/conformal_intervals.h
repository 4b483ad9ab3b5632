/* SPDX-License-Identifier: Apache-2.0 */
/* Conformal intervals of whole rows, by the ranks and ends of core/model/conformal. */
#ifndef CONFORMAL_INTERVALS_H
#define CONFORMAL_INTERVALS_H

#include <stdlib.h>

#include "model/conformal.h"

/* Predictions at n rows: of the model for split, [n x o]; of the folds else, [n_folds x n x o]. */
struct predicted_rows {
    int n, o;
    const double *mean;
    const double *std; /* NULL unless normalised */
};

/* Intervals lower, upper [n x o]. ERR_INVALID (alpha). */
static inline enum err_code conformal_intervals(const struct conformal *c, double alpha,
                                                const struct predicted_rows *rows, double *lower,
                                                double *upper, struct err *err)
{
    size_t o = (size_t)rows->o;
    size_t cells = (size_t)rows->n * o;
    int ranks[8] = {0};
    for (int j = 0; j < rows->o; j++) {
        if (conformal_rank(c, j, alpha, &ranks[j], err) != ERR_OK) {
            return err->code;
        }
    }
    double *scratch = calloc(2 * (size_t)c->n + o, sizeof *scratch);
    double *thresholds = scratch + 2 * (size_t)c->n;
    if (c->method == CONFORMAL_SPLIT) {
        conformal_thresholds(c, rows->o, ranks, scratch, thresholds);
    }
    for (size_t k = 0; k < cells; k++) {
        double half = thresholds[k % o] * (c->normalised ? rows->std[k] : 1.0);
        double interval[2] = {rows->mean[k] - half, rows->mean[k] + half};
        if (c->method != CONFORMAL_SPLIT) {
            struct conformal_point point = {.mean = rows->mean + k,
                                            .std = c->normalised ? rows->std + k : NULL,
                                            .stride = cells,
                                            .unit = 1.0};
            int n = conformal_fold_ends(c, rows->o, (int)(k % o), &point, scratch);
            conformal_fold_interval(n, ranks[k % o], scratch, interval);
        }
        lower[k] = interval[0];
        upper[k] = interval[1];
    }
    free(scratch);
    return ERR_OK;
}

#endif
