/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions on the registry, for the files of server/store. */
#ifndef DB_TRANSACTION_H
#define DB_TRANSACTION_H

#include "store/sqlite/db.h"

/*
 * Takes the write lock and begins a transaction on the write connection. ERR_READ_ONLY. Nothing is
 * to be ended after a failure.
 */
enum err_code db_write_begin(struct db *db, struct conn **conn, struct err *err) MUST_CHECK;
/*
 * Commits when err holds no error, rolls back otherwise, and gives the lock back. Returns the error
 * that stands.
 */
enum err_code db_write_end(struct db *db, struct err *err) MUST_CHECK;

/*
 * Takes a read connection and begins a transaction on it, which shows one state of the registry
 * until it ends. Nothing is to be ended after a failure.
 */
enum err_code db_read_begin(struct db *db, struct conn **conn, struct err *err) MUST_CHECK;
enum err_code db_read_end(struct db *db, struct conn *conn, struct err *err) MUST_CHECK;

#endif
