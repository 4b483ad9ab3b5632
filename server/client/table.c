/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include "client/terminal.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

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

/* A cell in its column; nothing follows the last one, which is cut to `room` columns (0: never). */
static void put_cell(const struct table *t, int column, const char *text, int width, int room,
                     FILE *out)
{
    bool last = column == t->n_columns - 1;
    int blanks = width - terminal_columns(text);
    if (t->right[column]) {
        put_blanks(out, blanks);
    }
    if (last && room > 1 && terminal_columns(text) > room) {
        fwrite(text, 1, terminal_cut(text, room - 1), out);
        fputs("\xe2\x80\xa6", out); /* an ellipsis */
    } else {
        fputs(text, out);
    }
    if (!last) {
        put_blanks(out, (t->right[column] ? 0 : blanks) + GAP);
    }
}

bool table_print(const struct table *t, FILE *out)
{
    int widths[TABLE_MAX_COLUMNS];
    int before = 0; /* columns left of the last cell */
    if (t->failed) {
        return false;
    }
    for (int j = 0; j < t->n_columns; j++) {
        widths[j] = terminal_columns(t->heads[j]);
        for (size_t i = 0; i < t->n_rows; i++) {
            int w = terminal_columns(cell(t, i, j));
            widths[j] = w > widths[j] ? w : widths[j];
        }
        before += j < t->n_columns - 1 ? widths[j] + GAP : 0;
    }
    int room = terminal_is(out) ? terminal_width(out) - before : 0;
    fputs(terminal_on(out, STYLE_BOLD), out);
    for (int j = 0; j < t->n_columns; j++) {
        put_cell(t, j, t->heads[j], widths[j], room, out);
    }
    fprintf(out, "%s\n", terminal_off(out));
    for (size_t i = 0; i < t->n_rows; i++) {
        for (int j = 0; j < t->n_columns; j++) {
            put_cell(t, j, cell(t, i, j), widths[j], room, out);
        }
        fputc('\n', out);
    }
    return true;
}

/* ---- numbers as people say them ---- */

static const char *or_mark(const char *text)
{
    return text != NULL ? text : "?";
}

const char *table_bytes(struct arena *arena, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t k = 0;
    /* 999.5 would be rounded to 1000. */
    while (k < 4 && bytes >= (k == 0 ? 1000.0 : 999.5)) {
        bytes /= 1000.0;
        k++;
    }
    int digits = k > 0 && bytes < 9.95 ? 1 : 0;
    return or_mark(arena_printf(arena, "%.*f %s", digits, bytes, units[k]));
}

const char *table_duration(struct arena *arena, double s)
{
    if (!(s >= 0.0) || s > 1e12) {
        return "?";
    }
    if (s < 9.95) {
        return or_mark(arena_printf(arena, "%.1f s", s));
    }
    long long whole = llround(s);
    if (whole < 60) {
        return or_mark(arena_printf(arena, "%lld s", whole));
    }
    if (whole < 3600) {
        return or_mark(arena_printf(arena, "%lld min %lld s", whole / 60, whole % 60));
    }
    long long minutes = whole / 60;
    if (minutes < 24 * 60) {
        return or_mark(arena_printf(arena, "%lld h %lld min", minutes / 60, minutes % 60));
    }
    return or_mark(arena_printf(arena, "%lld d %lld h", minutes / 1440, minutes / 60 % 24));
}

double table_time(const char *iso)
{
    struct tm tm = {.tm_isdst = 0};
    double seconds = 0.0;
    if (iso == NULL || sscanf(iso, "%4d-%2d-%2dT%2d:%2d:%lfZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                              &tm.tm_hour, &tm.tm_min, &seconds) != 6) {
        return -1.0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (double)timegm(&tm) + seconds;
}

const char *table_ago(struct arena *arena, const char *iso)
{
    double then = table_time(iso);
    double age = (double)time(NULL) - then;
    if (then < 0.0) {
        return iso != NULL ? iso : "-";
    }
    if (age < 1.0) {
        return "now";
    }
    if (age < 60.0) {
        return or_mark(arena_printf(arena, "%.0f s ago", floor(age)));
    }
    if (age < 3600.0) {
        return or_mark(arena_printf(arena, "%.0f min ago", floor(age / 60.0)));
    }
    if (age < 86400.0) {
        return or_mark(arena_printf(arena, "%.0f h ago", floor(age / 3600.0)));
    }
    return or_mark(arena_printf(arena, "%.0f d ago", floor(age / 86400.0)));
}
