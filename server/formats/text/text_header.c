/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_header.h"

#include "base/phrase.h"
#include "base/utf8.h"
#include "formats/text/text_doubt.h"
#include "formats/text_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int count_fields(struct text_cursor c, char separator)
{
    struct text_field field = {.last = false};
    int n = 0;
    while (!field.last) {
        text_next_field(&c, separator, &field);
        n++;
    }
    return n;
}

/* Reads a record without deciding what it is. */
static enum err_code read_head(const struct text_table_reader *reader, struct text_cursor *c,
                               struct text_head *head, struct err *err)
{
    struct text_dialect dialect = reader->dialect; /* a header settles no decimal mark */
    int n = count_fields(*c, dialect.separator);
    *head = (struct text_head){.n = n, .line = c->line};
    if (n > TEXT_MAX_COLUMNS) {
        return err_set(err, ERR_LIMIT, "more than %d columns", TEXT_MAX_COLUMNS);
    }
    head->fields = arena_alloc_array(reader->arena, (size_t)n, sizeof *head->fields);
    head->kinds = arena_alloc_array(reader->arena, (size_t)n, sizeof *head->kinds);
    head->values = arena_zalloc_array(reader->arena, (size_t)n, sizeof *head->values);
    if (head->fields == NULL || head->kinds == NULL || head->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the header");
    }
    for (int j = 0; j < n; j++) {
        struct text_field *f = &head->fields[j];
        text_next_field(c, dialect.separator, f);
        if (f->wrong != NULL) {
            return err_set(err, ERR_SYNTAX, "line %" PRId64 ", column %d %s", head->line, j + 1,
                           f->wrong);
        }
        head->kinds[j] = text_number_read(f->text, f->len, &dialect.decimal, &head->values[j]);
        head->counts[head->kinds[j]]++;
    }
    return ERR_OK;
}

/* ---- names ---- */

static enum err_code copy_name(const struct text_field *field, struct arena *arena,
                               const char **out, struct err *err)
{
    char *name = arena_strndup(arena, field->text, field->len);
    size_t n = 0;
    if (name == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of the columns");
    }
    for (size_t i = 0; i < field->len; i++) {
        bool wraps = strchr("\t\r\n", name[i]) != NULL; /* a long name in a narrow cell */
        name[n] = wraps ? ' ' : name[i];
        n += !wraps || n == 0 || name[n - 1] != ' ';
        i += field->has_pairs && name[i] == '"';
    }
    name[n] = '\0';
    *out = name;
    return ERR_OK;
}

static enum err_code check_name(const char *name, int column, int64_t line, struct err *err)
{
    size_t len = strlen(name);
    if (len > TEXT_MAX_NAME) {
        return err_set_at(err, ERR_LIMIT, -1, column,
                          "line %" PRId64 ": the name of column %d has more than %d bytes", line,
                          column + 1, TEXT_MAX_NAME);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) {
            return err_set_at(err, ERR_SYNTAX, -1, column,
                              "line %" PRId64 ": the name of column %d has a control character",
                              line, column + 1);
        }
    }
    return utf8_is_valid(name, len)
               ? ERR_OK
               : err_set_at(err, ERR_SYNTAX, -1, column,
                            "line %" PRId64
                            ": the name of column %d is not UTF-8; write the table as "
                            "UTF-8 (iconv -f latin1 -t utf-8)",
                            line, column + 1);
}

struct named_column {
    const char *name;
    int column;
};

static int compare_names(const void *a, const void *b)
{
    const struct named_column *left = a;
    const struct named_column *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : left->column - right->column;
}

static enum err_code check_doubled(const struct text_table_reader *reader, const char **names,
                                   const struct text_head *head, struct err *err)
{
    struct named_column *sorted = arena_alloc_array(reader->arena, (size_t)head->n, sizeof *sorted);
    if (sorted == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of the columns");
    }
    for (int j = 0; j < head->n; j++) {
        sorted[j] = (struct named_column){names[j], j};
    }
    qsort(sorted, (size_t)head->n, sizeof *sorted, compare_names);
    for (int j = 1; j < head->n; j++) {
        if (strcmp(sorted[j - 1].name, sorted[j].name) == 0) {
            return err_set_at(err, ERR_INVALID, -1, sorted[j].column,
                              "line %" PRId64 ": columns %d and %d are both named \"%.60s\"",
                              head->line, sorted[j - 1].column + 1, sorted[j].column + 1,
                              sorted[j].name);
        }
    }
    return ERR_OK;
}

/* pandas and R write their row names before the columns, with an empty name or none. */
static enum err_code refuse_nameless(const struct text_head *head, int column, struct err *err)
{
    if (column > 0 && column == head->n - 1) {
        return err_set_at(err, ERR_INVALID, -1, column,
                          "line %" PRId64 " ends with a separator, which makes column %d a column "
                          "without a name; write the lines without it",
                          head->line, column + 1);
    }
    if (column > 0) {
        return err_set_at(err, ERR_INVALID, -1, column,
                          "line %" PRId64 " has the names of columns, but column %d has none",
                          head->line, column + 1);
    }
    return err_set_at(err, ERR_INVALID, -1, 0,
                      "line %" PRId64 ": the first column has no name, as the index of pandas or "
                      "the row names of R; write the table without it: to_csv(..., index=False), "
                      "write.csv(..., row.names=FALSE)",
                      head->line);
}

/* "Unnamed: 0" is what pandas makes of an index that it reads back. */
static bool is_index(const struct text_field *field)
{
    static const char unnamed[] = "Unnamed: 0";
    return field->len == 0 ||
           (field->len == sizeof unnamed - 1 && memcmp(field->text, unnamed, field->len) == 0);
}

static enum err_code take_names(struct text_table_reader *reader, const struct text_head *head,
                                struct err *err)
{
    const char **names = arena_alloc_array(reader->arena, (size_t)head->n, sizeof *names);
    if (names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of the columns");
    }
    if (is_index(&head->fields[0])) {
        return refuse_nameless(head, 0, err);
    }
    for (int j = 0; j < head->n; j++) {
        if (copy_name(&head->fields[j], reader->arena, &names[j], err) != ERR_OK) {
            return err->code;
        }
        if (names[j][0] == '\0') {
            return refuse_nameless(head, j, err);
        }
        if (check_name(names[j], j, head->line, err) != ERR_OK) {
            return err->code;
        }
    }
    reader->names = names;
    reader->n_fields = head->n;
    return check_doubled(reader, names, head, err);
}

/* Dakota numbers its evaluations and names the interface before the variables. */
static void leave_out_dakota(struct text_table_reader *reader)
{
    static const char *const leading[TEXT_MAX_LEFT_OUT] = {"eval_id", "interface"};
    if (reader->dialect.separator != ' ' || reader->names == NULL) {
        return;
    }
    for (int j = 0; j < TEXT_MAX_LEFT_OUT && j + 1 < reader->n_fields; j++) {
        const char *name = reader->names[0];
        if (strcasecmp(name + (*name == '%'), leading[j]) != 0) {
            break;
        }
        reader->left_out[reader->first_column++] = leading[j];
        reader->names++;
    }
}

/* ---- comments ---- */

/* A comment as words that may be names of the columns; head->n is 0 when they are none. */
static enum err_code read_comment(const struct text_table_reader *reader, const char *const *text,
                                  const struct text_head *first, struct text_head *head,
                                  struct err *err)
{
    struct text_cursor c = {text[0], text[1], first->line};
    struct err refused = ERR_INIT;
    *head = (struct text_head){.n = 0};
    if (text[0] == NULL || text[0] == text[1] ||
        count_fields(c, reader->dialect.separator) != first->n) {
        return ERR_OK;
    }
    if (read_head(reader, &c, head, &refused) != ERR_OK || head->counts[TEXT_WORD] != head->n) {
        *head = (struct text_head){.n = 0};
    }
    return refused.code == ERR_NOMEM ? err_set(err, ERR_NOMEM, "%s", err_msg(&refused)) : ERR_OK;
}

/*
 * Names from the comment above a row, whose words are as many as the columns and separated as they
 * are; from the comment before it when that one has the units.
 */
static enum err_code take_comment(struct text_table_reader *reader,
                                  const struct text_comments *comments,
                                  const struct text_head *first, struct err *err)
{
    struct text_head last;
    struct text_head before;
    if (first->counts[TEXT_WORD] == first->n || reader->dialect.header != TEXT_HEADER_UNTOLD) {
        return ERR_OK;
    }
    if (read_comment(reader, comments->last, first, &last, err) != ERR_OK ||
        read_comment(reader, comments->before, first, &before, err) != ERR_OK) {
        return err->code;
    }
    if (last.n == 0) {
        return ERR_OK;
    }
    enum text_units units = before.n > 0 && text_doubt_units(&before) != TEXT_UNITS
                                ? text_doubt_units(&last)
                                : TEXT_NO_UNITS;
    if (units == TEXT_UNITS_OR_NAMES) {
        return err_set(err, ERR_INVALID,
                       "of the two comments above line %" PRId64 " each may have the names of the "
                       "columns: leave only that one there",
                       first->line);
    }
    return take_names(reader, units == TEXT_UNITS ? &before : &last, err);
}

/* The record behind the first one; n stays 0 when there is none, or it cannot be read. */
static void read_next(const struct text_table_reader *reader, struct text_cursor c,
                      struct text_head *next)
{
    struct err ignored = ERR_INIT; /* it is told when the row is read */
    text_skip_lines(&c, NULL);
    if (c.at == c.end || count_fields(c, reader->dialect.separator) > TEXT_MAX_COLUMNS ||
        read_head(reader, &c, next, &ignored) != ERR_OK) {
        *next = (struct text_head){.n = 0};
    }
}

/* The rows of a table without names whose columns have been counted: its first line is a row like
 * the others. */
static bool begin_counted(struct text_table_reader *reader)
{
    if (reader->dialect.columns == 0 || reader->dialect.header != TEXT_HEADER_ABSENT) {
        return false;
    }
    reader->n_fields = reader->k = reader->dialect.columns;
    return true;
}

/* The first record has another number of columns than the table is said to have. */
static enum err_code refuse_count(const struct text_head *head, int columns, struct err *err)
{
    err_set_at(err, ERR_SHAPE, -1, head->n < columns ? head->n : columns,
               "line %" PRId64 " has %s, and the media type says columns=%d", head->line,
               phrase_count(head->n, "column").text, columns);
    err->line = head->line;
    return err->code;
}

enum err_code text_header_read(struct text_table_reader *reader, struct text_cursor *c,
                               struct err *err)
{
    struct text_comments comments = {.last = {NULL, NULL}};
    struct text_head head;
    struct text_head next = {.n = 0};
    bool header = false;
    c->at += text_record_mark_length(c->at, (size_t)(c->end - c->at));
    text_dialect_tell(&reader->dialect, c->at, (size_t)(c->end - c->at));
    text_skip_lines(c, &comments);
    if (c->at == c->end || begin_counted(reader)) {
        return ERR_OK;
    }
    struct text_cursor first = *c;
    if (read_head(reader, c, &head, err) != ERR_OK) {
        return err->code;
    }
    if (reader->dialect.columns > 0 && head.n != reader->dialect.columns) {
        return refuse_count(&head, reader->dialect.columns, err);
    }
    read_next(reader, *c, &next);
    reader->n_fields = head.n;
    if (take_comment(reader, &comments, &head, err) != ERR_OK ||
        (reader->names == NULL &&
         text_doubt_decide(reader, &head, &next, &header, err) != ERR_OK) ||
        (header && take_names(reader, &head, err) != ERR_OK) ||
        (reader->names == NULL && text_doubt_check_ends(reader, first, err) != ERR_OK)) {
        return err->code;
    }
    reader->header_record = header;
    if (!header) {
        *c = first;
    }
    leave_out_dakota(reader);
    reader->k = reader->n_fields - reader->first_column;
    return ERR_OK;
}
