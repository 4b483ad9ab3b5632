/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of rows by their prints: what is in them, and what is stored. */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/models/row_set.h"

#define N 3000

static uint32_t prints[N];
static unsigned char marks[N];

/* Every third print is marked; some come twice. */
static void make_prints(uint32_t spread)
{
    uint32_t state = 1;
    for (size_t i = 0; i < N; i++) {
        state = state * 1664525U + 1013904223U;
        prints[i] = i % 10 == 9 ? prints[i - 1] : state % spread;
        marks[i] = i % 3 == 0;
    }
}

static struct row_set set_of(unsigned char mark)
{
    struct err err = ERR_INIT;
    struct row_set set;
    ck_assert_int_eq(row_set_of(prints, marks, N, mark, &set, &err), ERR_OK);
    return set;
}

static bool is_marked(uint32_t print, unsigned char mark)
{
    for (size_t i = 0; i < N; i++) {
        if (prints[i] == print && marks[i] == mark) {
            return true;
        }
    }
    return false;
}

START_TEST(a_set_has_the_marked_rows_and_no_others)
{
    make_prints(UINT32_MAX);
    struct row_set set = set_of(1);
    for (size_t i = 0; i < N; i++) {
        ck_assert_int_eq(row_set_has(&set, prints[i]), is_marked(prints[i], 1));
        ck_assert(i == 0 || i >= set.n || set.prints[i - 1] < set.prints[i]);
    }
    row_set_release(&set);
    ck_assert(!row_set_has(&set, prints[0]));
}
END_TEST

START_TEST(a_set_is_read_as_it_was_written)
{
    static const uint32_t spreads[] = {UINT32_MAX, 1U << 20, 200, 1};
    for (size_t k = 0; k < 4; k++) {
        struct err err = ERR_INIT;
        struct row_set again;
        make_prints(spreads[k]);
        prints[0] = k == 0 ? UINT32_MAX : 0; /* the ends */
        struct row_set set = set_of(1);
        struct bytes_writer writer = {.data = NULL};
        row_set_encode(&set, &writer);
        ck_assert(!writer.failed);
        ck_assert_uint_le(writer.size, 5 * set.n);
        struct bytes_reader reader = {.data = writer.data, .left = writer.size};
        ck_assert_int_eq(row_set_decode(&reader, set.n, &again, &err), ERR_OK);
        ck_assert_uint_eq(reader.left, 0);
        ck_assert_uint_eq(again.n, set.n);
        ck_assert_int_eq(memcmp(again.prints, set.prints, set.n * sizeof *set.prints), 0);
        /* Cut off at any place, it is none. */
        for (size_t size = 0; size < writer.size; size++) {
            struct bytes_reader cut = {.data = writer.data, .left = size};
            err_clear(&err);
            ck_assert_int_eq(row_set_decode(&cut, set.n, &again, &err), ERR_CORRUPT);
        }
        row_set_release(&again);
        row_set_release(&set);
        mem_free(writer.data);
    }
}
END_TEST

START_TEST(damaged_bytes_are_no_set)
{
    static const struct {
        unsigned char bytes[8];
        size_t size, n;
    } cases[] = {
        {{5, 0}, 2, 2},                                        /* the same row twice */
        {{0xff, 0xff, 0xff, 0xff, 0x0f, 1}, 6, 2},             /* beyond 32 bits */
        {{0xff, 0xff, 0xff, 0xff, 0x1f}, 5, 1},                /* a number of 33 bits */
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 8, 1}, /* one without an end */
        {{1, 1}, 2, 3},                                        /* too few */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct row_set set;
        struct bytes_reader reader = {.data = cases[i].bytes, .left = cases[i].size};
        ck_assert_int_eq(row_set_decode(&reader, cases[i].n, &set, &err), ERR_CORRUPT);
    }
}
END_TEST

START_TEST(sets_are_joined)
{
    struct err err = ERR_INIT;
    struct row_set empty = {.prints = NULL};
    make_prints(5000);
    struct row_set a = set_of(1);
    struct row_set b = set_of(0);
    ck_assert_int_eq(row_set_add(&a, &b, &err), ERR_OK);
    ck_assert_int_eq(row_set_add(&a, &empty, &err), ERR_OK);
    for (size_t i = 0; i < N; i++) {
        ck_assert(row_set_has(&a, prints[i]));
        ck_assert(i == 0 || i >= a.n || a.prints[i - 1] < a.prints[i]);
    }
    ck_assert_int_eq(row_set_add(&empty, &b, &err), ERR_OK);
    ck_assert_uint_eq(empty.n, b.n);
    row_set_release(&a);
    row_set_release(&b);
    row_set_release(&empty);
}
END_TEST

/* A row is known again by all of its numbers, wherever it stands. */
START_TEST(equal_rows_have_equal_prints)
{
    struct err err = ERR_INIT;
    const double x[] = {1, 2, 3, 4, 1, 2, 1, 2};
    const double y[] = {5, 5, 5, (double)NAN};
    const struct data data = {.n = 4, .d = 2, .o = 1, .x = x, .y = y};
    uint32_t out[4];
    ck_assert_int_eq(row_set_print(&data, out, &err), ERR_OK);
    ck_assert_uint_ne(out[0], out[1]);
    ck_assert_uint_eq(out[0], out[2]);
    ck_assert_uint_ne(out[0], out[3]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_set");
    TCase *sets = tcase_create("sets");
    tcase_add_test(sets, a_set_has_the_marked_rows_and_no_others);
    tcase_add_test(sets, a_set_is_read_as_it_was_written);
    tcase_add_test(sets, damaged_bytes_are_no_set);
    tcase_add_test(sets, sets_are_joined);
    tcase_add_test(sets, equal_rows_have_equal_prints);
    suite_add_tcase(suite, sets);
    return run_suite(suite);
}
