/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns for people, and how they like times, sizes and durations written. */
#ifndef TABLE_H
#define TABLE_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/textbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_MAX_COLUMNS 12

struct table {
    struct arena *arena;
    int n_columns;
    const char *heads[TABLE_MAX_COLUMNS];
    bool right[TABLE_MAX_COLUMNS]; /* numbers stand at the right */
    char ***rows;                  /* [n_rows][n_columns], escaped */
    size_t n_rows, capacity;
    bool failed;
};

/*
 * Heads separated by '|'; one that begins with '>' is of numbers. The arena holds all. Errors stick
 * until table_print.
 */
struct table table_in(struct arena *arena, const char *heads);

/* Begins a row of empty cells. */
void table_row(struct table *table);
/* Sets cell `column` of the last row; any text, it is escaped. */
void table_cell(struct table *table, int column, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Two blanks between columns. On a terminal heads are bold and the last column is cut where the
 * line would be longer than the screen. False: memory was short.
 */
bool table_print(const struct table *table, FILE *out) MUST_CHECK;

/* "12 kB", "3.4 MB": powers of 1000. */
const char *table_bytes(struct arena *arena, double bytes);
/* "0.4 s", "12 s", "3 min 20 s", "5 h 12 min", "2 d 3 h". */
const char *table_duration(struct arena *arena, double seconds);
/* A time as the server writes it, "2026-01-31T10:20:30.400Z", in seconds; below 0 when it is none.
 */
double table_time(const char *iso);
/* Such a time as "3 min ago"; as it stands when it is none. */
const char *table_ago(struct arena *arena, const char *iso);

#endif
