/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of text tables, and tables in pieces; what is read and refused is in cases/table. */
#include "run.h"

#include <string.h>

#include "formats/text_table.h"

static const struct text_dialect untold = {.separator = 0};

static enum err_code parse(const char *text, int max_rows, struct text_table *table)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct text_table_reader reader = text_table_reader(&untold, 1, &arena);
    reader.max_rows = max_rows;
    enum err_code code = text_table_read(&reader, text, strlen(text), &arena, table, &err);
    arena_release(&arena);
    return code;
}

START_TEST(rows_and_columns_have_limits)
{
    enum { MAX_COLUMNS = 8192 };
    static char text[2 * MAX_COLUMNS + 4];
    struct text_table table = {.n = 0};
    ck_assert_int_eq(parse("1\n2\n3\n", 3, &table), ERR_OK);
    ck_assert_int_eq(table.n, 3);
    ck_assert_int_eq(parse("1\n2\n3\n4\n", 3, &table), ERR_TOO_LARGE);
    for (int k = 0; k < MAX_COLUMNS; k++) {
        memcpy(text + 2 * k, k + 1 < MAX_COLUMNS ? "1," : "1\n", 2);
    }
    ck_assert_int_eq(parse(text, 3, &table), ERR_OK);
    ck_assert_int_eq(table.k, MAX_COLUMNS);
    strcpy(text + 2 * MAX_COLUMNS - 1, ",1\n");
    ck_assert_int_eq(parse(text, 3, &table), ERR_LIMIT);
}
END_TEST

START_TEST(rows_of_later_pieces_are_counted_on)
{
    static const char *const pieces[] = {"x,y\n", "1,2\n3,4\n", "5,6\n", "7,8\n9,z\n"};
    struct arena arena = ARENA_INIT;
    struct text_table_reader reader = text_table_reader(&untold, 1, &arena);
    struct err err = ERR_INIT;
    struct text_table table;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            text_table_read_piece(&reader, pieces[i], strlen(pieces[i]), &arena, &table, &err),
            ERR_OK);
        ck_assert_int_eq(table.n, i == 0 ? 0 : 3 - i);
    }
    ck_assert_double_eq(table.values[1], 6.0);
    ck_assert_int_eq(
        text_table_read_piece(&reader, pieces[3], strlen(pieces[3]), &arena, &table, &err),
        ERR_INVALID);
    ck_assert_str_eq(err_msg(&err),
                     "line 6, column \"y\" is \"z\", not a number; words are read in columns "
                     "that the model's space has as categories");
    ck_assert_int_eq(err.row, 4);
    ck_assert_int_eq(err.line, 6);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text_table");
    TCase *tc = tcase_create("text_table");
    tcase_add_test(tc, rows_and_columns_have_limits);
    tcase_add_test(tc, rows_of_later_pieces_are_counted_on);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
