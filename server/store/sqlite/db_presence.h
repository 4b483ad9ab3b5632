/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the registry file is still where it was opened, and how much room its disk has.
 *
 * A file that is unlinked or replaced while it is open goes on taking writes, which are gone when
 * it is closed. So every commit looks whether the path still leads to the file that is open.
 */
#ifndef DB_PRESENCE_H
#define DB_PRESENCE_H

#include "store/sqlite/db.h"

/* ERR_IO: the file has been removed or another one is in its place. A replica follows its file
 * instead: ERR_OK. */
enum err_code db_check_presence(const struct db *db, struct err *err) MUST_CHECK;

struct db_room {
    int64_t free_bytes;    /* of the file system, for this user; negative: not known */
    int64_t file_bytes;    /* of the registry file */
    int64_t wal_bytes;     /* of the write-ahead log beside it; 0: there is none */
    int64_t reserve_bytes; /* kept for deletions; 0: none */
};

struct db_room db_measure_room(const struct db *db);

#endif
