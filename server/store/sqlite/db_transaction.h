/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions on the registry, for the files of server/store. */
#ifndef DB_TRANSACTION_H
#define DB_TRANSACTION_H

#include "store/sqlite/db.h"

/* The registry's write connection inside a transaction, under the one write lock. */
enum err_code db_write_begin(struct db *db, struct conn **conn, struct err *err) MUST_CHECK;
/* Commits when err holds none, else rolls back; gives the lock back. Returns what stands. */
enum err_code db_write_end(struct db *db, struct err *err) MUST_CHECK;

/* A read connection inside a transaction: one consistent view. */
enum err_code db_read_begin(struct db *db, struct conn **conn, struct err *err) MUST_CHECK;
enum err_code db_read_end(struct db *db, struct conn *conn, struct err *err) MUST_CHECK;

#endif
