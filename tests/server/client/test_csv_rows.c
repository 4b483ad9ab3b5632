/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV from a stream: the server's rules and messages, in batches of any length. */
#include "cases.h"
#include "run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/csv_rows.h"

/* "[[1,2]]" and "[[3,4]]" as "[[1,2],[3,4]]". */
static void join(struct textbuf *all, const struct textbuf *batch)
{
    if (batch->len > 2) {
        textbuf_puts(all, all->len > 0 ? "," : "[");
        textbuf_put(all, batch->data + 1, batch->len - 2);
    }
}

/* What a case makes of its input, as its `expected` says it. */
static void read_all(FILE *file, int max, struct arena *arena, struct textbuf *out)
{
    struct csv_rows rows;
    struct err err = ERR_INIT;
    int n = 0;
    ck_assert_int_eq(csv_rows_open(file, &rows, &err), ERR_OK);
    do {
        struct textbuf batch = textbuf_in(arena);
        struct json_write json = json_write_to(&batch);
        if (csv_rows_read(&rows, max, &json, NULL, &n, &err) != ERR_OK) {
            break;
        }
        ck_assert_int_le(n, max);
        join(out, &batch);
    } while (n == max);
    csv_rows_release(&rows);
    if (err.code != ERR_OK) {
        *out = textbuf_in(arena);
        ck_assert_int_ne(err.code, ERR_INVALID);
        textbuf_printf(out, " row %d column %d: %s\n", err.row, err.column, err_msg(&err));
    } else {
        textbuf_puts(out, out->len > 0 ? "]\n" : "no rows\n");
    }
}

/*
 * What is read of a case: its first line, without the code of an error, which has another meaning
 * here. A text without rows is refused elsewhere, and what is not finite is refused here.
 */
static bool is_expected(const struct test_case *c, const char *read)
{
    size_t len = strcspn(c->expected, "\n") + 1;
    bool hole = c->expected[0] == '[' && strstr(c->expected, "null") != NULL;
    if (strstr(c->expected, "no rows") != NULL || c->n_input == 0) {
        return strcmp(read, "no rows\n") == 0;
    }
    if (hole) {
        return strstr(read, "is missing") != NULL || strstr(read, "is not a finite") != NULL;
    }
    size_t from = c->expected[0] == '[' ? 0 : strcspn(c->expected, " ");
    return strlen(read) == len - from && memcmp(read, c->expected + from, len - from) == 0;
}

START_TEST(streams_are_read_by_the_rules_of_the_server)
{
    int n;
    struct test_case *cases = cases_load("server/formats/cases/table", &n);
    for (int i = 0; i < n; i++) {
        for (int max = 2; max < 5; max++) { /* the first two records tell the dialect */
            struct arena arena = ARENA_INIT;
            struct textbuf out = textbuf_in(&arena);
            FILE *file = fmemopen(cases[i].input, cases[i].n_input + (cases[i].n_input == 0), "rb");
            ck_assert_ptr_nonnull(file);
            if (cases[i].n_input == 0) {
                ck_assert_int_eq(fgetc(file), '\0');
            }
            read_all(file, max, &arena, &out);
            ck_assert_msg(is_expected(&cases[i], out.data), "%s, %d at a time: %s", cases[i].name,
                          max, out.data);
            fclose(file);
            arena_release(&arena);
        }
    }
    cases_free(cases, n);
}
END_TEST

static enum err_code read_batch(struct csv_rows *rows, int max, struct textbuf *out, int *n,
                                struct err *err)
{
    struct json_write json = json_write_to(out);
    return csv_rows_read(rows, max, &json, NULL, n, err);
}

/* Whoever writes may wait for the answer to what it has written. */
START_TEST(a_batch_does_not_wait_for_what_follows_it)
{
    static const char first[] = "a,b\n1,2\n3,4\n";
    static const char second[] = "5,6\n\"7\",8\r\n";
    struct arena arena = ARENA_INIT;
    struct csv_rows rows;
    struct err err = ERR_INIT;
    int ends[2];
    int n = 0;
    ck_assert_int_eq(pipe(ends), 0);
    FILE *file = fdopen(ends[0], "rb");
    ck_assert_int_eq(csv_rows_open(file, &rows, &err), ERR_OK);
    struct textbuf out = textbuf_in(&arena);
    ck_assert_int_eq(write(ends[1], first, sizeof first - 1), (int)sizeof first - 1);
    ck_assert_int_eq(read_batch(&rows, 2, &out, &n, &err), ERR_OK);
    ck_assert_str_eq(out.data, "[[1,2],[3,4]]");
    out = textbuf_in(&arena);
    ck_assert_int_eq(write(ends[1], second, sizeof second - 1), (int)sizeof second - 1);
    ck_assert_int_eq(read_batch(&rows, 2, &out, &n, &err), ERR_OK);
    ck_assert_str_eq(out.data, "[[5,6],[7,8]]");
    close(ends[1]);
    ck_assert_int_eq(read_batch(&rows, 2, &out, &n, &err), ERR_OK);
    ck_assert_int_eq(n, 0);
    csv_rows_release(&rows);
    fclose(file);
    arena_release(&arena);
}
END_TEST

START_TEST(what_is_longer_than_a_part_is_one_batch_all_the_same)
{
    struct arena arena = ARENA_INIT;
    struct textbuf out = textbuf_in(&arena);
    struct csv_rows rows;
    struct err err = ERR_INIT;
    const int n_rows = 450000;
    int n = 0;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < n_rows; i++) {
        fprintf(file, "%d,1.0000000000000000000000000000000000\n", i);
    }
    ck_assert_int_gt(ftell(file), 17 * 1024 * 1024); /* parts.h has 16 */
    rewind(file);
    ck_assert_int_eq(csv_rows_open(file, &rows, &err), ERR_OK);
    ck_assert_int_eq(read_batch(&rows, 2 * n_rows, &out, &n, &err), ERR_OK);
    ck_assert_int_eq(n, n_rows);
    ck_assert_int_eq(strncmp(out.data, "[[0,1],[1,1],", 13), 0);
    ck_assert_str_eq(out.data + out.len - 11, "[449999,1]]");
    csv_rows_release(&rows);
    fclose(file);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("csv_rows");
    TCase *tc = tcase_create("csv_rows");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, streams_are_read_by_the_rules_of_the_server);
    tcase_add_test(tc, a_batch_does_not_wait_for_what_follows_it);
    tcase_add_test(tc, what_is_longer_than_a_part_is_one_batch_all_the_same);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
