/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_FOLLOW_H
#define DB_FOLLOW_H

#include "store/sqlite/db.h"

enum db_change {
    DB_SAME,
    DB_CHANGED, /* another process has committed: what was read may be old */
    DB_REPLACED /* another file, or one changed past SQLite: db_reopen before it is read */
};

/*
 * How the file of a read-only registry has changed since this was last asked; each change is told
 * once. For one thread. ERR_NOT_FOUND while the file is not there; ERR_IO, ERR_CORRUPT.
 */
enum err_code db_poll(struct db *db, enum db_change *out, struct err *err) MUST_CHECK;

/*
 * Opens the file of a read-only registry anew, after examining it. Readers at work finish on the
 * old one, and no read fails for it. After an error the old connections stay. By db_poll's thread.
 * Errors as of db_open.
 */
enum err_code db_reopen(struct db *db, struct err *err) MUST_CHECK;

#endif
