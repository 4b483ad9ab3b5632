/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that grows in an arena. Errors stick: once memory is short nothing more is written and
 * textbuf_failed says so at the end.
 */
#ifndef TEXTBUF_H
#define TEXTBUF_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

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
void textbuf_puts(struct textbuf *text, const char *s);
void textbuf_printf(struct textbuf *text, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A JSON string with its quotes; the text is UTF-8. */
void textbuf_json_string(struct textbuf *text, const char *s);

/*
 * The shortest decimal that reads back as the same double. A value that is not finite is a bug of
 * the caller and becomes null.
 */
void textbuf_real(struct textbuf *text, double value);
void textbuf_vector(struct textbuf *text, const double *values, size_t n);
/* [n x k] as an array of rows. */
void textbuf_matrix(struct textbuf *text, const double *values, size_t n, size_t k);

#endif
