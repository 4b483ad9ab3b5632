/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a model's rows whole, and what is known of them: totals, columns, batches. */
#ifndef DATA_READ_H
#define DATA_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "store/data/column_stats.h"
#include "store/data/data_append.h"
#include "store/data/training_data.h"
#include "store/sqlite/db.h"

/* ---- totals ---- */

struct data_summary {
    int64_t n_rows;
    int64_t n_batches;
    int64_t n_failed; /* rows without any output */
    int n_inputs;     /* 0: no rows yet */
    int n_outputs;
    int64_t first_ms; /* when the first and the last batch arrived; 0: there is none */
    int64_t last_ms;
};

/* ERR_NOT_FOUND: no such model. */
enum err_code data_store_summary(struct db *db, const char *model, struct data_summary *out,
                                 struct err *err) MUST_CHECK;

/* Also the statistics of the columns, as below. */
enum err_code data_store_columns(struct db *db, const char *model, struct data_summary *out,
                                 struct column_stats **columns, struct err *err) MUST_CHECK;

/*
 * Also the fingerprint of all rows, for which every batch is looked at, and the statistics of the
 * columns: [n_inputs + n_outputs], NULL without rows; the caller frees *columns (mem_free).
 */
enum err_code data_store_describe(struct db *db, const char *model, struct data_summary *out,
                                  struct training_data *data, struct column_stats **columns,
                                  struct err *err) MUST_CHECK;

/* How many rows the batches up to last_batch have at this moment; 0 without such a model. */
enum err_code data_store_rows_until(struct db *db, const char *model, int64_t last_batch,
                                    int64_t *n_rows, struct err *err) MUST_CHECK;

/* ---- rows ---- */

struct data_run {
    int64_t n;
    int d, o;
    const double *rows; /* [n x (d + o)], valid during the call */
};

/* How to read. What the functions return, other than ERR_OK, ends the reading. */
struct data_reading {
    int64_t last_batch; /* read up to this batch; 0: all */
    /* Called once, before any rows. */
    enum err_code (*begin)(void *ctx, const struct data_summary *summary,
                           const struct training_data *data, struct err *err);
    /* Called for each chunk, verified, in order of arrival. */
    enum err_code (*visit)(void *ctx, const struct data_run *run, struct err *err);
    void *ctx;
};

/* Reads in one transaction, with one chunk in memory at a time. */
enum err_code data_store_read(struct db *db, const char *model, const struct data_reading *reading,
                              struct err *err) MUST_CHECK;

/* ---- batches ---- */

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

struct data_listing {
    int64_t after; /* batches with higher numbers, in order */
    int64_t limit; /* at most so many */
    void (*visit)(void *ctx, const struct data_batch *batch);
    void *ctx;
};

enum err_code data_store_batches(struct db *db, const char *model,
                                 const struct data_listing *listing, struct err *err) MUST_CHECK;

#endif
