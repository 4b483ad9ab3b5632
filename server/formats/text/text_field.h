/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a text table, one after another, once its separator is known. */
#ifndef TEXT_FIELD_H
#define TEXT_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_cursor {
    const char *at;
    const char *end;
    int64_t line; /* of `at`, counted from 1 */
};

struct text_field {
    const char *text; /* inside the table, without its quotes and without blanks around it */
    size_t len;
    bool last; /* in its record */
    bool quoted;
    bool has_pairs;    /* of quotes, each of which stands for one */
    const char *wrong; /* what is wrong with its quotes, as "has an open quote"; NULL: nothing */
};

/* The last two comment lines since the previous record: each without its mark, from its first byte
 * to behind its last. NULLs where there are none. */
struct text_comments {
    const char *last[2];
    const char *before[2];
};

/* Skips lines that are empty or begin with # or %. comments: NULL where they are not wanted. */
void text_skip_lines(struct text_cursor *c, struct text_comments *comments);

/* The next field of a record. With the last one, the end of the line is read too. */
void text_next_field(struct text_cursor *c, char separator, struct text_field *field);

#endif
