/* SPDX-License-Identifier: Apache-2.0 */
#include "tmpdb.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store.h"

void tmpdb_init(struct tmpdb *place)
{
    snprintf(place->folder, sizeof place->folder, "/tmp/surrogated-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/registry.db", place->folder);
}

void tmpdb_remove(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock", "-reserve"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[192];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

void tmpdb_release(const struct tmpdb *place)
{
    tmpdb_remove(place->path);
    ck_assert_int_eq(rmdir(place->folder), 0);
}

struct db *tmpdb_open(const struct tmpdb *place, size_t chunk_bytes)
{
    struct err err = ERR_INIT;
    struct db *db = NULL;
    struct db_settings settings = {.path = place->path, .chunk_bytes = chunk_bytes};
    ck_assert_msg(store_open(&db, &settings, &err) == ERR_OK, "%s", err.msg);
    return db;
}
