/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics made anew from stored rows. */
#ifndef DATA_GATHER_H
#define DATA_GATHER_H

#include <stdint.h>

#include "store/data/data_stats.h"

/* Totals and columns of the rows of batches in (after, INT64_MAX], except `skip`, into stats. */
enum err_code data_gather_stats(struct conn *conn, int64_t model, int64_t after, int64_t skip,
                                struct data_stats *stats, struct err *err) MUST_CHECK;

/* Gives batches of older files their digests, and their models statistics and an index. */
enum err_code data_upgrade(struct conn *conn, const char *path, struct err *err) MUST_CHECK;

#endif
