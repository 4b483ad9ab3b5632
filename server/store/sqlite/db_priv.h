/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry handle share: its parts. */
#ifndef DB_PRIV_H
#define DB_PRIV_H

#include <pthread.h>

#include "store/sqlite/db.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/pool.h"

struct db {
    char *path;
    bool read_only;
    int busy_timeout_ms;
    struct db_lock lock;        /* held while we have the registry, unless read-only */
    pthread_mutex_t write_lock; /* guards `writer`: every write and every checkpoint */
    struct conn writer;         /* not open when read-only */
    struct pool pool;
    size_t chunk_bytes;
    int wal_pages; /* of the log until it is folded in */
    /* Of db_poll's thread. */
    struct conn watcher;    /* open when read-only */
    int64_t data_version;   /* the watcher's, when last looked at */
    struct db_stamp seen;   /* the file when last looked at */
    struct db_stamp opened; /* the file the connections are to */
    enum conn_mode mode;    /* of those connections */
    ino_t log_index;        /* of the log they read; 0: they read none */
    ino_t stale_index;      /* of a log that is of a file before this one; 0: there is none */
};

/* Opens the connections of a read-only registry, in place of those it may have. */
enum err_code db_open_read_only(struct db *db, struct err *err) MUST_CHECK;

#endif
