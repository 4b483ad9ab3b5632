/* SPDX-License-Identifier: Apache-2.0 */
/* The newest rows of a model as one array. */
#ifndef DATA_NEWEST_H
#define DATA_NEWEST_H

#include <stdint.h>

#include "store/sqlite/db.h"

struct data_newest {
    int64_t n;
    int d, o;
    double *rows; /* [n x (d + o)] in order of arrival; the caller frees it (mem_free) */
};

/*
 * The newest rows, at most `limit`, of the batches after batch `after`. ERR_NOT_FOUND: no such
 * model, or no rows after that batch.
 */
enum err_code data_store_newest(struct db *db, const char *model, int64_t after, int64_t limit,
                                struct data_newest *out, struct err *err) MUST_CHECK;

#endif
