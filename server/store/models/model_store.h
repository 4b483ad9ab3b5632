/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The immutable content of versions.
 *
 * A model has versions 1, 2, ...; a number is never used twice, not even after a deletion. The
 * content of a version is one opaque byte string (core/model/codec), stored in chunks (chunks.h)
 * and identified by the SHA-256 of all its bytes, in lower-case hex.
 */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include <stddef.h>

#include "base/digest.h"
#include "store/models/promotion_store.h"
#include "store/models/version_rows_store.h"
#include "store/sqlite/db.h"

struct put_request {
    const char *model;
    const void *bytes;
    size_t n_bytes;
    bool promote;                         /* make it the default */
    enum promotion_origin origin;         /* PROMOTION_REGISTER: also if there is no default */
    int64_t job;                          /* with PROMOTION_JOB, as are the next two */
    const char *rows_used;                /* as in default_change */
    const struct version_rows_text *rows; /* that trained it; NULL: not known */
    /*
     * Values of the headers of these names: "*" for any version, or a list of tags that contain
     * digests; NULL: no condition.
     */
    const char *if_match;      /* the default version must be one of them */
    const char *if_none_match; /* the default version must not be one of them */
};

struct put_result {
    int64_t version;
    bool created; /* false: `version` is an older one that has these very bytes */
    char digest[DIGEST_HEX_CHARS + 1];
};

/*
 * Stores a version, and the model if it is new; then deletes the versions that the model no longer
 * keeps. ERR_INVALID: no legal name; ERR_PRECONDITION: if_match or if_none_match does not hold;
 * ERR_FULL; ERR_IO.
 */
enum err_code model_store_put(struct db *db, const struct put_request *put, struct put_result *out,
                              struct err *err) MUST_CHECK;
/* The same inside a transaction of the caller's. */
enum err_code model_put(struct db *db, struct conn *conn, const struct put_request *put,
                        struct put_result *out, struct err *err) MUST_CHECK;

/*
 * The content of a version, compared with its digests. The caller frees *bytes (mem_free).
 * ERR_NOT_FOUND; ERR_CORRUPT: the version has been marked as damaged, with the reason.
 */
enum err_code model_store_load(struct db *db, const char *model, int64_t version, void **bytes,
                               size_t *n_bytes, struct err *err) MUST_CHECK;

#endif
