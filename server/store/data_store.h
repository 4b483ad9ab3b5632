/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training rows of a model: append-only batches of float64, inputs first, then outputs.
 *
 * The first batch fixes the number of inputs and outputs of the model's rows; the model itself is
 * created when it is not there. A batch is stored whole or not at all, in chunks of at most 64 MiB
 * with a SHA-256 each.
 */
#ifndef DATA_STORE_H
#define DATA_STORE_H

#include "db.h"

#include <stddef.h>

struct data_summary {
    int64_t n_rows;
    int64_t n_batches;
    int n_inputs; /* 0: no rows yet */
    int n_outputs;
    int64_t first_ms; /* time of the first and of the last batch */
    int64_t last_ms;
};

struct data_append_result {
    int64_t batch;
    int64_t total_rows;
};

/* rows: [n x (d + o)], row-major. ERR_SHAPE when d or o differ from what is there. */
enum err_code data_store_append(struct db *db, const char *model, int64_t n, int d, int o,
                                const double *rows, struct data_append_result *out,
                                struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND when there is no such model. */
enum err_code data_store_summary(struct db *db, const char *model, struct data_summary *out,
                                 struct err *err) MUST_CHECK;

/*
 * Calls `visit` with runs of rows in the order of their arrival, verified. A result other than
 * ERR_OK stops and is returned. One consistent snapshot; memory is bounded by one chunk.
 */
typedef enum err_code data_visit(void *ctx, int64_t n, int d, int o, const double *rows,
                                 struct err *err);
enum err_code data_store_read(struct db *db, const char *model, data_visit *visit, void *ctx,
                              struct err *err) MUST_CHECK;

/* Deletes all rows of a model; the number deleted in *n_rows. */
enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows,
                                struct err *err) MUST_CHECK;

#endif
