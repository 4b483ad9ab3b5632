/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room on the disk that is kept for deletions.
 *
 * On a full disk SQLite cannot delete either: a change of a page is first written to the log. So a
 * file of its own (FILE-reserve) takes some megabytes beforehand. When a deletion meets a full
 * disk, that file is removed and the deletion is tried again; then the log is folded into the
 * registry file, which is shortened until the reserve can be made again. Meanwhile changes that do
 * not delete are refused, so that they do not take the room.
 */
#ifndef DB_RESERVE_H
#define DB_RESERVE_H

#include "store/sqlite/db.h"
#include "store/sqlite/db_file.h"

#include <pthread.h>

struct db_reserve {
    pthread_mutex_t freeing_lock; /* held by the one deletion that may use the room */
    int64_t n_bytes;              /* 0: no room is kept */
    char path[DB_FILE_NAME_BYTES];
    /* What follows is guarded by the write lock of the registry. */
    bool there;
    bool spent;      /* it was given up for a deletion, and could not be made again yet */
    bool is_freeing; /* .. by this thread, which may write meanwhile */
    pthread_t freeing;
};

/* Makes the reserve if the disk has more than twice its room; without it deletions fail on a full
 * disk as other changes do. n_bytes 0: none is wanted. */
void db_reserve_init(struct db *db, int64_t n_bytes);
/* Removes it, unless the disk has so little room that the next start could not make it. */
void db_reserve_release(struct db *db);

/* For db_write_begin, under the write lock: must this thread wait until there is room again? */
bool db_reserve_refuses(struct db *db);

/* Something that deletes, as a whole transaction. */
typedef enum err_code db_deletion(struct db *db, void *ctx, struct err *err);

/* Runs it, and once more with the reserve when the disk is full. Errors are those of the deletion.
 */
enum err_code db_free_room(struct db *db, db_deletion *deletion, void *ctx,
                           struct err *err) MUST_CHECK;

#endif
