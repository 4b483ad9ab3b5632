/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored rows as JSON, CSV or npy, made while they are sent; memory is bounded by one piece of
 * rows (data_cursor). Every format can be uploaded again as it is.
 */
#ifndef DATA_EXPORT_H
#define DATA_EXPORT_H

#include "base/log.h"
#include "http/exchange.h"
#include "store/data/data_cursor.h"

/*
 * Takes the cursor, also on failure. format: "json", "csv", "npy". A failure on the way (rows were
 * deleted, damage) is logged and cuts the connection. ERR_UNSUPPORTED; ERR_NOMEM.
 */
enum err_code data_export(struct data_cursor *cursor, const char *format, struct log *log,
                          struct arena *arena, struct response *res, struct err *err) MUST_CHECK;

#endif
