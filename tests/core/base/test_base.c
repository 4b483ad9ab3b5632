/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, memory and accounts of it, arenas, threads, bytes, numbers as text. */
#include "run.h"

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/mem_account.h"
#include "base/numtext.h"
#include "base/par.h"
#include "base/report.h"
#include "base/rng.h"

START_TEST(the_first_error_wins)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(err_set(&err, ERR_SHAPE, "x has %d columns", 3), ERR_SHAPE);
    ck_assert_int_eq(err_set_at(&err, ERR_NOMEM, 1, 2, "no memory"), ERR_SHAPE);
    ck_assert_str_eq(err.msg, "x has 3 columns");
    ck_assert_int_eq(err.row, -1);
    err_prefix(&err, "row %d", 7);
    ck_assert_str_eq(err_msg(&err), "row 7: x has 3 columns");
    err_clear(&err);
    err_prefix(&err, "nothing");
    ck_assert_str_eq(err_msg(&err), "no error");
    ck_assert_str_eq(err_text(ERR_NOMEM), "out of memory");
}
END_TEST

START_TEST(long_messages_are_cut)
{
    struct err err = ERR_INIT;
    char text[1000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&err, ERR_IO, "%s", text);
    err_prefix(&err, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    size_t out = 7;
    ck_assert(!size_mul(SIZE_MAX / 2, 3, &out));
    ck_assert(!size_add(SIZE_MAX, 1, &out));
    ck_assert_uint_eq(out, 7);
    ck_assert(size_mul(0, SIZE_MAX, &out) && out == 0);
    ck_assert_ptr_null(mem_alloc_array(SIZE_MAX / 8, 16));
    ck_assert_ptr_null(mem_alloc(SIZE_MAX - 100));
    struct arena arena = ARENA_INIT;
    ck_assert_ptr_null(arena_alloc_array(&arena, SIZE_MAX / 8, 16));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 10));
    arena_release(&arena);
}
END_TEST

START_TEST(blocks_are_aligned_and_counted)
{
    long live = mem_live();
    void *blocks[20];
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = mem_zalloc(i * 7);
        ck_assert_uint_eq((uintptr_t)blocks[i] % MEM_ALIGN, 0);
    }
    ck_assert_int_eq(mem_live(), live + 20);
    blocks[3] = mem_realloc_array(blocks[3], 100, 10);
    ck_assert_int_eq(((char *)blocks[3])[20], 0);
    for (size_t i = 0; i < 20; i++) {
        mem_free(blocks[i]);
    }
    mem_free(NULL);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

START_TEST(the_chosen_allocation_fails)
{
    mem_fail_after(2, false);
    void *a = mem_alloc(1);
    void *b = mem_alloc(1);
    void *c = mem_alloc(1);
    ck_assert(a != NULL && b == NULL && c != NULL);
    mem_fail_after(1, true);
    ck_assert_ptr_null(mem_alloc(1));
    ck_assert_ptr_null(mem_strdup("x"));
    ck_assert_int_eq(mem_attempts(), 2);
    mem_fail_after(0, false);
    mem_free(a);
    mem_free(c);
}
END_TEST

START_TEST(an_arena_gives_aligned_blocks_that_do_not_overlap)
{
    struct arena arena = ARENA_INIT;
    long live = mem_live();
    unsigned char *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        size_t size = (i * 37) % 5000;
        blocks[i] = arena_alloc(&arena, size);
        ck_assert_uint_eq((uintptr_t)blocks[i] % MEM_ALIGN, 0);
        memset(blocks[i], (int)(i & 0xff), size);
    }
    ck_assert_ptr_nonnull(arena_alloc(&arena, 1000000));
    for (size_t i = 0; i < 300; i++) {
        for (size_t k = 0; k < (i * 37) % 5000; k++) {
            ck_assert_uint_eq(blocks[i][k], i & 0xff);
        }
    }
    ck_assert_str_eq(arena_printf(&arena, "%d-%s", 5, "x"), "5-x");
    arena_release(&arena);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

struct count {
    atomic_int runs[100];
    int fail_from;
};

static enum err_code run_task(void *ctx, int worker, int task, struct err *err)
{
    struct count *count = ctx;
    ck_assert_int_ge(worker, 0);
    ck_assert_int_lt(worker, 100);
    atomic_fetch_add(&count->runs[task], 1);
    return task >= count->fail_from ? err_set(err, ERR_NUMERIC, "task %d", task) : ERR_OK;
}

START_TEST(every_task_runs_once)
{
    static const int threads[] = {1, 2, 3, 64, 1000};
    for (size_t t = 0; t < 5; t++) {
        struct count count = {.fail_from = 100};
        struct err err = ERR_INIT;
        ck_assert_int_eq(par_run(threads[t], 100, run_task, &count, &err), ERR_OK);
        for (int i = 0; i < 100; i++) {
            ck_assert_int_eq(atomic_load(&count.runs[i]), 1);
        }
    }
    struct err err = ERR_INIT;
    ck_assert_int_eq(par_run(4, 0, run_task, NULL, &err), ERR_OK);
}
END_TEST

START_TEST(the_lowest_failing_task_is_reported)
{
    for (int threads = 1; threads < 5; threads++) {
        struct count count = {.fail_from = 40};
        struct err err = ERR_INIT;
        ck_assert_int_eq(par_run(threads, 100, run_task, &count, &err), ERR_NUMERIC);
        ck_assert_str_eq(err.msg, "task 40");
    }
}
END_TEST

START_TEST(bytes_that_were_written_are_read)
{
    struct bytes_writer w = {.data = NULL};
    double values[3] = {1.5, -0.0, 1e-310};
    bytes_put_u32(&w, 7);
    bytes_put_i64(&w, INT64_MIN);
    bytes_put_f64(&w, values, 3);
    bytes_put_text(&w, "text");
    bytes_put_text(&w, "");
    bytes_put_text(&w, NULL);
    ck_assert(!w.failed);
    struct bytes_reader r = {.data = w.data, .left = w.size};
    double back[3];
    ck_assert_int_eq(bytes_get_int(&r, 10), 7);
    ck_assert(bytes_get_i64(&r) == INT64_MIN);
    bytes_get_f64(&r, back, 3);
    ck_assert_int_eq(memcmp(values, back, sizeof back), 0);
    char *text = bytes_get_text(&r, 10);
    char *empty = bytes_get_text(&r, 10);
    ck_assert_str_eq(text, "text");
    ck_assert_str_eq(empty, "");
    ck_assert_ptr_null(bytes_get_text(&r, 10));
    ck_assert(!r.failed && r.left == 0);
    bytes_get_u32(&r);
    ck_assert(r.failed);
    mem_free(text);
    mem_free(empty);
    mem_free(w.data);
}
END_TEST

START_TEST(bad_bytes_fail_and_stay_failed)
{
    struct bytes_writer w = {.data = NULL};
    bytes_put_u32(&w, 100);
    bytes_put(&w, "abc", 3);
    struct bytes_reader r = {.data = w.data, .left = w.size};
    ck_assert_ptr_null(bytes_get_text(&r, 1000));
    ck_assert(r.failed);
    r = (struct bytes_reader){.data = w.data, .left = w.size};
    ck_assert_int_eq(bytes_get_int(&r, 99), 0);
    ck_assert(r.failed);
    ck_assert_uint_eq(bytes_get_u32(&r), 0);
    mem_free(w.data);
}
END_TEST

START_TEST(numbers_are_read_back_from_their_text)
{
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    for (int i = 0; i < 300000; i++) {
        char text[NUMTEXT_MAX];
        const char *next;
        uint64_t bits = rng_u64(&rng);
        double value;
        double back;
        memcpy(&value, &bits, sizeof value);
        if (i % 4 == 0) {
            value = rng_normal(&rng);
        } else if (i % 4 == 1) {
            value = (double)(int64_t)(bits >> 40);
        } else if (i % 4 == 2) {
            value = (double)((int64_t)bits >> (14 + i % 40)) / 1000.0;
        }
        if (!isfinite(value)) {
            continue;
        }
        size_t len = numtext_write(value, text);
        ck_assert_uint_le(len, NUMTEXT_MAX);
        ck_assert_int_eq(numtext_read(text, text + len, &next, &back), NUMTEXT_OK);
        ck_assert_ptr_eq(next, text + len);
        ck_assert(memcmp(&value, &back, sizeof back) == 0);
    }
}
END_TEST

/* Readers of JSON take digits without a point or an exponent for integers of 64 bits. */
START_TEST(numbers_beyond_integers_have_an_exponent)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0x1p62, "4611686018427387904"},     {0x1.fffffffffffffp62, "9223372036854774784"},
        {0x1p63, "9.223372036854776e+18"},   {11968435098155466752.0, "1.1968435098155467e+19"},
        {-0x1p63, "-9.223372036854776e+18"}, {1e22, "1e+22"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMTEXT_MAX + 1];
        text[numtext_write(cases[i].value, text)] = '\0';
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(warnings_that_say_that_predictions_may_be_wrong_come_with_them)
{
    ck_assert(report_is_told("poor_fit"));
    ck_assert(report_is_told("rhat_predictions"));
    ck_assert(!report_is_told("rhat_parameters"));
    ck_assert(!report_is_told("a code of somebody else's document"));
}
END_TEST

START_TEST(only_json_numbers_are_read)
{
    static const struct {
        const char *text;
        enum numtext_status status;
        int taken;
        double value;
    } cases[] = {
        {"0", NUMTEXT_OK, 1, 0.0},
        {"-0.0,", NUMTEXT_OK, 4, -0.0},
        {"12]", NUMTEXT_OK, 2, 12.0},
        {"1e5", NUMTEXT_OK, 3, 1e5},
        {"1E+05 ", NUMTEXT_OK, 5, 1e5},
        {"0.1", NUMTEXT_OK, 3, 0.1},
        {"123456789012345678901234567890", NUMTEXT_OK, 30, 123456789012345678901234567890.0},
        {"5e-324", NUMTEXT_OK, 6, 5e-324},
        {"1e-999", NUMTEXT_OK, 6, 0.0},
        {"-1e-400", NUMTEXT_OK, 7, -0.0},
        {"1.7976931348623157e308", NUMTEXT_OK, 22, 1.7976931348623157e308},
        {"1e309", NUMTEXT_OVERFLOW, 0, 0.0},
        {"-1e999", NUMTEXT_OVERFLOW, 0, 0.0},
        {"", NUMTEXT_SYNTAX, 0, 0.0},
        {"-", NUMTEXT_SYNTAX, 0, 0.0},
        {"+1", NUMTEXT_SYNTAX, 0, 0.0},
        {"01", NUMTEXT_SYNTAX, 0, 0.0},
        {"-01", NUMTEXT_SYNTAX, 0, 0.0},
        {".5", NUMTEXT_SYNTAX, 0, 0.0},
        {"1.", NUMTEXT_SYNTAX, 0, 0.0},
        {"1.e5", NUMTEXT_SYNTAX, 0, 0.0},
        {"1e", NUMTEXT_SYNTAX, 0, 0.0},
        {"1e+", NUMTEXT_SYNTAX, 0, 0.0},
        {"NaN", NUMTEXT_SYNTAX, 0, 0.0},
        {"nan", NUMTEXT_SYNTAX, 0, 0.0},
        {"Infinity", NUMTEXT_SYNTAX, 0, 0.0},
        {"-inf", NUMTEXT_SYNTAX, 0, 0.0},
        {" 1", NUMTEXT_SYNTAX, 0, 0.0},
        {"0x10", NUMTEXT_OK, 1, 0.0}, /* a 0, and an x that the caller refuses */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = cases[i].text;
        const char *next = text;
        double value = 0.0;
        enum numtext_status status = numtext_read(text, text + strlen(text), &next, &value);
        ck_assert_msg(status == cases[i].status, "%s: %d", text, (int)status);
        if (status == NUMTEXT_OK) {
            ck_assert_int_eq(next - text, cases[i].taken);
            ck_assert_msg(memcmp(&value, &cases[i].value, sizeof value) == 0, "%s: %g", text,
                          value);
        }
    }
}
END_TEST

/* ---- accounts ---- */

static enum err_code take_and_give(void *ctx, int worker, int task, struct err *err)
{
    (void)ctx;
    (void)worker;
    (void)task;
    void *block = mem_alloc(100000);
    if (block == NULL) {
        return err_set(err, ERR_NOMEM, "none");
    }
    void *grown = mem_realloc_array(block, 2, 100000);
    if (grown == NULL) {
        mem_free(block);
        return err_set(err, ERR_NOMEM, "none");
    }
    mem_free(grown);
    return ERR_OK;
}

START_TEST(an_account_counts_what_its_threads_hold)
{
    struct err err = ERR_INIT;
    struct mem_account account = {.limit = 2000000};
    mem_account_use(&account);
    ck_assert_int_eq(par_run(4, 50, take_and_give, NULL, &err), ERR_OK);
    ck_assert_int_eq(atomic_load(&account.used), 0);
    void *block = mem_alloc(1500000);
    ck_assert_ptr_nonnull(block);
    ck_assert_int_ge(atomic_load(&account.used), 1500000);
    ck_assert(!atomic_load(&account.refused));
    ck_assert_ptr_null(mem_alloc(600000));
    ck_assert(atomic_load(&account.refused));
    ck_assert_int_lt(atomic_load(&account.used), 2000000);
    account.limit = 1600000;
    ck_assert_int_eq(par_run(2, 4, take_and_give, NULL, &err), ERR_NOMEM);
    mem_free(block);
    mem_account_use(NULL);
    ck_assert_int_eq(atomic_load(&account.used), 0);
    err_clear(&err);
    ck_assert_int_eq(par_run(2, 4, take_and_give, NULL, &err), ERR_OK);
    ck_assert_int_eq(atomic_load(&account.used), 0);
}
END_TEST

START_TEST(a_failed_allocation_is_not_on_the_account)
{
    struct mem_account account = {.limit = 0};
    mem_account_use(&account);
    mem_fail_after(1, false);
    ck_assert_ptr_null(mem_alloc(1000));
    mem_fail_after(0, false);
    ck_assert_int_eq(atomic_load(&account.used), 0);
    ck_assert(!atomic_load(&account.refused));
    void *block = mem_zalloc(0);
    mem_free(block);
    mem_free(NULL);
    ck_assert_int_eq(atomic_load(&account.used), 0);
    mem_account_use(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_add_test(tc, the_first_error_wins);
    tcase_add_test(tc, long_messages_are_cut);
    tcase_add_test(tc, sizes_that_overflow_are_refused);
    tcase_add_test(tc, blocks_are_aligned_and_counted);
    tcase_add_test(tc, the_chosen_allocation_fails);
    tcase_add_test(tc, an_arena_gives_aligned_blocks_that_do_not_overlap);
    tcase_add_test(tc, every_task_runs_once);
    tcase_add_test(tc, the_lowest_failing_task_is_reported);
    tcase_add_test(tc, bytes_that_were_written_are_read);
    tcase_add_test(tc, bad_bytes_fail_and_stay_failed);
    tcase_add_test(tc, numbers_are_read_back_from_their_text);
    tcase_add_test(tc, numbers_beyond_integers_have_an_exponent);
    tcase_add_test(tc, warnings_that_say_that_predictions_may_be_wrong_come_with_them);
    tcase_add_test(tc, only_json_numbers_are_read);
    tcase_add_test(tc, an_account_counts_what_its_threads_hold);
    tcase_add_test(tc, a_failed_allocation_is_not_on_the_account);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
