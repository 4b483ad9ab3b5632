/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as a file: whether there is one, whether it is a registry, who has it locked, and
 * whether it has changed. Used by db*.c and by the care of a file that is not opened as a registry
 * (check, backup).
 */
#ifndef DB_FILE_H
#define DB_FILE_H

#include <sys/types.h>

#include "store/sqlite/conn.h"

#define DB_APPLICATION_ID  0x53524754 /* "SRGT" */
#define DB_FILE_NAME_BYTES 4200       /* a path of the configuration with a suffix */

/*
 * Refuses what cannot be a registry file, such as a folder; with must_exist also a file that is
 * absent or empty. ERR_IO, ERR_INVALID, ERR_NOT_FOUND.
 */
enum err_code db_file_refuse(const char *path, bool must_exist, struct err *err) MUST_CHECK;

/* The folder of a path, "." when it names none. The caller frees it (mem_free). NULL: no memory. */
char *db_file_folder(const char *path) MUST_CHECK;

/* ---- locks ---- */

/* What the one process that may write holds; -1: not held. */
struct db_lock {
    int name; /* on FILE.lock, which exists before the file and stays when the file is replaced */
    int file; /* on the file itself, which may have several names (links) */
};

#define DB_LOCK_NONE                                                                               \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/*
 * Takes both locks, that of the name behind symbolic links, and that of the file if it exists.
 * *lock must hold none, and holds none after a failure. ERR_CONFLICT: another process has them.
 * ERR_IO, ERR_FULL, ERR_NOMEM.
 */
enum err_code db_file_lock(const char *path, struct db_lock *lock, struct err *err) MUST_CHECK;

/* Takes the lock of a file that did not exist at db_file_lock. Does nothing when it is held. */
enum err_code db_file_lock_made(const char *path, struct db_lock *lock, struct err *err) MUST_CHECK;

/*
 * Call it after the last connection is closed: when a process closes any descriptor of a file, the
 * system drops all its locks on that file, SQLite's too.
 */
void db_file_unlock(struct db_lock *lock);

/* ---- contents ---- */

/*
 * Is it a registry? *is_new: the database is empty. *schema: its user_version, 0 when new.
 * ERR_INVALID: a file of another program; ERR_UNSUPPORTED: a schema newer than this program;
 * ERR_CORRUPT.
 */
enum err_code db_file_identify(struct conn *conn, const char *path, bool *is_new, int *schema,
                               struct err *err) MUST_CHECK;

/*
 * Opens an existing registry, perhaps of an older schema, in the mode CONN_READ_ONLY or
 * CONN_IMMUTABLE.
 */
enum err_code db_file_open(struct conn *conn, const char *path, enum conn_mode mode, int *schema,
                           struct err *err) MUST_CHECK;

/* ---- the write-ahead log beside it ---- */

/*
 * Must something beside the file be read with it? That is a write-ahead log that is not empty, or
 * the log's index (-shm), which exists as long as a process has the log open. An index with the
 * inode `stale` (0: none) was left by an earlier file of this name and does not count.
 */
bool db_file_has_log(const char *path, ino_t stale);

/* The inode of the log's index; 0: there is none. */
ino_t db_file_log_index(const char *path);

/*
 * Reading a registry at rest leaves the files of an empty log beside it, which a read-only
 * connection cannot remove. This removes them, unless a process has the file open or the log holds
 * something. This process must have no connection to the file (see db_file_unlock).
 */
void db_file_remove_empty_log(const char *path);

/* ---- changes ---- */

/* Tells one state of a file from another. All zero: no file. */
struct db_stamp {
    dev_t device;
    ino_t inode;
    off_t n_bytes;
    int64_t modified_ns;
};

/* ERR_NOT_FOUND, ERR_IO. */
enum err_code db_file_stamp(const char *path, struct db_stamp *out, struct err *err) MUST_CHECK;

#endif
