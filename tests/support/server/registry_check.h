/* SPDX-License-Identifier: Apache-2.0 */
/* Is the file of an open registry whole? */
#ifndef REGISTRY_CHECK_H
#define REGISTRY_CHECK_H

#include "store/sqlite/db.h"

/* PRAGMA integrity_check and foreign_key_check in one view; ERR_CORRUPT with the first finding. */
enum err_code registry_check(struct db *db, struct err *err) MUST_CHECK;

#endif
