/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_hint.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LOOKED_AT 80 /* bytes of a field; what is longer is no slip of a pen */

/* What a field is made of. */
struct looks {
    char text[LOOKED_AT + 1];
    int digits;
    int points;
    int commas;
    int signs; /* behind a digit or a point, not behind the letter of an exponent */
    int letters;
    int blanks; /* between other bytes */
};

static struct looks look_at(const char *field, size_t len)
{
    struct looks l = {.digits = 0};
    size_t n = len < LOOKED_AT ? len : LOOKED_AT;
    memcpy(l.text, field, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)l.text[i];
        unsigned char before = i > 0 ? (unsigned char)l.text[i - 1] : 0;
        l.digits += isdigit(byte) != 0;
        l.points += byte == '.';
        l.commas += byte == ',';
        l.signs += (byte == '-' || byte == '+') && (isdigit(before) || before == '.');
        l.letters += isalpha(byte) != 0;
        l.blanks += byte == ' ' || byte == '\t';
    }
    return l;
}

/* The first character that no number has, by its place in Unicode; -1: all are plain. */
static long strange_character(const char *field, size_t len)
{
    size_t n = len < LOOKED_AT ? len : LOOKED_AT;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)field[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return byte;
        }
        if (byte >= 0x80) {
            size_t more = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
            long code = byte & (0x3f >> more);
            if (i + more >= len || !utf8_is_valid(field + i, more + 1)) {
                return -1;
            }
            for (size_t k = 1; k <= more; k++) {
                code = code << 6 | ((unsigned char)field[i + k] & 0x3f);
            }
            return code;
        }
    }
    return -1;
}

static const char *name_character(long code)
{
    switch (code) {
    case 0x00:
        return "a NUL";
    case 0x1a:
        return "the old end of file of DOS";
    case 0xa0:
    case 0x202f:
        return "a blank that does not break";
    case 0x2212:
        return "a minus sign of typesetting; numbers have -";
    case 0x221e:
        return "infinity; tables have inf";
    case 0x200b:
    case 0xfeff:
        return "invisible";
    default:
        return "not part of a number";
    }
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcasecmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

/* Words that are meant as something else than a name. */
static const char *hint_for_word(const struct looks *l)
{
    static const char *const booleans[] = {"true",    "false", "t",  "f", ".true.",
                                           ".false.", "yes",   "no", NULL};
    if (is_one_of(l->text, booleans)) {
        return "; write 1 and 0, or make the column a category in the model's space";
    }
    if (l->text[0] == '#') {
        return "; a spreadsheet shows an error there, or a column that is too narrow";
    }
    if (strchr(l->text, '|') != NULL) {
        return "; columns are not separated by |: write commas";
    }
    return "; words are read in columns that the model's space has as categories";
}

/* Where a shape ends in the text: each 9 is a digit, the others are themselves; NULL: no match. */
static const char *match_shape(const char *text, const char *shape)
{
    for (; *shape != '\0'; shape++, text++) {
        if (*shape == '9' ? !isdigit((unsigned char)*text) : *text != *shape) {
            return NULL;
        }
    }
    return text;
}

static bool is_date_or_time(const struct looks *l)
{
    static const char *const shapes[] = {"9999-99-99", "9999/99/99", "99/99/9999", "9/9/9999",
                                         "99.99.9999", "99:99",      "9:99"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const char *end = match_shape(l->text, shapes[i]);
        if (end != NULL && strchr("T :", *end) != NULL) {
            return true;
        }
    }
    return false;
}

static const char *hint_for_marks(const struct text_table_reader *reader, const struct looks *l)
{
    char separator = reader->dialect.separator;
    if (separator != ';' && strchr(l->text, ';') != NULL) {
        return "; text/csv; separator=semicolon says that semicolons separate the columns";
    }
    enum text_decimal decimal = reader->dialect.decimal;
    bool other_mark = (l->commas > 0 && decimal == TEXT_DECIMAL_POINT && separator == ';') ||
                      (l->points > 0 && decimal == TEXT_DECIMAL_COMMA && !is_date_or_time(l));
    if (l->commas > 1 || (l->commas > 0 && l->points > 0) || (other_mark && l->letters < 2)) {
        return "; a table has one decimal mark, and thousands are not separated";
    }
    return l->commas > 0 ? "; a decimal comma is read where semicolons separate the columns, or "
                           "with text/csv; decimal=comma"
                         : NULL;
}

static const char *hint_for_number(char separator, const struct looks *l)
{
    const char *text = l->text;
    if (strchr(text, '|') != NULL) {
        return "; columns are not separated by |: write commas";
    }
    if (strstr(text, " #") != NULL || strstr(text, " %") != NULL) {
        return "; a comment has a line of its own";
    }
    if (strstr(text, "**") != NULL || text[0] == '*') {
        return "; Fortran writes asterisks where a number does not fit its format";
    }
    if (strstr(text, "*^") == NULL && strchr(text, '*') != NULL) {
        return "; a repeat count of Fortran's list-directed output is not read: write with a "
               "format";
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return "; hexadecimal numbers are not read";
    }
    if (is_date_or_time(l)) {
        return "; dates and times are not read: write a number, as of days or seconds";
    }
    if (strchr(text, '\'') != NULL || strchr(text, '_') != NULL) {
        return "; thousands are not separated";
    }
    if (l->letters == 0 && l->blanks > 0) {
        return separator == ','
                   ? "; columns are separated the same way in all lines (decimal commas "
                     "between blanks: text/csv; separator=blanks; decimal=comma)"
                   : "; columns are separated the same way in all lines, thousands "
                     "not at all";
    }
    if (strpbrk(text, "ij") != NULL && l->letters <= 3 && l->blanks == 0) {
        return "; complex numbers are not read: write both parts as columns";
    }
    if (l->points > 1 && l->letters < 4) {
        return "; numbers run into each other: a format is too narrow, or curl -d joined the "
               "lines (use --data-binary)";
    }
    if (strchr(text, '%') != NULL || strchr(text, '$') != NULL || l->letters > 0) {
        return "; write numbers without their unit";
    }
    return "";
}

void text_hint_of_field(const struct text_table_reader *reader, const char *field, size_t len,
                        char *out)
{
    const struct looks l = look_at(field, len);
    long code = strange_character(field, len);
    if (code >= 0) {
        snprintf(out, TEXT_HINT_MAX, "; U+%04lX is %s", (unsigned long)code, name_character(code));
        return;
    }
    const char *hint = hint_for_marks(reader, &l);
    bool number =
        l.digits > 0 && (isdigit((unsigned char)l.text[0]) || strchr("+-.,$(*", l.text[0]) != NULL);
    if (hint == NULL) {
        hint = number || l.text[0] == '*' ? hint_for_number(reader->dialect.separator, &l)
               : l.letters > 0 || l.text[0] == '#' || l.text[0] == '|' ? hint_for_word(&l)
                                                                       : "";
    }
    snprintf(out, TEXT_HINT_MAX, "%s", hint);
}
