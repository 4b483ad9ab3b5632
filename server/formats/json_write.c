/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_write.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct json_write json_write_to(struct textbuf *text)
{
    return (struct json_write){.text = text};
}

void json_write_end(const struct json_write *json)
{
    assert(json->depth == 0 && json->comma);
}

static bool in_object(const struct json_write *json)
{
    return json->depth > 0 && (json->objects >> (json->depth - 1) & 1) != 0;
}

/* ---- text ---- */

static void put_string(struct textbuf *text, const char *s)
{
    textbuf_put_char(text, '\"');
    for (const char *plain = s;; s++) {
        unsigned char c = (unsigned char)*s;
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        textbuf_put(text, plain, (size_t)(s - plain));
        plain = s + 1;
        if (c == '\0') {
            break;
        }
        if (c == '"' || c == '\\') {
            const char pair[2] = {'\\', (char)c};
            textbuf_put(text, pair, 2);
        } else {
            textbuf_printf(text, "\\u%04x", c);
        }
    }
    textbuf_put_char(text, '\"');
}

static void put_real(struct textbuf *text, double value)
{
    if (isfinite(value)) {
        textbuf_put_number(text, value);
    } else {
        textbuf_puts(text, "null");
    }
}

static void put_row(struct textbuf *text, const double *values, size_t n)
{
    textbuf_put_char(text, '[');
    for (size_t i = 0; i < n; i++) {
        textbuf_put(text, ",", i > 0);
        put_real(text, values[i]);
    }
    textbuf_put_char(text, ']');
}

/* ---- structure ---- */

/* Writes what precedes a value: the comma after the value before it, and its key. */
static void begin_value(struct json_write *json, const char *key)
{
    assert((key != NULL) == in_object(json));
    assert(json->depth > 0 || !json->comma); /* one value outside of everything */
    if (json->comma) {
        textbuf_put_char(json->text, ',');
    }
    json->comma = true;
    if (key != NULL) {
        put_string(json->text, key);
        textbuf_put_char(json->text, ':');
    }
}

static void open_value(struct json_write *json, const char *key, bool object)
{
    begin_value(json, key);
    assert(json->depth < JSON_WRITE_MAX_DEPTH);
    uint64_t bit = (uint64_t)1 << json->depth++;
    json->objects = object ? json->objects | bit : json->objects & ~bit;
    json->comma = false;
    textbuf_put_char(json->text, object ? '{' : '[');
}

static void close_value(struct json_write *json, bool object)
{
    assert(json->depth > 0 && in_object(json) == object);
    json->depth--;
    json->comma = true;
    textbuf_put_char(json->text, object ? '}' : ']');
}

void json_write_object(struct json_write *json, const char *key)
{
    open_value(json, key, true);
}

void json_write_object_end(struct json_write *json)
{
    close_value(json, true);
}

void json_write_array(struct json_write *json, const char *key)
{
    open_value(json, key, false);
}

void json_write_array_end(struct json_write *json)
{
    close_value(json, false);
}

/* ---- values ---- */

void json_write_raw_bytes(struct json_write *json, const char *key, const char *value, size_t len)
{
    begin_value(json, key);
    if (value != NULL) {
        textbuf_put(json->text, value, len);
    } else {
        textbuf_puts(json->text, "null");
    }
}

void json_write_raw(struct json_write *json, const char *key, const char *value)
{
    json_write_raw_bytes(json, key, value, value != NULL ? strlen(value) : 0);
}

void json_write_null(struct json_write *json, const char *key)
{
    json_write_raw(json, key, NULL);
}

void json_write_bool(struct json_write *json, const char *key, bool value)
{
    json_write_raw(json, key, value ? "true" : "false");
}

void json_write_int(struct json_write *json, const char *key, int64_t value)
{
    begin_value(json, key);
    textbuf_put_int(json->text, value);
}

void json_write_real(struct json_write *json, const char *key, double value)
{
    begin_value(json, key);
    put_real(json->text, value);
}

void json_write_text(struct json_write *json, const char *key, const char *value)
{
    if (value == NULL) {
        json_write_null(json, key);
        return;
    }
    begin_value(json, key);
    put_string(json->text, value);
}

static bool all_finite(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}

/* Has somebody else taken the array? n: 0 for an array of k numbers. */
static bool is_taken(struct json_write *json, const double *values, size_t n, size_t k)
{
    size_t count = n > 0 ? n * k : k;
    return json->take != NULL && count >= JSON_WRITE_LARGE && all_finite(values, count) &&
           json->take(json->take_ctx, values, n, k);
}

void json_write_reals(struct json_write *json, const char *key, const double *values, size_t n)
{
    if (values == NULL) {
        json_write_null(json, key);
        return;
    }
    begin_value(json, key);
    if (!is_taken(json, values, 0, n)) {
        put_row(json->text, values, n);
    }
}

void json_write_matrix(struct json_write *json, const char *key, const double *values, size_t n,
                       size_t k)
{
    if (values == NULL) {
        json_write_null(json, key);
        return;
    }
    begin_value(json, key);
    if (n > 0 && is_taken(json, values, n, k)) {
        return;
    }
    textbuf_put_char(json->text, '[');
    for (size_t i = 0; i < n; i++) {
        textbuf_put(json->text, ",", i > 0);
        put_row(json->text, values + i * k, k);
    }
    textbuf_put_char(json->text, ']');
}
