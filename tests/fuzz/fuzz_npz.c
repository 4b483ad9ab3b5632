/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of npz: a byte says what follows. 0: a file as it is, whose members must lie one behind the
 * other and be what zlib makes of them in one call; another: numbers, which are written as so many
 * arrays, in pieces, and come back.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "formats/npz.h"
#include "formats/npz_stream.h"

#define MAX_ROWS  1000
#define MAX_BYTES ((size_t)1 << 20)
#define PIECE     ((size_t)61)

const struct seed fuzz_seeds[] = {SEED("\x01"
                                       "01234567abcdefgh"),
                                  SEED("\x02"
                                       "01234567abcdefgh01234567abcdefgh"),
                                  SEED("\x00PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
                                  SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("PK\1\2"),           SEED("PK\3\4"), SEED("PK\5\6"), SEED("PK\6\6"),     SEED("PK\6\7"),
    SEED("PK\7\x08"),         SEED("x.npy"),  SEED("y.npy"),  SEED("inputs.npy"), SEED("\x08\0"),
    SEED("\xff\xff\xff\xff"), SEEDS_END};

/* The bytes of a member by another way than the one under test. */
static bool unpack_again(const struct zip_member *member, unsigned char *out)
{
    z_stream stream = {.next_in = (unsigned char *)member->packed,
                       .avail_in = (unsigned)member->n_packed,
                       .next_out = out,
                       .avail_out = (unsigned)member->size + 1};
    if (!member->deflated) {
        memcpy(out, member->packed, member->size);
        return true;
    }
    if (inflateInit2(&stream, -15) != Z_OK) {
        abort();
    }
    int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return status == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 1;
}

static void check_member(const struct zip_member *member, struct arena *arena)
{
    const unsigned char *bytes = NULL;
    struct err err = ERR_INIT;
    unsigned char *again = mem_alloc(member->size + 1);
    bool good =
        unpack_again(member, again) && crc32(0, again, (unsigned)member->size) == member->crc;
    bool read = zip_unpack(member, arena, &bytes, &err) == ERR_OK;
    if (read != good || (good && memcmp(bytes, again, member->size) != 0)) {
        abort();
    }
    mem_free(again);
}

static void check_file(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct zip zip;
    struct npz_rows rows;
    if (zip_read(data, size, &arena, &zip, &err) == ERR_OK && zip.n_inflated < MAX_BYTES) {
        const unsigned char *end = data;
        for (int i = 0; i < zip.n; i++) {
            const struct zip_member *member = &zip.members[i];
            /* A local header at least, with this name, is before the data. */
            if (member->packed < end + 30 + strlen(member->name) ||
                member->packed + member->n_packed > data + size) {
                abort();
            }
            end = member->packed + member->n_packed;
            check_member(member, &arena);
        }
        if (npz_read(&zip, MAX_ROWS, &arena, &rows, &err) == ERR_OK &&
            (rows.rows.n < 1 || rows.rows.n > MAX_ROWS || rows.n_outputs >= rows.rows.k)) {
            abort();
        }
    }
    arena_release(&arena);
}

/* Writes the file in pieces, as an answer is. */
static size_t write_pieces(struct npz_stream *stream, const double *const *values,
                           unsigned char *out)
{
    size_t at = 0;
    size_t n = 0;
    struct err err = ERR_INIT;
    npz_stream_begin(stream);
    for (;;) {
        int array;
        size_t first;
        if (npz_stream_needs(stream, &array, &first)) {
            npz_stream_feed(stream, values[array] + first, 3);
        }
        if (npz_stream_read(stream, (char *)out + at, PIECE, &n, &err) != ERR_OK) {
            abort();
        }
        at += n;
        if (n == 0 && !npz_stream_needs(stream, &array, &first)) {
            return at;
        }
    }
}

static void check_there_and_back(const uint8_t *data, size_t size, bool outputs, bool in_front)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    size_t n = size / (3 * sizeof(double));
    double *x = mem_alloc_array(2 * n + 1, sizeof *x);
    double *y = mem_alloc_array(n + 1, sizeof *y);
    const double *const values[] = {x, y};
    const char *whole = NULL;
    size_t len = 0;
    struct zip zip;
    struct npz_rows rows;
    memcpy(x, data, 2 * n * sizeof *x);
    memcpy(y, data + 2 * n * sizeof *x, n * sizeof *y);
    struct npz_stream stream = {.n_arrays = outputs ? 2 : 1,
                                .descriptors = !in_front,
                                .arrays = {{.name = "x", .rank = 2, .shape = {n, 2}},
                                           {.name = "y", .rank = 1, .shape = {n}}}};
    unsigned char *bytes = mem_alloc(2 * size + 4096);
    if (in_front) {
        if (npz_stream_whole(&stream, values, &arena, &whole, &len, &err) != ERR_OK) {
            abort();
        }
        memcpy(bytes, whole, len);
    } else {
        len = write_pieces(&stream, values, bytes);
    }
    if (len != stream.n_bytes || zip_read(bytes, len, &arena, &zip, &err) != ERR_OK ||
        npz_read(&zip, MAX_ROWS, &arena, &rows, &err) != ERR_OK || rows.rows.n != (int)n ||
        rows.n_outputs != outputs) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        const double *row = rows.rows.values + i * (size_t)rows.rows.k;
        if (memcmp(row, x + 2 * i, 2 * sizeof *x) != 0 ||
            (outputs && memcmp(row + 2, y + i, sizeof *y) != 0)) {
            abort();
        }
    }
    mem_free(bytes);
    mem_free(x);
    mem_free(y);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 0) {
        check_file(data + 1, size - 1);
    } else if (size > 3 * sizeof(double) && size <= MAX_ROWS * 3 * sizeof(double)) {
        check_there_and_back(data + 1, size - 1, (data[0] & 1) != 0, (data[0] & 2) != 0);
    }
    return 0;
}
