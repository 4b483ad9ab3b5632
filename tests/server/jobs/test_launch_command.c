/* SPDX-License-Identifier: Apache-2.0 */
/* The command of a launcher as arguments. */
#include "run.h"

#include <string.h>

#include "base/mem.h"
#include "jobs/launch/launch_command.h"

static const char *const command[] = {"train", "--out", "a b'c", "{command}", NULL};

static const struct {
    const char *setting;
    const char *words[12];
} good[] = {
    {"srun -n 64 {command}", {"srun", "-n", "64", "train", "--out", "a b'c", "{command}"}},
    {" a\t{command} b ", {"a", "train", "--out", "a b'c", "{command}", "b"}},
    {"a 'b  c'd \"e'f\" '' {command}",
     {"a", "b  cd", "e'f", "", "train", "--out", "a b'c", "{command}"}},
    {"a;b $HOME * \\ | x{command} {command}",
     {"a;b", "$HOME", "*", "\\", "|", "x{command}", "train", "--out", "a b'c", "{command}"}},
};

static const struct {
    const char *setting;
    const char *says;
} bad[] = {
    {"", "exactly once"},
    {"srun", "exactly once"},
    {"srun x{command}", "exactly once"},
    {"srun {command} {command}", "exactly once"},
    {"{command}", "no program"},
    {"'' {command}", "no program"},
    {"srun 'a {command}", "not closed"},
    {"srun {command} \"", "not closed"},
};

START_TEST(words_are_split_without_a_shell)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct err err = ERR_INIT;
        char **words;
        ck_assert_int_eq(launch_command_split(good[i].setting, command, &words, &err), ERR_OK);
        size_t n = 0;
        for (; good[i].words[n] != NULL; n++) {
            ck_assert_ptr_nonnull(words[n]);
            ck_assert_str_eq(words[n], good[i].words[n]);
        }
        ck_assert_ptr_null(words[n]);
        mem_free(words);
    }
}
END_TEST

START_TEST(what_cannot_start_is_refused)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = ERR_INIT;
        char **words;
        ck_assert_int_eq(launch_command_split(bad[i].setting, command, &words, &err), ERR_INVALID);
        ck_assert_ptr_null(words);
        ck_assert_ptr_nonnull(strstr(err_msg(&err), bad[i].says));
        err_clear(&err);
    }
}
END_TEST

START_TEST(memory_may_be_missing)
{
    struct err err = ERR_INIT;
    char **words;
    mem_fail_after(1, true);
    const enum err_code code = launch_command_split("srun {command}", command, &words, &err);
    mem_fail_after(0, false);
    ck_assert_int_eq(code, ERR_NOMEM);
    ck_assert_ptr_null(words);
    err_clear(&err);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("launch_command");
    TCase *tc = tcase_create("launch_command");
    tcase_add_test(tc, words_are_split_without_a_shell);
    tcase_add_test(tc, what_cannot_start_is_refused);
    tcase_add_test(tc, memory_may_be_missing);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
