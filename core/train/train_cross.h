/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of rows by models that were trained without them: what a cross-validation leaves.
 * They say how good a model is that was trained on all rows, of which none are kept out to say so.
 * Each comes from fewer rows than that model has, so that its scores are rather too low than too
 * high.
 */
#ifndef TRAIN_CROSS_H
#define TRAIN_CROSS_H

#include "predict/evaluation.h"

struct train_cross {
    int n, o;
    int n_folds;  /* into which the rows that train fell; not all of them need be predicted */
    int *rows;    /* [n] places in the rows of the training, increasing; mem */
    double *mean; /* [n x o] user's units; mem */
    double *std;  /* [n x o] root of the total variance; mem */
};

/* A zeroed one may be released. */
void train_cross_release(struct train_cross *cross);

/* Room for n rows. ERR_NOMEM. */
enum err_code train_cross_new(struct train_cross *cross, int n, int o, struct err *err) MUST_CHECK;

struct train_cross_rows {
    const struct data *data;     /* of the training */
    const unsigned char *chosen; /* [data->n] 1: the row counts; NULL: all count */
    const double *output_range;  /* of evaluation_score */
};

/*
 * Scores as of evaluation_score of these predictions, but for nll_draws, which there is none of.
 * model: published, of the same outputs; says which of them are constant, and whether noise is
 * known. ERR_INVALID (no row with an output), ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code train_cross_score(const struct train_cross *cross,
                                const struct train_cross_rows *rows, const struct model *model,
                                struct scores *out, struct err *err) MUST_CHECK;

#endif
