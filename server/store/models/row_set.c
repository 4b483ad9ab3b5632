/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/row_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

#define BITS     7 /* of a difference in one byte; the eighth says that more follow */
#define MORE     0x80
#define MAX_BITS 32

void row_set_release(struct row_set *set)
{
    mem_free(set->prints);
    *set = (struct row_set){.prints = NULL};
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the rows of a version");
}

enum err_code row_set_print_one(const double *row, size_t n, uint32_t *print, struct err *err)
{
    unsigned char sha256[SHA256_BYTES];
    if (digest_sha256(row, n * sizeof *row, sha256, err) == ERR_OK) {
        memcpy(print, sha256, sizeof *print);
    }
    return err->code;
}

enum err_code row_set_print(const struct data *rows, uint32_t *prints, struct err *err)
{
    size_t d = (size_t)rows->d;
    size_t o = (size_t)rows->o;
    double *row = mem_alloc_array(d + o, sizeof *row);
    if (row == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        memcpy(row, rows->x + i * d, d * sizeof *row);
        memcpy(row + d, rows->y + i * o, o * sizeof *row);
        if (row_set_print_one(row, d + o, &prints[i], err) != ERR_OK) {
            break;
        }
    }
    mem_free(row);
    return err->code;
}

static int compare_prints(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the prints, and leaves out those that are there twice. */
static void put_in_order(struct row_set *set)
{
    size_t n = 0;
    qsort(set->prints, set->n, sizeof *set->prints, compare_prints);
    for (size_t i = 0; i < set->n; i++) {
        if (n == 0 || set->prints[n - 1] != set->prints[i]) {
            set->prints[n++] = set->prints[i];
        }
    }
    set->n = n;
}

enum err_code row_set_of(const uint32_t *prints, const unsigned char *marks, size_t n,
                         unsigned char mark, struct row_set *out, struct err *err)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        k += marks[i] == mark;
    }
    struct row_set set = {.prints = mem_alloc_array(k, sizeof *set.prints)};
    if (set.prints == NULL && k > 0) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        if (marks[i] == mark) {
            set.prints[set.n++] = prints[i];
        }
    }
    if (set.n > 0) {
        put_in_order(&set);
    }
    *out = set;
    return ERR_OK;
}

bool row_set_has(const struct row_set *set, uint32_t print)
{
    size_t low = 0;
    size_t high = set->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->prints[middle] < print) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->n && set->prints[low] == print;
}

enum err_code row_set_add(struct row_set *set, const struct row_set *other, struct err *err)
{
    if (other->n == 0) {
        return ERR_OK;
    }
    uint32_t *prints = mem_realloc_array(set->prints, set->n + other->n, sizeof *prints);
    if (prints == NULL) {
        return no_memory(err);
    }
    memcpy(prints + set->n, other->prints, other->n * sizeof *prints);
    set->prints = prints;
    set->n += other->n;
    put_in_order(set);
    return ERR_OK;
}

/* ---- stored ---- */

void row_set_encode(const struct row_set *set, struct bytes_writer *writer)
{
    uint32_t before = 0;
    for (size_t i = 0; i < set->n; i++) {
        uint32_t rest = set->prints[i] - before;
        before = set->prints[i];
        unsigned char bytes[MAX_BITS / BITS + 1];
        size_t n = 0;
        for (; rest >= MORE; rest >>= BITS) {
            bytes[n++] = (unsigned char)((rest & (MORE - 1)) | MORE);
        }
        bytes[n++] = (unsigned char)rest;
        bytes_put(writer, bytes, n);
    }
}

/* False: no number of 32 bits is there. */
static bool read_difference(struct bytes_reader *reader, uint32_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < MAX_BITS; shift += BITS) {
        const unsigned char *byte = bytes_get(reader, 1);
        if (byte == NULL) {
            return false;
        }
        value |= (uint64_t)(*byte & (MORE - 1)) << shift;
        if ((*byte & MORE) == 0) {
            *out = (uint32_t)value;
            return value <= UINT32_MAX;
        }
    }
    return false;
}

enum err_code row_set_decode(struct bytes_reader *reader, size_t n, struct row_set *out,
                             struct err *err)
{
    /* A member takes a byte or more, so a wrong count cannot ask for much memory. */
    if (n > reader->left) {
        return err_set(err, ERR_CORRUPT, "the stored rows of a version are cut off");
    }
    struct row_set set = {.prints = mem_alloc_array(n, sizeof *set.prints)};
    uint32_t before = 0;
    if (set.prints == NULL && n > 0) {
        return no_memory(err);
    }
    while (set.n < n) {
        uint32_t step = 0;
        if (!read_difference(reader, &step) || step > UINT32_MAX - before ||
            (step == 0 && set.n > 0)) {
            row_set_release(&set);
            return err_set(err, ERR_CORRUPT, "the stored rows of a version are damaged");
        }
        before += step;
        set.prints[set.n++] = before;
    }
    *out = set;
    return ERR_OK;
}
