/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the served version predict fresh rows worse than rows of its own? Measured by relative RMSE
 * (jobs/gate.h). Fresh rows are those that came after the version was trained or registered.
 *
 * The baseline is the version's own score on rows kept out of its training, with errors relative to
 * the range of its training outputs. A version that was registered, or trained without keeping rows
 * out, has no such score. Then the newest fresh rows are compared with the first fresh ones, and
 * errors are relative to the range of the first ones' outputs.
 */
#ifndef DRIFT_H
#define DRIFT_H

#include "live/models.h"
#include "store/sqlite/db.h"

struct drift_request {
    struct models *models;
    struct db *db;
    const char *model;
    int64_t after;   /* rows of later batches are fresh */
    int64_t n_rows;  /* the newest ones that are scored */
    int64_t n_fresh; /* fresh rows in the store */
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

struct drift {
    /* Fresh rows scored; 0: the version has no scores, and there are fewer than 2 n_rows, or there
     * is no output that both sides have, as when all fresh runs failed. */
    int n;
    double score;    /* NaN: not finite */
    double baseline; /* NaN: not finite */
};

/* ERR_NOT_FOUND: no version or no such rows; ERR_CONFLICT: rows were deleted meanwhile; ERR_SHAPE:
 * the rows do not fit the version; ERR_CANCELLED; errors of reading the store. */
enum err_code drift_measure(const struct drift_request *request, struct drift *out,
                            struct err *err) MUST_CHECK;

#endif
