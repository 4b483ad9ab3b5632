/* SPDX-License-Identifier: Apache-2.0 */
/* What a job found that publishes no version: a document, which is deleted with the job. */
#ifndef JOB_RESULT_STORE_H
#define JOB_RESULT_STORE_H

#include <stddef.h>

#include "base/textbuf.h"
#include "store/data/pending_store.h"

/*
 * Stores the document and ends the running job in one transaction, so that it has succeeded exactly
 * when its document is there. With points (else NULL) these become pending points of the job's
 * model in the same transaction, and the document, a JSON object, gets the member "ids" with their
 * ids at its end: null when there are no points, or no room for them. ERR_CANCELLED: cancellation
 * was requested. ERR_CONFLICT: it does not run. ERR_NOMEM: also of a text that has failed.
 */
enum err_code job_store_put_result(struct db *db, int64_t id, struct textbuf *document,
                                   const struct pending_points *points, struct err *err) MUST_CHECK;

/*
 * *document: [*n_bytes] and a NUL, the caller's (mem_free). ERR_NOT_FOUND, without a message: there
 * is none. ERR_CORRUPT.
 */
enum err_code job_store_result(struct db *db, int64_t id, char **document, size_t *n_bytes,
                               struct err *err) MUST_CHECK;

#endif
