/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the jobs' store share. */
#ifndef JOB_PRIV_H
#define JOB_PRIV_H

#include "store/jobs/job_store.h"
#include "store/sqlite/db_priv.h"

/* A job inside a transaction of the caller's. ERR_NOT_FOUND. */
enum err_code job_get(struct conn *conn, int64_t id, struct job_row *row,
                      struct err *err) MUST_CHECK;

#endif
