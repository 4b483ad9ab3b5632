/* SPDX-License-Identifier: Apache-2.0 */
/* Finds batches of a model, inside a transaction of the caller's. */
#ifndef BATCH_FIND_H
#define BATCH_FIND_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct conn;

/* One batch. */
struct batch_size {
    int64_t n_rows;
    int d, o;
};
/* `name` of the model is for the message. ERR_NOT_FOUND. */
enum err_code batch_find(struct conn *conn, const char *name, int64_t model, int64_t batch,
                         struct batch_size *out, struct err *err) MUST_CHECK;

/* All batches; zero when there is none. */
struct batch_span {
    int64_t first_ms; /* when the first and the last one arrived */
    int64_t last_ms;
    int64_t last_batch;
};
enum err_code batch_get_span(struct conn *conn, int64_t model, struct batch_span *out,
                             struct err *err) MUST_CHECK;

#endif
