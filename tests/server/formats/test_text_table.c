/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of text tables, and tables in pieces; what is read and refused is in cases/table. */
#include "run.h"

#include <string.h>

#include "formats/text/text_table.h"

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
    enum { MAX_COLUMNS = 65536 };
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

/* The error of a text of this type; "" where there is none, and then *k is its columns. */
static struct err read_as(const char *type, const char *text, int *k)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct text_dialect dialect;
    struct text_table table = {.n = 0};
    if (text_dialect_parse(type, &dialect, &err) == ERR_OK) {
        struct text_table_reader reader = text_table_reader(&dialect, 5, &arena);
        err_kept(text_table_read(&reader, text, strlen(text), &arena, &table, &err));
    }
    *k = table.k;
    arena_release(&arena);
    return err;
}

START_TEST(a_number_of_columns_that_is_said_holds_from_the_first_line_on)
{
    static const struct {
        const char *type;
        const char *text;
        const char *message; /* "": none, and there are two columns */
    } cases[] = {
        {"text/csv; columns=2; header=absent", "1,2\n3,4\n", ""},
        {"text/csv; columns=2", "1,2\n3,4\n", ""},
        {"text/csv; columns=2", "a,b\n3,4\n", ""},
        {"text/csv; columns=2", "# a,b\n3,4\n", ""},
        {"text/csv; columns=2; header=absent", "1\n3,4\n", "line 5 has 1 column, 2 are needed"},
        {"text/csv; columns=2; header=absent", "1,2,3\n3,4\n",
         "line 5 has more than 2 columns, 2 are needed"},
        {"text/csv; columns=2", "1,2,3\n3,4\n",
         "line 5 has 3 columns, and the media type says columns=2"},
        {"text/csv; columns=2; header=present", "a\n3,4\n",
         "line 5 has 1 column, and the media type says columns=2"},
        {"text/csv; columns=2; header=absent; separator=semicolon", "1,2\n1;2\n",
         "line 5 has 1 column, 2 are needed"},
        {"text/csv; columns=0", "1\n",
         "Content-Type: columns is \"0\", a number from 1 to 65536 is needed"},
        {"text/csv; columns=65537", "1\n",
         "Content-Type: columns is \"65537\", a number from 1 to 65536 is needed"},
        {"text/csv; columns=two", "1\n",
         "Content-Type: columns is \"two\", a number from 1 to 65536 is needed"},
        {"text/csv; columns=65536; header=absent", "1\n", "line 5 has 1 column, 65536 are needed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int k = 0;
        struct err err = read_as(cases[i].type, cases[i].text, &k);
        ck_assert_str_eq(err.code != ERR_OK ? err_msg(&err) : "", cases[i].message);
        ck_assert(err.code != ERR_OK || k == 2);
        ck_assert(err.code != ERR_SHAPE || err.line == 5);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text_table");
    TCase *tc = tcase_create("text_table");
    tcase_add_test(tc, rows_and_columns_have_limits);
    tcase_add_test(tc, rows_of_later_pieces_are_counted_on);
    tcase_add_test(tc, a_number_of_columns_that_is_said_holds_from_the_first_line_on);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
