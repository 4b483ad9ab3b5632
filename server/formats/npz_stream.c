/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each array: its local header with the head of npy, its numbers, and behind them its checksum.
 * Then the directory with an entry for each, and the end.
 */
#include "formats/npz_stream.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "formats/zlib_memory.h"

enum stage { STAGE_HEAD, STAGE_NUMBERS, STAGE_CHECKSUM, STAGE_DIRECTORY, STAGE_END, STAGE_DONE };

#define ENDING        ".npy"
#define FULL          UINT32_MAX
#define FLAG_STREAMED 8
#define VERSION       20 /* of the format, 2.0 */
#define VERSION_64    45
#define FIRST_OF_1980 0x21 /* the date, so that the same numbers are the same bytes */

#define LOCAL_BYTES      30
#define ENTRY_BYTES      46
#define END_BYTES        22
#define END64_BYTES      (56 + 20) /* with its locator */
#define LOCAL64_BYTES    20
#define ENTRY64_BYTES    28
#define CHECKSUM_BYTES   16
#define CHECKSUM64_BYTES 24

/* ---- bytes ---- */

static void put(struct npz_stream *s, uint64_t value, int n_bytes)
{
    assert(s->n_text + (size_t)n_bytes <= sizeof s->text);
    for (int i = 0; i < n_bytes; i++) {
        s->text[s->n_text++] = (char)(value >> (8 * i) & 0xff);
    }
}

static void put_bytes(struct npz_stream *s, const char *bytes, size_t n)
{
    assert(s->n_text + n <= sizeof s->text);
    memcpy(s->text + s->n_text, bytes, n);
    s->n_text += n;
}

static void put_name(struct npz_stream *s, const struct npz_array *array)
{
    put_bytes(s, array->name, strlen(array->name));
    put_bytes(s, ENDING, sizeof ENDING - 1);
}

static size_t name_bytes(const struct npz_array *array)
{
    return strlen(array->name) + sizeof ENDING - 1;
}

static bool is_large(const struct npz_array *array)
{
    return array->size >= FULL;
}

/* ---- the parts ---- */

static void put_local(struct npz_stream *s, const struct npz_array *array)
{
    bool large = is_large(array);
    uint64_t size = s->descriptors ? 0 : array->size;
    put_bytes(s, "PK\3\4", 4);
    put(s, large ? VERSION_64 : VERSION, 2);
    put(s, s->descriptors ? FLAG_STREAMED : 0, 2);
    put(s, 0, 2); /* stored */
    put(s, 0, 2); /* midnight */
    put(s, FIRST_OF_1980, 2);
    put(s, 0, 4); /* the checksum is not known yet */
    put(s, large ? FULL : size, 4);
    put(s, large ? FULL : size, 4);
    put(s, name_bytes(array), 2);
    put(s, large ? LOCAL64_BYTES : 0, 2);
    put_name(s, array);
    if (large) {
        put(s, 1, 2);
        put(s, LOCAL64_BYTES - 4, 2);
        put(s, size, 8);
        put(s, size, 8);
    }
}

static void put_checksum(struct npz_stream *s, const struct npz_array *array)
{
    int width = is_large(array) ? 8 : 4;
    if (s->descriptors) {
        put_bytes(s, "PK\7\x08", 4);
        put(s, array->crc, 4);
        put(s, array->size, width);
        put(s, array->size, width);
    }
}

static bool needs_zip64(const struct npz_array *array)
{
    return is_large(array) || array->offset >= FULL;
}

static void put_entry(struct npz_stream *s, const struct npz_array *array)
{
    bool large = needs_zip64(array);
    put_bytes(s, "PK\1\2", 4);
    put(s, large ? VERSION_64 : VERSION, 2);
    put(s, large ? VERSION_64 : VERSION, 2);
    put(s, s->descriptors ? FLAG_STREAMED : 0, 2);
    put(s, 0, 2);
    put(s, 0, 2);
    put(s, FIRST_OF_1980, 2);
    put(s, array->crc, 4);
    put(s, large ? FULL : array->size, 4);
    put(s, large ? FULL : array->size, 4);
    put(s, name_bytes(array), 2);
    put(s, large ? ENTRY64_BYTES : 0, 2);
    put(s, 0, 2); /* no comment */
    put(s, 0, 2); /* in this file */
    put(s, 0, 2);
    put(s, 0, 4); /* no attributes */
    put(s, large ? FULL : array->offset, 4);
    put_name(s, array);
    if (large) {
        put(s, 1, 2);
        put(s, ENTRY64_BYTES - 4, 2);
        put(s, array->size, 8);
        put(s, array->size, 8);
        put(s, array->offset, 8);
    }
}

static uint64_t member_bytes(const struct npz_stream *s, const struct npz_array *array)
{
    bool large = is_large(array);
    return LOCAL_BYTES + name_bytes(array) + (large ? LOCAL64_BYTES : 0) + array->size +
           (!s->descriptors ? 0
            : large         ? CHECKSUM64_BYTES
                            : CHECKSUM_BYTES);
}

static uint64_t entry_bytes(const struct npz_array *array)
{
    return ENTRY_BYTES + name_bytes(array) + (needs_zip64(array) ? ENTRY64_BYTES : 0);
}

static void measure_directory(const struct npz_stream *s, uint64_t *from, uint64_t *size)
{
    const struct npz_array *last = &s->arrays[s->n_arrays - 1];
    *from = last->offset + member_bytes(s, last);
    *size = 0;
    for (int i = 0; i < s->n_arrays; i++) {
        *size += entry_bytes(&s->arrays[i]);
    }
}

static void put_end(struct npz_stream *s)
{
    uint64_t from;
    uint64_t size;
    uint64_t n = (uint64_t)s->n_arrays;
    measure_directory(s, &from, &size);
    if (from >= FULL) {
        put_bytes(s, "PK\6\6", 4);
        put(s, 44, 8); /* bytes of this record that follow */
        put(s, VERSION_64, 2);
        put(s, VERSION_64, 2);
        put(s, 0, 8); /* in this file */
        put(s, n, 8);
        put(s, n, 8);
        put(s, size, 8);
        put(s, from, 8);
        put_bytes(s, "PK\6\7", 4);
        put(s, 0, 4);
        put(s, from + size, 8);
        put(s, 1, 4);
    }
    put_bytes(s, "PK\5\6", 4);
    put(s, 0, 4);
    put(s, n, 2);
    put(s, n, 2);
    put(s, size, 4);
    put(s, from >= FULL ? FULL : from, 4);
    put(s, 0, 2);
}

/* ---- the stream ---- */

void npz_stream_begin(struct npz_stream *s)
{
    char head[NPY_HEAD_MAX];
    uint64_t offset = 0;
    uint64_t from;
    uint64_t size;
    assert(s->n_arrays > 0 && s->n_arrays <= NPZ_MAX_ARRAYS);
    for (int i = 0; i < s->n_arrays; i++) {
        struct npz_array *array = &s->arrays[i];
        assert(strlen(array->name) <= NPZ_MAX_NAME);
        array->n_values = 1;
        for (int k = 0; k < array->rank; k++) {
            array->n_values *= array->shape[k];
        }
        array->size = npy_head(array->rank, array->shape, s->single, head) +
                      array->n_values * NPY_ITEM(s->single);
        array->crc = (uint32_t)crc32_z(0, NULL, 0);
        array->offset = offset;
        offset += member_bytes(s, array);
    }
    measure_directory(s, &from, &size);
    s->n_bytes = from + size + (from >= FULL ? END64_BYTES : 0) + END_BYTES;
}

static void put_head(struct npz_stream *s, struct npz_array *array)
{
    char head[NPY_HEAD_MAX];
    size_t n = npy_head(array->rank, array->shape, s->single, head);
    put_local(s, array);
    put_bytes(s, head, n);
    array->crc = (uint32_t)crc32_z(array->crc, (const unsigned char *)head, n);
    s->n_left = array->n_values;
    s->n_fed = 0;
}

/* Makes the text of this stage and goes on to the next. */
static void go_on(struct npz_stream *s)
{
    struct npz_array *array = &s->arrays[s->array];
    bool last = s->array + 1 == s->n_arrays;
    s->n_text = s->text_at = 0;
    switch ((enum stage)s->stage) {
    case STAGE_HEAD:
        put_head(s, array);
        s->stage = STAGE_NUMBERS;
        break;
    case STAGE_NUMBERS:
        s->stage = STAGE_CHECKSUM;
        break;
    case STAGE_CHECKSUM:
        put_checksum(s, array);
        s->stage = last ? STAGE_DIRECTORY : STAGE_HEAD;
        s->array = last ? 0 : s->array + 1;
        break;
    case STAGE_DIRECTORY:
        put_entry(s, array);
        s->stage = last ? STAGE_END : STAGE_DIRECTORY;
        s->array = last ? 0 : s->array + 1;
        break;
    case STAGE_END:
        put_end(s);
        s->stage = STAGE_DONE;
        break;
    case STAGE_DONE:
        break;
    }
}

static enum err_code read_numbers(struct npz_stream *s, char *out, size_t size, size_t *n,
                                  struct err *err)
{
    struct npz_array *array = &s->arrays[s->array];
    size_t item = NPY_ITEM(s->single);
    size_t count = size / item < s->n_fed ? size / item : (size_t)s->n_fed;
    if (npy_write_numbers(s->fed, count, s->single, out, err) != ERR_OK) {
        return err->code;
    }
    array->crc = (uint32_t)crc32_z(array->crc, (const unsigned char *)out, count * item);
    s->fed += count;
    s->n_fed -= count;
    s->n_left -= count;
    *n = count * item;
    return ERR_OK;
}

enum err_code npz_stream_read(struct npz_stream *s, char *out, size_t size, size_t *n,
                              struct err *err)
{
    *n = 0;
    for (;;) {
        if (s->text_at < s->n_text) {
            size_t left = s->n_text - s->text_at;
            *n = left < size ? left : size;
            memcpy(out, s->text + s->text_at, *n);
            s->text_at += *n;
            return ERR_OK;
        }
        if (s->stage == STAGE_NUMBERS && s->n_left > 0) {
            return read_numbers(s, out, size, n, err);
        }
        if (s->stage == STAGE_DONE) {
            return ERR_OK;
        }
        go_on(s);
    }
}

bool npz_stream_needs(const struct npz_stream *s, int *array, size_t *first)
{
    *array = s->array;
    *first = (size_t)(s->arrays[s->array].n_values - s->n_left);
    return s->stage == STAGE_NUMBERS && s->text_at == s->n_text && s->n_left > 0 && s->n_fed == 0;
}

void npz_stream_feed(struct npz_stream *s, const double *values, size_t n)
{
    s->fed = values;
    s->n_fed = n < s->n_left ? n : s->n_left;
}

/* ---- a whole file ---- */

enum err_code npz_stream_whole(struct npz_stream *s, const double *const *values,
                               struct arena *arena, const char **bytes, size_t *len,
                               struct err *err)
{
    npz_stream_begin(s);
    char *out = s->n_bytes < SIZE_MAX ? arena_alloc(arena, (size_t)s->n_bytes) : NULL;
    size_t at = 0;
    size_t n = 1;
    if (out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    while (n > 0) {
        int array;
        size_t first;
        if (npz_stream_needs(s, &array, &first)) {
            npz_stream_feed(s, values[array] + first, SIZE_MAX);
        }
        if (npz_stream_read(s, out + at, (size_t)s->n_bytes - at, &n, err) != ERR_OK) {
            return err->code;
        }
        at += n;
        n = n > 0 || npz_stream_needs(s, &array, &first) ? 1 : 0;
    }
    assert(at == s->n_bytes);
    for (int i = 0; i < s->n_arrays; i++) {
        for (int k = 0; k < 4; k++) {
            out[s->arrays[i].offset + 14 + (size_t)k] = (char)(s->arrays[i].crc >> (8 * k) & 0xff);
        }
    }
    *bytes = out;
    *len = at;
    return ERR_OK;
}
