/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a field of a text table means. Numbers are read as people and programs write them: with a
 * plus sign, without digits on one side of the point, with Fortran's exponents (1.0D+03, and
 * 0.14-270, whose letter gave way to a third digit), and with a decimal comma where the caller says
 * so. There is no hex and no thousands separator.
 */
#ifndef TEXT_NUMBER_H
#define TEXT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define TEXT_NUMBER_MAX 1200 /* bytes; the longest exact decimal of a double has 1077 */

enum text_value {
    TEXT_NUMBER,     /* a finite one; smaller than any double reads as 0 */
    TEXT_MISSING,    /* empty, or nan, NA and the like */
    TEXT_INFINITE,   /* inf and the like, or beyond the largest double */
    TEXT_NUMBERLIKE, /* begins like a number, or is a field that Fortran filled with asterisks */
    TEXT_WORD        /* anything else */
};

/* The decimal mark of a table; not told until a number shows it. */
enum text_decimal { TEXT_DECIMAL_UNTOLD, TEXT_DECIMAL_POINT, TEXT_DECIMAL_COMMA };

/*
 * Blanks at the ends of field [len] do not count. *out is set for a number, and is NaN or an
 * infinity for what is missing or infinite. decimal: NULL for a point; otherwise a first number
 * with a mark settles an untold one.
 */
enum text_value text_number_read(const char *field, size_t len, enum text_decimal *decimal,
                                 double *out);

#endif
