/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An index of a model's rows by hash. It answers whether a row is stored already, bit for bit.
 *
 * A row is represented by the first 96 bits of its SHA-256. The probability that any two different
 * rows among n are taken for equal is n^2 / 2^97, which is 6e-16 for ten million rows, so a hit is
 * not examined further. Memory is bounded by the entries of one upload and one part of each run.
 * In the file the index takes about 20 bytes per row.
 *
 * When a batch is deleted, its entries stay. A hit on such an entry does not count, and the entries
 * are dropped when runs are merged.
 */
#ifndef ROW_INDEX_H
#define ROW_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "store/data/row_run.h"

/* Hashes rows [n x width], n < 2^32, into sorted entries [n]; the tag is the number of the row. */
enum err_code row_index_hash(const double *rows, size_t n, size_t width, struct row_entry *entries,
                             struct err *err) MUST_CHECK;

/* Sets marks[row] for each row that equals an earlier one of the same list. */
void row_index_mark_own(const struct row_entry *entries, size_t n, unsigned char *marks);

/* ---- inside a transaction of the caller's ---- */

struct row_index {
    struct conn *conn;
    int64_t model;
};

/* Sets marks[row] for each row that the model has already. Clears no mark. */
enum err_code row_index_mark(const struct row_index *index, const struct row_entry *entries,
                             size_t n, unsigned char *marks, struct err *err) MUST_CHECK;

/*
 * Adds the rows of a new batch: sorted entries, whose tags become the batch. n_rows: how many rows
 * the model has, including these. ERR_LIMIT: the number of the batch is 2^32 or more.
 */
enum err_code row_index_add(const struct row_index *index, int64_t batch, struct row_entry *entries,
                            size_t n, int64_t n_rows, struct err *err) MUST_CHECK;

/* After a deletion that left n_rows rows: merges all runs if most entries have become useless. */
enum err_code row_index_tidy(const struct row_index *index, int64_t n_rows,
                             struct err *err) MUST_CHECK;

#endif
