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

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

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
    int64_t n_rows;           /* training rows kept for it */
    int64_t previous_version; /* the default before this one; 0: none */
    int64_t keep_versions;    /* the newest that stay; 0: all */
};

struct alias_row {
    char alias[ALIAS_MAX_CHARS + 1];
    int64_t version;
    int64_t changed_ms;
};

/* All that is known of a model and its versions at one moment. */
struct model_view {
    struct model_row row;
    struct version_row *versions; /* by number */
    size_t n_versions;
    struct alias_row *aliases; /* by name */
    size_t n_aliases;
};

/* Who changed a default version. */
enum promotion_origin { PROMOTION_REGISTER, PROMOTION_REQUEST, PROMOTION_JOB };

struct promotion_row {
    int64_t id;
    int64_t version;  /* 0: the model has no default any more */
    int64_t previous; /* 0: there was none */
    char origin[16];  /* "register", "request", "job" */
    int64_t job;      /* with origin job, else 0 */
    int64_t at_ms;
};

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

/* Is this text a legal model name? */
bool model_name_is_valid(const char *name);

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

/* Marks a version damaged for a reason found above (content does not decode). */
enum err_code model_store_mark_damaged(struct db *db, const char *model, int64_t version,
                                       const char *reason, struct err *err) MUST_CHECK;

/* *version: the default now. ERR_NOT_FOUND; ERR_CONFLICT: the version is damaged. */
enum err_code model_store_set_default(struct db *db, const char *model,
                                      const struct version_ref *ref, int64_t *version,
                                      struct err *err) MUST_CHECK;

/* The newest of the changes of the default first; *rows is the caller's (mem_free). */
enum err_code model_store_promotions(struct db *db, const char *model, size_t limit,
                                     struct promotion_row **rows, size_t *n_rows,
                                     struct err *err) MUST_CHECK;

/*
 * Keeps the newest versions of a model, 0: all, and deletes the others now and after each
 * publication; but never the default, the previous one, one with an alias, or one that a queued or
 * running job starts from.
 */
enum err_code model_store_set_keep(struct db *db, const char *model, int64_t keep_versions,
                                   int64_t *n_deleted, struct err *err) MUST_CHECK;

/*
 * ERR_CONFLICT when it is the default and others exist, when it has an alias, or when a queued or
 * running job starts from it.
 */
enum err_code model_store_delete_version(struct db *db, const char *model,
                                         const struct version_ref *ref, struct err *err) MUST_CHECK;

/*
 * The model, its versions with their names and history, its rows, policy and finished jobs.
 * ERR_CONFLICT while a job is queued or running.
 */
enum err_code model_store_delete(struct db *db, const char *model, struct err *err) MUST_CHECK;

/* *rows is the caller's (mem_free), ordered by name. */
enum err_code model_store_list(struct db *db, struct model_row **rows, size_t *n_rows,
                               struct err *err) MUST_CHECK;

/* The versions alone; *rows is the caller's (mem_free), ordered by number. */
enum err_code model_store_versions(struct db *db, const char *model, struct version_row **rows,
                                   size_t *n_rows, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND; ERR_IO; ERR_NOMEM. A zeroed view may be released. */
enum err_code model_store_view(struct db *db, const char *model, struct model_view *out,
                               struct err *err) MUST_CHECK;
void model_view_release(struct model_view *view);

/*
 * How many of a model's rows, from the first, were there when a version came, by the clock. 0 when
 * there is no such version.
 */
enum err_code model_store_rows_before(struct db *db, const char *model, int64_t version,
                                      int64_t *n_rows, struct err *err) MUST_CHECK;

/* The version's row, borrowed from the view. ERR_NOT_FOUND. */
enum err_code model_view_find(const struct model_view *view, const struct version_ref *ref,
                              const struct version_row **out, struct err *err) MUST_CHECK;

#endif
