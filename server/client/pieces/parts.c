/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pieces/parts.h"

#include "client/interrupt.h"

#include <string.h>

#include "base/mem.h"
#include "formats/text_record.h"

enum err_code parts_open(FILE *file, struct parts *out, struct err *err)
{
    *out = (struct parts){.file = file, .line = 1};
    out->buffer = mem_alloc(PARTS_MAX_BYTES);
    return out->buffer != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the file");
}

void parts_release(struct parts *parts)
{
    mem_free(parts->buffer);
    *parts = (struct parts){.file = NULL};
}

/*
 * Is there a byte at `at`, the end of the buffer or before it? One at a time: a read of a whole
 * block would wait for bytes of the next part.
 */
static bool have_byte(struct parts *p, size_t at)
{
    if (at < p->len) {
        return true;
    }
    if (p->len == PARTS_MAX_BYTES || p->ended) {
        return false;
    }
    int byte = getc_unlocked(p->file);
    if (byte == EOF) {
        p->ended = true;
        return false;
    }
    p->buffer[p->len++] = (char)byte;
    return true;
}

/* Where the first record begins. */
static size_t skip_mark(struct parts *p)
{
    if (p->begun) {
        return 0;
    }
    p->begun = true;
    for (size_t at = 0; at < 3 && have_byte(p, at);) {
        at++;
        /* A short first line must not wait for a third byte. */
        if (p->buffer[0] != '\xef') {
            break;
        }
    }
    return text_record_mark_length(p->buffer, p->len);
}

/* Bytes of the whole records at the beginning of the buffer, as many as may go together. */
static size_t read_records(struct parts *p, int64_t max_records)
{
    enum text_record_place place = RECORD_START;
    size_t at = skip_mark(p);
    size_t end = 0;
    p->n_records = 0;
    while (p->n_records < max_records) {
        if (!have_byte(p, at)) {
            /* The last record needs no end of line. */
            p->n_records += p->ended && place != RECORD_START && place != RECORD_COMMENT;
            return p->ended ? p->len : end;
        }
        char byte = p->buffer[at++];
        if (text_record_step(&place, byte) != RECORD_END) {
            continue;
        }
        if (byte == '\r') {
            bool more = have_byte(p, at);
            if (!more && !p->ended) {
                return end;
            }
            at += more && p->buffer[at] == '\n';
        }
        end = at;
        p->n_records++;
    }
    return end;
}

/* A CR with the LF behind it ends one line. */
static int64_t count_lines(const char *text, size_t len)
{
    int64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        n += text[i] == '\n' || (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n'));
    }
    return n;
}

enum err_code parts_next(struct parts *p, int64_t max_records, const char **text, size_t *len,
                         struct err *err)
{
    p->line += count_lines(p->buffer, p->taken);
    p->len -= p->taken;
    memmove(p->buffer, p->buffer + p->taken, p->len);
    p->taken = read_records(p, max_records);
    /* What a broken read leaves looks like the end. */
    if (interrupt_seen()) {
        return err_set(err, ERR_CANCELLED, "interrupted");
    }
    if (ferror(p->file)) {
        return err_set(err, ERR_CORRUPT, "the file cannot be read");
    }
    if (p->taken == 0 && p->len > 0) {
        return err_set(err, ERR_TOO_LARGE, "a line is longer than %zu bytes, or a quote stays open",
                       PARTS_MAX_BYTES);
    }
    *text = p->buffer;
    *len = p->taken;
    return ERR_OK;
}
