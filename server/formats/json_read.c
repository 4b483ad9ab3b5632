/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_read.h"

#include "base/known.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "formats/json_write.h"
#include "formats/mistaken.h"
#include "formats/text_record.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#define MAX_WHAT 80 /* of an object's name in a message */

/* The arena's blocks are as long as a cache line at least, and most values are smaller. They are
 * put together in pieces of the arena: a page that is not touched costs no time. */
#define VALUE_ALIGN ((size_t)16)
#define PIECE_BYTES ((size_t)4096)
#define PIECE_SHARE 8 /* a block of more than this part of a piece lies in the arena by itself */

/*
 * jansson builds a document in the arena of its request, so that nothing is freed node by node.
 * jansson 2.14 writes past its token buffer when that cannot grow, so it must not see a failed
 * allocation: the allocator jumps out of the parser instead. Nothing leaks, since the arena owns
 * every block.
 */
struct parse {
    struct arena *arena;
    size_t n_bytes; /* of the values so far */
    char *piece;    /* what is left of the last one */
    size_t n_piece;
    jmp_buf ended; /* with an enum ending */
};

/* Why the allocator left the parser. */
enum ending { NOT_ENDED, NO_MEMORY, TOO_LARGE };

/* What this thread parses, since jansson's allocator gets no context; NULL: nothing. */
static _Thread_local struct parse *parsing;

static void *alloc_in_arena(size_t size)
{
    void *block = arena_alloc(parsing->arena, size);
    if (block == NULL) {
        longjmp(parsing->ended, NO_MEMORY);
    }
    return block;
}

/* size: a multiple of VALUE_ALIGN. */
static void *alloc_small(size_t size)
{
    if (parsing->n_piece < size) {
        parsing->piece = alloc_in_arena(PIECE_BYTES);
        parsing->n_piece = PIECE_BYTES;
    }
    void *block = parsing->piece;
    parsing->piece += size;
    parsing->n_piece -= size;
    return block;
}

static void *alloc_for_jansson(size_t size)
{
    if (parsing == NULL) {
        return NULL;
    }
    /* Longest are the buffers of texts, which are no longer than the document. */
    size_t step = (size + VALUE_ALIGN - 1) / VALUE_ALIGN * VALUE_ALIGN;
    parsing->n_bytes += step;
    if (parsing->n_bytes > JSON_READ_MAX_BYTES) {
        longjmp(parsing->ended, TOO_LARGE);
    }
    return step <= PIECE_BYTES / PIECE_SHARE ? alloc_small(step) : alloc_in_arena(step);
}

static void free_for_jansson(void *block)
{
    (void)block; /* the arena frees it */
}

void json_read_init(void)
{
    json_set_alloc_funcs(alloc_for_jansson, free_for_jansson);
}

void json_read_leave(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
}

/* NULL with *ending, or with a reason in *error. */
static json_t *load(const char *text, size_t len, struct arena *arena, enum ending *ending,
                    json_error_t *error)
{
    struct parse parse = {.arena = arena};
    json_t *volatile value = NULL;
    parsing = &parse;
    switch (setjmp(parse.ended)) {
    case NOT_ENDED:
        *ending = NOT_ENDED;
        value = json_loadb(text, len, JSON_REJECT_DUPLICATES, error);
        break;
    case TOO_LARGE:
        *ending = TOO_LARGE;
        break;
    default:
        *ending = NO_MEMORY;
        break;
    }
    parsing = NULL;
    return value;
}

/* ERR_SYNTAX, by its kind when the document is none of JSON at all. */
static enum err_code refuse_syntax(const char *text, size_t len, const char *why, struct err *err)
{
    const char *mistaken = mistaken_for(text, len);
    return mistaken != NULL ? err_set(err, ERR_SYNTAX, "the document %s", mistaken)
                            : err_set(err, ERR_SYNTAX, "%s", why);
}

static enum err_code refuse_text(const char *text, size_t len, const json_error_t *error,
                                 struct err *err)
{
    char why[JSON_ERROR_TEXT_LENGTH + 40];
    /* The text may quote the client's bytes: not ours to repeat unless they are UTF-8. */
    snprintf(why, sizeof why, "line %d, column %d: %s", error->line, error->column,
             json_error_code(error) == json_error_invalid_utf8 ? "invalid UTF-8" : error->text);
    return refuse_syntax(text, len, why, err);
}

static enum err_code refuse(enum ending ending, struct err *err)
{
    return ending == NO_MEMORY
               ? err_set(err, ERR_NOMEM, "no memory for the document")
               : err_set(err, ERR_TOO_LARGE,
                         "the document has too many objects, lists and texts: they would take more "
                         "than %zu MiB of memory",
                         JSON_READ_MAX_BYTES >> 20);
}

/* Counts nesting before parsing, since jansson itself allows 2048 levels. */
static enum err_code check_depth(const char *text, size_t len, struct err *err)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_READ_MAX_DEPTH) {
                return err_set(err, ERR_SYNTAX, "the document is nested deeper than %d levels",
                               JSON_READ_MAX_DEPTH);
            }
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return ERR_OK;
}

enum err_code json_read_parse(const char *text, size_t len, struct arena *arena, json_t **out,
                              struct err *err)
{
    json_error_t error;
    enum ending ending = NOT_ENDED;
    size_t mark = text_record_mark_length(text, len);
    text += mark;
    len -= mark;
    if (len == 0) {
        return err_set(err, ERR_SYNTAX, "the body is empty, a JSON document is needed");
    }
    /* jansson accepts one behind "null". */
    if (memchr(text, '\0', len) != NULL) {
        return refuse_syntax(text, len, "the document holds a NUL byte", err);
    }
    if (check_depth(text, len, err) != ERR_OK) {
        return err->code;
    }
    json_t *value = load(text, len, arena, &ending, &error);
    if (value == NULL && ending == NOT_ENDED) {
        return refuse_text(text, len, &error, err);
    }
    if (value == NULL) {
        return refuse(ending, err);
    }
    *out = value;
    return ERR_OK;
}

enum err_code json_read_check_keys(const json_t *object, const char *where, const char *const *keys,
                                   struct err *err)
{
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                       json_read_kind(object));
    }
    struct names known = {.list = keys};
    while (keys[known.n] != NULL) {
        known.n++;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (names_find(known, key) < 0) {
            char what[MAX_WHAT];
            snprintf(what, sizeof what, "%s: key", where);
            return known_refuse(what, key, known, err);
        }
    }
    return ERR_OK;
}

/* NULL: it is absent, or there is an error already. */
static const json_t *get_member(struct json_members of, const char *key)
{
    return of.err->code == ERR_OK ? json_object_get(of.object, key) : NULL;
}

enum err_code json_read_require(struct json_members of, const char *key)
{
    return json_object_get(of.object, key) != NULL
               ? of.err->code
               : err_set(of.err, ERR_INVALID, "%s: %s is missing", of.where, key);
}

enum err_code json_read_text(struct json_members of, const char *key, size_t max_len,
                             const char **out)
{
    const json_t *value = get_member(of, key);
    if (value == NULL) {
        return of.err->code;
    }
    if (!json_is_string(value)) {
        return err_set(of.err, ERR_INVALID, "%s: %s is %s, a string is needed", of.where, key,
                       json_read_kind(value));
    }
    if (json_string_length(value) > max_len) {
        return err_set(of.err, ERR_INVALID,
                       "%s: %s is a string of %zu bytes, at most %zu are taken", of.where, key,
                       json_string_length(value), max_len);
    }
    *out = json_string_value(value);
    return ERR_OK;
}

/* Limits that are not worth a word in a message. */
#define ANY_REAL       1e300
#define MAX_WHOLE_REAL 0x1p53 /* up to here a real has all its digits */

/* A number as it is, other values by their kind: for messages. */
struct description {
    char text[40];
};

static struct description describe(const json_t *value)
{
    struct description out;
    if (json_is_integer(value)) {
        snprintf(out.text, sizeof out.text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        snprintf(out.text, sizeof out.text, "%g", json_real_value(value));
    } else {
        snprintf(out.text, sizeof out.text, "%s", json_read_kind(value));
    }
    return out;
}

bool json_read_whole(const json_t *value, int64_t *out)
{
    double real = json_real_value(value);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (json_is_real(value) && real == floor(real) && fabs(real) <= MAX_WHOLE_REAL) {
        *out = (int64_t)real;
        return true;
    }
    return false;
}

enum err_code json_read_int(struct json_members of, const char *key, int64_t low, int64_t high,
                            int64_t *out)
{
    const json_t *value = get_member(of, key);
    int64_t number = 0;
    if (value == NULL) {
        return of.err->code;
    }
    if (!json_read_whole(value, &number) || number < low || number > high) {
        return err_set(of.err, ERR_INVALID, "%s: %s is %s, an integer from %lld to %lld is needed",
                       of.where, key, describe(value).text, (long long)low, (long long)high);
    }
    *out = number;
    return ERR_OK;
}

enum err_code json_read_real(struct json_members of, const char *key, double low, double high,
                             double *out)
{
    const json_t *value = get_member(of, key);
    double number = json_number_value(value);
    if (value == NULL) {
        return of.err->code;
    }
    if (!json_is_number(value) || !(number >= low && number <= high)) {
        char range[60] = "";
        if (low > -ANY_REAL || high < ANY_REAL) {
            snprintf(range, sizeof range, " from %g to %g", low, high);
        }
        return err_set(of.err, ERR_INVALID, "%s: %s is %s, a number%s is needed", of.where, key,
                       describe(value).text, range);
    }
    *out = number;
    return ERR_OK;
}

enum err_code json_read_bool(struct json_members of, const char *key, bool *out)
{
    const json_t *value = get_member(of, key);
    if (value == NULL) {
        return of.err->code;
    }
    if (!json_is_boolean(value)) {
        return err_set(of.err, ERR_INVALID, "%s: %s is %s, true or false is needed", of.where, key,
                       describe(value).text);
    }
    *out = json_is_true(value);
    return ERR_OK;
}

const char *json_read_kind(const json_t *value)
{
    if (value == NULL) {
        return "missing";
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_NULL:
        return "null";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a truth value";
    case JSON_INTEGER:
    case JSON_REAL:
        break;
    }
    return "a number";
}

/* One row of k numbers; row < 0: the array is flat, and errors have no row. */
static enum err_code read_row(const json_t *value, const char *what, int row, int k, double *out,
                              struct err *err)
{
    if (!json_is_array(value)) {
        return err_set_at(err, ERR_INVALID, row, -1, "%s: row %d is %s, not an array", what,
                          row < 0 ? 0 : row, json_read_kind(value));
    }
    if (json_array_size(value) != (size_t)k) {
        return err_set_at(err, ERR_SHAPE, row, -1, "%s: row %d has %s, %s", what, row < 0 ? 0 : row,
                          phrase_count((int64_t)json_array_size(value), "number").text,
                          phrase_needed(k).text);
    }
    for (int j = 0; j < k; j++) {
        const json_t *number = json_array_get(value, (size_t)j);
        if (!json_is_number(number)) {
            return err_set_at(err, ERR_INVALID, row, j, "%s: row %d, column %d is %s, not a number",
                              what, row < 0 ? 0 : row, j, json_read_kind(number));
        }
        out[j] = json_number_value(number);
    }
    return ERR_OK;
}

enum err_code json_read_vector(const json_t *value, const char *what, int n, double *out,
                               struct err *err)
{
    if (!json_is_array(value)) {
        return err_set(err, ERR_INVALID, "%s is %s, an array of %s is needed", what,
                       json_read_kind(value), phrase_count(n, "number").text);
    }
    return read_row(value, what, -1, n, out, err);
}

enum err_code json_read_matrix(const json_t *value, const char *what, int n, int k, double *out,
                               struct err *err)
{
    if (!json_is_array(value) || json_array_size(value) != (size_t)n) {
        return err_set(err, ERR_SHAPE, "%s: an array with %s is needed", what,
                       phrase_count(n, "row").text);
    }
    for (int i = 0; i < n; i++) {
        if (read_row(json_array_get(value, (size_t)i), what, i, k, out + (size_t)i * (size_t)k,
                     err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static void write_value(struct json_write *json, const char *key, const json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_write_object(json, key);
        json_object_foreach((json_t *)value, name, item)
        {
            write_value(json, name, item);
        }
        json_write_object_end(json);
        break;
    case JSON_ARRAY:
        json_write_array(json, key);
        json_array_foreach(value, i, item)
        {
            write_value(json, NULL, item);
        }
        json_write_array_end(json);
        break;
    case JSON_STRING:
        json_write_text(json, key, json_string_value(value));
        break;
    case JSON_INTEGER:
        json_write_int(json, key, json_integer_value(value));
        break;
    case JSON_REAL:
        json_write_real(json, key, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_write_bool(json, key, json_is_true(value));
        break;
    case JSON_NULL:
        json_write_null(json, key);
        break;
    }
}

enum err_code json_read_dump(const json_t *value, size_t max_bytes, const char *what, char **out,
                             struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct json_write json = json_write_to(&text);
    write_value(&json, NULL, value);
    json_write_end(&json);
    *out = NULL;
    if (textbuf_failed(&text)) {
        err_set(err, ERR_NOMEM, "no memory for %s", what);
    } else if (text.len > max_bytes) {
        err_set(err, ERR_LIMIT, "%s is longer than %zu bytes", what, max_bytes);
    } else {
        *out = mem_strndup(text.data, text.len);
        if (*out == NULL) {
            err_set(err, ERR_NOMEM, "no memory for %s", what);
        }
    }
    arena_release(&arena);
    return err->code;
}
