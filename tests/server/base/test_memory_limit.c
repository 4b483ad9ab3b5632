/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory the process may use, and how the settings divide it. */
#include "run.h"

#include <sys/resource.h>

#include "base/config.h"
#include "base/memory_limit.h"

START_TEST(a_limit_is_a_number_or_none)
{
    static const struct {
        const char *text;
        bool good;
        size_t bytes;
    } cases[] = {
        {"1073741824\n", true, 1073741824},
        {"1", true, 1},
        {"max\n", false, 0},
        {"9223372036854771712\n", false, 0}, /* what version 1 writes for none */
        {"0\n", false, 0},
        {"-1\n", false, 0},
        {"", false, 0},
        {"12 34\n", false, 0},
        {"99999999999999999999999\n", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = 0;
        ck_assert_msg(memory_limit_read(cases[i].text, &bytes) == cases[i].good, "%s",
                      cases[i].text);
        ck_assert_uint_eq(bytes, cases[i].bytes);
    }
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
START_TEST(half_of_the_address_space_is_usable)
{
    const struct rlimit gigabyte = {1 << 30, 1 << 30};
    size_t before = memory_limit_usable();
    ck_assert_uint_gt(before, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &gigabyte), 0);
    size_t usable = memory_limit_usable();
    ck_assert_uint_eq(usable, before < (size_t)1 << 29 ? before : (size_t)1 << 29);
}
END_TEST
#endif

START_TEST(shares_follow_the_budget_unless_they_are_set)
{
    struct config config;
    struct err err = ERR_INIT;
    config_defaults(&config);
    config.memory_mb = 400;
    ck_assert_int_eq(config_finish(&config, &err), ERR_OK);
    ck_assert_int_eq(config.models_mb, 200);
    ck_assert_int_eq(config.train_memory_mb, 200);
    ck_assert_int_eq(config.answers_mb, 100);
    ck_assert_int_eq(config.bodies_mb, 100);
    config_defaults(&config);
    config.memory_mb = 100000;
    config.models_mb = 7;
    config.answers_mb = 8;
    config.train_memory_mb = 9;
    ck_assert_int_eq(config_finish(&config, &err), ERR_OK);
    ck_assert_int_eq(config.models_mb, 7);
    ck_assert_int_eq(config.answers_mb, 8);
    ck_assert_int_eq(config.train_memory_mb, 9);
    ck_assert_int_eq(config.bodies_mb, 1000);
    config_defaults(&config);
    config.memory_mb = 1;
    ck_assert_int_eq(config_finish(&config, &err), ERR_OK);
    ck_assert_int_eq(config.models_mb, 1);
    config_defaults(&config);
    ck_assert_int_eq(config_finish(&config, &err), ERR_OK);
    ck_assert_int_eq(config.memory_mb, (int)(memory_limit_usable() / 1000000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory_limit");
    TCase *tc = tcase_create("memory_limit");
    tcase_add_test(tc, a_limit_is_a_number_or_none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(tc, half_of_the_address_space_is_usable);
#endif
    tcase_add_test(tc, shares_follow_the_budget_unless_they_are_set);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
