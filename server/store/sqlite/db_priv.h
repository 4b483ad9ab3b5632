/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of struct db, for the files db*.c. */
#ifndef DB_PRIV_H
#define DB_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/sqlite/db.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/db_reserve.h"
#include "store/sqlite/pool.h"

struct db {
    char *path; /* mem */
    bool read_only;
    struct db_lock lock; /* held as long as the registry is open for writing */
    pthread_mutex_t write_lock;
    struct conn writer; /* guarded by write_lock; not open when read-only */
    struct pool pool;
    struct db_reserve reserve;
    size_t chunk_bytes;
    int wal_pages;
    _Atomic int64_t version; /* db_version.h */
    int changes;             /* guarded by write_lock: rows changed when the transaction began */
    /* What follows belongs to the thread that calls db_poll. */
    struct conn watcher;    /* open when read-only */
    int64_t data_version;   /* the watcher's, when last polled */
    struct db_stamp seen;   /* the file when last polled */
    struct db_stamp opened; /* the file that the connections have open */
    enum conn_mode mode;    /* of those connections */
    ino_t log_index;        /* of the write-ahead log they read; 0: they read none */
    ino_t stale_index;      /* of a log left by an earlier file of this name; 0: there is none */
};

/* Opens the connections of a read-only registry, in place of those it has. */
enum err_code db_open_read_only(struct db *db, struct err *err) MUST_CHECK;

#endif
