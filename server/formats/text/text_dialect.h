/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a text table is written: what separates its columns, its decimal mark, whether it has a
 * header. What the media type does not say (text/csv; header=present; separator=semicolon;
 * decimal=comma; columns=3) is told from the first lines.
 */
#ifndef TEXT_DIALECT_H
#define TEXT_DIALECT_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"
#include "formats/text/text_number.h"

#define TEXT_MAX_COLUMNS 65536

enum text_header { TEXT_HEADER_UNTOLD, TEXT_HEADER_PRESENT, TEXT_HEADER_ABSENT };

struct text_dialect {
    char separator; /* ',', ';', '\t', or ' ' for any number of blanks; 0: not told */
    enum text_decimal decimal;
    enum text_header header;
    int columns; /* of each record, at most TEXT_MAX_COLUMNS; 0: as many as the first one has */
};

/*
 * From the parameters of a Content-Type; NULL tells nothing. ERR_INVALID: a parameter has a value
 * that is not known. ERR_UNSUPPORTED: a charset other than UTF-8 and ASCII.
 */
enum err_code text_dialect_parse(const char *content_type, struct text_dialect *out,
                                 struct err *err) MUST_CHECK;

/* Settles an untold separator by the first records of the text. */
void text_dialect_tell(struct text_dialect *dialect, const char *text, size_t len);

/* "comma", "semicolon", "tab", "blanks"; "point" or "comma". Constant strings. */
const char *text_separator_name(char separator);
const char *text_decimal_name(enum text_decimal decimal);

#endif
