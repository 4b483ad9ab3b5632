/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of memory, its counts by kind, and how arenas grow and give memory back. */
#include "run.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "base/par.h"

#define MIB ((size_t)1 << 20)

static void setup(void)
{
    mem_budget_set(0);
    mem_kind_use(MEM_OTHER);
}

START_TEST(blocks_are_counted_under_the_kind_of_who_allocates)
{
    size_t models = mem_budget_used_by(MEM_MODELS);
    size_t requests = mem_budget_used_by(MEM_REQUESTS);
    ck_assert_int_eq(mem_kind_use(MEM_MODELS), MEM_OTHER);
    void *model = mem_alloc(1000000);
    ck_assert_int_eq(mem_kind_use(MEM_REQUESTS), MEM_MODELS);
    void *request = mem_alloc(70);
    ck_assert_uint_ge(mem_budget_used_by(MEM_MODELS), models + 1000000);
    ck_assert_uint_lt(mem_budget_used_by(MEM_MODELS), models + 1010000);
    ck_assert_uint_ge(mem_budget_used_by(MEM_REQUESTS), requests + 70);
    /* It goes off the count it was on, whoever frees it. */
    mem_free(model);
    ck_assert_uint_eq(mem_budget_used_by(MEM_MODELS), models);
    mem_kind_use(MEM_OTHER);
    mem_free(request);
    ck_assert_uint_eq(mem_budget_used_by(MEM_REQUESTS), requests);
    ck_assert_str_eq(mem_kind_name(MEM_MODELS), "models");
}
END_TEST

START_TEST(a_block_keeps_its_bytes_and_its_count_while_it_grows)
{
    size_t before = mem_budget_used();
    unsigned char *block = NULL;
    size_t had = 0;
    for (size_t size = 1; size < 6 * MIB; size = 3 * size + 1) {
        block = mem_realloc_array(block, size, 1);
        ck_assert_ptr_nonnull(block);
        for (size_t i = 0; i < had; i++) {
            ck_assert_uint_eq(block[i], (unsigned char)(i * 7));
        }
        for (size_t i = 0; i < size; i++) {
            block[i] = (unsigned char)(i * 7);
        }
        had = size;
        ck_assert_uint_ge(mem_budget_used(), before + size);
    }
    mem_free(block);
    ck_assert_uint_eq(mem_budget_used(), before);
}
END_TEST

START_TEST(what_would_pass_the_budget_fails)
{
    size_t before = mem_budget_used();
    long long refusals = mem_budget_refusals();
    mem_budget_set(before + 64 * MIB);
    void *large = mem_alloc(56 * MIB);
    ck_assert_ptr_nonnull(large);
    /* The last four MiB are for small blocks. */
    ck_assert(!mem_budget_has_room(5 * MIB));
    ck_assert_ptr_null(mem_alloc(5 * MIB));
    ck_assert_int_eq(mem_budget_refusals(), refusals + 1);
    void *small[40];
    int n = 0;
    while (n < 40 && (small[n] = mem_alloc(MEM_SMALL_BYTES)) != NULL) {
        n++;
    }
    ck_assert_int_ge(n, 20);
    ck_assert_uint_le(mem_budget_used(), before + 64 * MIB);
    for (int i = 0; i < n; i++) {
        mem_free(small[i]);
    }
    mem_free(large);
    ck_assert_uint_eq(mem_budget_used(), before);
    ck_assert(mem_budget_has_room(5 * MIB));
    mem_budget_set(0);
}
END_TEST

START_TEST(a_failed_allocation_is_not_counted)
{
    size_t before = mem_budget_used();
    mem_fail_after(1, false);
    ck_assert_ptr_null(mem_alloc(1000));
    mem_fail_after(0, false);
    ck_assert_ptr_null(mem_alloc(SIZE_MAX / 2));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* Refused by the system; sanitizers end the program instead. */
    ck_assert_ptr_null(mem_alloc(SIZE_MAX / 4));
#endif
    ck_assert_uint_eq(mem_budget_used(), before);
}
END_TEST

static enum err_code allocate_and_check_kind(void *ctx, int worker, int task, struct err *err)
{
    void **blocks = ctx;
    (void)worker;
    blocks[task] = mem_alloc(5000);
    return mem_kind_get() == MEM_TRAINING && blocks[task] != NULL
               ? ERR_OK
               : err_set(err, ERR_INTERNAL, "another kind");
}

START_TEST(threads_of_a_task_have_the_kind_of_their_caller)
{
    struct err err = ERR_INIT;
    void *blocks[40];
    size_t before = mem_budget_used_by(MEM_TRAINING);
    mem_kind_use(MEM_TRAINING);
    ck_assert_int_eq(par_run(4, 40, allocate_and_check_kind, blocks, &err), ERR_OK);
    ck_assert_uint_ge(mem_budget_used_by(MEM_TRAINING), before + 200000);
    mem_kind_use(MEM_OTHER);
    for (int i = 0; i < 40; i++) {
        mem_free(blocks[i]);
    }
    ck_assert_uint_eq(mem_budget_used_by(MEM_TRAINING), before);
}
END_TEST

/* ---- arenas ---- */

START_TEST(an_arena_takes_little_at_first_and_more_as_it_grows)
{
    struct arena arena = ARENA_INIT;
    size_t before = mem_budget_used();
    long blocks = mem_live();
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100));
    ck_assert_uint_lt(mem_budget_used() - before, 80000);
    for (int i = 0; i < 1000000; i++) {
        ck_assert_ptr_nonnull(arena_alloc(&arena, 64));
    }
    /* 64 MB: six pages that double, then pages of 4 MiB. */
    ck_assert_int_lt(mem_live() - blocks, 45);
    arena_release(&arena);
    ck_assert_uint_eq(mem_budget_used(), before);
}
END_TEST

START_TEST(a_large_block_does_not_make_the_next_page_large)
{
    struct arena arena = ARENA_INIT;
    ck_assert_ptr_nonnull(arena_alloc(&arena, 50 * MIB));
    size_t before = mem_budget_used();
    ck_assert_ptr_nonnull(arena_alloc(&arena, 100));
    ck_assert_uint_lt(mem_budget_used() - before, 80000);
    arena_release(&arena);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Sanitizers keep what is freed for a while. */
static size_t resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(a_cleared_arena_gives_memory_back_to_the_system)
{
    struct arena arenas[3] = {ARENA_INIT, ARENA_INIT, ARENA_INIT};
    mem_configure();
    size_t before = resident_bytes();
    for (int i = 0; i < 300000; i++) {
        /* Side by side, as in threads: what lies between two arenas' pages must not keep them. */
        for (int k = 0; k < 3; k++) {
            unsigned char *block = arena_alloc(&arenas[k], 100);
            ck_assert_ptr_nonnull(block);
            *block = 1;
        }
    }
    size_t peak = resident_bytes();
    ck_assert_uint_gt(peak - before, 90000000);
    for (int k = 0; k < 3; k++) {
        arena_clear(&arenas[k]);
    }
    ck_assert_uint_lt(resident_bytes() - before, (peak - before) / 10);
    for (int k = 0; k < 3; k++) {
        arena_release(&arenas[k]);
    }
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, blocks_are_counted_under_the_kind_of_who_allocates);
    tcase_add_test(tc, a_block_keeps_its_bytes_and_its_count_while_it_grows);
    tcase_add_test(tc, what_would_pass_the_budget_fails);
    tcase_add_test(tc, a_failed_allocation_is_not_counted);
    tcase_add_test(tc, threads_of_a_task_have_the_kind_of_their_caller);
    tcase_add_test(tc, an_arena_takes_little_at_first_and_more_as_it_grows);
    tcase_add_test(tc, a_large_block_does_not_make_the_next_page_large);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(tc, a_cleared_arena_gives_memory_back_to_the_system);
#endif
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
