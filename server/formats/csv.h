/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers from CSV (RFC 4180): a pure function from bytes to a matrix. */
#ifndef CSV_H
#define CSV_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stddef.h>

struct csv {
    int n;          /* rows, the header not counted */
    int k;          /* columns */
    double *values; /* [n x k], in the arena */
};

/*
 * Lines end in LF, CRLF or CR, the last one may have no end; a byte order mark is skipped. The
 * first line is a header when none of its fields is a number; its names, of any length, are not
 * used. A first line of numbers and other fields is refused. Fields may be quoted, a quote in one
 * is doubled. Refused, naming row and column (header not counted): misplaced quotes, ragged rows,
 * empty fields, anything but a finite decimal number. ERR_TOO_LARGE above max_rows.
 */
enum err_code csv_parse(const char *text, size_t len, int max_rows, struct arena *arena,
                        struct csv *out, struct err *err) MUST_CHECK;

#endif
