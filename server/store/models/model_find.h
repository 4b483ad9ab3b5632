/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds models and versions by what they are called, for the files of server/store. `conn` is
 * inside a transaction; `model` is the id of a model's row, which is what the other tables refer
 * to.
 */
#ifndef MODEL_FIND_H
#define MODEL_FIND_H

#include "base/digest.h"
#include "store/models/version_ref.h"

struct conn;
struct db;

/* ---- models ---- */

/* *default_version (may be NULL) is 0 when there is none. ERR_NOT_FOUND. */
enum err_code model_find(struct conn *conn, const char *name, int64_t *model,
                         int64_t *default_version, struct err *err) MUST_CHECK;
/* Adds the model if it does not exist. ERR_INVALID: no legal name. */
enum err_code model_find_or_add(struct conn *conn, const char *name, int64_t *model,
                                int64_t *default_version, struct err *err) MUST_CHECK;

/*
 * db_read_begin and db_write_begin, followed by model_find: nothing is to be ended after a failure,
 * such as ERR_NOT_FOUND.
 */
enum err_code model_read_begin(struct db *db, const char *name, struct conn **conn, int64_t *model,
                               struct err *err) MUST_CHECK;
enum err_code model_write_begin(struct db *db, const char *name, struct conn **conn, int64_t *model,
                                struct err *err) MUST_CHECK;

/* Sets ERR_NOT_FOUND. */
enum err_code model_absent(const char *name, struct err *err);

/* The versions that a model's row refers to. */
struct model_places {
    int64_t default_version;  /* 0: none */
    int64_t previous_version; /* the default before this one; 0: none */
    int64_t keep_versions;    /* how many of the newest are kept; 0: all */
};
enum err_code model_get_places(struct conn *conn, int64_t model, struct model_places *out,
                               struct err *err) MUST_CHECK;

/* ---- versions; `name` of the model is for messages ---- */

/* The number that a reference stands for; a number stands for itself. ERR_NOT_FOUND. */
enum err_code model_resolve(struct conn *conn, const char *name, int64_t model,
                            const struct version_ref *ref, int64_t *version,
                            struct err *err) MUST_CHECK;

/* *version: what an alias names; 0: there is no such alias. */
enum err_code model_get_alias(struct conn *conn, int64_t model, const char *alias, int64_t *version,
                              struct err *err) MUST_CHECK;

/* What is stored of a version besides its content. */
struct stored_version {
    bool found; /* false: there is no such version, and the rest is zero */
    bool damaged;
    int64_t n_bytes;
    char digest[DIGEST_HEX_CHARS + 1];
};
enum err_code model_get_version(struct conn *conn, int64_t model, int64_t version,
                                struct stored_version *out, struct err *err) MUST_CHECK;

/* Can this version be served? ERR_NOT_FOUND; ERR_CONFLICT: it is damaged. */
enum err_code model_check_version(struct conn *conn, const char *name, int64_t model,
                                  int64_t version, struct err *err) MUST_CHECK;

#endif
