/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input spaces of models: documents that are opaque here, each with the SHA-256 of its text. A
 * digest says which space somebody has seen; what was read under it is stored only while the space
 * is still the same.
 */
#ifndef SPACE_STORE_H
#define SPACE_STORE_H

#include "base/digest.h"
#include "store/sqlite/db.h"

struct conn;

struct space_row {
    char *document; /* mem; NULL: the model has no space */
    char digest[DIGEST_HEX_CHARS + 1];
    char origin[16]; /* put, upload, train, model: what it came with */
    int64_t changed_ms;
};

/* ERR_NOT_FOUND: no such model. A zeroed row may be released. */
enum err_code space_store_find(struct db *db, const char *model, struct space_row *out,
                               struct err *err) MUST_CHECK;
void space_row_release(struct space_row *row);

/* digest: [DIGEST_HEX_CHARS + 1], of a document. */
enum err_code space_store_hash(const char *document, char *digest, struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/* *same: the model's space has this digest, or there is none and the digest is "". */
enum err_code space_is_seen(struct conn *conn, int64_t model, const char *digest, bool *same,
                            struct err *err) MUST_CHECK;

enum err_code space_write(struct conn *conn, int64_t model, const char *document,
                          const char *origin, struct err *err) MUST_CHECK;

#endif
