/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text_header.h"

#include "base/utf8.h"
#include "formats/text_record.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A record that may be the header, field by field. */
struct head {
    struct text_field *fields; /* [n] */
    enum text_value *kinds;    /* [n] */
    double *values;            /* [n] */
    int n;
    int counts[TEXT_WORD + 1]; /* of fields by kind */
    int64_t line;
};

#define PRESENT_OR_ABSENT                                                                          \
    "say \"Content-Type: text/csv; header=present\" if these are names, header=absent if they "    \
    "are "                                                                                         \
    "a row"

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
                               struct head *head, struct err *err)
{
    struct text_dialect dialect = reader->dialect; /* a header settles no decimal mark */
    int n = count_fields(*c, dialect.separator);
    *head = (struct head){.n = n, .line = c->line};
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
                            "line %" PRId64 ": the name of column %d is not UTF-8", line,
                            column + 1);
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
                                   const struct head *head, struct err *err)
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
static enum err_code refuse_nameless(const struct head *head, int column, struct err *err)
{
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

static enum err_code take_names(struct text_table_reader *reader, const struct head *head,
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

/* ---- what the first record is ---- */

static bool is_integer(double value)
{
    return value == floor(value) && fabs(value) < 1e15;
}

/* Names of columns have digits only; 1.0 is a number. */
static bool is_written_in_digits(const struct text_field *field)
{
    for (size_t i = 0; i < field->len; i++) {
        if (field->text[i] < '0' || field->text[i] > '9') {
            return false;
        }
    }
    return true;
}

/*
 * May these numbers be names? 0..k-1 is what pandas writes where columns have none. Equal steps of
 * integers, such as years, are doubtful above a row that has other numbers.
 */
static bool may_be_names(const struct head *head, const struct head *next)
{
    bool steps = head->n > 1 && head->counts[TEXT_NUMBER] == head->n;
    for (int j = 0; j < head->n && steps; j++) {
        double step = j > 0 ? head->values[j] - head->values[j - 1] : 0.0;
        steps = is_written_in_digits(&head->fields[j]) &&
                (j == 0 || (step != 0.0 && step == head->values[1] - head->values[0]));
    }
    if (!steps) {
        return false;
    }
    if (head->values[0] == 0.0 && head->values[1] == 1.0) {
        return true;
    }
    bool others = false;
    for (int j = 0; j < next->n; j++) {
        others |= next->kinds[j] == TEXT_NUMBER && !is_integer(next->values[j]);
    }
    return head->n > 2 && others;
}

static enum err_code refuse_doubtful(const struct head *head, struct err *err)
{
    for (int j = 0; j < head->n; j++) {
        if (head->kinds[j] == TEXT_WORD) {
            const struct text_field *f = &head->fields[j];
            return err_set_at(err, ERR_INVALID, 0, j,
                              "line %" PRId64 " has numbers, but column %d is \"%.*s\"; a header "
                              "has names only, a row numbers only (or " PRESENT_OR_ABSENT ")",
                              head->line, j + 1, f->len < 30 ? (int)f->len : 30, f->text);
        }
    }
    return err_set_at(err, ERR_INVALID, 0, 0,
                      "line %" PRId64 " (%g, %g, ..) may be a header or a row: " PRESENT_OR_ABSENT,
                      head->line, head->values[0], head->values[1]);
}

/* write.table of R has one name less than columns. */
static enum err_code check_row_names(const struct head *head, const struct head *next,
                                     struct err *err)
{
    if (next->n == head->n + 1) {
        return err_set_at(err, ERR_SHAPE, 0, head->n,
                          "line %" PRId64 " has %d names and line %" PRId64 " has %d columns; R "
                          "writes row names like this: use row.names=FALSE",
                          head->line, head->n, next->line, next->n);
    }
    return ERR_OK;
}

/* *header: the record holds the names of the columns. */
static enum err_code decide(const struct text_table_reader *reader, const struct head *head,
                            const struct head *next, bool *header, struct err *err)
{
    int numbers =
        head->counts[TEXT_NUMBER] + head->counts[TEXT_INFINITE] + head->counts[TEXT_NUMBERLIKE];
    *header = reader->dialect.header == TEXT_HEADER_PRESENT;
    if (reader->dialect.header != TEXT_HEADER_UNTOLD) {
        return ERR_OK;
    }
    if (head->counts[TEXT_WORD] > 0) {
        *header = true;
        return numbers == 0 ? check_row_names(head, next, err) : refuse_doubtful(head, err);
    }
    return may_be_names(head, next) ? refuse_doubtful(head, err) : ERR_OK;
}

/* A comment above a row, whose words are as many as the columns and separated as they are. */
static enum err_code read_comment(struct text_table_reader *reader, const char *const *comment,
                                  const struct head *first, struct err *err)
{
    struct text_cursor c = {comment[0], comment[1], first->line};
    struct err refused = ERR_INIT;
    struct head head;
    if (comment[0] == NULL || comment[0] == comment[1] || first->counts[TEXT_WORD] == first->n ||
        reader->dialect.header != TEXT_HEADER_UNTOLD ||
        count_fields(c, reader->dialect.separator) != first->n) {
        return ERR_OK;
    }
    if (read_head(reader, &c, &head, &refused) != ERR_OK) {
        return refused.code == ERR_NOMEM ? err_set(err, ERR_NOMEM, "%s", err_msg(&refused))
                                         : ERR_OK;
    }
    return head.counts[TEXT_WORD] == head.n ? take_names(reader, &head, err) : ERR_OK;
}

enum err_code text_header_read(struct text_table_reader *reader, struct text_cursor *c,
                               struct err *err)
{
    const char *comment[2] = {NULL, NULL};
    struct head head;
    struct head next = {.n = 0};
    bool header = false;
    c->at += text_record_mark_length(c->at, (size_t)(c->end - c->at));
    text_dialect_tell(&reader->dialect, c->at, (size_t)(c->end - c->at));
    text_skip_lines(c, comment);
    if (c->at == c->end) {
        return ERR_OK;
    }
    struct text_cursor first = *c;
    if (read_head(reader, c, &head, err) != ERR_OK) {
        return err->code;
    }
    struct text_cursor second = *c;
    text_skip_lines(&second, NULL);
    if (second.at < second.end &&
        count_fields(second, reader->dialect.separator) <= TEXT_MAX_COLUMNS) {
        struct err ignored = ERR_INIT; /* it is told when the row is read */
        if (read_head(reader, &second, &next, &ignored) != ERR_OK) {
            next = (struct head){.n = 0};
        }
    }
    reader->n_fields = head.n;
    if (read_comment(reader, comment, &head, err) != ERR_OK ||
        (reader->names == NULL && decide(reader, &head, &next, &header, err) != ERR_OK) ||
        (header && take_names(reader, &head, err) != ERR_OK)) {
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
