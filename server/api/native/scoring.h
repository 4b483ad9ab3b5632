/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good a version is on rows with known outputs: the scores of core/predict/evaluation and the
 * coverage of its conformal intervals, added up block by block and written as JSON. Of a version
 * that knows the probability that a run succeeds, that is scored too.
 */
#ifndef SCORING_H
#define SCORING_H

#include "formats/json_write.h"
#include "predict/evaluation.h"
#include "predict/feasible.h"

/* A zeroed one may be released. */
struct scoring {
    const struct model *model;    /* must live as long */
    struct predict_request block; /* what to predict of each block; its n: rows of a full block */
    struct evaluation evaluation;
    bool intervals; /* conformal intervals are scored too */
    long *covered;  /* [o] rows inside them, in the arena */
    double *width;  /* [o] sum of their widths, in the arena */
    int n;          /* rows so far */
    int n_rows;     /* all of them */
    /* Of a version that knows whether runs succeed; in the arena. */
    double *feasible;                       /* [n_rows] probabilities; NULL: it does not know */
    unsigned char *failed;                  /* [n_rows] what happened */
    struct feasible_scores feasible_scores; /* after the last row */
    struct err feasible_err;                /* why there are none */
};

/* A model without a range of outputs of its own gets that of the rows. ERR_NOMEM. */
enum err_code scoring_begin(struct scoring *scoring, const struct model *model,
                            const struct data *rows, struct arena *arena,
                            struct err *err) MUST_CHECK;
void scoring_release(struct scoring *scoring);

/* [o x 2] by which the relative error is scaled; borrowed. */
const double *scoring_range(const struct scoring *scoring);

/* Adds predictions of the next n rows; y [n x o]: what was observed there, NaN where nothing was. A
 * row without any output is a run that failed. */
void scoring_add(struct scoring *scoring, const struct predict_result *f, const double *y, int n);

/* After the last block: the members rows, relative_error .. outputs of an object. ERR_NUMERIC. */
enum err_code scoring_write(struct scoring *scoring, struct json_write *json,
                            struct err *err) MUST_CHECK;

#endif
