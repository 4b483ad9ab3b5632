/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/batch_find.h"

#include "store/sqlite/query.h"

enum err_code batch_find(struct conn *conn, const char *name, int64_t model, int64_t batch,
                         struct batch_size *out, struct err *err)
{
    bool found = false;
    struct query q = query_open(conn, SQL_BATCH_ONE, err);
    query_int(&q, ":model", model);
    query_int(&q, ":batch", batch);
    if (query_row(&q)) {
        found = true;
        *out = (struct batch_size){.n_rows = query_get_int(&q, 0),
                                   .d = (int)query_get_int(&q, 1),
                                   .o = (int)query_get_int(&q, 2)};
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_set(err, ERR_NOT_FOUND, "model %.64s has no batch %lld", name, (long long)batch);
    }
    return err->code;
}

enum err_code batch_get_span(struct conn *conn, int64_t model, struct batch_span *out,
                             struct err *err)
{
    *out = (struct batch_span){.last_batch = 0};
    struct query q = query_open(conn, SQL_BATCH_SPAN, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        *out = (struct batch_span){.first_ms = query_get_int(&q, 0),
                                   .last_ms = query_get_int(&q, 1),
                                   .last_batch = query_get_int(&q, 2)};
    }
    return query_close(&q);
}
