/* SPDX-License-Identifier: Apache-2.0 */
/*
 * P(run succeeds) of a model that was trained with failed runs: each draw of model->feasible gives
 * a probability at a row, whose mean and standard deviation over the draws are the prediction.
 */
#ifndef FEASIBLE_H
#define FEASIBLE_H

#include "fit/data.h"
#include "predict/predict.h"

/* ERR_INVALID when the probability is wanted of a model that does not know it. */
enum err_code feasible_check(const struct model *model, const struct predict_request *req,
                             struct err *err) MUST_CHECK;

/* Multiplications for one row. */
double feasible_work(const struct model *model);

/* Fills rows first .. first + rows - 1 of out->feasible. ERR_INVALID, ERR_NOMEM, ERR_NUMERIC. */
enum err_code feasible_tile(const struct predict_call *call, size_t first, size_t rows,
                            struct arena *scratch, struct err *err) MUST_CHECK;

struct feasible_scores {
    int n, n_failed;
    double log_loss; /* mean of -log of the probability of what happened */
    double auc;      /* P(a run that succeeded has the higher probability), ties half; NaN: all runs
                        ended      alike */
};

/* Scores of probabilities p [n] of rows that failed [n] or not. ERR_INVALID (no rows), ERR_NOMEM.
 */
enum err_code feasible_score(int n, const double *p, const unsigned char *failed,
                             struct feasible_scores *out, struct err *err) MUST_CHECK;

/* The same of rows x [n x d] in the user's units. ERR_CANCELLED and errors of a prediction too. */
enum err_code feasible_score_rows(const struct model *model, const struct data *rows,
                                  const unsigned char *failed, const struct cancel *cancel,
                                  struct feasible_scores *out, struct err *err) MUST_CHECK;

#endif
