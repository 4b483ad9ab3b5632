/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices of the caller's, of either type and order, read and written as rows of doubles. */
#ifndef ROW_VIEWS_H
#define ROW_VIEWS_H

#include "base/compiler.h"
#include "base/textbuf.h"
#include "base/err.h"
#include "library/surrogated.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * ERR_INVALID: no rows, no columns, no values, an unknown type or order, words that are not there
 * or in no column; ERR_NONFINITE with the place: a number that is infinite, or NaN unless
 * `missing`. what: "inputs".
 */
enum err_code rows_check(const struct surr_rows *rows, const char *what, bool missing,
                         struct err *err) MUST_CHECK;

/* The words of a column, from the first row on; NULL: it has numbers. */
const char *const *rows_words(const struct surr_rows *rows, int column);

/* Appends rows [first, first + n) as JSON: [[0.5,"fine"],..]; NaN is null. */
void rows_write_json(const struct surr_rows *rows, int first, int n, struct textbuf *text);

/* Rows [first, first + n). out: [n x stride], whose first columns are filled; words are NaN. */
void rows_read(const struct surr_rows *rows, int first, int n, double *out, size_t stride);

/* An array of results of the caller's: [n_rows x a x b] in C's order of axes; b is 1 for matrices.
 */
struct rows_result {
    void *values;
    enum surr_type type;
    enum surr_order order;
    size_t n_rows;
    size_t a, b;
};

/* Rows [first, first + n) of it. values: [n x a x b]. ERR_NUMERIC: one is no finite number of the
 * type. */
enum err_code rows_write(const struct rows_result *to, size_t first, size_t n, const double *values,
                         struct err *err) MUST_CHECK;

#endif
