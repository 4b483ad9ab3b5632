/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/csv.h"

#include "base/numtext.h"
#include "base/phrase.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELD   64 /* bytes with the NUL */
#define MAX_COLUMNS 8192

struct cursor {
    const char *at;
    const char *end;
};

/* ---- records and fields ---- */

enum csv_event csv_step(enum csv_place *place, char byte)
{
    if (*place == CSV_QUOTED) {
        *place = byte == '"' ? CSV_QUOTE : CSV_QUOTED;
        return byte == '"' ? CSV_PUNCTUATION : CSV_BYTE;
    }
    if (byte == '"' && *place != CSV_PLAIN) {
        enum csv_event event = *place == CSV_QUOTE ? CSV_BYTE : CSV_PUNCTUATION;
        *place = CSV_QUOTED;
        return event;
    }
    if (byte == ',' || byte == '\n' || byte == '\r') {
        *place = CSV_FIELD_START;
        return byte == ',' ? CSV_FIELD_END : CSV_RECORD_END;
    }
    bool misplaced = byte == '"' || *place == CSV_QUOTE;
    *place = CSV_PLAIN;
    return misplaced ? CSV_MISPLACED : CSV_BYTE;
}

size_t csv_mark_length(const char *text, size_t len)
{
    return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int csv_count_columns(const char *text, size_t len)
{
    enum csv_place place = CSV_FIELD_START;
    int n = 1;
    for (size_t i = csv_mark_length(text, len); i < len; i++) {
        enum csv_event event = csv_step(&place, text[i]);
        if (event == CSV_RECORD_END) {
            break;
        }
        n += event == CSV_FIELD_END;
    }
    return n;
}

/* What is wrong with a field; NULL: nothing. */
static const char too_long[] = "has more than 63 bytes";
static const char open_quote[] = "has an open quote";
_Static_assert(MAX_FIELD == 64, "too_long says how many bytes a field may have");
static const char misplaced_quote[] =
    "has a misplaced quote; a field is quoted as a whole, and a quote inside is doubled";

struct field {
    char text[MAX_FIELD]; /* cut when it is too long */
    bool cut;
    bool last; /* of its record */
};

/* The next field; what is wrong with its quotes, or NULL. */
static const char *read_field(struct cursor *c, struct field *field)
{
    enum csv_place place = CSV_FIELD_START;
    enum csv_event event = CSV_BYTE;
    size_t n = 0;
    field->cut = false;
    while (c->at < c->end && event != CSV_FIELD_END && event != CSV_RECORD_END) {
        char byte = *c->at++;
        event = csv_step(&place, byte);
        if (event == CSV_MISPLACED) {
            return misplaced_quote;
        }
        if (event == CSV_BYTE && n + 1 < MAX_FIELD) {
            field->text[n++] = byte != '\0' ? byte : '?'; /* a NUL would hide what follows it */
        } else if (event == CSV_BYTE) {
            field->cut = true;
        } else if (byte == '\r' && event == CSV_RECORD_END && c->at < c->end && *c->at == '\n') {
            c->at++;
        }
    }
    if (place == CSV_QUOTED) {
        return open_quote;
    }
    field->text[n] = '\0';
    field->last = event != CSV_FIELD_END;
    return NULL;
}

/* ---- numbers ---- */

bool csv_parse_number(const char *field, double *out)
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
    /* Spellings that JSON does not have, such as +1 and .5, and overflow. */
    char *end;
    *out = strtod(s, &end);
    return end == s + len;
}

/*
 * A header has no number in it. A line of both is not taken for one: it is more likely a row with a
 * value that is missing or not finite, and would be lost without a word.
 */
static enum err_code read_header(struct cursor *c, int *k, struct err *err)
{
    struct cursor start = *c;
    int n_numbers = 0;
    int name_at = -1; /* the first field that is not a number */
    char name[MAX_FIELD] = "";
    struct field field = {.last = false};
    double value;
    *k = 0;
    while (!field.last) {
        const char *wrong = read_field(c, &field);
        if (wrong != NULL) {
            return err_set(err, ERR_SYNTAX, "the first line, column %d %s", *k, wrong);
        }
        if (!field.cut && csv_parse_number(field.text, &value)) {
            n_numbers++;
        } else if (name_at < 0) {
            name_at = *k;
            memcpy(name, field.text, sizeof name);
        }
        if (++*k > MAX_COLUMNS) {
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

/* ---- rows ---- */

static enum err_code read_row(struct cursor *c, const struct csv_reader *reader, double *row,
                              struct err *err)
{
    struct field field = {.last = false};
    const int at = (int)(reader->n_rows & INT_MAX);
    int k = 0;
    for (; !field.last; k++) {
        const char *wrong = read_field(c, &field);
        wrong = wrong == NULL && field.cut ? too_long : wrong;
        if (wrong != NULL) {
            return err_set_at(err, ERR_SYNTAX, at, k, "row %" PRId64 ", column %d %s",
                              reader->n_rows, k, wrong);
        }
        if (k == reader->k) {
            return err_set_at(err, ERR_SHAPE, at, k, "row %" PRId64 " has more than %d columns",
                              reader->n_rows, k);
        }
        if (!csv_parse_number(field.text, &row[k])) {
            const char *hint =
                strpbrk(field.text, ";\t") != NULL ? "; columns are separated by commas" : "";
            return err_set_at(err, ERR_INVALID, at, k,
                              "row %" PRId64 ", column %d is \"%.40s\", not a number%s",
                              reader->n_rows, k, field.text, hint);
        }
        if (!isfinite(row[k])) {
            return err_set_at(err, ERR_NONFINITE, at, k,
                              "row %" PRId64 ", column %d is \"%.40s\", not a finite number",
                              reader->n_rows, k, field.text);
        }
    }
    if (k < reader->k) {
        return err_set_at(err, ERR_SHAPE, at, k, "row %" PRId64 " has %s, %s", reader->n_rows,
                          phrase_count(k, "column").text, phrase_needed(reader->k).text);
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

static enum err_code read_rows(struct csv_reader *reader, struct cursor *c, int max_rows,
                               struct arena *arena, struct csv *out, struct err *err)
{
    struct csv csv = {.k = reader->k};
    csv.values = arena_alloc_array(arena, bound_rows(c, csv.k, max_rows) * (size_t)csv.k,
                                   sizeof *csv.values);
    if (csv.values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    while (c->at < c->end) {
        if (csv.n == max_rows) {
            return err_set(err, ERR_TOO_LARGE, "more than %s in one request",
                           phrase_count(max_rows, "row").text);
        }
        if (read_row(c, reader, csv.values + (size_t)csv.n * (size_t)csv.k, err) != ERR_OK) {
            return err->code;
        }
        csv.n++;
        reader->n_rows++;
    }
    *out = csv;
    return ERR_OK;
}

/* Skips the byte order mark and the header. */
static enum err_code begin_text(struct csv_reader *reader, struct cursor *c, struct err *err)
{
    c->at += csv_mark_length(c->at, (size_t)(c->end - c->at));
    if (c->at == c->end) {
        return err_set(err, ERR_SYNTAX, "the body is empty");
    }
    return read_header(c, &reader->k, err);
}

enum err_code csv_parse(const char *text, size_t len, int max_rows, struct arena *arena,
                        struct csv *out, struct err *err)
{
    struct csv_reader reader = {.n_rows = 0};
    struct csv csv = {.n = 0};
    struct cursor c = {.at = text, .end = text + len};
    if (begin_text(&reader, &c, err) != ERR_OK ||
        read_rows(&reader, &c, max_rows, arena, &csv, err) != ERR_OK) {
        return err->code;
    }
    if (csv.n == 0) {
        return err_set(err, ERR_INVALID, "there are no rows");
    }
    *out = csv;
    return ERR_OK;
}

enum err_code csv_read_piece(struct csv_reader *reader, const char *text, size_t len,
                             struct arena *arena, struct csv *out, struct err *err)
{
    struct cursor c = {.at = text, .end = text + len};
    if (reader->k == 0 && begin_text(reader, &c, err) != ERR_OK) {
        return err->code;
    }
    return read_rows(reader, &c, INT_MAX, arena, out, err);
}
