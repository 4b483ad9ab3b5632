/* SPDX-License-Identifier: Apache-2.0 */
/* A read-only registry whose file another process changes. For one thread. */
#ifndef DB_FOLLOW_H
#define DB_FOLLOW_H

#include "store/sqlite/db.h"

enum db_change {
    DB_SAME,
    DB_CHANGED, /* another process has committed: what was read may be out of date */
    DB_REPLACED /* another file, or one that was not changed through SQLite: call db_reopen */
};

/*
 * Finds out how the file has changed since the last call; each change is reported once. A writable
 * registry is always DB_SAME. ERR_NOT_FOUND while there is no file; ERR_IO; ERR_CORRUPT.
 */
enum err_code db_poll(struct db *db, enum db_change *out, struct err *err) MUST_CHECK;

/*
 * Examines the file and opens it anew. Reads under way finish on the old file, and none fails
 * because of the change. After an error the old connections stay. Errors as of db_open.
 */
enum err_code db_reopen(struct db *db, struct err *err) MUST_CHECK;

#endif
