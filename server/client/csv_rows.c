/* SPDX-License-Identifier: Apache-2.0 */
#include "client/csv_rows.h"

#include "client/interrupt.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum field_end { END_FIELD, END_RECORD, END_FILE, END_BAD };

enum err_code csv_rows_open(FILE *file, struct csv_rows *out, struct err *err)
{
    *out = (struct csv_rows){.file = file};
    out->values = mem_alloc_array(CSV_ROWS_MAX_COLUMNS, sizeof *out->values);
    return out->values != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the rows");
}

void csv_rows_release(struct csv_rows *rows)
{
    mem_free(rows->values);
    *rows = (struct csv_rows){.file = NULL};
}

bool csv_rows_number(const char *field, double *out)
{
    const char *s = field + strspn(field, " \t");
    size_t len = strspn(s, "+-0123456789.eE");
    if (len == 0 || s[len + strspn(s + len, " \t")] != '\0') {
        return false;
    }
    char *end;
    *out = strtod(s, &end);
    return end == s + len;
}

/* The rest of a line end whose first character is c. */
static bool ends_record(FILE *file, int c)
{
    if (c == '\r') {
        int next = getc_unlocked(file);
        if (next != '\n' && next != EOF) {
            ungetc(next, file);
        }
    }
    return c == '\r' || c == '\n';
}

/* A field without its quotes, and what ended it. END_BAD: too long, or an open quote. */
static enum field_end read_field(FILE *file, char *field)
{
    size_t n = 0;
    int c = getc_unlocked(file);
    bool quoted = c == '"';
    c = quoted ? getc_unlocked(file) : c;
    for (;; c = getc_unlocked(file)) {
        if (quoted && c == '"') {
            c = getc_unlocked(file);
            quoted = c == '"';
        }
        if (c == EOF || (!quoted && (c == ',' || ends_record(file, c)))) {
            break;
        }
        if (n + 1 >= CSV_ROWS_MAX_FIELD) {
            return END_BAD;
        }
        field[n++] = (char)c;
    }
    field[n] = '\0';
    if (c == EOF) {
        return quoted ? END_BAD : END_FILE;
    }
    return c == ',' ? END_FIELD : END_RECORD;
}

static enum err_code bad_field(const struct csv_rows *r, int column, const char *field,
                               struct err *err)
{
    return err_set_at(err, ERR_SYNTAX, (int)(r->n_rows & 0x7fffffff), column,
                      "row %" PRId64 ", column %d is \"%.40s\", not a finite number", r->n_rows,
                      column, field);
}

/* Columns of the record and whether it is a header; *k is 0 at the end of the file. */
static enum err_code read_record(struct csv_rows *r, int *k, bool *is_header, struct err *err)
{
    char field[CSV_ROWS_MAX_FIELD];
    char bad[CSV_ROWS_MAX_FIELD] = "";
    int bad_column = -1;
    int n_numbers = 0;
    enum field_end end = END_FIELD;
    *k = 0;
    /* A read that Ctrl-C ended is not tried again: it would wait for the next one. */
    if (ferror(r->file)) {
        return ERR_OK;
    }
    while (end == END_FIELD) {
        end = read_field(r->file, field);
        if (end == END_BAD || *k == CSV_ROWS_MAX_COLUMNS) {
            return err_set(err, ERR_LIMIT,
                           "row %" PRId64 ", column %d is too long, has an open quote, or is one "
                           "of too many",
                           r->n_rows, *k);
        }
        if (end == END_FILE && *k == 0 && field[0] == '\0') {
            return ERR_OK;
        }
        double value = 0.0;
        bool fine = csv_rows_number(field, &value) && isfinite(value);
        n_numbers += fine;
        if (!fine && bad_column < 0) {
            bad_column = *k;
            memcpy(bad, field, sizeof bad);
        }
        r->values[(*k)++] = value;
    }
    *is_header = !r->begun && n_numbers == 0;
    return bad_column >= 0 && !*is_header ? bad_field(r, bad_column, bad, err) : ERR_OK;
}

static void skip_mark(FILE *file)
{
    int c = getc_unlocked(file);
    if (c != 0xef) {
        ungetc(c, file);
        return;
    }
    /* No number and no name in ASCII begins with this byte: it is a byte order mark or junk. */
    (void)getc_unlocked(file);
    (void)getc_unlocked(file);
}

/* The next row into r->values; *there is false at the end. */
static enum err_code read_row(struct csv_rows *r, bool *there, struct err *err)
{
    bool is_header = false;
    int k = 0;
    if (!r->begun) {
        skip_mark(r->file);
    }
    enum err_code code = read_record(r, &k, &is_header, err);
    if (!r->begun) {
        r->k = k;
        r->begun = true;
        if (code == ERR_OK && is_header) {
            code = read_record(r, &k, &is_header, err);
        }
    }
    /* What a broken read leaves looks like a malformed row. */
    if (interrupt_seen()) {
        err_clear(err);
        return err_set(err, ERR_CANCELLED, "interrupted");
    }
    if (ferror(r->file)) {
        err_clear(err);
        return err_set(err, ERR_CORRUPT, "the file cannot be read");
    }
    *there = k > 0;
    if (code == ERR_OK && k > 0 && k != r->k) {
        return err_set(err, ERR_SHAPE, "row %" PRId64 " has %d columns, %d are needed", r->n_rows,
                       k, r->k);
    }
    return code;
}

enum err_code csv_rows_read(struct csv_rows *r, int max, struct textbuf *out, int *n,
                            struct err *err)
{
    bool there = true;
    *n = 0;
    textbuf_puts(out, "[");
    while (*n < max) {
        if (read_row(r, &there, err) != ERR_OK) {
            return err->code;
        }
        if (!there) {
            break;
        }
        textbuf_puts(out, *n > 0 ? "," : "");
        textbuf_vector(out, r->values, (size_t)r->k);
        (*n)++;
        r->n_rows++;
    }
    textbuf_puts(out, "]");
    return textbuf_failed(out) ? err_set(err, ERR_NOMEM, "no memory for the rows") : ERR_OK;
}
