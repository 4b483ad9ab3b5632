/* SPDX-License-Identifier: Apache-2.0 */
/* Which values of Content-Type and Accept are of a type. */
#include "run.h"

#include "formats/media_type.h"

START_TEST(a_type_is_compared_as_a_whole)
{
    static const struct {
        const char *value;
        bool is_csv;
    } cases[] = {
        {"text/csv", true},
        {"Text/CSV", true},
        {"text/csv; header=present", true},
        {"text/csv;charset=utf-8", true},
        {" text/csv ", true},
        {"text/csv\t;a=b", true},
        {"text/csv, text/html", true},
        {"text/html, text/csv", false},
        {"text/csvfoo", false},
        {"text/csv-schema", false},
        {"text/cs", false},
        {"text/", false},
        {"text", false},
        {"", false},
        {NULL, false},
        {"application/text/csv", false},
        {"application/json; type=text/csv", false},
        {"text /csv", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(media_type_is(cases[i].value, MEDIA_TYPE_CSV) == cases[i].is_csv, "%s",
                      cases[i].value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("media_type");
    TCase *tc = tcase_create("media_type");
    tcase_add_test(tc, a_type_is_compared_as_a_whole);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
