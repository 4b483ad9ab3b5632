/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of numbers from a CSV stream (RFC 4180), as JSON text. The rules are those of the server for
 * training rows: the first line is a header when none of its fields is a number; every row has as
 * many fields as the first line.
 */
#ifndef CSV_ROWS_H
#define CSV_ROWS_H

#include "base/err.h"
#include "base/textbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CSV_ROWS_MAX_COLUMNS 4096
#define CSV_ROWS_MAX_FIELD   256 /* bytes with the NUL */

struct csv_rows {
    FILE *file; /* borrowed */
    bool begun;
    int k;          /* columns; 0: not known yet */
    int64_t n_rows; /* read so far */
    double *values; /* [CSV_ROWS_MAX_COLUMNS], of the row read last; by mem */
};

/* ERR_NOMEM. */
enum err_code csv_rows_open(FILE *file, struct csv_rows *out, struct err *err) MUST_CHECK;
void csv_rows_release(struct csv_rows *rows);

/*
 * Appends up to `most` rows as "[[1,2],[3,4]]"; *n: how many, 0 at the end. Errors name row and
 * column, both from 0: ERR_SYNTAX, ERR_SHAPE, ERR_NONFINITE, ERR_LIMIT; ERR_CORRUPT, ERR_CANCELLED,
 * ERR_NOMEM.
 */
enum err_code csv_rows_read(struct csv_rows *rows, int max, struct textbuf *out, int *n,
                            struct err *err) MUST_CHECK;

/* One decimal number, blanks around it allowed; no hex, no "inf", no "nan". */
bool csv_rows_number(const char *field, double *out);

#endif
