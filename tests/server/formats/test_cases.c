/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of numbers as CSV and npy: every folder of cases/ is read or refused as it says. */
#include "cases.h"
#include "run.h"

#include <string.h>

#include "formats/csv.h"
#include "formats/json_write.h"
#include "formats/npy.h"

#define MAX_ROWS 100

struct table {
    int n, k;
    const double *values; /* [n x k] */
};

typedef enum err_code read_fn(const struct test_case *c, struct arena *arena, struct table *out,
                              struct err *err);

static enum err_code read_csv(const struct test_case *c, struct arena *arena, struct table *out,
                              struct err *err)
{
    struct csv csv;
    if (csv_parse(c->input, c->n_input, MAX_ROWS, arena, &csv, err) == ERR_OK) {
        *out = (struct table){csv.n, csv.k, csv.values};
    }
    return err->code;
}

static enum err_code read_npy(const struct test_case *c, struct arena *arena, struct table *out,
                              struct err *err)
{
    struct npy npy;
    if (npy_parse(c->input, c->n_input, MAX_ROWS, arena, &npy, err) == ERR_OK) {
        *out = (struct table){npy.n, npy.k, npy.values};
    }
    return err->code;
}

/* The rows as JSON, or the error with its place. */
static void describe(const struct table *table, const struct err *err, struct textbuf *out)
{
    if (err->code != ERR_OK) {
        textbuf_printf(out, "%s row %d column %d: %s\n", cases_err_name(err->code), err->row,
                       err->column, err_msg(err));
        return;
    }
    struct json_write json = json_write_to(out);
    json_write_matrix(&json, NULL, table->values, (size_t)table->n, (size_t)table->k);
    json_write_end(&json);
    textbuf_puts(out, "\n");
}

static void check_cases(const char *folder, read_fn *read)
{
    int n;
    struct test_case *cases = cases_load(folder, &n);
    for (int i = 0; i < n; i++) {
        struct arena arena = ARENA_INIT;
        struct textbuf out = textbuf_in(&arena);
        struct err err = ERR_INIT;
        struct table table = {.n = 0};
        ck_assert_int_eq(read(&cases[i], &arena, &table, &err), err.code);
        describe(&table, &err, &out);
        ck_assert_msg(strcmp(out.data, cases[i].expected) == 0, "%s: %s", cases[i].name, out.data);
        arena_release(&arena);
    }
    cases_free(cases, n);
}

START_TEST(csv_is_read_or_refused)
{
    check_cases("server/formats/cases/csv", read_csv);
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
    tcase_add_test(tc, csv_is_read_or_refused);
    tcase_add_test(tc, npy_is_read_or_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
