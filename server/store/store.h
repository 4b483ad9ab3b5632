/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the registry. The connection layer (store/sqlite) knows no table, so what has to be done to
 * the rows of an older file, once its tables are those of this program, is handed to it here.
 */
#ifndef STORE_H
#define STORE_H

#include "store/sqlite/db.h"

/* As db_open; the rows of an older registry are brought up to date as well. db_close closes. */
enum err_code store_open(struct db **out, const struct db_settings *settings,
                         struct err *err) MUST_CHECK;

#endif
