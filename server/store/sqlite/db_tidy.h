/* SPDX-License-Identifier: Apache-2.0 */
/* Gives the space of deleted content back to the file system. */
#ifndef DB_TIDY_H
#define DB_TIDY_H

#include "store/sqlite/db.h"

/*
 * Shortens the file by at most max_pages of its free pages, if more than 1000 pages and a quarter
 * of the file are free. *n_pages (may be NULL) is the number of pages given back.
 *
 * The work is done in steps of a mebibyte, each under the write lock, so an upload waits for one
 * step at most. A background thread calls this about once a minute, with some 25600 pages (100 MB).
 * A read-only registry is left alone, and so is a file older than this feature until backup_compact
 * has rewritten it.
 */
enum err_code db_tidy(struct db *db, int max_pages, int *n_pages, struct err *err) MUST_CHECK;

/*
 * Gives up to 256 free pages back, whatever their share of the file. *n: how many; 0: there are
 * none, or the file cannot be shortened. *n_bytes: what the file needs once the log is folded in.
 */
enum err_code db_tidy_step(struct db *db, int *n, int64_t *n_bytes, struct err *err) MUST_CHECK;

#endif
