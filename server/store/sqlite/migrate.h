/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a registry file to the schema of this program, one version after the other. */
#ifndef MIGRATE_H
#define MIGRATE_H

#include "store/sqlite/conn.h"

/* schema: the version of the file, at most SQL_N_MIGRATIONS. Each migration is one transaction. */
enum err_code migrate_run(struct conn *conn, const char *path, int schema,
                          struct err *err) MUST_CHECK;

#endif
