/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting stored rows. */
#ifndef DATA_DELETE_H
#define DATA_DELETE_H

#include <stdint.h>

#include "store/sqlite/db.h"

/* Deletes all rows of a model. *n_rows: how many. ERR_NOT_FOUND: no such model. */
enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows,
                                struct err *err) MUST_CHECK;

/*
 * Deletes one batch, and computes the statistics anew from the rows that remain. *n_rows: how many
 * were deleted. ERR_NOT_FOUND: no such model or batch.
 */
enum err_code data_store_delete_batch(struct db *db, const char *model, int64_t batch,
                                      int64_t *n_rows, struct err *err) MUST_CHECK;

#endif
