/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON in: one document, no duplicate keys, no NaN or overflow, valid UTF-8, depth at most
 * JSON_READ_MAX_DEPTH; typed access that names the place of what is wrong.
 *
 * In the getters `where` names the object for messages. An absent key that is not required leaves
 * *out as it is.
 */
#ifndef JSON_READ_H
#define JSON_READ_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_READ_MAX_DEPTH 32

/* Makes jansson build documents in arenas. Once in a process, before the first use. */
void json_read_init(void);

/*
 * The document lives in the arena and ends with it; no json_decref is needed. ERR_SYNTAX with line
 * and column; ERR_NOMEM.
 */
enum err_code json_read_parse(const char *text, size_t len, struct arena *arena, json_t **out,
                              struct err *err) MUST_CHECK;

/* ERR_INVALID when it is no object, or has a key that is not in the NULL-ended list. */
enum err_code json_read_check_keys(const json_t *object, const char *where, const char *const *keys,
                                   struct err *err) MUST_CHECK;

/* *out is borrowed from the document. */
enum err_code json_read_get_text(const json_t *object, const char *where, const char *key,
                                 bool required, size_t max_len, const char **out,
                                 struct err *err) MUST_CHECK;
enum err_code json_read_get_int(const json_t *object, const char *where, const char *key,
                                bool required, int64_t low, int64_t high, int64_t *out,
                                struct err *err) MUST_CHECK;
enum err_code json_read_get_real(const json_t *object, const char *where, const char *key,
                                 bool required, double low, double high, double *out,
                                 struct err *err) MUST_CHECK;
enum err_code json_read_get_bool(const json_t *object, const char *where, const char *key,
                                 bool required, bool *out, struct err *err) MUST_CHECK;

/* An array of exactly n numbers. */
enum err_code json_read_vector(const json_t *value, const char *what, int n, double *out,
                               struct err *err) MUST_CHECK;

/* Exactly n rows of k numbers; out: [n x k]. */
enum err_code json_read_matrix(const json_t *value, const char *what, int n, int k, double *out,
                               struct err *err) MUST_CHECK;

/* "a string", "null", ..: for messages. */
const char *json_read_kind(const json_t *value);

/* Compact text of a value, keys in their order, numbers in their shortest form; *out by mem. */
enum err_code json_read_dump(const json_t *value, size_t max_bytes, const char *what, char **out,
                             struct err *err) MUST_CHECK;

#endif
