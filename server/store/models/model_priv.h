/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about models and versions share, all inside a transaction of the caller's. */
#ifndef MODEL_PRIV_H
#define MODEL_PRIV_H

#include "store/models/model_store.h"
#include "store/sqlite/db_priv.h"

/*
 * The number of a version in the store; `name` is for the message. A number is returned as it is,
 * there or not. ERR_NOT_FOUND.
 */
enum err_code model_resolve(struct conn *conn, const char *name, int64_t model,
                            const struct version_ref *ref, int64_t *version,
                            struct err *err) MUST_CHECK;

/* What an alias names; 0: there is no such alias. */
enum err_code model_get_alias(struct conn *conn, int64_t model, const char *alias, int64_t *version,
                              struct err *err) MUST_CHECK;

/* Is the version there, and fit to be served? ERR_NOT_FOUND; ERR_CONFLICT: it is damaged. */
enum err_code model_check_version(struct conn *conn, const char *name, int64_t model,
                                  int64_t version, struct err *err) MUST_CHECK;

/*
 * Makes a version the default, 0: none, and writes it down among the promotions. The default of
 * before becomes the previous one, unless it is none. Nothing changes when it is the default
 * already.
 */
struct default_change {
    int64_t model;
    int64_t version;
    enum promotion_origin origin;
    int64_t job;
};
enum err_code model_change_default(struct conn *conn, const struct default_change *change,
                                   struct err *err) MUST_CHECK;

/* Deletes the versions that the model no longer keeps; how many (may be NULL). */
enum err_code model_prune(struct conn *conn, int64_t model, int64_t *n_deleted,
                          struct err *err) MUST_CHECK;

#endif
