/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_TIDY_H
#define DB_TIDY_H

#include "store/sqlite/db.h"

/*
 * Gives free pages back to the file system, about max_pages of them at most, when
 * more than a quarter of the file and more than 1000 pages are free. In steps of a mebibyte under
 * the write lock, so that an append waits for one step at most; *n_pages (may be NULL): how many
 * went. For a background thread, once a minute, say with 25600 pages (100 MB). Does nothing to a
 * read-only registry and to a file that was made before this was so, until backup_compact.
 */
enum err_code db_tidy(struct db *db, int max_pages, int *n_pages, struct err *err) MUST_CHECK;

#endif
