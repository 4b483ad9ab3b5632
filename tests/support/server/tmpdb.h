/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder and the path of a registry in it. Failures fail the test. */
#ifndef TMPDB_H
#define TMPDB_H

#include "store/sqlite/db.h"

struct tmpdb {
    char folder[64];
    char path[96];
};

/* Makes the folder, without a registry. */
void tmpdb_init(struct tmpdb *place);

/* Deletes the registry's files and the folder, in which no other file may be. */
void tmpdb_release(const struct tmpdb *place);

/* The registry in the folder, for db_close. chunk_bytes: 0 for the default. */
struct db *tmpdb_open(const struct tmpdb *place, size_t chunk_bytes) MUST_CHECK;

/* Deletes the files of a registry at `path`, as far as they are there. */
void tmpdb_remove(const char *path);

#endif
