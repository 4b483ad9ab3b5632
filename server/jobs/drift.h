/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the served version does worse on rows that came after its training than on the rows kept
 * out of it: relative RMSE (jobs/gate.h), outputs scaled by the range of its training outputs.
 */
#ifndef DRIFT_H
#define DRIFT_H

#include "registry.h"

struct drift {
    int n;           /* fresh rows looked at */
    double score;    /* NaN: not finite */
    double baseline; /* NaN: the version has no scores of its own */
};

/* The newest n_rows rows after batch `after`. ERR_NOT_FOUND: no version or no such rows; errors of
 * reading. */
enum err_code drift_measure(struct registry *registry, struct db *db, const char *model,
                            int64_t after, int64_t n_rows, int n_threads, struct drift *out,
                            struct err *err) MUST_CHECK;

#endif
