/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May a new version replace the served one? It must not predict worse by more than is allowed, on
 * rows that trained neither of the two (gate_rows.h says which are taken, and what is done where
 * there are too few).
 *
 * Unless told otherwise the comparison is about known rows, which the served version had as well: a
 * new version that predicts them worse has unlearnt something, however well it predicts later rows.
 * A version that cannot be compared does not pass. Whatever the gate, a version whose predictions
 * of the rows kept out are poor (core/train/train.h) does not take the place of a better one.
 */
#ifndef GATE_H
#define GATE_H

#include "base/textbuf.h"
#include "jobs/gate_rows.h"
#include "predict/evaluation.h"

#define GATE_ROWS_CHARS 160

struct gate_verdict {
    bool passed;
    enum gate_metric metric;
    enum gate_basis basis;
    enum gate_rows rows; /* the rows that were compared */
    int n;               /* the new version was scored on; 0: no rows could be compared */
    int n_new;           /* of them, those that the served version never had */
    int n_served;        /* the served version was scored on */
    int n_outputs;       /* that both have a score of; the mean is over these */
    int max_outputs;     /* that the two have */
    double candidate;    /* NaN: no such score */
    double served;
    int64_t served_version;
    char rows_used[GATE_ROWS_CHARS]; /* in words; "": none */
    char reason[240]; /* why it did not pass, or why it passed without a fair comparison; else "" */
};

/*
 * Judges a candidate. It does not pass when it cannot predict the rows, when no rows were kept out,
 * or when the served version has other inputs or outputs. It passes when only the served version
 * has no finite score. ERR_NOMEM, ERR_CANCELLED.
 */
enum err_code gate_judge(const struct gate_spec *spec, const struct gate_case *the_case,
                         struct gate_verdict *out, struct err *err) MUST_CHECK;

/* Do its predictions of the rows kept out come to little more than their mean? */
bool gate_is_poor(const struct model *candidate);

/*
 * The same for a candidate that is poor: it passes unless the served version has a smaller error.
 * rows: GATE_ALL where the request has no gate. Where the two cannot be compared it passes.
 */
enum err_code gate_judge_poor(enum gate_rows rows, const struct gate_case *the_case,
                              struct gate_verdict *out, struct err *err) MUST_CHECK;

/* Appends the verdict as a JSON object. */
void gate_write(struct textbuf *text, const struct gate_verdict *verdict);

/* Rows that a version is scored on. */
struct gate_sample {
    const struct data *rows;
    const double *range; /* [o x 2] low and high of each output: errors are shares of it */
};

/* The score of a version by a metric, over outputs that have one; NaN: it has none. Errors as of
 * evaluation_score. */
enum err_code gate_score(const struct model *model, const struct gate_sample *sample,
                         enum gate_metric metric, const struct evaluation_run *run, double *out,
                         struct err *err) MUST_CHECK;

/* Low and high of the outputs of the first n rows, [o x 2]. */
void gate_find_range(const struct data *rows, int n, double *range);
/* An output that did not vary has the range from 0 to 1, one that varied by rounding alone from 0
 * to its value. */
void gate_fill_range(double *range, int o);

#endif
