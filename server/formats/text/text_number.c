/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text/text_number.h"

#include "base/numtext.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FORTRAN_EXPONENT 3 /* digits of an exponent whose letter is left out */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p)
{
    while (is_digit(*p)) {
        p++;
    }
    return p;
}

/* Where the digits with their point end; NULL when there is no digit. */
static const char *skip_mantissa(const char *p)
{
    const char *digits = p;
    const char *end = skip_digits(p);
    bool any = end > digits;
    if (*end == '.') {
        const char *fraction = end + 1;
        end = skip_digits(fraction);
        any |= end > fraction;
    }
    return any ? end : NULL;
}

/*
 * Turns a number of Fortran into one that strtod reads: D, d, Q and q become e, and an exponent of
 * three digits without a letter gets one. text has room for one more byte. False: text is no
 * decimal number.
 */
static bool normalise(char *text, size_t len)
{
    char *p = text + (*text == '+' || *text == '-');
    const char *mantissa = skip_mantissa(p);
    if (mantissa == NULL) {
        return false;
    }
    char *rest = text + (mantissa - text);
    if (*rest == '\0') {
        return true;
    }
    bool point = memchr(text, '.', (size_t)(rest - text)) != NULL;
    if ((*rest == '+' || *rest == '-') && point) {
        if (skip_digits(rest + 1) != rest + 1 + FORTRAN_EXPONENT ||
            rest[1 + FORTRAN_EXPONENT] != '\0') {
            return false;
        }
        memmove(rest + 1, rest, len - (size_t)(rest - text) + 1);
        *rest = 'e';
        return true;
    }
    if (strchr("eEdDqQ", *rest) == NULL) {
        return false;
    }
    *rest++ = 'e';
    rest += *rest == '+' || *rest == '-';
    return is_digit(*rest) && *skip_digits(rest) == '\0';
}

/*
 * Replaces the decimal comma by a point; false: the mark is not this table's. *mark: which one the
 * text has.
 */
static bool replace_comma(char *text, const enum text_decimal *decimal, enum text_decimal *mark)
{
    char *comma = strchr(text, ',');
    bool point = strchr(text, '.') != NULL;
    enum text_decimal known = decimal != NULL ? *decimal : TEXT_DECIMAL_POINT;
    *mark = comma != NULL ? TEXT_DECIMAL_COMMA : point ? TEXT_DECIMAL_POINT : TEXT_DECIMAL_UNTOLD;
    if ((comma != NULL && point) ||
        (known != TEXT_DECIMAL_UNTOLD && *mark != TEXT_DECIMAL_UNTOLD && *mark != known)) {
        return false;
    }
    if (comma != NULL) {
        *comma = '.';
    }
    return true;
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

static enum text_value classify_word(const char *text, double *out)
{
    /* As written by C, Fortran, numpy, pandas, R, Julia, MATLAB, SAS, Stata, Excel, and by old
     * runtimes of Windows. */
    static const char *const missing[] = {
        "",        "nan",      "+nan",    "-nan",     "nan(ind)", "-nan(ind)", "na",
        "n/a",     "#n/a",     "null",    "none",     "<na>",     ".",         "missing",
        "1.#qnan", "-1.#qnan", "1.#snan", "-1.#snan", "1.#ind",   "-1.#ind",   NULL};
    static const char *const infinite[] = {
        "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "1.#inf", "-1.#inf", NULL};
    /* Stata has 26 more of them, .a to .z. */
    bool of_stata = text[0] == '.' && isalpha((unsigned char)text[1]) && text[2] == '\0';
    if (of_stata || is_one_of(text, missing)) {
        *out = NAN;
        return TEXT_MISSING;
    }
    if (is_one_of(text, infinite)) {
        *out = *text == '-' ? -INFINITY : INFINITY;
        return TEXT_INFINITE;
    }
    const char *p = text + (*text == '+' || *text == '-');
    p += *p == '.' || *p == ',';
    bool filled = text[strspn(text, "*")] == '\0';
    return is_digit(*p) || filled ? TEXT_NUMBERLIKE : TEXT_WORD;
}

static enum text_value read_spelling(char *text, size_t len, enum text_decimal *decimal,
                                     double *out)
{
    char number[TEXT_NUMBER_MAX + 2];
    enum text_decimal mark;
    memcpy(number, text, len + 1);
    if (!replace_comma(number, decimal, &mark) || !normalise(number, len)) {
        return classify_word(text, out); /* what is no number settles nothing, as the "." of SAS */
    }
    if (decimal != NULL && *decimal == TEXT_DECIMAL_UNTOLD) {
        *decimal = mark;
    }
    *out = strtod(number, NULL);
    return isfinite(*out) ? TEXT_NUMBER : TEXT_INFINITE;
}

enum text_value text_number_read(const char *field, size_t len, enum text_decimal *decimal,
                                 double *out)
{
    const char *next = NULL;
    bool point = decimal == NULL || *decimal == TEXT_DECIMAL_POINT;
    /* Most numbers are written as JSON writes them. */
    if (point && numtext_read(field, field + len, &next, out) == NUMTEXT_OK &&
        next == field + len) {
        return TEXT_NUMBER;
    }
    char text[TEXT_NUMBER_MAX + 1];
    /* format() of R pads numbers within their quotes. */
    while (len > 0 && *field == ' ') {
        field++;
        len--;
    }
    while (len > 0 && field[len - 1] == ' ') {
        len--;
    }
    if (len > TEXT_NUMBER_MAX) {
        return is_digit(*field) ? TEXT_NUMBERLIKE : TEXT_WORD;
    }
    memcpy(text, field, len);
    text[len] = '\0';
    return strlen(text) == len ? read_spelling(text, len, decimal, out) : TEXT_WORD;
}
