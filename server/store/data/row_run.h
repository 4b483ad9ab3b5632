/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sorted run of the index of rows (row_index.h), in the file. It is written once, read part by
 * part, and deleted when it has been merged into another.
 *
 * A run is cut into parts by hash. Hashes are uniform, so part floor(hash * n_parts / 2^64) holds
 * about ROW_RUN_PART of them, a database page, and a look-up reads that part without a directory.
 */
#ifndef ROW_RUN_H
#define ROW_RUN_H

#include <stdint.h>

#include "store/sqlite/query.h"

#define ROW_RUN_PART 200 /* entries; 3200 bytes, while a page has room for 253 entries */

/* Stored as it is. Entries are ordered by hash, then tag. */
struct row_entry {
    uint64_t high; /* the first 96 bits of the SHA-256 of a row */
    uint32_t low;
    uint32_t tag; /* in memory the number of the row in its upload, in the file the batch */
};

static inline int row_entry_compare_hash(const struct row_entry *a, const struct row_entry *b)
{
    if (a->high != b->high) {
        return a->high < b->high ? -1 : 1;
    }
    return (a->low > b->low) - (a->low < b->low);
}

/* For qsort. */
int row_entry_compare(const void *a, const void *b);

struct row_run {
    int64_t id;
    int64_t n_entries;
    int64_t n_parts;
};

struct row_runs {
    struct row_run *list; /* [n], mem */
    size_t n;
};

/* The runs of a model, oldest first. *runs is to be freed (list) after a failure too. */
enum err_code row_run_list(struct conn *conn, int64_t model, struct row_runs *runs,
                           struct err *err) MUST_CHECK;

enum err_code row_run_delete(struct conn *conn, const struct row_run *run,
                             struct err *err) MUST_CHECK;

/* ---- a part ---- */

/* The part of a run in which a hash lies. */
static inline int64_t row_run_part_of(const struct row_run *run, uint64_t high)
{
    return (int64_t)((high >> 32) * (uint64_t)run->n_parts >> 32);
}

/* Opens a query whose one row, if any, holds the part as a blob of entries, in column 0. */
struct query row_run_open_part(struct conn *conn, const struct row_run *run, int64_t part,
                               struct err *err);

/* ---- writing ---- */

struct row_run_writer {
    struct conn *conn;
    struct row_run run;
    int64_t part;              /* the one that is being filled */
    struct row_entry *entries; /* [n] of [capacity], its entries; mem */
    size_t n;
    size_t capacity;
    int64_t n_written;
};

/* n_entries: how many are expected; fewer may come. */
enum err_code row_run_writer_open(struct row_run_writer *w, struct conn *conn, int64_t model,
                                  int64_t n_entries, struct err *err) MUST_CHECK;
/* Entries must come in order. */
enum err_code row_run_writer_put(struct row_run_writer *w, const struct row_entry *entry,
                                 struct err *err) MUST_CHECK;
/* Must be called after an error too. A run that got no entries is deleted. */
enum err_code row_run_writer_close(struct row_run_writer *w, struct err *err) MUST_CHECK;

/* ---- reading from the beginning ---- */

struct row_run_reader {
    struct conn *conn;
    struct row_run run;
    int64_t next_part;
    struct row_entry *entries; /* [n], the present part; mem, the caller frees it */
    size_t n;
    size_t at; /* the next entry of the part; the caller moves it on */
};

/* The next entry. NULL at the end of the run and after an error. */
const struct row_entry *row_run_reader_peek(struct row_run_reader *r, struct err *err);

#endif
