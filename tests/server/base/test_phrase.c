/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people write them. */
#include "run.h"

#include "base/phrase.h"

static const struct {
    int64_t n;
    const char *noun;
    const char *text;
} counts[] = {
    {0, "row", "0 rows"},
    {1, "row", "1 row"},
    {2, "row", "2 rows"},
    {1, "number", "1 number"},
    {3, "batch", "3 batches"},
    {1, "batch", "1 batch"},
    {2, "entry", "2 entries"},
    {1, "entry", "1 entry"},
    {1, "uncertain parameter", "1 uncertain parameter"},
    {2, "matrix", "2 matrixes"},
    {1000000, "row", "1000000 rows"},
};

START_TEST(a_noun_agrees_with_its_number)
{
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        ck_assert_str_eq(phrase_count(counts[i].n, counts[i].noun).text, counts[i].text);
    }
}
END_TEST

START_TEST(a_verb_agrees_with_its_number)
{
    ck_assert_str_eq(phrase_needed(0).text, "0 are needed");
    ck_assert_str_eq(phrase_needed(1).text, "1 is needed");
    ck_assert_str_eq(phrase_needed(12).text, "12 are needed");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("phrase");
    TCase *tc = tcase_create("phrase");
    tcase_add_test(tc, a_noun_agrees_with_its_number);
    tcase_add_test(tc, a_verb_agrees_with_its_number);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
