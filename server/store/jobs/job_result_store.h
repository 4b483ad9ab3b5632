/* SPDX-License-Identifier: Apache-2.0 */
/* What a job found that publishes no version: a document, which is deleted with the job. */
#ifndef JOB_RESULT_STORE_H
#define JOB_RESULT_STORE_H

#include <stddef.h>

#include "store/sqlite/db.h"

/*
 * Stores the document and ends the running job in one transaction, so that it has succeeded exactly
 * when its document is there. ERR_CANCELLED: cancellation was requested. ERR_CONFLICT: it does not
 * run.
 */
enum err_code job_store_put_result(struct db *db, int64_t id, const char *document, size_t n_bytes,
                                   struct err *err) MUST_CHECK;

/*
 * *document: [*n_bytes] and a NUL, the caller's (mem_free). ERR_NOT_FOUND, without a message: there
 * is none. ERR_CORRUPT.
 */
enum err_code job_store_result(struct db *db, int64_t id, char **document, size_t *n_bytes,
                               struct err *err) MUST_CHECK;

#endif
