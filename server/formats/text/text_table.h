/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers from a text table: a pure function from bytes to a matrix, for whole texts and for texts
 * that come in pieces of whole records.
 *
 * A table is CSV (RFC 4180) as programs write it: columns separated by commas, semicolons, tabs or
 * blanks; lines that end in LF, CRLF or CR; a byte order mark; empty lines and lines that begin
 * with # or %; fields in quotes, a quote inside doubled; numbers as in text_number.h.
 *
 * The first record is a header when the media type says so, or else when all of its fields are
 * words. A comment right before the first row that has as many words as the row has fields,
 * separated as these are, is a header too, as numpy and Dakota write one; Dakota's eval_id and
 * interface are left out. Refused is what may be a header or a row: names beside numbers, 0..k-1,
 * and equal steps of integers such as years above other numbers. Refused as well is a column
 * without a name, as pandas and R write before the others for their row names.
 *
 * A field that is empty or nan is NaN in the matrix, one that is infinite an infinity: the caller
 * decides about them. Everything else that is no number is refused with its line and column.
 */
#ifndef TEXT_TABLE_H
#define TEXT_TABLE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "formats/text/text_dialect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_MAX_NAME     128 /* bytes */
#define TEXT_MAX_LEFT_OUT 2

struct text_table_reader;

/* Columns whose fields may be words: members of categories, each read as a number. */
struct text_members {
    bool may_be_all; /* even a row of words alone is one */
    /* Once the header has been read, or been found to be absent: may refuse the columns, and sets
     * reader->words. */
    enum err_code (*begin)(void *ctx, struct text_table_reader *reader, struct err *err);
    /* The number of a member; -1: it is none. */
    int (*find)(void *ctx, int column, const char *text, size_t len);
    /* "one of a, b is needed"; out [size]. */
    void (*describe)(void *ctx, int column, char *out, size_t size);
    void *ctx;
};

/* What the pieces of a text have in common. */
struct text_table_reader {
    struct text_dialect dialect;
    struct arena *arena;                     /* of the names; borrowed */
    int max_rows;                            /* of a piece; INT_MAX at first */
    int64_t n_rows;                          /* of the pieces so far */
    int64_t line;                            /* of the next byte, in the file that the user has */
    int n_fields;                            /* in a record; 0: no record has been read */
    int k;                                   /* columns of the matrix */
    int first_column;                        /* fields before them, which are left out */
    bool header_record;                      /* the first record holds the names */
    const char *const *names;                /* [k]; NULL: the table has none */
    const char *left_out[TEXT_MAX_LEFT_OUT]; /* [first_column], names of fields left out */
    const struct text_members *members;      /* NULL: all columns are numbers */
    const bool *words;                       /* [k] columns of members; NULL: there are none */
};

struct text_table {
    int n;          /* rows */
    int k;          /* columns */
    double *values; /* [n x k], in the arena */
};

/* first_line: the line that the text begins with, 1 for a whole file. */
struct text_table_reader text_table_reader(const struct text_dialect *dialect, int64_t first_line,
                                           struct arena *arena);

/*
 * Reads all records of the text. A text before the first record gives no rows. ERR_SYNTAX (quotes),
 * ERR_INVALID (no number, or a doubtful header), ERR_SHAPE (number of columns), ERR_LIMIT
 * (columns), ERR_TOO_LARGE (over max_rows), ERR_NOMEM. err has the row, counted over all pieces,
 * the column, and the line.
 */
enum err_code text_table_read_piece(struct text_table_reader *reader, const char *text, size_t len,
                                    struct arena *arena, struct text_table *out,
                                    struct err *err) MUST_CHECK;

/* A whole text; one without rows is refused too. */
enum err_code text_table_read(struct text_table_reader *reader, const char *text, size_t len,
                              struct arena *arena, struct text_table *out,
                              struct err *err) MUST_CHECK;

/* A piece of a text, and the line that it begins with. */
struct text_piece {
    const char *text;
    size_t len;
    int64_t line;
    bool first; /* it has the header, if there is one */
};

/* Where rows of a piece begin. rows: [n], ascending, from 0; lines: [n]. */
void text_table_lines(const struct text_table_reader *reader, const struct text_piece *piece,
                      const int *rows, int n, int64_t *lines);

/* Where a value is, as its user sees it: line 4, column "x2"; without names, line 4, column 2. */
void text_table_place(const struct text_table_reader *reader, int64_t line, int column, char *out,
                      size_t size);

#endif
