/* SPDX-License-Identifier: Apache-2.0 */
/* Which version of a model is the default, which it was before, and which old ones go. */
#ifndef PROMOTION_STORE_H
#define PROMOTION_STORE_H

#include <stddef.h>

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

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

/* ---- inside a transaction of the caller's ---- */

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
