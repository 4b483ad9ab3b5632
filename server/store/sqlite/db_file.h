/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as a file: is there one, is it ours, has it been changed, and who has it locked.
 * Used by db.c and by the care of a file that is not opened as a registry (check, backup).
 */
#ifndef DB_FILE_H
#define DB_FILE_H

#include <sys/types.h>

#include "store/sqlite/conn.h"

#define DB_APPLICATION_ID 0x53524754 /* "SRGT" */

#define DB_FILE_NAME_BYTES 4200 /* of a path in the configuration and a suffix */

/*
 * Refuses what can be no registry file, such as a folder. With must_exist a file that is absent or
 * empty too. ERR_IO, ERR_INVALID, ERR_NOT_FOUND.
 */
enum err_code db_file_refuse(const char *path, bool must_exist, struct err *err) MUST_CHECK;

/* What the one process that may write holds; -1: not held. */
struct db_lock {
    int name; /* of FILE.lock, which is there before the file and stays when it is replaced */
    int file; /* of the file itself, whatever it is called: there may be links to it */
};

#define DB_LOCK_NONE                                                                               \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/*
 * Takes the lock: that of the name, behind symbolic links, and of the file when it is there. *lock
 * must hold none, and holds none after a failure. ERR_CONFLICT: a server has it. ERR_IO, ERR_FULL,
 * ERR_NOMEM.
 */
enum err_code db_file_lock(const char *path, struct db_lock *lock, struct err *err) MUST_CHECK;

/* The same of a file that was made since. Does nothing when it is held already. */
enum err_code db_file_lock_made(const char *path, struct db_lock *lock, struct err *err) MUST_CHECK;

/*
 * After the last connection: the system takes all locks of a process off a file when any descriptor
 * of it is closed, SQLite's too.
 */
void db_file_unlock(struct db_lock *lock);

/*
 * Reading a registry at rest leaves the files of a log that holds nothing beside it, and a reader
 * cannot remove them. This does, unless somebody has the file open or the log holds something. Only
 * in a process that has no connection to the file (see db_file_unlock).
 */
void db_file_remove_empty_log(const char *path);

/*
 * Is it ours? *is_new: it is empty. ERR_INVALID (of another program), ERR_UNSUPPORTED (a schema
 * newer than ours), ERR_CORRUPT. *schema: its number, 0 when it is new.
 */
enum err_code db_file_identify(struct conn *conn, const char *path, bool *is_new, int *schema,
                               struct err *err) MUST_CHECK;

/* A CONN_READ_ONLY or CONN_IMMUTABLE connection to a registry that is there, maybe of an older
 * schema. */
enum err_code db_file_open(struct conn *conn, const char *path, enum conn_mode mode, int *schema,
                           struct err *err) MUST_CHECK;

/*
 * Is there something beside the file that must be read with it: a write-ahead log that is not
 * empty, or the index of one (-shm), which is there while a process has the log open? One with the
 * inode `stale` (0: none) is of a file that was here before, and counts as none.
 */
bool db_file_has_log(const char *path, ino_t stale);

/* The inode of the index of a log; 0: there is none. */
ino_t db_file_log_index(const char *path);

/* What tells one state of a file from another. All zero: no file. */
struct db_stamp {
    dev_t device;
    ino_t inode;
    off_t n_bytes;
    int64_t modified_ns;
};

/* ERR_NOT_FOUND, ERR_IO. */
enum err_code db_file_stamp(const char *path, struct db_stamp *out, struct err *err) MUST_CHECK;

#endif
