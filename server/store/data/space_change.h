/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a model's space, which depend on the space and the rows that are there: what was
 * decided on what somebody has seen is done only while that still holds.
 */
#ifndef SPACE_CHANGE_H
#define SPACE_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite/db.h"

/* What a change was decided on: it is made only while this still holds. */
struct space_seen {
    const char *digest; /* of the space that was there; "": there was none */
    int64_t n_rows;     /* that were stored; below 0: any number */
};

struct space_put {
    const char *model; /* added if it is new */
    const char *document;
    const char *origin;
    struct space_seen seen;
};

/* *done false: what was seen does not hold any more. ERR_INVALID: no legal name. */
enum err_code space_change_put(struct db *db, const struct space_put *put, bool *done,
                               struct err *err) MUST_CHECK;

/* Deletes the space that was seen; as space_change_put. ERR_NOT_FOUND: no such model. */
enum err_code space_change_delete(struct db *db, const char *model, const struct space_seen *seen,
                                  bool *done, struct err *err) MUST_CHECK;

#endif
