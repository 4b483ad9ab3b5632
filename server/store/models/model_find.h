/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions by what they are called, inside a transaction of the caller's. */
#ifndef MODEL_FIND_H
#define MODEL_FIND_H

#include "store/models/version_ref.h"

struct conn;

/* Row id of a model that is there; ERR_NOT_FOUND. The rest may be NULL. */
enum err_code model_find(struct conn *conn, const char *name, int64_t *id, int64_t *default_version,
                         struct err *err) MUST_CHECK;
/* The same, made when it is not there. */
enum err_code model_find_or_add(struct conn *conn, const char *name, int64_t *id,
                                int64_t *default_version, struct err *err) MUST_CHECK;

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

/* Which versions a model's row names, and how many it keeps. All 0 when there is no such model. */
struct model_places {
    int64_t default_version; /* 0: none */
    int64_t previous_version;
    int64_t keep_versions;
};
enum err_code model_get_places(struct conn *conn, int64_t model, struct model_places *out,
                               struct err *err) MUST_CHECK;

#endif
