/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of numbers as text and npy: every folder of cases/ is read or refused as it says. */
#include "cases.h"
#include "run.h"

#include <string.h>

#include "formats/json_write.h"
#include "formats/npy.h"
#include "formats/text/text_table.h"

#define MAX_ROWS 100

struct matrix {
    int n, k;
    const double *values;                   /* [n x k] */
    const char *const *names;               /* [k]; NULL: none */
    const struct text_table_reader *reader; /* of a text */
};

typedef enum err_code read_fn(const struct test_case *c, struct arena *arena, struct matrix *out,
                              struct err *err);

static enum err_code read_text(const struct test_case *c, struct arena *arena, struct matrix *out,
                               struct err *err)
{
    const struct text_dialect untold = {.separator = 0};
    struct text_table_reader *reader = arena_alloc_array(arena, 1, sizeof *reader);
    struct text_table table;
    *reader = text_table_reader(&untold, 1, arena);
    reader->max_rows = MAX_ROWS;
    if (text_table_read(reader, c->input, c->n_input, arena, &table, err) == ERR_OK) {
        *out = (struct matrix){table.n, table.k, table.values, reader->names, reader};
    }
    return err->code;
}

static enum err_code read_npy(const struct test_case *c, struct arena *arena, struct matrix *out,
                              struct err *err)
{
    struct npy npy;
    if (npy_parse(c->input, c->n_input, MAX_ROWS, arena, &npy, err) == ERR_OK &&
        npy_check_finite(&npy, err) == ERR_OK) {
        *out = (struct matrix){npy.n, npy.k, npy.values, npy.names, NULL};
    }
    return err->code;
}

/* What was told from the text, where it is not plain CSV without names. */
static void describe_reader(const struct text_table_reader *reader, struct textbuf *out)
{
    if (reader->dialect.separator != ',' || reader->dialect.decimal == TEXT_DECIMAL_COMMA) {
        textbuf_printf(out, "separator %s, decimal %s\n",
                       text_separator_name(reader->dialect.separator),
                       text_decimal_name(reader->dialect.decimal));
    }
    for (int j = 0; j < reader->first_column; j++) {
        textbuf_printf(out, "left out: %s\n", reader->left_out[j]);
    }
}

/* The rows as JSON, null for what is not finite, or the error with its place. */
static void describe(const struct matrix *matrix, const struct err *err, struct textbuf *out)
{
    if (err->code != ERR_OK) {
        textbuf_printf(out, "%s row %d column %d: %s\n", cases_err_name(err->code), err->row,
                       err->column, err_msg(err));
        return;
    }
    struct json_write json = json_write_to(out);
    json_write_matrix(&json, NULL, matrix->values, (size_t)matrix->n, (size_t)matrix->k);
    json_write_end(&json);
    textbuf_puts(out, "\n");
    if (matrix->reader != NULL) {
        describe_reader(matrix->reader, out);
    }
    for (int j = 0; matrix->names != NULL && j < matrix->k; j++) {
        textbuf_printf(out, "%s%s%s", j == 0 ? "names: " : " | ", matrix->names[j],
                       j + 1 == matrix->k ? "\n" : "");
    }
}

static void check_cases(const char *folder, read_fn *read)
{
    int n;
    struct test_case *cases = cases_load(folder, &n);
    for (int i = 0; i < n; i++) {
        struct arena arena = ARENA_INIT;
        struct textbuf out = textbuf_in(&arena);
        struct err err = ERR_INIT;
        struct matrix matrix = {.n = 0};
        ck_assert_int_eq(read(&cases[i], &arena, &matrix, &err), err.code);
        describe(&matrix, &err, &out);
        ck_assert_msg(strcmp(out.data, cases[i].expected) == 0, "%s: %s", cases[i].name, out.data);
        arena_release(&arena);
    }
    cases_free(cases, n);
}

START_TEST(text_is_read_or_refused)
{
    check_cases("server/formats/cases/table", read_text);
}
END_TEST

START_TEST(npy_is_read_or_refused)
{
    check_cases("server/formats/cases/npy", read_npy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cases");
    TCase *tc = tcase_create("cases");
    tcase_add_test(tc, text_is_read_or_refused);
    tcase_add_test(tc, npy_is_read_or_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
