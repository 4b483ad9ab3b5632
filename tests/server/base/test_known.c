/* SPDX-License-Identifier: Apache-2.0 */
#include "base/known.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

static const char *const colours[] = {"red", "green", "blue", "light_blue"};
static const struct names known = {colours, 4};

START_TEST(a_list_ends_behind_a_whole_name)
{
    char text[64];
    ck_assert(known_list(known, " or ", text, sizeof text));
    ck_assert_str_eq(text, "red, green, blue or light_blue");
    ck_assert(known_list(known, " or ", text, strlen("red, green, blue or light_blue") + 1));
    ck_assert(!known_list(known, " or ", text, strlen("red, green, blue or light_blue")));
    ck_assert_str_eq(text, "red, green, blue");
    ck_assert(!known_list(known, " or ", text, 1));
    ck_assert_str_eq(text, "");
    ck_assert(known_list((struct names){colours, 1}, " or ", text, sizeof text));
    ck_assert_str_eq(text, "red");
    ck_assert(known_list((struct names){colours, 0}, " or ", text, sizeof text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(the_nearest_name_is_the_one_that_was_meant)
{
    static const struct {
        const char *name;
        const char *nearest; /* NULL: none */
    } cases[] = {
        {"gren", "green"},
        {"Green", "green"},
        {"greeen", "green"},
        {"ed", "red"},
        {"rde", "red"},
        {"bleu", "blue"},
        {"blu", "blue"},
        {"light-blue", "light_blue"},
        {"lightblu", "light_blue"},
        {"light", "light_blue"},
        {"yellow", NULL},
        {"", NULL},
        {"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        char question[64] = "is unknown;";
        if (cases[i].nearest != NULL) {
            snprintf(question, sizeof question, "(did you mean %s?)", cases[i].nearest);
        }
        ck_assert_int_eq(known_refuse("colour", cases[i].name, known, &err), ERR_INVALID);
        ck_assert_msg(strstr(err.msg, question) != NULL, "%s", err.msg);
    }
}
END_TEST

static void check_refusal(const char *name, struct names names, const char *expected)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(known_refuse("paint: colour", name, names, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, expected);
}

START_TEST(a_refusal_lists_what_is_known)
{
    check_refusal("mauve", known,
                  "paint: colour \"mauve\" is unknown; red, green, blue and light_blue are known");
    check_refusal("gren", known,
                  "paint: colour \"gren\" is unknown (did you mean green?); red, green, blue and "
                  "light_blue are known");
    check_refusal("mauve", (struct names){colours, 1},
                  "paint: colour \"mauve\" is unknown; red is known");
}
END_TEST

START_TEST(of_too_many_names_a_refusal_lists_the_nearest_or_what_fits)
{
    static const char *const long_names[] = {
        "a_name_of_thirty_characters_01", "a_name_of_thirty_characters_02",
        "a_name_of_thirty_characters_03", "a_name_of_thirty_characters_04",
        "a_name_of_thirty_characters_05", "a_name_of_thirty_characters_06",
        "a_name_of_thirty_characters_07", "another"};
    const struct names names = {long_names, 8};
    check_refusal("anothr", names, "paint: colour \"anothr\" is unknown (did you mean another?)");
    check_refusal("mauve", names,
                  "paint: colour \"mauve\" is unknown; a_name_of_thirty_characters_01, "
                  "a_name_of_thirty_characters_02, a_name_of_thirty_characters_03, "
                  "a_name_of_thirty_characters_04, a_name_of_thirty_characters_05, .. are known");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("known");
    TCase *tcase = tcase_create("known");
    tcase_add_test(tcase, a_list_ends_behind_a_whole_name);
    tcase_add_test(tcase, the_nearest_name_is_the_one_that_was_meant);
    tcase_add_test(tcase, a_refusal_lists_what_is_known);
    tcase_add_test(tcase, of_too_many_names_a_refusal_lists_the_nearest_or_what_fits);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
