/* SPDX-License-Identifier: Apache-2.0 */
/* The replicas that tell of themselves: kept for a minute, at most so many, under names only. */
#include "run.h"

#include "access/replicas.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static struct replicas *replicas;
static struct replica found[REPLICAS_MAX];

static void setup(void)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(replicas_new(&replicas, &err), ERR_OK);
}

static void teardown(void)
{
    replicas_free(replicas);
}

static void note(const char *name, int64_t version, int64_t second)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(replicas_note(replicas, name, version, second * CLOCK_S, &err), ERR_OK);
}

START_TEST(they_are_listed_by_name_and_forgotten)
{
    note("b:2", 5, 10);
    note("a:1", 6, 20);
    note("b:2", 7, 30);
    ck_assert_uint_eq(replicas_list(replicas, 40 * CLOCK_S, found), 2);
    ck_assert_str_eq(found[0].name, "a:1");
    ck_assert_int_eq(found[1].version, 7);
    ck_assert_uint_eq(replicas_list(replicas, 81 * CLOCK_S, found), 1);
    ck_assert_str_eq(found[0].name, "b:2");
    ck_assert_uint_eq(replicas_list(replicas, 1000 * CLOCK_S, found), 0);
    ck_assert_uint_eq(replicas_list(NULL, 0, found), 0);
}
END_TEST

START_TEST(the_longest_silent_one_gives_way)
{
    char name[20];
    for (int i = 0; i < REPLICAS_MAX + 3; i++) {
        snprintf(name, sizeof name, "r%02d:1", i);
        note(name, i, i);
    }
    ck_assert_uint_eq(replicas_list(replicas, 10 * CLOCK_S, found), REPLICAS_MAX);
    ck_assert_str_eq(found[0].name, "r03:1");
    ck_assert_str_eq(found[REPLICAS_MAX - 1].name, "r66:1");
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
    char name[REPLICA_NAME_CHARS + 2] = "";
    static const char *const wrong[] = {"", "a b", "a\"b", "a\\b", "a\nb", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = ERR_INIT;
        ck_assert_int_eq(replicas_note(replicas, wrong[i], 1, 0, &err), ERR_INVALID);
    }
    memset(name, 'x', sizeof name - 1);
    struct err err = ERR_INIT;
    ck_assert_int_eq(replicas_note(replicas, name, 1, 0, &err), ERR_INVALID);
    name[REPLICA_NAME_CHARS] = '\0';
    note(name, 1, 0);
    ck_assert_uint_eq(replicas_list(replicas, 0, found), 1);
}
END_TEST

START_TEST(without_memory_there_is_no_list)
{
    struct err err = ERR_INIT;
    struct replicas *none = NULL;
    mem_fail_after(1, false);
    ck_assert_int_eq(replicas_new(&none, &err), ERR_NOMEM);
    mem_fail_after(0, false);
    ck_assert_ptr_null(none);
    replicas_free(none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replicas");
    TCase *tcase = tcase_create("list");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, they_are_listed_by_name_and_forgotten);
    tcase_add_test(tcase, the_longest_silent_one_gives_way);
    tcase_add_test(tcase, what_is_no_name_is_refused);
    tcase_add_test(tcase, without_memory_there_is_no_list);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
