/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header is a Python dictionary in one spelling: keys in quotes, True or False, a tuple of
 * integers. It is read token by token, and nothing in it is evaluated.
 */
#include "formats/npy.h"

#include <endian.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define MAGIC       "\x93NUMPY"
#define MAGIC_BYTES 6
#define MAX_HEADER  65536
#define ALIGNMENT   64 /* of the data, as NumPy writes it */

struct head {
    size_t item;  /* 8 or 4 bytes */
    bool fortran; /* columns first */
    int rank;
    size_t shape[NPY_MAX_RANK];
};

struct cursor {
    const char *at;
    const char *end;
};

/* ---- the dictionary ---- */

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) {
        c->at++;
    }
}

static bool skip_word(struct cursor *c, const char *word)
{
    size_t len = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0) {
        return false;
    }
    c->at += len;
    return true;
}

/* A string in quotes without escapes. */
static bool read_string(struct cursor *c, char *out, size_t size)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) {
        return false;
    }
    char quote = *c->at++;
    size_t len = 0;
    while (c->at < c->end && *c->at != quote) {
        if (len + 1 >= size || *c->at == '\\') {
            return false;
        }
        out[len++] = *c->at++;
    }
    out[len] = '\0';
    return c->at < c->end && *c->at++ == quote;
}

static bool read_count(struct cursor *c, size_t *out)
{
    size_t value = 0;
    skip_blanks(c);
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (!size_mul(value, 10, &value) || !size_add(value, (size_t)(*c->at - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return c->at > start;
}

static bool read_shape(struct cursor *c, struct head *head)
{
    if (!skip_word(c, "(")) {
        return false;
    }
    while (!skip_word(c, ")")) {
        if (head->rank == NPY_MAX_RANK || !read_count(c, &head->shape[head->rank])) {
            return false;
        }
        head->rank++;
        if (!skip_word(c, ",")) {
            return skip_word(c, ")");
        }
    }
    return true;
}

static enum err_code bad_header(struct err *err)
{
    return err_set(err, ERR_SYNTAX, "the header of the npy body is malformed");
}

static enum err_code read_type(struct cursor *c, struct head *head, struct err *err)
{
    char type[16];
    if (!read_string(c, type, sizeof type)) {
        return bad_header(err);
    }
    head->item = strcmp(type, "<f8") == 0 ? 8 : (strcmp(type, "<f4") == 0 ? 4 : 0);
    if (head->item == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the npy body holds %.15s, little-endian float64 or float32 is needed "
                       "(in NumPy: .astype('<f8'))",
                       type);
    }
    return ERR_OK;
}

static enum err_code read_dictionary(struct cursor *c, struct head *head, struct err *err)
{
    bool has_shape = false;
    bool has_order = false;
    if (!skip_word(c, "{")) {
        return bad_header(err);
    }
    while (!skip_word(c, "}")) {
        char key[16];
        if (!read_string(c, key, sizeof key) || !skip_word(c, ":")) {
            return bad_header(err);
        }
        if (strcmp(key, "descr") == 0 && head->item == 0) {
            if (read_type(c, head, err) != ERR_OK) {
                return err->code;
            }
        } else if (strcmp(key, "fortran_order") == 0 && !has_order) {
            head->fortran = skip_word(c, "True");
            has_order = head->fortran || skip_word(c, "False");
            if (!has_order) {
                return bad_header(err);
            }
        } else if (strcmp(key, "shape") == 0 && !has_shape) {
            has_shape = read_shape(c, head);
            if (!has_shape) {
                return bad_header(err);
            }
        } else {
            return bad_header(err);
        }
        if (!skip_word(c, ",")) {
            if (!skip_word(c, "}")) {
                return bad_header(err);
            }
            break;
        }
    }
    skip_blanks(c);
    return head->item != 0 && has_order && has_shape && c->at == c->end ? ERR_OK : bad_header(err);
}

/* *data: where the numbers begin. */
static enum err_code read_head(const unsigned char *bytes, size_t len, struct head *head,
                               size_t *data, struct err *err)
{
    if (len < MAGIC_BYTES + 4 || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0) {
        return err_set(err, ERR_SYNTAX, "the body is not npy");
    }
    int major = bytes[MAGIC_BYTES];
    size_t start = major == 1 ? 10 : 12;
    if (major < 1 || major > 3 || len < start) {
        return err_set(err, ERR_UNSUPPORTED, "the npy body has version %d, 1 to 3 are supported",
                       major);
    }
    size_t header = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (major > 1) {
        header |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (header > MAX_HEADER || header > len - start) {
        return bad_header(err);
    }
    struct cursor c = {.at = (const char *)bytes + start,
                       .end = (const char *)bytes + start + header};
    *data = start + header;
    return read_dictionary(&c, head, err);
}

/* ---- the numbers ---- */

static double load_number(const unsigned char *at, bool single)
{
    if (single) {
        uint32_t bits;
        float value;
        memcpy(&bits, at, sizeof bits);
        bits = le32toh(bits);
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    uint64_t bits;
    double value;
    memcpy(&bits, at, sizeof bits);
    bits = le64toh(bits);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool usable_in_place(const unsigned char *data, const struct head *head)
{
    return head->item == 8 && !head->fortran && (uintptr_t)data % sizeof(double) == 0 &&
           le32toh(1) == 1;
}

static const double *convert(const unsigned char *data, const struct head *head, size_t n, size_t k,
                             struct arena *arena)
{
    double *values = arena_alloc_array(arena, n * k, sizeof *values);
    for (size_t i = 0; values != NULL && i < n; i++) {
        for (size_t j = 0; j < k; j++) {
            size_t at = head->fortran ? j * n + i : i * k + j;
            values[i * k + j] = load_number(data + at * head->item, head->item == 4);
        }
    }
    return values;
}

static enum err_code check_finite(const struct npy *npy, struct err *err)
{
    size_t count = (size_t)npy->n * (size_t)npy->k;
    double sum = 0.0;
    /* x - x is 0 for finite x and NaN otherwise, so one sum shows whether all are finite. */
    for (size_t i = 0; i < count; i++) {
        sum += npy->values[i] - npy->values[i];
    }
    for (size_t i = 0; sum != 0.0 && i < count; i++) {
        if (!isfinite(npy->values[i])) {
            int row = (int)(i / (size_t)npy->k);
            int column = (int)(i % (size_t)npy->k);
            return err_set_at(err, ERR_NONFINITE, row, column,
                              "row %d, column %d of the npy body is not finite", row, column);
        }
    }
    return ERR_OK;
}

enum err_code npy_parse(const void *bytes, size_t len, int max_rows, struct arena *arena,
                        struct npy *out, struct err *err)
{
    struct head head = {.item = 0};
    size_t start = 0;
    size_t count;
    if (read_head(bytes, len, &head, &start, err) != ERR_OK) {
        return err->code;
    }
    if (head.rank != 1 && head.rank != 2) {
        return err_set(err, ERR_SHAPE, "the npy body has %d dimensions, rows x columns are needed",
                       head.rank);
    }
    size_t n = head.rank == 2 ? head.shape[0] : 1;
    size_t k = head.shape[head.rank - 1];
    if (n == 0 || k == 0 || k > INT_MAX) {
        return err_set(err, ERR_SHAPE,
                       "the npy body has the shape %zu x %zu, at least 1 row and 1 to %d columns "
                       "are needed",
                       n, k, INT_MAX);
    }
    if (n > (size_t)max_rows) {
        return err_set(err, ERR_TOO_LARGE,
                       "the npy body has more than %d rows, which is the limit for one request",
                       max_rows);
    }
    if (!size_mul(n, k, &count) || !size_mul(count, head.item, &count) || count != len - start) {
        return err_set(err, ERR_SHAPE,
                       "the npy body has %zu bytes of numbers, %zu x %zu of %zu bytes are needed",
                       len - start, n, k, head.item);
    }
    const unsigned char *data = (const unsigned char *)bytes + start;
    *out = (struct npy){.n = (int)n, .k = (int)k, .single = head.item == 4};
    out->values = usable_in_place(data, &head) ? (const double *)(const void *)data
                                               : convert(data, &head, n, k, arena);
    if (out->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    return check_finite(out, err);
}

/* ---- writing ---- */

/* False: the value is beyond float32. */
static bool store_number(double value, bool single, unsigned char *at)
{
    if (single) {
        float narrow = (float)value;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        bits = htole32(bits);
        memcpy(at, &bits, sizeof bits);
        return isfinite(narrow);
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = htole64(bits);
    memcpy(at, &bits, sizeof bits);
    return true;
}

size_t npy_head(int rank, const size_t *shape, bool single, char *head)
{
    char text[NPY_HEAD_MAX - 2 * ALIGNMENT];
    int used = snprintf(text, sizeof text, "{'descr': '<f%d', 'fortran_order': False, 'shape': (",
                        single ? 4 : 8);
    for (int i = 0; i < rank; i++) {
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "%s%zu", i > 0 ? ", " : "", shape[i]);
    }
    used += snprintf(text + used, sizeof text - (size_t)used, "%s), }", rank == 1 ? "," : "");
    size_t start = (10 + (size_t)used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(head, ' ', start);
    memcpy(head, MAGIC "\x01\x00", 8);
    head[8] = (char)((start - 10) & 0xff);
    head[9] = (char)((start - 10) >> 8);
    memcpy(head + 10, text, (size_t)used);
    head[start - 1] = '\n';
    return start;
}

enum err_code npy_write_numbers(const double *values, size_t n, bool single, char *out,
                                struct err *err)
{
    size_t item = NPY_ITEM(single);
    for (size_t i = 0; i < n; i++) {
        if (!store_number(values[i], single, (unsigned char *)out + i * item)) {
            return err_set(err, ERR_NUMERIC, "an answer of %g does not fit float32", values[i]);
        }
    }
    return ERR_OK;
}

enum err_code npy_write(const struct npy_array *array, struct arena *arena, const char **bytes,
                        size_t *len, struct err *err)
{
    char head[NPY_HEAD_MAX];
    size_t item = NPY_ITEM(array->single);
    size_t count = 1;
    size_t total;
    for (int i = 0; i < array->rank; i++) {
        count *= array->shape[i];
    }
    size_t start = npy_head(array->rank, array->shape, array->single, head);
    if (!size_mul(count, item, &total) || !size_add(total, start, &total)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    char *out = arena_alloc(arena, total);
    if (out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    memcpy(out, head, start);
    if (npy_write_numbers(array->values, count, array->single, out + start, err) != ERR_OK) {
        return err->code;
    }
    *bytes = out;
    *len = total;
    return ERR_OK;
}
