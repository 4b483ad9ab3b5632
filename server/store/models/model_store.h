/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models and their immutable versions in the registry.
 *
 * A model is a name ([A-Za-z0-9][A-Za-z0-9._-]*, at most NAME_MAX_CHARS) with versions 1, 2, ...;
 * a number is never used twice, not even after a delete. The content of a version is one opaque
 * byte string (core/model/codec), kept in chunks of at most 64 MiB, each with its SHA-256, and
 * identified as a whole by the SHA-256 of all its bytes, in lower-case hex.
 */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include <stddef.h>

#include "base/digest.h"
#include "store/models/promotion_store.h"
#include "store/sqlite/db.h"

struct put_request {
    const char *model;
    const void *bytes;
    size_t n_bytes;
    bool promote;                 /* make it the default; a registered one is where there is none */
    enum promotion_origin origin; /* of that */
    int64_t job;                  /* with PROMOTION_JOB */
    /* Values of the headers of these names: "*" or a list of tags that hold digests; NULL: absent.
     */
    const char *if_match; /* the default version must be one of them; "*": there must be one */
    const char
        *if_none_match; /* the default version must be none of them; "*": there must be none */
};

struct put_result {
    int64_t version;
    bool created; /* false: some version of the model has these very bytes already; it is `version`
                   */
    char digest[DIGEST_HEX_CHARS + 1];
};

/*
 * Afterwards the versions that the model no longer keeps are gone. ERR_PRECONDITION when if_match
 * or if_none_match does not hold; ERR_FULL; ERR_IO; ERR_INVALID.
 */
enum err_code model_store_put(struct db *db, const struct put_request *put, struct put_result *out,
                              struct err *err) MUST_CHECK;

/*
 * The content of a version, checked against its digests. *bytes is the caller's (mem_free).
 * ERR_NOT_FOUND; ERR_CORRUPT: the version is now marked damaged with the reason.
 */
enum err_code model_store_load(struct db *db, const char *model, int64_t version, void **bytes,
                               size_t *n_bytes, struct err *err) MUST_CHECK;

/* model_store_put inside a transaction of the caller's. */
enum err_code model_put(struct db *db, struct conn *conn, const struct put_request *put,
                        struct put_result *out, struct err *err) MUST_CHECK;

#endif
