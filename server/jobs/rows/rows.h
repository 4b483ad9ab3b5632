/* SPDX-License-Identifier: Apache-2.0 */
/* All training rows of a model, read from the store. */
#ifndef ROWS_H
#define ROWS_H

#include "base/cancel.h"
#include "fit/data.h"
#include "store/data/training_data.h"
#include "store/sqlite/db.h"

struct rows {
    struct data data; /* views of x and y; an output that is missing is NaN */
    double *x;        /* mem */
    double *y;        /* mem */
    struct training_data origin;
};

#define ROWS_MAX 100000000 /* a training run counts rows in an int */

struct rows_request {
    /* Exactly the rows of an earlier attempt; NULL, or an empty fingerprint: all there are. */
    const struct training_data *pinned;
    const struct cancel *cancel; /* may be NULL */
};

/*
 * ERR_CONFLICT when some of the pinned rows were deleted. A zeroed struct may be released.
 * ERR_INVALID when there are no rows; ERR_NONFINITE; ERR_CANCELLED; ERR_NOMEM.
 */
enum err_code rows_load(struct db *db, const char *model, const struct rows_request *request,
                        struct rows *rows, struct err *err) MUST_CHECK;
void rows_release(struct rows *rows);

#endif
