/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training rows of a model: append-only batches of float64, inputs first, then outputs.
 *
 * The first batch fixes the number of inputs and outputs of the model's rows; the model itself is
 * created when it is not there. A batch is stored whole or not at all, in chunks with a SHA-256
 * each. Its digest is the SHA-256 of all its bytes; the fingerprint of a model's rows is the
 * SHA-256 of the digests of its batches, one after the other in the order of arrival.
 */
#ifndef DATA_STORE_H
#define DATA_STORE_H

#include "base/digest.h"
#include "store/data/column_stats.h"
#include "store/sqlite/db.h"

#include <stddef.h>

#define DATA_FINGERPRINT_CHARS 64
#define DATA_PLACES            10 /* duplicates and outliers named one by one */
#define DATA_KEY_MAX           255
#define DATA_SOURCE_MAX        1024 /* bytes */
#define DATA_KEY_HOURS         24

struct data_summary {
    int64_t n_rows;
    int64_t n_batches;
    int n_inputs; /* 0: no rows yet */
    int n_outputs;
    int64_t first_ms; /* time of the first and of the last batch; 0: none */
    int64_t last_ms;
};

/* Exactly which rows: those of the model's batches up to last_batch, unless some were deleted. */
struct training_data {
    int64_t n_rows;
    int64_t n_batches;
    int64_t last_batch;
    char fingerprint[DATA_FINGERPRINT_CHARS + 1]; /* hex; "": nothing recorded */
};

/* ---- appending ---- */

struct data_upload {
    int64_t n;
    int d, o;
    const double *rows;           /* [n x (d + o)], finite */
    const char *format;           /* "json", "csv", "npy" */
    const char *source;           /* NULL, or at most DATA_SOURCE_MAX bytes */
    const char *provenance;       /* NULL, or the text of a JSON object */
    const char *key;              /* NULL, or 1 to DATA_KEY_MAX characters */
    const unsigned char *payload; /* with a key: [32], SHA-256 of what the client sent */
    bool skip_duplicates;         /* leave them out */
};

struct data_outlier {
    int64_t row;
    int64_t column; /* outputs follow inputs */
    double value;
    double usual[2];
};

/* Stored with a key as it is: eight-byte fields only, no room between them. */
struct data_append_result {
    int64_t batch; /* 0: all rows were duplicates and left out */
    int64_t n_rows;
    int64_t total_rows;
    int64_t skipped;      /* 1: duplicates were left out */
    int64_t repeated;     /* 1: an answer of before; nothing was added */
    int64_t n_duplicates; /* rows equal, bit for bit, to one there or earlier in the upload */
    int64_t duplicates[DATA_PLACES]; /* the first rows */
    int64_t n_outliers;              /* values far outside what is usual in their column */
    struct data_outlier outliers[DATA_PLACES];
};

/*
 * Exactly once for each key and payload within DATA_KEY_HOURS. Columns are judged by the rows of
 * the model, or by the upload itself while those are few. ERR_SHAPE when d or o differ from what is
 * there; ERR_REUSED: the key came with another payload; ERR_LIMIT; ERR_NOMEM; ERR_FULL; ERR_IO.
 */
enum err_code data_store_append(struct db *db, const char *model, const struct data_upload *upload,
                                struct data_append_result *out, struct err *err) MUST_CHECK;

/* The answer a key had; ERR_NOT_FOUND: none, or no such model; ERR_REUSED. */
enum err_code data_store_find_key(struct db *db, const char *model, const char *key,
                                  const unsigned char *payload, struct data_append_result *out,
                                  struct err *err) MUST_CHECK;

/* ---- reading ---- */

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

/*
 * The newest rows of batches after `after`, at most `limit`, in the order of their arrival; *rows
 * [n x (d + o)] is the caller's (mem_free). ERR_NOT_FOUND: no such model, or no rows after it.
 */
struct data_newest {
    int64_t n;
    int d, o;
    double *rows;
};
enum err_code data_store_newest(struct db *db, const char *model, int64_t after, int64_t limit,
                                struct data_newest *out, struct err *err) MUST_CHECK;

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
    char digest[DATA_FINGERPRINT_CHARS + 1];
    int64_t n_duplicates;
    int64_t n_outliers;
};

/* Batches with numbers above `after` in order, at most `limit`. */
typedef void data_batch_visit(void *ctx, const struct data_batch *batch);
enum err_code data_store_batches(struct db *db, const char *model, int64_t after, int64_t limit,
                                 data_batch_visit *visit, void *ctx, struct err *err) MUST_CHECK;

/*
 * Rows a piece at a time for a slow reader: no view of the file is held between pieces, which keeps
 * connections free and the write-ahead log short. Batches do not change, so the rows are those of
 * the moment of opening unless a batch is deleted meanwhile: ERR_CONFLICT then.
 */
struct data_cursor {
    struct db *db;
    int64_t model;
    int64_t first_batch;
    int64_t last_batch;
    int64_t n_rows; /* in all */
    int d, o;
    int64_t batch; /* of the last chunk read */
    int64_t seq;
    int64_t n_read;
    double *rows;    /* [n x (d + o)] of the last piece, mem */
    size_t capacity; /* in numbers */
};

/* batch 0: all of the model. ERR_NOT_FOUND: no such model, batch, or no rows. */
enum err_code data_cursor_open(struct db *db, const char *model, int64_t batch,
                               struct data_cursor *cursor, struct err *err) MUST_CHECK;
/* The next piece in cursor->rows, about a chunk or many small batches; *n = 0 at the end. */
enum err_code data_cursor_next(struct data_cursor *cursor, int64_t *n, struct err *err) MUST_CHECK;
void data_cursor_rewind(struct data_cursor *cursor);
/* A zeroed cursor may be closed. */
void data_cursor_close(struct data_cursor *cursor);

/* ---- deleting ---- */

/* Deletes all rows of a model; the number deleted in *n_rows. */
enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows,
                                struct err *err) MUST_CHECK;

/* Deletes one batch; statistics are made anew from the rows that stay. ERR_NOT_FOUND. */
enum err_code data_store_delete_batch(struct db *db, const char *model, int64_t batch,
                                      int64_t *n_rows, struct err *err) MUST_CHECK;

#endif
