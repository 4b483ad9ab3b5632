/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict JSON in: one document, no duplicate keys, no NaN or overflow, valid UTF-8, depth at most
 * JSON_READ_MAX_DEPTH; typed access that names the place of what is wrong.
 */
#ifndef JSON_READ_H
#define JSON_READ_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_READ_MAX_DEPTH 32
/* Memory of the values of a document. Large arrays of numbers are no values (json_tensor.h). */
#define JSON_READ_MAX_BYTES ((size_t)64 << 20)

/* Makes jansson build documents in arenas. Once in a process, before the first use. */
void json_read_init(void);

/* Makes jansson build documents by mem, each of which ends by json_decref: for a program that only
 * now and then reads one in an arena. */
void json_read_leave(void);

/*
 * The document lives in the arena and ends with it; no json_decref is needed. ERR_SYNTAX with line
 * and column; ERR_TOO_LARGE when its values would take more than JSON_READ_MAX_BYTES; ERR_NOMEM.
 */
enum err_code json_read_parse(const char *text, size_t len, struct arena *arena, json_t **out,
                              struct err *err) MUST_CHECK;

/* ERR_INVALID when it is not an object, or has a key that is not in the NULL-ended list. */
enum err_code json_read_check_keys(const json_t *object, const char *where, const char *const *keys,
                                   struct err *err) MUST_CHECK;

/*
 * The members of an object, read one after the other. The first fault stays in err and the members
 * after it are not read, so that it is enough to look at err at the end:
 *
 *     const struct json_members members = {object, "calibration", err};
 *     json_read_require(members, "folds");
 *     json_read_int(members, "folds", 1, MAX_FOLDS, &folds);
 *     json_read_real(members, "share", 0.0, 1.0, &share);
 *     return err->code;
 *
 * `where` names the object in messages. A member that is absent leaves *out as it is. All return
 * the code in err.
 */
struct json_members {
    const json_t *object;
    const char *where;
    struct err *err;
};

/* Is it a whole number? 5.0 is one too, as clients write it that know no integers; above 2^53 it
 * may have been rounded, and is none. */
bool json_read_whole(const json_t *value, int64_t *out);

/* ERR_INVALID when the member is absent. */
enum err_code json_read_require(struct json_members of, const char *key);

/* ERR_INVALID: another type, or not within the limits. A text is borrowed from the document. */
enum err_code json_read_text(struct json_members of, const char *key, size_t max_len,
                             const char **out);
enum err_code json_read_int(struct json_members of, const char *key, int64_t low, int64_t high,
                            int64_t *out);
enum err_code json_read_real(struct json_members of, const char *key, double low, double high,
                             double *out);
enum err_code json_read_bool(struct json_members of, const char *key, bool *out);

/* An array of exactly n numbers. */
enum err_code json_read_vector(const json_t *value, const char *what, int n, double *out,
                               struct err *err) MUST_CHECK;

/* Exactly n rows of k numbers; out: [n x k]. */
enum err_code json_read_matrix(const json_t *value, const char *what, int n, int k, double *out,
                               struct err *err) MUST_CHECK;

/* "a string", "null", ..; "missing" for NULL: for messages. */
const char *json_read_kind(const json_t *value);

/* Compact text of a value, keys in their order, numbers in their shortest form; *out by mem. */
enum err_code json_read_dump(const json_t *value, size_t max_bytes, const char *what, char **out,
                             struct err *err) MUST_CHECK;

#endif
