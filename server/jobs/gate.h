/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a new version replace the served one? Both predict the same rows, and the new one must not be
 * worse by more than is allowed. Neither was trained on these rows, except for what a warm start
 * may know of them (core/train/train_warm.h).
 *
 * Rows are kept out by their place and the seed (core/fit/split.h). With the same seed and share, a
 * row that was kept out of the served version's training is therefore kept out of the new one's as
 * well. "known" rows are those that were there when the served version was trained: a new version
 * that predicts them worse has unlearnt something, however well it predicts later rows. A version
 * that cannot be compared does not pass.
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
    int n_known;             /* the first ones, which the served version had as well */
    double validation;       /* the candidate's split */
    double calibration;
    uint64_t seed;
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

struct gate_verdict {
    bool passed;
    enum gate_metric metric;
    enum gate_rows rows; /* the rows that were compared */
    int n;               /* 0: no rows could be compared */
    double candidate;    /* NaN: no such score */
    double served;
    int64_t served_version;
    char reason[240]; /* why it did not pass, or why it passed without a comparison; else "" */
};

/*
 * Judges a candidate. It does not pass when it cannot predict the rows, when no rows were kept out,
 * or when the served version has other inputs or outputs. It passes when only the served version
 * has no finite score. ERR_NOMEM, ERR_CANCELLED.
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
