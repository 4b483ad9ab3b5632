/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a new version may take the place of the one that is served: both predict the same rows,
 * which neither was trained on (but for what a warm start may know: core/train/train_warm.h), and
 * the new one must not be worse by more than is allowed.
 *
 * Rows are kept out by their place and the seed (core/fit/split.h), so a row that was kept out of
 * the served version's training is kept out of the next one's too when seed and share are the same.
 * "known" rows are those the served version had: a version that does worse on them has unlearnt
 * something, whatever it makes of the rows that came since. What cannot be compared does not pass:
 * it may be anything.
 */
#ifndef GATE_H
#define GATE_H

#include "base/textbuf.h"
#include "documents/job_spec.h"
#include "predict/evaluation.h"

struct gate_case {
    const struct model *candidate;
    const struct model *served;
    int64_t served_version;
    const struct data *data; /* all rows of the training, user's units */
    int n_known;             /* the first of them were the served version's too */
    double validation;       /* the candidate's split */
    double calibration;
    uint64_t seed;
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

struct gate_verdict {
    bool passed;
    enum gate_metric metric;
    enum gate_rows rows; /* those in fact compared */
    int n;               /* 0: none could be */
    double candidate;    /* NaN: no such score */
    double served;
    int64_t served_version;
    char reason[240]; /* why it did not pass, or passed without comparison; else "" */
};

/*
 * Judges. A candidate that cannot predict the rows does not pass, nor does one where no rows were
 * kept out or the served version is of another shape; where only the served version has no finite
 * score it passes. ERR_NOMEM, ERR_CANCELLED.
 */
enum err_code gate_judge(const struct gate_spec *spec, const struct gate_case *the_case,
                         struct gate_verdict *out, struct err *err) MUST_CHECK;

/* Appends the verdict as a JSON object. */
void gate_write(struct textbuf *text, const struct gate_verdict *verdict);

/* Rows that a version is scored on. */
struct gate_sample {
    const struct data *rows;
    const double *range; /* [o x 2] low and high of each output: errors are shares of it */
};

/* The score of a version by a metric; NaN: it has none. Errors as of evaluation_score. */
enum err_code gate_score(const struct model *model, const struct gate_sample *sample,
                         enum gate_metric metric, const struct evaluation_run *run, double *out,
                         struct err *err) MUST_CHECK;

/* Low and high of the outputs of the first n rows, [o x 2]. */
void gate_find_range(const struct data *rows, int n, double *range);
/* An output that did not vary has the range from 0 to 1. */
void gate_fill_range(double *range, int o);

#endif
