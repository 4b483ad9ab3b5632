/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored rows as JSON, CSV, npy or npz, made while they are sent: only one piece of rows is in
 * memory (data_cursor). A client can upload every format again as it is.
 */
#ifndef DATA_EXPORT_H
#define DATA_EXPORT_H

#include "base/log.h"
#include "http/exchange.h"
#include "jobs/model_space.h"
#include "store/data/data_cursor.h"

struct data_export {
    struct data_cursor cursor;
    struct model_space space; /* of the model; names of columns, members of categories */
    const char *format;       /* "json", "csv", "npy", "npz", "structured" */
};

/*
 * Takes cursor and space, also on failure. A failure while sending, because rows were deleted or
 * are damaged, is logged and cuts the connection. ERR_UNSUPPORTED; ERR_NOMEM.
 */
enum err_code data_export(struct data_export *what, struct log *log, struct arena *arena,
                          struct response *res, struct err *err) MUST_CHECK;

#endif
