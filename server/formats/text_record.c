/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/text_record.h"

#include <string.h>

bool text_record_is_comment_mark(char byte)
{
    return byte == '#' || byte == '%';
}

static enum text_record_place place_after(enum text_record_place place, char byte)
{
    switch (place) {
    case RECORD_QUOTED:
        /* Behind a closing quote another one is the second of a pair. */
        return byte == '"' ? RECORD_FIELD : RECORD_QUOTED;
    case RECORD_COMMENT:
        return RECORD_COMMENT;
    case RECORD_START:
        if (byte == ' ' || byte == '\t') {
            return RECORD_START;
        }
        if (text_record_is_comment_mark(byte)) {
            return RECORD_COMMENT;
        }
        return byte == '"'                  ? RECORD_QUOTED
               : strchr(",;", byte) != NULL ? RECORD_FIELD
                                            : RECORD_PLAIN;
    case RECORD_FIELD:
    case RECORD_PLAIN:
        if (byte == '"' && place == RECORD_FIELD) {
            return RECORD_QUOTED;
        }
        return byte != '\0' && strchr(",;\t ", byte) != NULL ? RECORD_FIELD : RECORD_PLAIN;
    }
    return place;
}

enum text_record_event text_record_step(enum text_record_place *place, char byte)
{
    if ((byte == '\n' || byte == '\r') && *place != RECORD_QUOTED) {
        bool record = *place == RECORD_FIELD || *place == RECORD_PLAIN;
        *place = RECORD_START;
        return record ? RECORD_END : RECORD_LINE_END;
    }
    *place = place_after(*place, byte);
    return RECORD_BYTE;
}

size_t text_record_mark_length(const char *text, size_t len)
{
    size_t mark = 0;
    while (len - mark >= 3 && memcmp(text + mark, "\xef\xbb\xbf", 3) == 0) {
        mark += 3;
    }
    return mark;
}
