/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points that were handed out to be simulated. Each has an id that is never given out twice, and
 * counts as pending until an upload names the id or it expires.
 */
#ifndef PENDING_STORE_H
#define PENDING_STORE_H

#include <stdint.h>

#include "store/sqlite/db.h"

#define PENDING_MAX_POINTS 100000 /* of a model */

struct conn;

struct pending_points {
    const char *origin; /* "design", "suggest", "calibration" */
    int n, d;
    const double *x; /* [n x d] */
    int64_t expires_ms;
};

/* ids [n] <- those of the points, ascending. ERR_NOT_FOUND: no such model; ERR_LIMIT: too many are
 * pending already; ERR_READ_ONLY; ERR_FULL, ERR_IO. */
enum err_code pending_store_add(struct db *db, const char *model,
                                const struct pending_points *points, int64_t *ids,
                                struct err *err) MUST_CHECK;

/* The newest points that are pending. */
struct pending_list {
    int d;     /* inputs: given */
    int limit; /* given: at most so many */
    int n;
    double *x; /* [n x d]; the caller frees it (mem_free) */
};

/* A model that does not exist has none. */
enum err_code pending_store_list(struct db *db, const char *model, struct pending_list *list,
                                 struct err *err) MUST_CHECK;

/* The same as pending_store_add, inside a transaction of the caller's. A failure for lack of room
 * (ERR_LIMIT) has added nothing. `model` is its row, `name` for messages. */
enum err_code pending_add(struct conn *conn, int64_t model, const char *name,
                          const struct pending_points *points, int64_t *ids,
                          struct err *err) MUST_CHECK;

/* Inside a transaction of the caller's: *n_closed of the ids were pending. */
enum err_code pending_close(struct conn *conn, int64_t model, int n, const int64_t *ids,
                            int64_t *n_closed, struct err *err) MUST_CHECK;

#endif
