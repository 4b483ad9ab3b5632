/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored rows as npz, made while they are sent: "x" [n x d] and then "y" [n x o], the arrays that
 * an upload may have (formats/npz.h). An output that is missing is NaN. The rows are read twice,
 * once for each array.
 */
#ifndef ROWS_ARCHIVE_H
#define ROWS_ARCHIVE_H

#include "base/arena.h"
#include "formats/npz_stream.h"
#include "store/data/data_cursor.h"

struct rows_archive {
    struct npz_stream npz;
    double *block; /* [ROWS_ARCHIVE_BLOCK], numbers of one array, in the arena */
    int64_t n;     /* rows of the cursor's present piece */
    int64_t row;   /* of the next number, in that piece */
    int column;    /* of the next number */
};

/* An archive of the cursor's rows; NULL: no memory. */
struct rows_archive *rows_archive_new(const struct data_cursor *cursor, struct arena *arena);

/*
 * The next bytes, at most `size`, which has room for a number; *n 0: the end. The cursor is that of
 * rows_archive_new, and nobody else moves it. Errors of data_cursor_next.
 */
enum err_code rows_archive_read(struct rows_archive *archive, struct data_cursor *cursor, char *out,
                                size_t size, size_t *n, struct err *err) MUST_CHECK;

#endif
