/* SPDX-License-Identifier: Apache-2.0 */
/* The residual scores of a conformal calibration (core/model/conformal.h). */
#ifndef CONFORMAL_SCORES_H
#define CONFORMAL_SCORES_H

#include "predict/evaluation.h"

/*
 * Scores [n x o], NaN where a row misses the output, of rows in the user's units, from the
 * predictions of a published model that has not seen them. ERR_INVALID: they are normalised and a
 * total variance is 0. ERR_NUMERIC, ERR_CANCELLED, ERR_CORRUPT, ERR_NOMEM.
 */
enum err_code conformal_scores(const struct model *model, const struct data *rows, bool normalised,
                               const struct evaluation_run *run, double *scores,
                               struct err *err) MUST_CHECK;

#endif
