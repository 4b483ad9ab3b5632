/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storing an upload. The training rows of a model are float64, inputs first, then outputs, in
 * batches that are only ever appended or deleted as a whole.
 *
 * A row may miss outputs, which are NaN. One that misses all of them is a run that failed.
 *
 * The first batch fixes the number of inputs and outputs of a model's rows, and creates the model
 * if it does not exist. An upload becomes one batch or changes nothing. A batch is stored in
 * chunks, each with its SHA-256; its digest is the SHA-256 of all its bytes.
 */
#ifndef DATA_APPEND_H
#define DATA_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/db.h"

#define DATA_PLACES     10   /* how many duplicates and outliers are listed one by one */
#define DATA_SOURCE_MAX 1024 /* bytes */
#define DATA_KEY_HOURS  24   /* how long an idempotency key is remembered */

struct data_upload {
    int64_t n;
    int d, o;
    const double *rows;           /* [n x (d + o)]; inputs finite, outputs finite or missing */
    bool holes;                   /* outputs are missing: NaN, all of the same bits */
    const char *format;           /* "json", "csv", "npy", "npz" */
    const char *source;           /* NULL, or at most DATA_SOURCE_MAX bytes */
    const char *provenance;       /* NULL, or the text of a JSON object */
    const char *key;              /* idempotency key: NULL, or 1 to 255 characters */
    const unsigned char *payload; /* with a key: [32], SHA-256 of what the client sent */
    bool skip_duplicates;         /* store only rows that are not stored yet */
    const char *space_digest; /* NULL: the rows are the same under any space of the model, or the
                                 digest of the one they were read under; "": there was none */
    const char *space;        /* NULL, or the document of a space that comes with the rows */
    bool space_first;         /* it may not come after rows that were stored without it */
    const bool *places; /* NULL, or [d + o]: numbers of these columns are places in a list, of which
                           none is unusual */
    int64_t n_discarded; /* told in the answer */
    int n_ids;           /* points that come back with these rows (pending_store.h) .. */
    const int64_t *ids;  /* [n_ids] .. */
    int64_t *n_closed;   /* .. and how many of them were pending; NULL: nobody asks */
    const int *origin;   /* NULL, or [n]: the place of each row in what the client sent, as answers
                           tell it */
};

struct data_outlier {
    int64_t row;
    int64_t column; /* outputs follow inputs */
    double value;
    double usual[2]; /* the range that is usual in the column */
};

/* Stored with the key as it is, so it has eight-byte fields only and no padding. */
struct data_append_result {
    int64_t batch; /* 0: all rows were duplicates and skipped */
    int64_t n_rows;
    int64_t total_rows;
    int64_t skipped;      /* 1: duplicates were skipped */
    int64_t repeated;     /* 1: this is the stored answer of an earlier upload with the same key */
    int64_t n_duplicates; /* rows equal, bit for bit, to a stored one or an earlier one here */
    int64_t duplicates[DATA_PLACES]; /* the first of them */
    int64_t n_outliers;              /* values far outside the usual range of their column */
    struct data_outlier outliers[DATA_PLACES];
    /* Answers that earlier programs stored end here. */
    int64_t n_failed;    /* stored rows without any output */
    int64_t n_missing;   /* outputs that the other stored rows miss */
    int64_t n_discarded; /* outputs that came with runs that failed, and are not kept */
};

#define DATA_APPEND_FIRST_BYTES offsetof(struct data_append_result, n_failed)

/*
 * Stores an upload, exactly once for each key and payload within DATA_KEY_HOURS. Outliers are
 * judged by the model's rows or, while there are few, by the upload itself. ERR_PRECONDITION: the
 * model has got another space since the rows were read, which must be done again. ERR_SHAPE: d or o
 * differ from the model's rows; ERR_REUSED: the key came with another payload; ERR_LIMIT;
 * ERR_NOMEM; ERR_FULL; ERR_IO.
 */
enum err_code data_store_append(struct db *db, const char *model, const struct data_upload *upload,
                                struct data_append_result *out, struct err *err) MUST_CHECK;

#endif
