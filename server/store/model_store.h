/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models and their immutable versions in the registry.
 *
 * A model is a name ([A-Za-z0-9][A-Za-z0-9._-]*, at most NAME_MAX_CHARS) with versions 1, 2, ...;
 * a number is never used twice, not even after a delete. The content of a version is one opaque
 * byte string (core/codec), kept in chunks of at most 64 MiB, each with its SHA-256, and identified
 * as a whole by the SHA-256 of all its bytes, in lower-case hex.
 */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include "db.h"

#include <stddef.h>

#define NAME_MAX_CHARS   64
#define DIGEST_HEX_CHARS 64

struct version_row {
    char model[NAME_MAX_CHARS + 1];
    int64_t version;
    int64_t created_ms;
    int64_t n_bytes;
    char digest[DIGEST_HEX_CHARS + 1];
    bool is_default;
    bool damaged;     /* content failed its check once; not served any more */
    char reason[160]; /* why, when damaged */
};

struct model_row {
    char model[NAME_MAX_CHARS + 1];
    int64_t created_ms;
    int64_t default_version; /* 0: none yet (rows were uploaded before anything was trained) */
    int64_t n_versions;
    int64_t n_rows; /* training rows kept for it */
};

struct put_request {
    const char *model;
    const void *bytes;
    size_t n_bytes;
    bool promote; /* make it the default; the first version of a model always is */
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

/* Is this text a legal model name? */
bool model_name_is_valid(const char *name);

/* ERR_PRECONDITION when if_match or if_none_match does not hold; ERR_FULL; ERR_IO; ERR_INVALID. */
enum err_code model_store_put(struct db *db, const struct put_request *put, struct put_result *out,
                              struct err *err) MUST_CHECK;

/*
 * The content of a version, checked against its digests. *bytes is the caller's (mem_free).
 * ERR_NOT_FOUND; ERR_CORRUPT: the version is now marked damaged with the reason.
 */
enum err_code model_store_load(struct db *db, const char *model, int64_t version, void **bytes,
                               size_t *n_bytes, struct err *err) MUST_CHECK;

/* Marks a version damaged for a reason found above (content does not decode). */
enum err_code model_store_mark_damaged(struct db *db, const char *model, int64_t version,
                                       const char *reason, struct err *err) MUST_CHECK;

enum err_code model_store_set_default(struct db *db, const char *model, int64_t version,
                                      struct err *err) MUST_CHECK;

/* ERR_CONFLICT when it is the default and others exist, or a queued or running job needs it. */
enum err_code model_store_delete_version(struct db *db, const char *model, int64_t version,
                                         struct err *err) MUST_CHECK;

/* The model, its versions, rows and finished jobs. ERR_CONFLICT while a job is queued or running.
 */
enum err_code model_store_delete(struct db *db, const char *model, struct err *err) MUST_CHECK;

/* Arrays are the caller's (mem_free), ordered by name / by version. */
enum err_code model_store_list(struct db *db, struct model_row **rows, size_t *n_rows,
                               struct err *err) MUST_CHECK;
enum err_code model_store_get(struct db *db, const char *model, struct model_row *row,
                              struct err *err) MUST_CHECK;
/* model NULL: the versions of every model. */
enum err_code model_store_versions(struct db *db, const char *model, struct version_row **rows,
                                   size_t *n_rows, struct err *err) MUST_CHECK;

#endif
