/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An index of a model's rows by hash: is this row there already, bit for bit?
 *
 * A row is known by the first 96 bits of its SHA-256. Two different rows pass for equal with
 * probability n^2 / 2^97: 6e-16 in all for ten million rows, so a hit is not compared any further.
 * Memory is bounded by the entries of one upload and one part of each run; the index takes about
 * 20 bytes a row in the file.
 *
 * An entry outlives its batch when that is deleted; hits of such entries do not count, and they are
 * dropped when runs are joined.
 */
#ifndef ROW_INDEX_H
#define ROW_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct conn;

struct row_entry {
    uint64_t high;
    uint32_t low;
    uint32_t tag; /* in memory the row of the upload, in the file the batch */
};

/* Hashes rows [n x width] and sorts by hash, then row. entries: [n]; n below 2^32. */
enum err_code row_index_hash(const double *rows, size_t n, size_t width, struct row_entry *entries,
                             struct err *err) MUST_CHECK;

/* Sets marks[row] (never clears one) for entries equal to an earlier one of their own list. */
void row_index_mark_own(const struct row_entry *entries, size_t n, unsigned char *marks);

/* Sets marks[row] for entries whose row is among the model's. Inside a transaction. */
enum err_code row_index_mark(struct conn *conn, int64_t model, const struct row_entry *entries,
                             size_t n, unsigned char *marks, struct err *err) MUST_CHECK;

/*
 * Adds the rows of a new batch (sorted entries; their tags become the batch) inside a write
 * transaction. n_rows: the model's rows with them. ERR_LIMIT from batch 2^32 on.
 */
enum err_code row_index_add(struct conn *conn, int64_t model, int64_t batch,
                            struct row_entry *entries, size_t n, int64_t n_rows,
                            struct err *err) MUST_CHECK;

/* After a deletion that left n_rows rows: joins all runs when most entries are of no use. */
enum err_code row_index_tidy(struct conn *conn, int64_t model, int64_t n_rows,
                             struct err *err) MUST_CHECK;

#endif
