/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db.h"

#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "store/sqlite/db_priv.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/migrate.h"
#include "store/sqlite/query.h"

#define DEFAULT_READERS     4
#define DEFAULT_WAL_PAGES   1000 /* 4 MB, SQLite's own default */
#define DEFAULT_CHUNK_BYTES ((size_t)64 << 20)

int64_t db_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *db_library_version(void)
{
    return sqlite3_libversion();
}

size_t db_chunk_bytes(const struct db *db)
{
    return db->chunk_bytes;
}

bool db_is_read_only(const struct db *db)
{
    return db->read_only;
}

/* ---- opening ---- */

/* Marks an empty file as a registry. */
static enum err_code set_application_id(struct db *db, struct err *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d", DB_APPLICATION_ID);
    return conn_exec(&db->writer, sql, db->path, err);
}

static enum err_code open_writer(struct db *db, db_upgrade *upgrade, struct err *err)
{
    bool is_new = false;
    int schema = 0;
    if (conn_open(&db->writer, db->path, CONN_WRITER, err) != ERR_OK ||
        db_file_lock_made(db->path, &db->lock, err) != ERR_OK ||
        db_file_identify(&db->writer, db->path, &is_new, &schema, err) != ERR_OK ||
        conn_use_as_writer(&db->writer, db->path, err) != ERR_OK ||
        (is_new && set_application_id(db, err) != ERR_OK) ||
        migrate_run(&db->writer, db->path, schema, err) != ERR_OK) {
        return err->code;
    }
    return upgrade(&db->writer, db->path, err);
}

static enum err_code open_to_write(struct db *db, db_upgrade *upgrade, struct err *err)
{
    if (db_file_refuse(db->path, false, err) != ERR_OK ||
        db_file_lock(db->path, &db->lock, err) != ERR_OK ||
        open_writer(db, upgrade, err) != ERR_OK) {
        return err->code;
    }
    db->writer.is_ours = true;
    int64_t version = 0;
    if (query_number(&db->writer, SQL_REGISTRY_VERSION_GET, &version, err) != ERR_OK) {
        return err->code;
    }
    atomic_store(&db->version, version);
    return pool_replace(&db->pool, db->path, CONN_READER, err);
}

enum err_code db_open(struct db **out, const struct db_settings *settings, db_upgrade *upgrade,
                      struct err *err)
{
    struct db *db = mem_zalloc(sizeof *db);
    if (db == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    db->read_only = settings->read_only;
    db->lock = (struct db_lock)DB_LOCK_NONE;
    db->chunk_bytes = settings->chunk_bytes > 0 ? settings->chunk_bytes : DEFAULT_CHUNK_BYTES;
    db->wal_pages = settings->wal_pages > 0 ? settings->wal_pages : DEFAULT_WAL_PAGES;
    pthread_mutex_init(&db->write_lock, NULL);
    pthread_mutex_init(&db->reserve.freeing_lock, NULL);
    pool_init(&db->pool, settings->n_readers > 0 ? settings->n_readers : DEFAULT_READERS);
    db->path = mem_strdup(settings->path);
    if (db->path == NULL) {
        err_set(err, ERR_NOMEM, "no memory to open the registry");
    } else {
        err_kept(db->read_only ? db_open_read_only(db, err) : open_to_write(db, upgrade, err));
    }
    if (err->code != ERR_OK) {
        db_close(db);
        return err->code;
    }
    db_reserve_init(db, settings->reserve_bytes);
    *out = db;
    return ERR_OK;
}

void db_close(struct db *db)
{
    if (db == NULL) {
        return;
    }
    pool_release(&db->pool);
    conn_close(&db->watcher);
    if (db->writer.sqlite != NULL) {
        sqlite3_wal_checkpoint_v2(db->writer.sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        db_reserve_release(db);
    }
    conn_close(&db->writer);
    if (db->read_only) {
        db_file_remove_empty_log(db->path); /* this may have been the last reader */
    }
    db_file_unlock(&db->lock);
    pthread_mutex_destroy(&db->reserve.freeing_lock);
    pthread_mutex_destroy(&db->write_lock);
    mem_free(db->path);
    mem_free(db);
}

bool db_is_alive(struct db *db)
{
    struct err err = ERR_INIT;
    struct conn *conn;
    if (db_read_begin(db, &conn, &err) != ERR_OK) {
        return false;
    }
    int64_t n_tables = 0;
    err_kept(query_number(conn, SQL_TABLE_COUNT, &n_tables, &err));
    return db_read_end(db, conn, &err) == ERR_OK;
}
