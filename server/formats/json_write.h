/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one JSON value into a text buffer. The writer puts commas, colons and quotes, so that the
 * code that uses it names keys and values only:
 *
 *     struct json_write json = json_write_to(&text);
 *     json_write_object(&json, NULL);
 *     json_write_text(&json, "model", name);
 *     arch_json_write(&json, "architecture", arch);    a value that another function writes
 *     json_write_object_end(&json);
 *     json_write_end(&json);
 *
 * `key` names a member of an object; it is NULL for an element of an array and for the outermost
 * value. A missing or superfluous key, an end that does not match its beginning, and a text that is
 * not complete at json_write_end are bugs and stop the program.
 *
 * The writer lives on the caller's stack and allocates nothing. When the buffer runs out of memory,
 * writing goes on without effect and textbuf_failed says so at the end.
 */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include "base/textbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_WRITE_MAX_DEPTH 64

/* From so many numbers on an array is large. */
#define JSON_WRITE_LARGE 4096

/*
 * Takes a large array of finite numbers [n x k], or [k] with n 0, as the value that follows what
 * has been written. False: it does not, and the writer writes it.
 */
typedef bool json_take_fn(void *ctx, const double *values, size_t n, size_t k);

struct json_write {
    struct textbuf *text; /* borrowed */
    json_take_fn *take;   /* NULL: everything is written */
    void *take_ctx;
    uint64_t objects; /* bit k: the value open at depth k is an object, not an array */
    int depth;        /* objects and arrays that are open */
    bool comma;       /* the next key or value follows another one */
};

/* Appends to what the buffer holds already. */
struct json_write json_write_to(struct textbuf *text);

/* The value is complete: every object and array has been ended. */
void json_write_end(const struct json_write *json);

void json_write_object(struct json_write *json, const char *key);
void json_write_object_end(struct json_write *json);
void json_write_array(struct json_write *json, const char *key);
void json_write_array_end(struct json_write *json);

void json_write_null(struct json_write *json, const char *key);
void json_write_bool(struct json_write *json, const char *key, bool value);
void json_write_int(struct json_write *json, const char *key, int64_t value);

/* The shortest decimal that reads back as the same double; null when it is not finite. */
void json_write_real(struct json_write *json, const char *key, double value);

/* UTF-8, escaped; null when value is NULL. */
void json_write_text(struct json_write *json, const char *key, const char *value);

/* Arrays of reals; null when values is NULL. A matrix [n x k] is an array of its rows. */
void json_write_reals(struct json_write *json, const char *key, const double *values, size_t n);
void json_write_matrix(struct json_write *json, const char *key, const double *values, size_t n,
                       size_t k);

/* A text that is JSON already, copied as it is; null when value is NULL. */
void json_write_raw(struct json_write *json, const char *key, const char *value);
/* The same of len bytes that need not end in a NUL. */
void json_write_raw_bytes(struct json_write *json, const char *key, const char *value, size_t len);

#endif
