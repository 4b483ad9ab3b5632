/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a registry file to this program's schema, one user_version at a time. */
#ifndef MIGRATE_H
#define MIGRATE_H

#include "store/sqlite/conn.h"

/* Each step is one transaction. ERR_UNSUPPORTED when the file is newer than the program. */
enum err_code migrate_run(struct conn *conn, const char *path, struct err *err) MUST_CHECK;

#endif
