/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_table.h"

#include "base/phrase.h"
#include "formats/text/text_field.h"
#include "formats/text/text_header.h"
#include "formats/text/text_hint.h"
#include "formats/text_record.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct text_table_reader text_table_reader(const struct text_dialect *dialect, int64_t first_line,
                                           struct arena *arena)
{
    return (struct text_table_reader){
        .dialect = *dialect, .arena = arena, .max_rows = INT_MAX, .line = first_line};
}

/* ---- what is wrong ---- */

#define MAX_PLACE 120

void text_table_place(const struct text_table_reader *reader, int64_t line, int column, char *out,
                      size_t size)
{
    if (reader->names != NULL && column >= 0 && column < reader->k) {
        snprintf(out, size, "line %" PRId64 ", column \"%.60s\"", line, reader->names[column]);
    } else {
        snprintf(out, size, "line %" PRId64 ", column %d", line, reader->first_column + column + 1);
    }
}

static int row_index(const struct text_table_reader *reader)
{
    return (int)(reader->n_rows & INT_MAX);
}

/* Has the record that begins at `record` words only? Then it is none of the rows. */
static bool is_words_only(const struct text_table_reader *reader, struct text_cursor record)
{
    struct text_field field = {.last = false};
    enum text_decimal decimal = reader->dialect.decimal;
    double ignored;
    while (!field.last) {
        text_next_field(&record, reader->dialect.separator, &field);
        enum text_value kind = text_number_read(field.text, field.len, &decimal, &ignored);
        if (kind != TEXT_WORD && kind != TEXT_MISSING) {
            return false;
        }
    }
    return true;
}

static enum err_code refuse_field(const struct text_table_reader *reader,
                                  const struct text_cursor *record, int column,
                                  const struct text_field *field, struct err *err)
{
    const int64_t line = record->line;
    char place[MAX_PLACE];
    static const char words_only[] = "; the line has words only: names stand once, above all rows";
    char hint[TEXT_HINT_MAX];
    char text[48];
    size_t len = field->len < 40 ? field->len : 40;
    for (size_t i = 0; i < len; i++) {
        text[i] = field->text[i] != '\0' ? field->text[i] : '?'; /* it would hide the rest */
    }
    text[len] = '\0';
    text_table_place(reader, line, column, place, sizeof place);
    text_hint_of_field(reader, field->text, field->len, hint);
    if (strncmp(hint, "; U+", 4) != 0 && is_words_only(reader, *record)) {
        memcpy(hint, words_only, sizeof words_only);
    }
    err_set_at(err, ERR_INVALID, row_index(reader), column, "%s is \"%s\"%s, not a number%s", place,
               text, len < field->len ? ".." : "", hint);
    err->line = line;
    return err->code;
}

static enum err_code refuse_quotes(const struct text_table_reader *reader, int64_t line, int column,
                                   const char *wrong, struct err *err)
{
    char place[MAX_PLACE];
    text_table_place(reader, line, column, place, sizeof place);
    err_set_at(err, ERR_SYNTAX, row_index(reader), column, "%s %s", place, wrong);
    err->line = line;
    return err->code;
}

static enum err_code refuse_length(const struct text_table_reader *reader, int64_t line, int n,
                                   struct err *err)
{
    err_set_at(err, ERR_SHAPE, row_index(reader), n < reader->n_fields ? n : reader->n_fields,
               "line %" PRId64 " has %s%s, %s", line, n > reader->n_fields ? "more than " : "",
               phrase_count(n > reader->n_fields ? n - 1 : n, "column").text,
               phrase_needed(reader->n_fields).text);
    err->line = line;
    return err->code;
}

/* ---- rows ---- */

/* A field with its pairs of quotes as one quote each; room [size] is enough for any member. */
static size_t copy_unquoted(const struct text_field *field, char *room, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < field->len && len < size; i++) {
        room[len++] = field->text[i];
        i += field->has_pairs && field->text[i] == '"';
    }
    return len;
}

/* The number of a member of a category, or NaN where the field says that it is missing. */
static enum err_code read_member(const struct text_table_reader *reader, int64_t line, int column,
                                 const struct text_field *field, double *out, struct err *err)
{
    enum text_decimal decimal = reader->dialect.decimal;
    const struct text_members *members = reader->members;
    char place[MAX_PLACE];
    char wanted[MAX_PLACE];
    char text[TEXT_MAX_NAME + 1]; /* a longer one is no member either */
    size_t len = copy_unquoted(field, text, sizeof text);
    int found = members->find(members->ctx, column, text, len);
    if (found >= 0) {
        *out = found;
        return ERR_OK;
    }
    if (text_number_read(field->text, field->len, &decimal, out) == TEXT_MISSING) {
        return ERR_OK;
    }
    text_table_place(reader, line, column, place, sizeof place);
    members->describe(members->ctx, column, wanted, sizeof wanted);
    err_set_at(err, ERR_INVALID, row_index(reader), column, "%s is \"%.*s\", %s", place,
               field->len < 40 ? (int)field->len : 40, field->text, wanted);
    err->line = line;
    return err->code;
}

static enum err_code read_row(struct text_table_reader *reader, struct text_cursor *c, double *row,
                              struct err *err)
{
    const char separator = reader->dialect.separator;
    const struct text_cursor record = *c;
    const int64_t line = c->line;
    struct text_field field = {.last = false};
    int n = 0; /* fields */
    for (; !field.last; n++) {
        text_next_field(c, separator, &field);
        int column = n - reader->first_column;
        if (field.wrong != NULL) {
            return refuse_quotes(reader, line, column, field.wrong, err);
        }
        if (n == reader->n_fields) {
            return refuse_length(reader, line, n + 1, err);
        }
        if (column < 0) {
            continue;
        }
        if (reader->words != NULL && reader->words[column]) {
            if (read_member(reader, line, column, &field, &row[column], err) != ERR_OK) {
                return err->code;
            }
            continue;
        }
        enum text_value kind =
            text_number_read(field.text, field.len, &reader->dialect.decimal, &row[column]);
        if (kind == TEXT_NUMBERLIKE || kind == TEXT_WORD) {
            return refuse_field(reader, &record, column, &field, err);
        }
    }
    return n == reader->n_fields ? ERR_OK : refuse_length(reader, line, n, err);
}

/*
 * How many rows to make room for: no more than there are ends of lines, and none has less than a
 * separator or an end for each field, but for the last.
 */
static size_t bound_rows(const struct text_cursor *c, int n_fields, int max_rows)
{
    size_t max = (size_t)(c->end - c->at) / (size_t)n_fields + 1;
    size_t lines = 1;
    for (const char *p = c->at; p < c->end; p++) {
        lines += *p == '\n' || *p == '\r';
    }
    max = lines < max ? lines : max;
    return max < (size_t)max_rows ? max : (size_t)max_rows;
}

static enum err_code read_rows(struct text_table_reader *reader, struct text_cursor *c,
                               struct arena *arena, struct text_table *out, struct err *err)
{
    struct text_table table = {.k = reader->k};
    size_t k = (size_t)reader->k;
    table.values = arena_alloc_array(arena, bound_rows(c, reader->n_fields, reader->max_rows) * k,
                                     sizeof *table.values);
    if (table.values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (text_skip_lines(c, NULL); c->at < c->end; text_skip_lines(c, NULL)) {
        if (table.n == reader->max_rows) {
            return err_set(err, ERR_TOO_LARGE, "more than %s in one request",
                           phrase_count(reader->max_rows, "row").text);
        }
        if (read_row(reader, c, table.values + (size_t)table.n * k, err) != ERR_OK) {
            return err->code;
        }
        table.n++;
        reader->n_rows++;
    }
    *out = table;
    return ERR_OK;
}

enum err_code text_table_read_piece(struct text_table_reader *reader, const char *text, size_t len,
                                    struct arena *arena, struct text_table *out, struct err *err)
{
    struct text_cursor c = {.at = text, .end = text + len, .line = reader->line};
    *out = (struct text_table){.n = 0};
    if (reader->n_fields == 0 && text_header_read(reader, &c, err) != ERR_OK) {
        return err->code;
    }
    if (reader->n_rows == 0 && reader->n_fields > 0 && reader->members != NULL &&
        reader->members->begin(reader->members->ctx, reader, err) != ERR_OK) {
        return err->code;
    }
    if (reader->n_fields > 0 && read_rows(reader, &c, arena, out, err) != ERR_OK) {
        return err->code;
    }
    reader->line = c.line;
    return ERR_OK;
}

enum err_code text_table_read(struct text_table_reader *reader, const char *text, size_t len,
                              struct arena *arena, struct text_table *out, struct err *err)
{
    if (len == 0) {
        return err_set(err, ERR_SYNTAX, "the body is empty");
    }
    if (text_table_read_piece(reader, text, len, arena, out, err) == ERR_OK && out->n == 0) {
        return err_set(err, ERR_INVALID, "there are no rows");
    }
    return err->code;
}

void text_table_lines(const struct text_table_reader *reader, const struct text_piece *piece,
                      const int *rows, int n, int64_t *lines)
{
    struct text_cursor c = {piece->text, piece->text + piece->len, piece->line};
    struct text_field field;
    int row = piece->first && reader->header_record ? -1 : 0;
    c.at += text_record_mark_length(piece->text, piece->len);
    for (int i = 0; i < n; row++) {
        text_skip_lines(&c, NULL);
        if (row == rows[i]) {
            lines[i++] = c.line;
        }
        field.last = c.at == c.end;
        while (!field.last) {
            text_next_field(&c, reader->dialect.separator, &field);
        }
    }
}
