/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the records of a text table end, found byte by byte before anything is known about its
 * separator. A quote opens a quoted field at the beginning of a record and behind a blank or
 * anything that may separate; inside, an end of line belongs to the field. Lines that are empty and
 * lines that begin with # or % are no records.
 */
#ifndef TEXT_RECORD_H
#define TEXT_RECORD_H

#include <stdbool.h>
#include <stddef.h>

/* RECORD_START at the beginning of a text, behind its byte order mark. */
enum text_record_place { RECORD_START, RECORD_COMMENT, RECORD_FIELD, RECORD_PLAIN, RECORD_QUOTED };

enum text_record_event {
    RECORD_BYTE,
    RECORD_LINE_END, /* of a comment or an empty line */
    RECORD_END       /* of a record; after a CR, an LF that follows belongs to it */
};

/* What the next byte means. */
enum text_record_event text_record_step(enum text_record_place *place, char byte);

/* The length of the byte order mark of UTF-8 at the beginning, or of several: programs put one
 * before another. */
size_t text_record_mark_length(const char *text, size_t len);

bool text_record_is_comment_mark(char byte);

#endif
