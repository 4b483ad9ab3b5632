/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/npy.h"

#include <endian.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/phrase.h"
#include "formats/npy_head.h"

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

static bool usable_in_place(const unsigned char *data, const struct npy_layout *head)
{
    return head->n_fields == 0 && head->item == 8 && !head->fortran &&
           (uintptr_t)data % sizeof(double) == 0 && le32toh(1) == 1;
}

static const double *convert(const unsigned char *data, const struct npy_layout *head, size_t n,
                             size_t k, struct arena *arena)
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

/* Records of a structured array, a row each. */
static const double *convert_records(const unsigned char *data, const struct npy_layout *head,
                                     size_t n, struct arena *arena)
{
    size_t k = (size_t)head->n_fields;
    double *values = arena_alloc_array(arena, n * k, sizeof *values);
    for (size_t i = 0; values != NULL && i < n; i++) {
        for (size_t j = 0; j < k; j++) {
            const struct npy_field *field = &head->fields[j];
            values[i * k + j] =
                load_number(data + i * head->item + field->offset, field->item == 4);
        }
    }
    return values;
}

static const char *const *copy_names(const struct npy_layout *head, struct arena *arena)
{
    const char **names = arena_alloc_array(arena, (size_t)head->n_fields, sizeof *names);
    for (int j = 0; names != NULL && j < head->n_fields; j++) {
        names[j] = head->fields[j].name;
    }
    return names;
}

/* *n and *k: rows and columns. */
static enum err_code check_shape(const struct npy_layout *head, int max_rows, size_t *n, size_t *k,
                                 struct err *err)
{
    bool structured = head->n_fields > 0;
    if (structured && head->rank != 1) {
        return err_set(err, ERR_SHAPE, "the npy body has %s, a structured array has one",
                       phrase_count(head->rank, "dimension").text);
    }
    if (head->rank != 1 && head->rank != 2) {
        return err_set(err, ERR_SHAPE, "the npy body has %s, rows x columns are needed",
                       phrase_count(head->rank, "dimension").text);
    }
    *n = structured || head->rank == 2 ? head->shape[0] : 1;
    *k = structured ? (size_t)head->n_fields : head->shape[head->rank - 1];
    if (*n == 0 || *k == 0 || *k > INT_MAX) {
        return err_set(err, ERR_SHAPE,
                       "the npy body has the shape %zu x %zu, at least 1 row and 1 to %d columns "
                       "are needed",
                       *n, *k, INT_MAX);
    }
    return *n <= (size_t)max_rows
               ? ERR_OK
               : err_set(err, ERR_TOO_LARGE,
                         "the npy body has more than %s, which is the limit for one request",
                         phrase_count(max_rows, "row").text);
}

enum err_code npy_check_finite(const struct npy *npy, struct err *err)
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
    struct npy_layout head;
    size_t n = 0;
    size_t k = 0;
    size_t total;
    if (npy_head_read(bytes, len, arena, &head, err) != ERR_OK ||
        check_shape(&head, max_rows, &n, &k, err) != ERR_OK) {
        return err->code;
    }
    size_t items = head.n_fields > 0 ? 1 : k; /* in a row */
    if (!size_mul(n, items, &total) || !size_mul(total, head.item, &total) ||
        total != len - head.data) {
        return err_set(err, ERR_SHAPE,
                       "the npy body has %zu bytes of numbers, %zu x %zu of %zu bytes are needed",
                       len - head.data, n, items, head.item);
    }
    const unsigned char *data = (const unsigned char *)bytes + head.data;
    *out = (struct npy){.n = (int)n,
                        .k = (int)k,
                        .single = head.item == 4 && head.n_fields == 0,
                        .flat = head.rank == 1 && head.n_fields == 0};
    out->values = usable_in_place(data, &head) ? (const double *)(const void *)data
                  : head.n_fields > 0          ? convert_records(data, &head, n, arena)
                                               : convert(data, &head, n, k, arena);
    out->names = head.n_fields > 0 ? copy_names(&head, arena) : NULL;
    return out->values != NULL && (head.n_fields == 0 || out->names != NULL)
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the rows");
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
    char text[NPY_HEAD_MAX - 2 * NPY_ALIGNMENT];
    int used = snprintf(text, sizeof text, "{'descr': '<f%d', 'fortran_order': False, 'shape': (",
                        single ? 4 : 8);
    for (int i = 0; i < rank; i++) {
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "%s%zu", i > 0 ? ", " : "", shape[i]);
    }
    used += snprintf(text + used, sizeof text - (size_t)used, "%s), }", rank == 1 ? "," : "");
    size_t start = (10 + (size_t)used + 1 + NPY_ALIGNMENT - 1) / NPY_ALIGNMENT * NPY_ALIGNMENT;
    memset(head, ' ', start);
    memcpy(head, NPY_MAGIC "\x01\x00", 8);
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
