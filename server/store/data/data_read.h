/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rows whole in one view; summaries and lists of batches. */
#ifndef DATA_READ_H
#define DATA_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "store/data/column_stats.h"
#include "store/data/data_append.h"
#include "store/data/training_data.h"
#include "store/sqlite/db.h"

struct data_summary {
    int64_t n_rows;
    int64_t n_batches;
    int n_inputs; /* 0: no rows yet */
    int n_outputs;
    int64_t first_ms; /* time of the first and of the last batch; 0: none */
    int64_t last_ms;
};

/* ERR_NOT_FOUND when there is no such model. */
enum err_code data_store_summary(struct db *db, const char *model, struct data_summary *out,
                                 struct err *err) MUST_CHECK;

/*
 * Also the fingerprint, which costs a look at every batch, and what is known of the columns
 * [n_inputs + n_outputs]; *columns is the caller's (mem_free), NULL without rows.
 */
enum err_code data_store_describe(struct db *db, const char *model, struct data_summary *out,
                                  struct training_data *data, struct column_stats **columns,
                                  struct err *err) MUST_CHECK;

/* Rows of the model's batches up to last_batch that are there now; 0 without such a model. */
enum err_code data_store_rows_until(struct db *db, const char *model, int64_t last_batch,
                                    int64_t *n_rows, struct err *err) MUST_CHECK;

struct data_run {
    int64_t n;
    int d, o;
    const double *rows; /* [n x (d + o)], valid during the call */
};

/*
 * Reads all rows up to batch last_batch (0: all) in one consistent view: `begin` learns what will
 * come, `visit` gets runs of rows in the order of their arrival, verified; memory is bounded by one
 * chunk. A result other than ERR_OK stops and is returned.
 */
struct data_reading {
    int64_t last_batch;
    enum err_code (*begin)(void *ctx, const struct data_summary *summary,
                           const struct training_data *data, struct err *err);
    enum err_code (*visit)(void *ctx, const struct data_run *run, struct err *err);
    void *ctx;
};
enum err_code data_store_read(struct db *db, const char *model, const struct data_reading *reading,
                              struct err *err) MUST_CHECK;

struct data_batch {
    int64_t id;
    int64_t n_rows;
    int n_inputs;
    int n_outputs;
    int64_t created_ms;
    char format[16];
    char source[DATA_SOURCE_MAX + 1]; /* "": none */
    const char *provenance;           /* [n_provenance], valid during the call; NULL: none */
    size_t n_provenance;
    char digest[DIGEST_HEX_CHARS + 1];
    int64_t n_duplicates;
    int64_t n_outliers;
};

/* Batches with numbers above `after` in order, at most `limit`. */
typedef void data_batch_visit(void *ctx, const struct data_batch *batch);
enum err_code data_store_batches(struct db *db, const char *model, int64_t after, int64_t limit,
                                 data_batch_visit *visit, void *ctx, struct err *err) MUST_CHECK;

#endif
