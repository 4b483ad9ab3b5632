/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include "base/textbuf.h"
#include "client/terminal.h"

#include <stdarg.h>
#include <string.h>

#define GAP 2 /* blanks between columns */

struct table table_in(struct arena *arena, const char *heads)
{
    struct table table = {.arena = arena};
    while (table.n_columns < TABLE_MAX_COLUMNS) {
        size_t len = strcspn(heads, "|");
        bool right = heads[0] == '>';
        table.right[table.n_columns] = right;
        table.heads[table.n_columns] = arena_strndup(arena, heads + right, len - right);
        table.failed |= table.heads[table.n_columns] == NULL;
        table.n_columns++;
        if (heads[len] == '\0') {
            break;
        }
        heads += len + 1;
    }
    return table;
}

void table_row(struct table *t)
{
    if (t->n_rows == t->capacity && !t->failed) {
        size_t capacity = t->capacity < 16 ? 16 : 2 * t->capacity;
        char ***rows = arena_alloc_array(t->arena, capacity, sizeof *rows);
        t->failed = rows == NULL;
        if (rows != NULL && t->n_rows > 0) {
            memcpy(rows, t->rows, t->n_rows * sizeof *rows);
        }
        t->rows = rows;
        t->capacity = capacity;
    }
    if (t->failed) {
        return;
    }
    char **cells = arena_zalloc_array(t->arena, (size_t)t->n_columns, sizeof *cells);
    t->failed = cells == NULL;
    t->rows[t->n_rows] = cells;
    t->n_rows += cells != NULL;
}

void table_cell(struct table *t, int column, const char *fmt, ...)
{
    char raw[1024];
    struct textbuf text = textbuf_in(t->arena);
    va_list args;
    va_start(args, fmt);
    vsnprintf(raw, sizeof raw, fmt, args);
    va_end(args);
    if (t->failed || t->n_rows == 0) {
        return;
    }
    terminal_escape(&text, raw);
    t->failed = textbuf_failed(&text);
    t->rows[t->n_rows - 1][column] = text.data;
}

static const char *cell(const struct table *t, size_t row, int column)
{
    const char *text = t->rows[row][column];
    return text != NULL && *text != '\0' ? text : "-";
}

static void put_blanks(FILE *out, int n)
{
    for (int i = 0; i < n; i++) {
        fputc(' ', out);
    }
}

/* How the columns share the width of the output. */
struct columns {
    int widths[TABLE_MAX_COLUMNS];
    int room; /* columns left for the last cell; 0: it is never cut */
};

static struct columns measure_columns(const struct table *t, FILE *out)
{
    struct columns columns = {.room = 0};
    int before_last = 0;
    for (int j = 0; j < t->n_columns; j++) {
        columns.widths[j] = terminal_columns(t->heads[j]);
        for (size_t i = 0; i < t->n_rows; i++) {
            int width = terminal_columns(cell(t, i, j));
            columns.widths[j] = width > columns.widths[j] ? width : columns.widths[j];
        }
        before_last += j < t->n_columns - 1 ? columns.widths[j] + GAP : 0;
    }
    if (terminal_is(out)) {
        columns.room = terminal_width(out) - before_last;
    }
    return columns;
}

/* Nothing follows the last cell, so it needs no blanks behind it. */
static void put_cell(const struct table *t, const struct columns *columns, int column,
                     const char *text, FILE *out)
{
    bool last = column == t->n_columns - 1;
    int blanks = columns->widths[column] - terminal_columns(text);
    if (t->right[column]) {
        put_blanks(out, blanks);
    }
    if (last && columns->room > 1 && terminal_columns(text) > columns->room) {
        fwrite(text, 1, terminal_cut(text, columns->room - 1), out);
        fputs("\xe2\x80\xa6", out); /* an ellipsis */
    } else {
        fputs(text, out);
    }
    if (!last) {
        put_blanks(out, (t->right[column] ? 0 : blanks) + GAP);
    }
}

enum err_code table_print(const struct table *t, FILE *out, struct err *err)
{
    if (t->failed) {
        return err_set(err, ERR_NOMEM, "no memory for the output");
    }
    struct columns columns = measure_columns(t, out);
    fputs(terminal_on(out, STYLE_BOLD), out);
    for (int j = 0; j < t->n_columns; j++) {
        put_cell(t, &columns, j, t->heads[j], out);
    }
    fprintf(out, "%s\n", terminal_off(out));
    for (size_t i = 0; i < t->n_rows; i++) {
        for (int j = 0; j < t->n_columns; j++) {
            put_cell(t, &columns, j, cell(t, i, j), out);
        }
        fputc('\n', out);
    }
    return ERR_OK;
}
