/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/csv.h"

#include "base/numtext.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELD   64
#define MAX_COLUMNS 8192

struct cursor {
    const char *at;
    const char *end;
};

/*
 * One field into buf [MAX_FIELD], NUL-terminated. False when a quote is not closed, something
 * follows a closing one or stands before an opening one, or the field is too long and may not be
 * `cut`.
 */
static bool next_field(struct cursor *c, char *buf, bool cut, bool *last_of_line)
{
    size_t n = 0;
    bool quoted = c->at < c->end && *c->at == '"';
    bool closed = false;
    c->at += quoted;
    for (;;) {
        if (c->at == c->end) {
            if (quoted) {
                return false;
            }
            *last_of_line = true;
            break;
        }
        char ch = *c->at++;
        if (quoted && ch == '"') {
            if (c->at < c->end && *c->at == '"') {
                c->at++;
            } else {
                quoted = false;
                closed = true;
                continue;
            }
        } else if (!quoted && (ch == ',' || ch == '\n' || ch == '\r')) {
            if (ch == '\r' && c->at < c->end && *c->at == '\n') {
                c->at++;
            }
            *last_of_line = ch != ',';
            break;
        } else if (closed || (!quoted && ch == '"')) {
            return false;
        }
        if (n + 1 < MAX_FIELD) {
            buf[n++] = ch != '\0' ? ch : '?'; /* a NUL would hide what follows it */
        } else if (!cut) {
            return false;
        }
    }
    buf[n] = '\0';
    return true;
}

/* A decimal number with optional blanks around it; no hex, no "inf", no "nan". */
static bool parse_number(const char *field, double *out)
{
    const char *s = field + strspn(field, " \t");
    size_t len = strspn(s, "+-0123456789.eE");
    if (len == 0 || s[len + strspn(s + len, " \t")] != '\0') {
        return false;
    }
    const char *next;
    if (numtext_read(s, s + len, &next, out) == NUMTEXT_OK && next == s + len) {
        return true;
    }
    /* Spellings that JSON has not, such as +1 and .5, and overflow. */
    char *end;
    *out = strtod(s, &end);
    return end == s + len;
}

/*
 * A header has no number in it. A line of both is not taken for one: it is more likely a row with a
 * value that is missing or not finite, and would be lost without a word.
 */
static enum err_code read_header(struct cursor *c, struct csv *csv, struct err *err)
{
    struct cursor start = *c;
    int n_numbers = 0;
    int name_at = -1; /* the first field that is no number */
    bool last = false;
    char field[MAX_FIELD];
    char name[MAX_FIELD] = "";
    double value;
    csv->k = 0;
    while (!last) {
        if (!next_field(c, field, true, &last)) {
            return err_set(err, ERR_SYNTAX, "the first line has a quote that is open or misplaced");
        }
        if (parse_number(field, &value)) {
            n_numbers++;
        } else if (name_at < 0) {
            name_at = csv->k;
            memcpy(name, field, sizeof name);
        }
        if (++csv->k > MAX_COLUMNS) {
            return err_set(err, ERR_LIMIT, "more than %d columns", MAX_COLUMNS);
        }
    }
    if (n_numbers > 0 && name_at >= 0) {
        return err_set_at(err, ERR_INVALID, 0, name_at,
                          "the first line has numbers, but column %d is \"%.40s\"; a header has "
                          "names only, a row numbers only",
                          name_at, name);
    }
    if (name_at < 0) {
        *c = start;
    }
    return ERR_OK;
}

static enum err_code read_row(struct cursor *c, struct csv *csv, double *row, struct err *err)
{
    char field[MAX_FIELD];
    bool last = false;
    int k = 0;
    while (!last) {
        if (!next_field(c, field, false, &last)) {
            return err_set_at(err, ERR_SYNTAX, csv->n, k,
                              "row %d, column %d has more than %d bytes, or a quote that is open "
                              "or misplaced",
                              csv->n, k, MAX_FIELD - 1);
        }
        if (k == csv->k) {
            return err_set_at(err, ERR_SHAPE, csv->n, k, "row %d has more than %d columns", csv->n,
                              csv->k);
        }
        if (!parse_number(field, &row[k])) {
            return err_set_at(err, ERR_INVALID, csv->n, k,
                              "row %d, column %d is \"%.40s\", not a number", csv->n, k, field);
        }
        if (!isfinite(row[k])) {
            return err_set_at(err, ERR_NONFINITE, csv->n, k,
                              "row %d, column %d is not a finite number", csv->n, k);
        }
        k++;
    }
    if (k < csv->k) {
        return err_set_at(err, ERR_SHAPE, csv->n, k, "row %d has %d columns, %d are needed", csv->n,
                          k, csv->k);
    }
    return ERR_OK;
}

/*
 * How many rows to make room for: no more than there are ends of lines, and none has less than a
 * digit and a comma or an end for each column, but for the one that is being read.
 */
static size_t bound_rows(const struct cursor *c, int k, int max_rows)
{
    size_t max = (size_t)(c->end - c->at) / (2 * (size_t)k) + 1;
    size_t lines = 1;
    for (const char *p = c->at; p < c->end; p++) {
        lines += *p == '\n' || *p == '\r';
    }
    max = lines < max ? lines : max;
    return max < (size_t)max_rows ? max : (size_t)max_rows;
}

enum err_code csv_parse(const char *text, size_t len, int max_rows, struct arena *arena,
                        struct csv *out, struct err *err)
{
    struct csv csv = {.n = 0};
    struct cursor c = {.at = text, .end = text + len};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        c.at += 3;
    }
    if (c.at == c.end) {
        return err_set(err, ERR_SYNTAX, "the body is empty");
    }
    if (read_header(&c, &csv, err) != ERR_OK) {
        return err->code;
    }
    csv.values = arena_alloc_array(arena, bound_rows(&c, csv.k, max_rows) * (size_t)csv.k,
                                   sizeof *csv.values);
    if (csv.values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    while (c.at < c.end) {
        if (csv.n == max_rows) {
            return err_set(err, ERR_TOO_LARGE, "more than %d rows in one upload", max_rows);
        }
        if (read_row(&c, &csv, csv.values + (size_t)csv.n * (size_t)csv.k, err) != ERR_OK) {
            return err->code;
        }
        csv.n++;
    }
    if (csv.n == 0) {
        return err_set(err, ERR_INVALID, "there are no rows");
    }
    *out = csv;
    return ERR_OK;
}
