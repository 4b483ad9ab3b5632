/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the served version does worse on fresh rows than it did on rows of its own: relative RMSE
 * (jobs/gate.h). Fresh rows are those that came after its training or its registration.
 *
 * A version with scores is held against these, of rows kept out of its training; outputs are scaled
 * by the range of its training outputs. One without, because it was registered or no rows were kept
 * out, is held against itself: the newest fresh rows against the first ones, whose outputs give the
 * range.
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
    int64_t n_rows;  /* so many of the newest are looked at */
    int64_t n_fresh; /* so many there are */
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

struct drift {
    int n;           /* fresh rows looked at; 0: fewer than twice n_rows, and no scores */
    double score;    /* NaN: not finite */
    double baseline; /* NaN: not finite */
};

/* ERR_NOT_FOUND: no version or no such rows; ERR_CONFLICT: rows were deleted meanwhile; ERR_SHAPE:
 * they do not fit the version; ERR_CANCELLED; errors of reading. */
enum err_code drift_measure(const struct drift_request *request, struct drift *out,
                            struct err *err) MUST_CHECK;

#endif
