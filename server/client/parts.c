/* SPDX-License-Identifier: Apache-2.0 */
#include "client/parts.h"

#include "client/interrupt.h"

#include <string.h>

#include "base/mem.h"

enum err_code parts_open(FILE *file, int64_t max_records, struct parts *out, struct err *err)
{
    *out = (struct parts){.file = file, .max_records = max_records};
    out->buffer = mem_alloc(PARTS_MAX_BYTES);
    return out->buffer != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the file");
}

void parts_release(struct parts *parts)
{
    mem_free(parts->buffer);
    *parts = (struct parts){.file = NULL};
}

static enum err_code fill(struct parts *p, struct err *err)
{
    while (!p->ended && p->len < PARTS_MAX_BYTES) {
        p->len += fread(p->buffer + p->len, 1, PARTS_MAX_BYTES - p->len, p->file);
        if (interrupt_seen()) {
            return err_set(err, ERR_CANCELLED, "interrupted");
        }
        if (ferror(p->file)) {
            return err_set(err, ERR_CORRUPT, "the file cannot be read");
        }
        p->ended = feof(p->file) != 0;
    }
    return ERR_OK;
}

/*
 * Bytes of the whole records at the beginning of the buffer, as many as may go together. A line end
 * within quotes ends no record; a doubled quote inside quotes closes and opens them again.
 */
static size_t whole_records(const struct parts *p)
{
    size_t end = 0;
    int64_t records = 0;
    bool quoted = false;
    for (size_t i = 0; i < p->len && records < p->max_records; i++) {
        char c = p->buffer[i];
        quoted ^= c == '"';
        /* A CR ends a record by itself unless an LF follows, for which one more byte is needed. */
        bool alone = c == '\r' && i + 1 < p->len && p->buffer[i + 1] != '\n';
        if (!quoted && (c == '\n' || alone)) {
            end = i + 1;
            records++;
        }
    }
    return p->ended && records < p->max_records ? p->len : end;
}

enum err_code parts_next(struct parts *p, const char **text, size_t *len, struct err *err)
{
    p->len -= p->taken;
    memmove(p->buffer, p->buffer + p->taken, p->len);
    p->taken = 0;
    if (fill(p, err) != ERR_OK) {
        return err->code;
    }
    p->taken = whole_records(p);
    if (p->taken == 0 && p->len > 0) {
        return err_set(err, ERR_TOO_LARGE, "a line is longer than %zu bytes, or a quote stays open",
                       PARTS_MAX_BYTES);
    }
    *text = p->buffer;
    *len = p->taken;
    return ERR_OK;
}
