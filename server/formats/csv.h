/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers from CSV (RFC 4180): a pure function from bytes to a matrix, for whole texts and for
 * texts that come in pieces.
 *
 * Lines end in LF, CRLF or CR; the last one need not have an end. A byte order mark is skipped. The
 * first line is a header when none of its fields is a number; its names, of any length, are not
 * used. A first line with both numbers and other fields is refused. Fields may be quoted; a quote
 * inside is doubled. Misplaced quotes, rows of another length, empty fields and everything but
 * finite decimal numbers are refused, with row and column (from 0, the header not counted).
 */
#ifndef CSV_H
#define CSV_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv {
    int n;          /* rows, the header not counted */
    int k;          /* columns */
    double *values; /* [n x k], in the arena */
};

/* ERR_TOO_LARGE above max_rows; a text without rows is refused. */
enum err_code csv_parse(const char *text, size_t len, int max_rows, struct arena *arena,
                        struct csv *out, struct err *err) MUST_CHECK;

/* What the pieces of a text have in common; zero before the first. */
struct csv_reader {
    int64_t n_rows; /* of the pieces so far; messages count on from here */
    int k;          /* columns; 0: no piece has been read */
};

/* A piece of whole records; out->n is 0 when it has no rows. */
enum err_code csv_read_piece(struct csv_reader *reader, const char *text, size_t len,
                             struct arena *arena, struct csv *out, struct err *err) MUST_CHECK;

/* ---- for cutting a text into such pieces ---- */

/* How far reading has come; CSV_FIELD_START at the beginning of a text, behind its byte order
 * mark. */
enum csv_place { CSV_FIELD_START, CSV_PLAIN, CSV_QUOTED, CSV_QUOTE /* in or behind a field */ };

enum csv_event {
    CSV_BYTE, /* belongs to the field */
    CSV_PUNCTUATION /* a quote around it, or the first of two */,
    CSV_FIELD_END,
    CSV_RECORD_END, /* after a CR an LF that follows belongs to it */
    CSV_MISPLACED   /* a quote, or what follows a quoted field; goes on as a plain byte */
};

/* What the next byte means. */
enum csv_event csv_step(enum csv_place *place, char byte);

/* Length of the byte order mark at the beginning: 3 or 0. */
size_t csv_mark_length(const char *text, size_t len);

/* Columns of the first record. */
int csv_count_columns(const char *text, size_t len);

/* One decimal number, blanks around it allowed; no hex, no "inf", no "nan". It may overflow. */
bool csv_parse_number(const char *field, double *out);

#endif
