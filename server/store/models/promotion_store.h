/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version of a model is the default, which one was the default before it, and how many old
 * versions are kept.
 *
 * The previous version is the one that was the default before the last change, so going back twice
 * leads to where one was. A version is never pruned while something refers to it: it is the default
 * or the previous version, it has an alias, or a queued or running job starts from it.
 */
#ifndef PROMOTION_STORE_H
#define PROMOTION_STORE_H

#include <stddef.h>

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

/* What made a version the default: its registration, a request to promote it, or a job. */
enum promotion_origin { PROMOTION_REGISTER, PROMOTION_REQUEST, PROMOTION_JOB };

#define PROMOTION_ROWS_CHARS 159

/* One change of the default. */
struct promotion_row {
    int64_t id;
    int64_t version;  /* 0: since then the model has no default */
    int64_t previous; /* 0: there was none */
    char origin[16];  /* "register", "request", "job" */
    int64_t job;      /* its number, if a job made the change; else 0 */
    int64_t at_ms;
    char rows_used[PROMOTION_ROWS_CHARS +
                   1]; /* that its version was compared on, in words; "": none */
};

/* *version: the new default. ERR_NOT_FOUND; ERR_CONFLICT: the version is damaged. */
enum err_code model_store_set_default(struct db *db, const char *model,
                                      const struct version_ref *ref, int64_t *version,
                                      struct err *err) MUST_CHECK;

/* The last `limit` changes of the default, newest first. The caller frees *rows (mem_free). */
enum err_code model_store_promotions(struct db *db, const char *model, size_t limit,
                                     struct promotion_row **rows, size_t *n_rows,
                                     struct err *err) MUST_CHECK;

/*
 * Keeps only the newest keep_versions versions of a model (0: all), now and after each publication.
 * Older ones stay as long as something refers to them.
 */
enum err_code model_store_set_keep(struct db *db, const char *model, int64_t keep_versions,
                                   int64_t *n_deleted, struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/*
 * Makes a version the default and records the change. The old default, if there was one, becomes
 * the previous version. Nothing happens when the version is the default already.
 */
struct default_change {
    int64_t model;
    int64_t version; /* 0: none */
    enum promotion_origin origin;
    int64_t job;           /* with PROMOTION_JOB, as is the next */
    const char *rows_used; /* NULL: it was not compared */
};
enum err_code model_change_default(struct conn *conn, const struct default_change *change,
                                   struct err *err) MUST_CHECK;

/* Deletes the versions that the model no longer keeps. *n_deleted may be NULL. */
enum err_code model_prune(struct conn *conn, int64_t model, int64_t *n_deleted,
                          struct err *err) MUST_CHECK;

#endif
