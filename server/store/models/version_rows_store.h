/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows a version was trained on, and which it kept out. Versions that were registered, and
 * those of registries before schema 8, have no such record.
 */
#ifndef VERSION_ROWS_STORE_H
#define VERSION_ROWS_STORE_H

#include "store/models/row_set.h"
#include "store/sqlite/db.h"

struct version_rows {
    struct row_set trained; /* also those of the versions that its training started from */
    struct row_set kept;    /* for validation, scores and calibration */
    /* Rows of batches up to this one may have trained it as well, if they are in neither set: its
     * training started from a version of which no more is known. 0: none. */
    int64_t unsure_to;
};

/* A zeroed one may be released. */
void version_rows_release(struct version_rows *rows);

/* ERR_NOT_FOUND: no such version, or nothing is recorded; ERR_CORRUPT; ERR_NOMEM. The caller
 * releases *out. */
enum err_code version_rows_store_find(struct db *db, const char *model, int64_t version,
                                      struct version_rows *out, struct err *err) MUST_CHECK;

/* The last batch that was stored when a version was created, going by the clock. 0: there was none,
 * or there is no such version. */
enum err_code version_rows_store_last_before(struct db *db, const char *model, int64_t version,
                                             int64_t *batch, struct err *err) MUST_CHECK;

/* ---- with the version ---- */

/* The sets as they are stored, so that little remains to be done under the write lock. */
struct version_rows_text {
    struct bytes_writer bytes; /* its data is mem */
    int64_t n_trained, n_kept, unsure_to;
};

/* ERR_NOMEM. The caller frees out->bytes.data (mem_free). */
enum err_code version_rows_encode(const struct version_rows *rows, struct version_rows_text *out,
                                  struct err *err) MUST_CHECK;

/* Inside a transaction of the caller's. A version that has a record keeps it. */
struct conn;
struct version_place {
    int64_t model; /* id of its row */
    int64_t version;
};
enum err_code version_rows_put(struct db *db, struct conn *conn, const struct version_place *place,
                               const struct version_rows_text *rows, struct err *err) MUST_CHECK;

#endif
