/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that grows in an arena. Failure is sticky: once memory has run out nothing more is written,
 * and textbuf_failed says so at the end.
 */
#ifndef TEXTBUF_H
#define TEXTBUF_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct textbuf {
    struct arena *arena;
    char *data; /* always NUL-terminated once something was written */
    size_t len;
    size_t capacity;
    bool failed;
};

struct textbuf textbuf_in(struct arena *arena);
bool textbuf_failed(const struct textbuf *text);

void textbuf_put(struct textbuf *text, const char *bytes, size_t len);
static inline void textbuf_put_char(struct textbuf *text, char c)
{
    if (text->failed || text->capacity - text->len < 2) {
        textbuf_put(text, &c, 1);
        return;
    }
    text->data[text->len++] = c;
    text->data[text->len] = '\0';
}

void textbuf_puts(struct textbuf *text, const char *s);
/* The same as by %lld, which costs thirty times as much. */
void textbuf_put_int(struct textbuf *text, int64_t value);
void textbuf_printf(struct textbuf *text, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The shortest decimal that reads back as the same double; the value is finite. */
void textbuf_put_number(struct textbuf *text, double value);

#endif
