/* SPDX-License-Identifier: Apache-2.0 */
#include "base/textbuf.h"

#include "base/numtext.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define INT_CHARS 20 /* of the longest, with its sign */

struct textbuf textbuf_in(struct arena *arena)
{
    return (struct textbuf){.arena = arena};
}

bool textbuf_failed(const struct textbuf *text)
{
    return text->failed;
}

/* Room for `more` bytes and a NUL. The old block stays in the arena; doubling bounds the waste. */
static bool reserve(struct textbuf *text, size_t more)
{
    if (text->failed || more > SIZE_MAX / 4) {
        text->failed = true;
        return false;
    }
    size_t need = text->len + more + 1;
    if (need <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity < 512 ? 1024 : 2 * text->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    char *data = arena_alloc(text->arena, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    if (text->len > 0) {
        memcpy(data, text->data, text->len);
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void textbuf_put(struct textbuf *text, const char *bytes, size_t len)
{
    if (reserve(text, len)) {
        memcpy(text->data + text->len, bytes, len);
        text->len += len;
        text->data[text->len] = '\0';
    }
}

void textbuf_puts(struct textbuf *text, const char *s)
{
    textbuf_put(text, s, strlen(s));
}

void textbuf_put_int(struct textbuf *text, int64_t value)
{
    char digits[INT_CHARS];
    char *at = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        *--at = '-';
    }
    textbuf_put(text, at, (size_t)(digits + sizeof digits - at));
}

void textbuf_printf(struct textbuf *text, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0 || !reserve(text, (size_t)len)) {
        text->failed = true;
        return;
    }
    va_start(args, fmt);
    vsnprintf(text->data + text->len, (size_t)len + 1, fmt, args);
    va_end(args);
    text->len += (size_t)len;
}

void textbuf_put_number(struct textbuf *text, double value)
{
    if (reserve(text, NUMTEXT_MAX)) {
        text->len += numtext_write(value, text->data + text->len);
        text->data[text->len] = '\0';
    }
}
