/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pieces/csv_head.h"

#include "base/textbuf.h"
#include "formats/text/text_header.h"
#include "formats/text/text_number.h"

#include <stdio.h>

/* A name in quotes, a quote in it doubled. */
static void write_name(struct textbuf *out, const char *name)
{
    textbuf_puts(out, "\"");
    for (const char *p = name; *p != '\0'; p++) {
        textbuf_printf(out, "%s%c", *p == '"' ? "\"" : "", *p);
    }
    textbuf_puts(out, "\"");
}

static void write_names(struct textbuf *out, const struct text_table_reader *reader)
{
    const char separator[] = {reader->dialect.separator, '\0'};
    for (int j = 0; j < reader->n_fields; j++) {
        int column = j - reader->first_column;
        textbuf_puts(out, j > 0 ? separator : "");
        write_name(out, column < 0 ? reader->left_out[j] : reader->names[column]);
    }
    textbuf_puts(out, "\n");
}

enum err_code csv_head_init(const char *type, struct csv_head *out, struct err *err)
{
    *out = (struct csv_head){.type = type};
    return text_dialect_parse(type, &out->dialect, err);
}

/* The decimal mark of the first number behind c that has one. */
static void tell_decimal(struct text_dialect *dialect, struct text_cursor c)
{
    struct text_field field;
    for (text_skip_lines(&c, NULL); c.at < c.end && dialect->decimal == TEXT_DECIMAL_UNTOLD;
         text_skip_lines(&c, NULL)) {
        double ignored;
        text_next_field(&c, dialect->separator, &field);
        (void)text_number_read(field.text, field.len, &dialect->decimal, &ignored);
    }
}

/*
 * A part without names says how many columns the table has: it would otherwise be compared with its
 * own first line, and when that one has another number of columns a later line would be blamed.
 */
static const char *write_type(const struct text_dialect *dialect, struct arena *arena)
{
    const bool names = dialect->header == TEXT_HEADER_PRESENT;
    char columns[32] = "";
    if (!names) {
        snprintf(columns, sizeof columns, "; columns=%d", dialect->columns);
    }
    return arena_printf(
        arena, "text/csv; header=%s%s; separator=%s%s%s", names ? "present" : "absent", columns,
        text_separator_name(dialect->separator),
        dialect->decimal != TEXT_DECIMAL_UNTOLD ? "; decimal=" : "",
        dialect->decimal != TEXT_DECIMAL_UNTOLD ? text_decimal_name(dialect->decimal) : "");
}

/* What the first part tells of the others. */
static enum err_code read_first(struct csv_head *head, const char *text, size_t len,
                                struct arena *arena, struct err *err)
{
    struct text_table_reader reader = text_table_reader(&head->dialect, 1, arena);
    struct text_cursor c = {.at = text, .end = text + len, .line = 1};
    struct err refused = ERR_INIT;
    if (text_header_read(&reader, &c, &refused) != ERR_OK || reader.n_fields == 0) {
        return refused.code == ERR_NOMEM ? err_set(err, ERR_NOMEM, "%s", err_msg(&refused))
                                         : ERR_OK;
    }
    struct textbuf names = textbuf_in(arena);
    if (reader.names != NULL) {
        write_names(&names, &reader);
        head->before = names.data;
    }
    head->dialect = reader.dialect;
    head->dialect.header = reader.names != NULL ? TEXT_HEADER_PRESENT : TEXT_HEADER_ABSENT;
    head->dialect.columns = reader.n_fields;
    tell_decimal(&head->dialect, c);
    head->type = write_type(&head->dialect, arena);
    return head->type != NULL && !textbuf_failed(&names)
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the request");
}

enum err_code csv_head_next(struct csv_head *head, const char *text, size_t len,
                            struct arena *arena, struct payload *out, struct err *err)
{
    *out =
        (struct payload){.type = head->type, .before = head->before, .bytes = text, .n_bytes = len};
    if (!head->begun) {
        head->begun = true;
        return read_first(head, text, len, arena, err);
    }
    if (head->dialect.decimal == TEXT_DECIMAL_UNTOLD && head->dialect.separator != 0) {
        tell_decimal(&head->dialect, (struct text_cursor){text, text + len, 1});
        if (head->dialect.decimal != TEXT_DECIMAL_UNTOLD) {
            head->type = write_type(&head->dialect, arena);
        }
    }
    return head->type != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the request");
}
