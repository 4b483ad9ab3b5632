/* SPDX-License-Identifier: Apache-2.0 */
/* Computes the statistics of a model's rows from the stored rows themselves. */
#ifndef DATA_GATHER_H
#define DATA_GATHER_H

#include <stdint.h>

#include "store/data/data_stats.h"

/* Adds the rows of all batches after batch `after`, except batch `skip`, to stats. */
enum err_code data_gather_stats(struct conn *conn, int64_t model, int64_t after, int64_t skip,
                                struct data_stats *stats, struct err *err) MUST_CHECK;

/*
 * Completes the batches of a file of schema 1: digests for them, statistics and an index for their
 * models. Does nothing where this has been done. It is the db_upgrade of the registry.
 */
enum err_code data_upgrade(struct conn *conn, const char *path, struct err *err) MUST_CHECK;

#endif
