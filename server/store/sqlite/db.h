/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: one SQLite file in WAL mode, and the way to it.
 *
 * Every write and every checkpoint of the process happens on one connection under one lock, because
 * SQLite 3.7.0 to 3.51.2 can corrupt a WAL file when two connections write or checkpoint at the
 * same moment (sqlite.org/wal.html, "the WAL-reset bug"; Debian 12 ships 3.40.1). Reads use a small
 * pool of connections and never wait for a writer. What a store function has answered with ERR_OK
 * is on disk (synchronous=FULL).
 *
 * A read-only registry (a replica's) writes nothing and locks nothing; another process, here or by
 * replication, changes its file, and db_poll and db_reopen follow.
 *
 * All functions of server/store may be called from any thread.
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

struct db_settings {
    const char *path;    /* the file; created when absent. Borrowed for db_open. */
    int n_readers;       /* read connections kept; 0: the default, 4 */
    int busy_timeout_ms; /* wait for another process's lock; 0: the default, 5000 */
    size_t chunk_bytes;  /* of stored blobs; 0: the default, 64 MiB (tests use less) */
    int wal_pages;       /* of the log until it is folded in; 0: the default, 1000 */
    bool read_only;      /* a replica: every write answers ERR_READ_ONLY */
};

/*
 * Brings the rows of an older file up to date, on the write connection and outside a transaction,
 * after the file has the tables of this program. `path` is for messages. Called at every opening.
 */
typedef enum err_code db_upgrade(struct conn *conn, const char *path, struct err *err);

/*
 * Opens or creates the file, checks that it is ours (application_id) and not newer than this
 * program (user_version), and brings the schema up to date. A second process that has the registry
 * open as a daemon is refused (ERR_CONFLICT) through locks on it and on a file beside it. Errors:
 * ERR_IO (missing folder, no permission), ERR_UNSUPPORTED (newer schema), ERR_INVALID (foreign
 * file, a folder), ERR_CORRUPT, ERR_FULL, ERR_NOMEM; each message names the path and what to do.
 *
 * Read-only: takes no lock, changes no schema (an older one is ERR_UNSUPPORTED too), and the file
 * must be there (ERR_NOT_FOUND). `upgrade` is not called then.
 *
 * The rest of the program calls store_open (store/store.h), which knows the upgrade.
 */
enum err_code db_open(struct db **out, const struct db_settings *settings, db_upgrade *upgrade,
                      struct err *err) MUST_CHECK;

/* Checkpoints and closes. NULL is fine. No other call may be under way. */
void db_close(struct db *db);

bool db_is_read_only(const struct db *db);

/* Bytes of a stored chunk: 64 MiB, less in tests. */
size_t db_chunk_bytes(const struct db *db);

/* True when a read works now: readiness probes. */
bool db_is_alive(struct db *db);

/* Version text of the SQLite library in use. */
const char *db_library_version(void);

/* UTC, milliseconds since 1970. */
int64_t db_now_ms(void);

#endif
