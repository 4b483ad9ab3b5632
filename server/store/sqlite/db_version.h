/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The number of the last change of a registry, which grows with each transaction that changes
 * something. It stands in the file, in the same transaction, so a copy of the file has it too.
 *
 * A server that writes has reached the number of its own last change. A replica has reached a
 * number when all of that change can be read from it, from the file and from the models in memory.
 */
#ifndef DB_VERSION_H
#define DB_VERSION_H

#include "store/sqlite/db.h"

/* The number that this server has reached: one atomic load. */
int64_t db_version(const struct db *db);

/*
 * The number in the file, which is later than db_version while a replica has a change still to take
 * over. What was read from the file before is not newer than that. ERR_IO, ERR_CORRUPT, ERR_NOMEM.
 */
enum err_code db_version_in_file(struct db *db, int64_t *out, struct err *err) MUST_CHECK;

/* ---- for the thread that follows the file of a replica ---- */

/* The same as db_version_in_file, by the connection that db_poll uses. */
enum err_code db_version_look(struct db *db, int64_t *out, struct err *err) MUST_CHECK;
/* The replica has taken over everything up to this number. */
void db_version_reached(struct db *db, int64_t version);

#endif
