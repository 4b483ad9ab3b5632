/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: one SQLite file in write-ahead mode.
 *
 * Every write and every checkpoint of the process happens on one connection under one lock, because
 * SQLite 3.7.0 to 3.51.2 can corrupt a file in write-ahead mode when two connections write or
 * checkpoint at the same moment (sqlite.org/wal.html, "the WAL-reset bug"; Debian 12 ships 3.40.1).
 * Reads use a small pool of connections and never wait for a writer. Once a store function has
 * returned ERR_OK, its change is on disk (synchronous=FULL).
 *
 * A read-only registry, a replica's, writes nothing and takes no locks. Another process, here or by
 * replication, changes its file; db_poll and db_reopen follow (db_follow.h).
 *
 * All functions of server/store may be called from any thread, unless they say otherwise.
 */
#ifndef DB_H
#define DB_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct conn;

/* 0 stands for the default. */
struct db_settings {
    const char *path;   /* the file; created when absent. Borrowed for the call. */
    int n_readers;      /* read connections; 4 */
    size_t chunk_bytes; /* the longest piece that content is stored in; 64 MiB (tests use less) */
    int wal_pages;      /* a log of this length is folded into the file at the next commit; 1000 */
    int64_t reserve_bytes; /* of disk that are kept for deletions (db_reserve.h) */
    bool read_only;        /* a replica: every write returns ERR_READ_ONLY */
};

/*
 * Brings the rows of an older file up to date. It runs each time a file is opened for writing, on
 * the write connection and outside a transaction, after the migrations. `path` is for messages.
 */
typedef enum err_code db_upgrade(struct conn *conn, const char *path, struct err *err);

/*
 * Opens or creates the file, checks that it is a registry (application_id) and not newer than this
 * program (user_version), and runs the migrations that are missing, then `upgrade`. Locks on the
 * file and on FILE.lock keep a second writing process out (ERR_CONFLICT). Other errors: ERR_IO (no
 * folder, no permission), ERR_UNSUPPORTED (newer schema), ERR_INVALID (a folder, or a file of
 * another program), ERR_CORRUPT, ERR_FULL, ERR_NOMEM. Each message names the path and the remedy.
 *
 * Read-only: takes no lock and changes nothing, so the file must exist (ERR_NOT_FOUND) and have the
 * schema of this program (ERR_UNSUPPORTED).
 *
 * The program calls store_open (store/store.h), which knows the upgrade.
 */
enum err_code db_open(struct db **out, const struct db_settings *settings, db_upgrade *upgrade,
                      struct err *err) MUST_CHECK;

/* Folds the log into the file and closes it. NULL is fine. No other call may be under way. */
void db_close(struct db *db);

bool db_is_read_only(const struct db *db);

/* Sets ERR_READ_ONLY, as every change of a read-only registry does. */
enum err_code db_refuse_change(struct err *err);

/* The longest piece that content is stored in. */
size_t db_chunk_bytes(const struct db *db);

/* Does a read work at this moment? For readiness probes. */
bool db_is_alive(struct db *db);

/* Version of the SQLite library in use. */
const char *db_library_version(void);

/* UTC, milliseconds since 1970. */
int64_t db_now_ms(void);

#endif
