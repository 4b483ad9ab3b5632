/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of CSV, and CSV in pieces; what is read and refused is in cases/csv. */
#include "run.h"

#include <string.h>

#include "formats/csv.h"

static enum err_code parse(const char *text, int max_rows, struct csv *csv)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    enum err_code code = csv_parse(text, strlen(text), max_rows, &arena, csv, &err);
    arena_release(&arena);
    return code;
}

START_TEST(rows_and_columns_have_limits)
{
    enum { MAX_COLUMNS = 8192 };
    static char text[2 * MAX_COLUMNS + 4];
    struct csv csv = {.n = 0};
    ck_assert_int_eq(parse("1\n2\n3\n", 3, &csv), ERR_OK);
    ck_assert_int_eq(csv.n, 3);
    ck_assert_int_eq(parse("1\n2\n3\n4\n", 3, &csv), ERR_TOO_LARGE);
    for (int k = 0; k < MAX_COLUMNS; k++) {
        memcpy(text + 2 * k, k + 1 < MAX_COLUMNS ? "1," : "1\n", 2);
    }
    ck_assert_int_eq(parse(text, 3, &csv), ERR_OK);
    ck_assert_int_eq(csv.k, MAX_COLUMNS);
    strcpy(text + 2 * MAX_COLUMNS - 1, ",1\n");
    ck_assert_int_eq(parse(text, 3, &csv), ERR_LIMIT);
}
END_TEST

START_TEST(columns_are_those_of_the_first_record)
{
    static const struct {
        const char *text;
        int columns;
    } cases[] = {{"", 1}, {"a,b\nc", 2}, {"\"a,\nb\",c\r1,2,3", 2}, {"\xef\xbb\xbf\"a,b\",c", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(csv_count_columns(cases[i].text, strlen(cases[i].text)), cases[i].columns);
    }
}
END_TEST

START_TEST(rows_of_later_pieces_are_counted_on)
{
    static const char *const pieces[] = {"x,y\n", "1,2\n3,4\n", "5,6\n", "7,8\n9,z\n"};
    struct arena arena = ARENA_INIT;
    struct csv_reader reader = {.n_rows = 0};
    struct err err = ERR_INIT;
    struct csv csv;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(csv_read_piece(&reader, pieces[i], strlen(pieces[i]), &arena, &csv, &err),
                         ERR_OK);
        ck_assert_int_eq(csv.n, i == 0 ? 0 : 3 - i);
    }
    ck_assert_double_eq(csv.values[1], 6.0);
    ck_assert_int_eq(csv_read_piece(&reader, pieces[3], strlen(pieces[3]), &arena, &csv, &err),
                     ERR_INVALID);
    ck_assert_str_eq(err_msg(&err), "row 4, column 1 is \"z\", not a number");
    ck_assert_int_eq(err.row, 4);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csv");
    TCase *tc = tcase_create("csv");
    tcase_add_test(tc, rows_and_columns_have_limits);
    tcase_add_test(tc, columns_are_those_of_the_first_record);
    tcase_add_test(tc, rows_of_later_pieces_are_counted_on);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
