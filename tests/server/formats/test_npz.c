/* SPDX-License-Identifier: Apache-2.0 */
/* Zip files of arrays: what is written whole and in pieces is read back, and memory may be short.
 * process/rows/test_npz.py has the files of Python and NumPy, and those that are refused. */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "formats/npz.h"
#include "formats/npz_stream.h"

#define ROWS    40
#define INPUTS  3
#define OUTPUTS 2

static double inputs[ROWS * INPUTS];
static double outputs[ROWS * OUTPUTS];
static const double *const values[] = {inputs, outputs};

static void fill(void)
{
    for (int i = 0; i < ROWS * INPUTS; i++) {
        inputs[i] = 0.25 * i;
    }
    for (int i = 0; i < ROWS * OUTPUTS; i++) {
        outputs[i] = -1.5 * i;
    }
}

static struct npz_stream stream_of(bool single)
{
    return (struct npz_stream){
        .n_arrays = 2,
        .single = single,
        .arrays = {{.name = "x", .rank = 2, .shape = {ROWS, INPUTS}},
                   {.name = "outputs", .rank = 2, .shape = {ROWS, OUTPUTS}}}};
}

/* Reads `piece` bytes at a time, and feeds 7 numbers. */
static size_t read_pieces(struct npz_stream *stream, char *out, size_t piece)
{
    struct err err = ERR_INIT;
    size_t at = 0;
    int array;
    size_t first;
    stream->descriptors = true;
    npz_stream_begin(stream);
    for (size_t n = 1; n > 0 || npz_stream_needs(stream, &array, &first); at += n) {
        if (npz_stream_needs(stream, &array, &first)) {
            npz_stream_feed(stream, values[array] + first, 7);
        }
        ck_assert_int_eq(npz_stream_read(stream, out + at, piece, &n, &err), ERR_OK);
    }
    return at;
}

static void check_rows(const void *bytes, size_t len, bool single)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct zip zip;
    struct npz_rows rows;
    ck_assert_int_eq(zip_read(bytes, len, &arena, &zip, &err), ERR_OK);
    ck_assert_int_eq(npz_read(&zip, ROWS, &arena, &rows, &err), ERR_OK);
    ck_assert_int_eq(rows.n_outputs, OUTPUTS);
    ck_assert_int_eq(rows.rows.n, ROWS);
    ck_assert_int_eq(rows.rows.k, INPUTS + OUTPUTS);
    ck_assert(rows.rows.single == single && rows.rows.names == NULL);
    for (int i = 0; i < ROWS; i++) {
        const double *row = rows.rows.values + (ptrdiff_t)i * (INPUTS + OUTPUTS);
        ck_assert_mem_eq(row, inputs + i * INPUTS, INPUTS * sizeof *row);
        ck_assert_mem_eq(row + INPUTS, outputs + i * OUTPUTS, OUTPUTS * sizeof *row);
    }
    ck_assert_int_eq(npz_read(&zip, ROWS - 1, &arena, &rows, &err), ERR_TOO_LARGE);
    arena_release(&arena);
}

START_TEST(what_is_written_is_read)
{
    static const size_t pieces[] = {8, 9, 61, 512, 100000};
    static char out[8192];
    for (int single = 0; single < 2; single++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct npz_stream stream = stream_of(single == 1);
        const char *whole = NULL;
        size_t len = 0;
        ck_assert_int_eq(npz_stream_whole(&stream, values, &arena, &whole, &len, &err), ERR_OK);
        ck_assert_uint_eq(len, stream.n_bytes);
        check_rows(whole, len, single == 1);
        /* The checksum of the first array stands in its local header. */
        uint32_t crc;
        memcpy(&crc, whole + 14, sizeof crc);
        ck_assert_uint_eq(
            crc, crc32(0, (const unsigned char *)whole + 35, (unsigned)stream.arrays[0].size));
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            stream = stream_of(single == 1);
            ck_assert_uint_eq(read_pieces(&stream, out, pieces[i]), stream.n_bytes);
            check_rows(out, (size_t)stream.n_bytes, single == 1);
        }
        arena_release(&arena);
    }
}
END_TEST

START_TEST(numbers_beyond_float32_are_refused)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct npz_stream stream = stream_of(true);
    const char *whole = NULL;
    size_t len = 0;
    outputs[5] = 1e300;
    ck_assert_int_eq(npz_stream_whole(&stream, values, &arena, &whole, &len, &err), ERR_NUMERIC);
    outputs[5] = -7.5;
    arena_release(&arena);
}
END_TEST

/* A file with both arrays deflated, by hand. */
static size_t deflate_file(char *out)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct npz_stream stream = stream_of(false);
    const char *whole = NULL;
    size_t len = 0;
    size_t at = 0;
    struct zip zip;
    char directory[512];
    size_t n_directory = 0;
    ck_assert_int_eq(npz_stream_whole(&stream, values, &arena, &whole, &len, &err), ERR_OK);
    ck_assert_int_eq(zip_read(whole, len, &arena, &zip, &err), ERR_OK);
    for (int i = 0; i < zip.n; i++) {
        const struct zip_member *member = &zip.members[i];
        z_stream z = {.next_in = (unsigned char *)member->packed,
                      .avail_in = (unsigned)member->size};
        size_t n_name = strlen(member->name);
        unsigned char *data = (unsigned char *)out + at + 30 + n_name;
        z.next_out = data;
        z.avail_out = 8192;
        ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        uint32_t packed = (uint32_t)z.total_out;
        uint32_t size = (uint32_t)member->size;
        uint32_t place = (uint32_t)at;
        deflateEnd(&z);
        memset(out + at, 0, 30);
        memcpy(out + at, "PK\3\4", 4);
        out[at + 8] = 8;
        memcpy(out + at + 14, &member->crc, 4);
        memcpy(out + at + 18, &packed, 4);
        memcpy(out + at + 22, &size, 4);
        out[at + 26] = (char)n_name;
        memcpy(out + at + 30, member->name, n_name);
        char *entry = directory + n_directory;
        memset(entry, 0, 46);
        memcpy(entry, "PK\1\2", 4);
        memcpy(entry + 6, out + at + 4, 26);
        memcpy(entry + 42, &place, 4);
        memcpy(entry + 46, member->name, n_name);
        n_directory += 46 + n_name;
        at += 30 + n_name + packed;
    }
    uint32_t from = (uint32_t)at;
    uint32_t size = (uint32_t)n_directory;
    memcpy(out + at, directory, n_directory);
    at += n_directory;
    memset(out + at, 0, 22);
    memcpy(out + at, "PK\5\6", 4);
    out[at + 8] = out[at + 10] = 2;
    memcpy(out + at + 12, &size, 4);
    memcpy(out + at + 16, &from, 4);
    arena_release(&arena);
    return at + 22;
}

START_TEST(short_memory_is_told)
{
    static char file[8192];
    size_t len = deflate_file(file);
    check_rows(file, len, false);
    bool done = false;
    for (long n = 1; !done; n++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct zip zip;
        struct npz_rows rows;
        long before = mem_live();
        mem_fail_after(n, true);
        done = zip_read(file, len, &arena, &zip, &err) == ERR_OK &&
               npz_read(&zip, ROWS, &arena, &rows, &err) == ERR_OK;
        mem_fail_after(0, false);
        ck_assert_int_eq(err.code, done ? ERR_OK : ERR_NOMEM);
        arena_release(&arena);
        ck_assert_int_eq(mem_live(), before);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

/* An array of 4 GiB and one behind it, whose numbers nobody writes here: the length counts the
 * records of Zip64. */
START_TEST(large_files_have_the_records_of_zip64)
{
    struct npz_stream stream = {.n_arrays = 2,
                                .descriptors = true,
                                .arrays = {{.name = "a", .rank = 1, .shape = {(size_t)1 << 29}},
                                           {.name = "b", .rank = 1, .shape = {2}}}};
    npz_stream_begin(&stream);
    uint64_t a = stream.arrays[0].size;
    uint64_t b = stream.arrays[1].size;
    ck_assert_uint_eq(a, ((uint64_t)1 << 32) + 128);
    ck_assert_uint_eq(stream.arrays[1].offset, 30 + 5 + 20 + a + 24);
    ck_assert_uint_eq(stream.n_bytes,
                      stream.arrays[1].offset + 30 + 5 + b + 16 + 2 * (46 + 5 + 28) + 56 + 20 + 22);
}
END_TEST

int main(void)
{
    fill();
    Suite *suite = suite_create("npz");
    TCase *tc = tcase_create("npz");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, numbers_beyond_float32_are_refused);
    tcase_add_test(tc, short_memory_is_told);
    tcase_add_test(tc, large_files_have_the_records_of_zip64);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
