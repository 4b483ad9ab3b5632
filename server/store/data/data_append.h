/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DATA_APPEND_H
#define DATA_APPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite/db.h"

#define DATA_PLACES     10 /* duplicates and outliers named one by one */
#define DATA_KEY_MAX    255
#define DATA_SOURCE_MAX 1024 /* bytes */
#define DATA_KEY_HOURS  24

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

#endif
