/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_field.h"

#include "formats/text_record.h"

#include <string.h>

static bool is_blank(char byte, char separator)
{
    return byte == ' ' || (byte == '\t' && separator != '\t');
}

static bool at_line_end(const struct text_cursor *c)
{
    return c->at == c->end || *c->at == '\n' || *c->at == '\r';
}

static void skip_line_end(struct text_cursor *c)
{
    if (c->at < c->end) {
        bool cr = *c->at++ == '\r';
        c->at += cr && c->at < c->end && *c->at == '\n';
        c->line++;
    }
}

static void skip_blanks(struct text_cursor *c, char separator)
{
    while (c->at < c->end && is_blank(*c->at, separator)) {
        c->at++;
    }
}

void text_skip_lines(struct text_cursor *c, struct text_comments *comments)
{
    while (c->at < c->end) {
        const char *start = c->at;
        skip_blanks(c, ' ');
        if (c->at < c->end && text_record_is_comment_mark(*c->at)) {
            const char *text = c->at + 1;
            while (!at_line_end(c)) {
                c->at++;
            }
            if (comments != NULL) {
                memcpy(comments->before, comments->last, sizeof comments->before);
                comments->last[0] = text;
                comments->last[1] = c->at;
            }
        } else if (!at_line_end(c)) {
            c->at = start;
            return;
        }
        skip_line_end(c);
    }
}

/* From the opening quote to behind the closing one. */
static void read_quoted(struct text_cursor *c, struct text_field *field)
{
    const char *p = c->at + 1;
    field->text = p;
    for (; p < c->end; p++) {
        if (*p == '"') {
            if (p + 1 == c->end || p[1] != '"') {
                break;
            }
            field->has_pairs = true;
            p++;
        } else if (*p == '\n' || (*p == '\r' && (p + 1 == c->end || p[1] != '\n'))) {
            c->line++;
        }
    }
    field->len = (size_t)(p - field->text);
    field->wrong = p == c->end ? "has an open quote" : NULL;
    c->at = p < c->end ? p + 1 : p;
}

static void read_plain(struct text_cursor *c, char separator, struct text_field *field)
{
    const char *p = c->at;
    const char *quote = NULL;
    field->text = p;
    for (; p < c->end && *p != separator && *p != '\n' && *p != '\r'; p++) {
        if (*p == '"') {
            quote = p;
        } else if (separator == ' ' && *p == '\t') {
            break;
        }
    }
    c->at = p;
    while (p > field->text && (p[-1] == ' ' || p[-1] == '\t')) {
        p--;
    }
    field->len = (size_t)(p - field->text);
    field->wrong = quote == NULL ? NULL
                                 : "has a misplaced quote; a field is quoted as a whole, and a "
                                   "quote inside is doubled";
}

void text_next_field(struct text_cursor *c, char separator, struct text_field *field)
{
    field->has_pairs = false;
    skip_blanks(c, separator);
    field->quoted = c->at < c->end && *c->at == '"';
    if (field->quoted) {
        read_quoted(c, field);
        const char *behind = c->at;
        skip_blanks(c, separator);
        bool apart = at_line_end(c) || *c->at == separator || (separator == ' ' && c->at > behind);
        if (field->wrong == NULL && !apart) {
            field->wrong = "goes on behind its closing quote";
        }
    } else {
        read_plain(c, separator, field);
        skip_blanks(c, separator);
    }
    field->last = at_line_end(c);
    if (field->last) {
        skip_line_end(c);
    } else if (separator != ' ') {
        c->at++;
    }
}
