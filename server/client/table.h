/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns for people. */
#ifndef TABLE_H
#define TABLE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_MAX_COLUMNS 12

struct table {
    struct arena *arena;
    int n_columns;
    const char *heads[TABLE_MAX_COLUMNS];
    bool right[TABLE_MAX_COLUMNS]; /* the column is aligned to the right, as numbers are */
    char ***rows;                  /* [n_rows][n_columns], escaped */
    size_t n_rows, capacity;
    bool failed; /* memory was short; table_print says so */
};

/*
 * Heads are separated by '|'; the column of one that begins with '>' is aligned to the right. The
 * arena holds all of the table.
 */
struct table table_in(struct arena *arena, const char *heads);

/* Begins a row of empty cells, which are shown as "-". */
void table_row(struct table *table);
/* Sets cell `column` of the last row; any text is escaped. */
void table_cell(struct table *table, int column, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Two blanks separate columns. On a terminal heads are bold and the last column is cut where
 * the line would be longer than the screen. ERR_NOMEM.
 */
enum err_code table_print(const struct table *table, FILE *out, struct err *err) MUST_CHECK;

#endif
