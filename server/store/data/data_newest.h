/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DATA_NEWEST_H
#define DATA_NEWEST_H

#include <stdint.h>

#include "store/sqlite/db.h"

/*
 * The newest rows of batches after `after`, at most `limit`, in the order of their arrival; *rows
 * [n x (d + o)] is the caller's (mem_free). ERR_NOT_FOUND: no such model, or no rows after it.
 */
struct data_newest {
    int64_t n;
    int d, o;
    double *rows;
};
enum err_code data_store_newest(struct db *db, const char *model, int64_t after, int64_t limit,
                                struct data_newest *out, struct err *err) MUST_CHECK;

#endif
