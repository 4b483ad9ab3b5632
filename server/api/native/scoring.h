/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good a version is on rows with known outputs: the scores of core/predict/evaluation and how
 * its conformal intervals fare, from predictions that come block by block, and as JSON.
 */
#ifndef SCORING_H
#define SCORING_H

#include "formats/json_write.h"
#include "predict/evaluation.h"

/* A zeroed one may be released. */
struct scoring {
    const struct model *model;    /* must live as long */
    struct predict_request block; /* what is wanted of each block; its n: the most rows of one */
    struct evaluation evaluation;
    bool intervals; /* conformal ones are scored too */
    long *covered;  /* [o] rows within them, in the arena */
    double *width;  /* [o] sum of their widths */
    int n;          /* rows so far */
};

/* The rows give the range of outputs where the model has none of its own. ERR_NOMEM. */
enum err_code scoring_begin(struct scoring *scoring, const struct model *model,
                            const struct data *rows, struct arena *arena,
                            struct err *err) MUST_CHECK;
void scoring_release(struct scoring *scoring);

/* [o x 2] by which the relative error is scaled; borrowed. */
const double *scoring_range(const struct scoring *scoring);

/* The next n rows, in order, and what was observed, y [n x o]. */
void scoring_add(struct scoring *scoring, const struct predict_result *f, const double *y, int n);

/* After the last block: the members rows, relative_error .. outputs of an object. ERR_NUMERIC. */
enum err_code scoring_write(struct scoring *scoring, struct json_write *json,
                            struct err *err) MUST_CHECK;

#endif
