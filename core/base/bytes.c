/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/mem.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stored numbers are little-endian and copied as they are"
#endif

#define NULL_TEXT UINT32_MAX

static bool reserve(struct bytes_writer *w, size_t more)
{
    size_t need;
    if (w->failed || !size_add(w->size, more, &need)) {
        w->failed = true;
        return false;
    }
    if (need > w->capacity) {
        size_t capacity = w->capacity < 4096 ? 4096 : w->capacity;
        while (capacity < need) {
            capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
        }
        unsigned char *data = mem_realloc_array(w->data, capacity, 1);
        if (data == NULL) {
            w->failed = true;
            return false;
        }
        w->data = data;
        w->capacity = capacity;
    }
    return true;
}

void bytes_put(struct bytes_writer *w, const void *data, size_t size)
{
    if (size > 0 && reserve(w, size)) {
        memcpy(w->data + w->size, data, size);
        w->size += size;
    }
}

void bytes_put_u32(struct bytes_writer *w, uint32_t value)
{
    bytes_put(w, &value, sizeof value);
}

void bytes_put_i64(struct bytes_writer *w, int64_t value)
{
    bytes_put(w, &value, sizeof value);
}

void bytes_put_f64(struct bytes_writer *w, const double *values, size_t n)
{
    bytes_put(w, values, n * sizeof *values);
}

void bytes_put_text(struct bytes_writer *w, const char *text)
{
    if (text == NULL) {
        bytes_put_u32(w, NULL_TEXT);
    } else {
        size_t len = strlen(text);
        if (len >= NULL_TEXT) {
            w->failed = true;
            return;
        }
        bytes_put_u32(w, (uint32_t)len);
        bytes_put(w, text, len);
    }
}

const void *bytes_get(struct bytes_reader *r, size_t size)
{
    if (r->failed || size > r->left) {
        r->failed = true;
        return NULL;
    }
    const void *at = r->data;
    r->data += size;
    r->left -= size;
    return at;
}

static void get_into(struct bytes_reader *r, void *out, size_t size)
{
    const void *from = bytes_get(r, size);
    if (from != NULL && size > 0) {
        memcpy(out, from, size);
    }
}

uint32_t bytes_get_u32(struct bytes_reader *r)
{
    uint32_t value = 0;
    get_into(r, &value, sizeof value);
    return value;
}

int bytes_get_int(struct bytes_reader *r, int max)
{
    uint32_t value = bytes_get_u32(r);
    if (value > (uint32_t)max) {
        r->failed = true;
        return 0;
    }
    return (int)value;
}

int64_t bytes_get_i64(struct bytes_reader *r)
{
    int64_t value = 0;
    get_into(r, &value, sizeof value);
    return value;
}

void bytes_get_f64(struct bytes_reader *r, double *values, size_t n)
{
    size_t size;
    if (!size_mul(n, sizeof *values, &size)) {
        r->failed = true;
        return;
    }
    get_into(r, values, size);
}

char *bytes_get_text(struct bytes_reader *r, size_t max)
{
    uint32_t len = bytes_get_u32(r);
    if (r->failed || len == NULL_TEXT) {
        return NULL;
    }
    const char *from = len <= max ? bytes_get(r, len) : NULL;
    if (from == NULL || memchr(from, '\0', len) != NULL) {
        r->failed = true;
        return NULL;
    }
    char *text = mem_strndup(from, len);
    r->no_memory = r->no_memory || text == NULL;
    return text;
}
