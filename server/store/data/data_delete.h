/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DATA_DELETE_H
#define DATA_DELETE_H

#include <stdint.h>

#include "store/sqlite/db.h"

/* Deletes all rows of a model; the number deleted in *n_rows. */
enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows,
                                struct err *err) MUST_CHECK;

/* Deletes one batch; statistics are made anew from the rows that stay. ERR_NOT_FOUND. */
enum err_code data_store_delete_batch(struct db *db, const char *model, int64_t batch,
                                      int64_t *n_rows, struct err *err) MUST_CHECK;

#endif
