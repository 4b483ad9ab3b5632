/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored training rows without a server: rows that span chunks of 1000 bytes, duplicates compared
 * with a plain search, totals that do not depend on how rows arrived, and each allocation failing
 * in turn.
 */
#include "registry_check.h"
#include "run.h"
#include "tmpdb.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/data/column_stats.h"
#include "store/data/data_append.h"
#include "store/data/data_cursor.h"
#include "store/data/data_delete.h"
#include "store/data/data_key.h"
#include "store/data/data_read.h"
#include "store/store.h"

static struct tmpdb place;
static struct db *db;

static void setup(void)
{
    tmpdb_init(&place);
    db = tmpdb_open(&place, 1000);
}

static void teardown(void)
{
    struct err err = ERR_INIT;
    ck_assert_msg(registry_check(db, &err) == ERR_OK, "%s", err.msg);
    db_close(db);
    tmpdb_release(&place);
}

/* Rows [n x 3], values of a small set so that some are equal. */
static void fill(double *rows, int64_t n, uint64_t seed, int kinds)
{
    uint64_t state = seed * 2654435761u + 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double kind = (double)((state >> 33) % (uint64_t)kinds);
        rows[3 * i] = kind;
        rows[3 * i + 1] = sin(kind);
        rows[3 * i + 2] = -kind * 0.5;
    }
}

static struct data_append_result put(const double *rows, int64_t n, bool skip)
{
    struct err err = ERR_INIT;
    struct data_append_result result;
    struct data_upload up = {
        .n = n, .d = 2, .o = 1, .rows = rows, .format = "npy", .skip_duplicates = skip};
    ck_assert_msg(data_store_append(db, "m", &up, &result, &err) == ERR_OK, "%s", err.msg);
    return result;
}

struct copied {
    double *rows;
    int64_t n;
    int64_t max;
};

static enum err_code begin(void *ctx, const struct data_summary *summary,
                           const struct training_data *data, struct err *err)
{
    struct copied *copy = ctx;
    (void)err;
    ck_assert_int_eq(summary->n_inputs, 2);
    copy->max = data->n_rows;
    copy->rows = malloc((size_t)data->n_rows * 3 * sizeof(double) + 1);
    return ERR_OK;
}

static enum err_code visit(void *ctx, const struct data_run *run, struct err *err)
{
    struct copied *copy = ctx;
    (void)err;
    ck_assert_int_le(run->n * 24, 1000);
    ck_assert_int_le(copy->n + run->n, copy->max);
    memcpy(copy->rows + 3 * copy->n, run->rows, (size_t)run->n * 24);
    copy->n += run->n;
    return ERR_OK;
}

START_TEST(rows_span_chunks_and_come_back)
{
    /* 41 rows of 24 bytes fill a chunk of 1000 bytes. */
    static const int64_t sizes[] = {1, 40, 41, 42, 81, 82, 83, 500};
    double rows[500 * 3];
    double all[1000 * 3];
    int64_t n = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(rows, sizes[i], i, 1000000);
        memcpy(all + 3 * n, rows, (size_t)sizes[i] * 24);
        n += sizes[i];
        ck_assert_int_eq(put(rows, sizes[i], false).total_rows, n);
    }
    struct err err = ERR_INIT;
    struct copied copy = {.n = 0};
    struct data_reading reading = {.begin = begin, .visit = visit, .ctx = &copy};
    ck_assert_int_eq(data_store_read(db, "m", &reading, &err), ERR_OK);
    ck_assert_int_eq(copy.n, n);
    ck_assert_int_eq(memcmp(copy.rows, all, (size_t)n * 24), 0);
    free(copy.rows);
    /* Up to the fourth batch only. */
    copy = (struct copied){.n = 0};
    reading.last_batch = 4;
    ck_assert_int_eq(data_store_read(db, "m", &reading, &err), ERR_OK);
    ck_assert_int_eq(copy.n, 124);
    ck_assert_int_eq(copy.max, 124);
    free(copy.rows);
    /* In pieces, twice. */
    struct data_cursor cursor;
    ck_assert_int_eq(data_cursor_open(db, "m", 0, &cursor, &err), ERR_OK);
    for (int turn = 0; turn < 2; turn++) {
        int64_t seen = 0;
        int64_t got;
        while (data_cursor_next(&cursor, &got, &err) == ERR_OK && got > 0) {
            ck_assert_int_eq(memcmp(cursor.rows, all + 3 * seen, (size_t)got * 24), 0);
            seen += got;
        }
        ck_assert_int_eq(err.code, ERR_OK);
        ck_assert_int_eq(seen, n);
        data_cursor_rewind(&cursor);
    }
    data_cursor_close(&cursor);
}
END_TEST

/* Row by row against everything there is. */
static int64_t count_plainly(const double *all, int64_t n_all, const double *rows, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        bool found = false;
        for (int64_t k = 0; k < n_all + i && !found; k++) {
            const double *other = k < n_all ? all + 3 * k : rows + 3 * (k - n_all);
            found = memcmp(other, rows + 3 * i, 24) == 0;
        }
        count += found;
    }
    return count;
}

START_TEST(duplicates_agree_with_a_plain_search)
{
    static double all[20000 * 3];
    double rows[700 * 3];
    int64_t n = 0;
    int64_t kept = 0;
    for (uint64_t turn = 0; turn < 120; turn++) {
        /* Many small uploads and a few large ones: runs of all levels. */
        int64_t size = turn % 10 == 0 ? 700 : 1 + (int64_t)(turn * 7 % 40);
        fill(rows, size, turn, 8000);
        int64_t expected = count_plainly(all, n, rows, size);
        bool skip = turn % 3 == 2;
        struct data_append_result result = put(rows, size, skip);
        ck_assert_int_eq(result.n_duplicates, expected);
        ck_assert_int_eq(result.n_rows, skip ? size - expected : size);
        kept += result.n_rows;
        ck_assert_int_eq(result.total_rows, kept);
        /* What was left out is there already, so that the plain list may have it twice. */
        memcpy(all + 3 * n, rows, (size_t)size * 24);
        n += size;
    }
    ck_assert_int_lt(kept, n);
}
END_TEST

START_TEST(deletion_leaves_the_statistics_of_the_others)
{
    struct err err = ERR_INIT;
    double rows[300 * 3];
    int64_t deleted = 0;
    for (uint64_t turn = 0; turn < 6; turn++) {
        fill(rows, 300, turn, 5000);
        put(rows, 300, false);
    }
    ck_assert_int_eq(data_store_delete_batch(db, "m", 2, &deleted, &err), ERR_OK);
    ck_assert_int_eq(deleted, 300);
    ck_assert_int_eq(data_store_delete_batch(db, "m", 5, &deleted, &err), ERR_OK);
    struct data_summary summary;
    struct training_data data;
    struct column_stats *columns = NULL;
    ck_assert_int_eq(data_store_describe(db, "m", &summary, &data, &columns, &err), ERR_OK);
    ck_assert_int_eq(summary.n_rows, 1200);
    ck_assert_int_eq(summary.n_batches, 4);
    ck_assert_int_eq(data.last_batch, 6);
    double sum = 0.0;
    double high = 0.0;
    for (uint64_t turn = 0; turn < 6; turn++) {
        fill(rows, 300, turn, 5000);
        for (int i = 0; turn != 1 && turn != 4 && i < 300; i++) {
            sum += rows[3 * i];
            high = fmax(high, rows[3 * i]);
        }
    }
    ck_assert_double_eq_tol(columns[0].mean, sum / 1200, 1e-9);
    ck_assert_double_eq(columns[0].high, high);
    ck_assert_double_eq(columns[0].n, 1200);
    mem_free(columns);
    /* Rows of a deleted batch are new again. */
    fill(rows, 300, 1, 5000);
    int64_t there = put(rows, 300, false).n_duplicates;
    ck_assert_int_lt(there, 150);
    ck_assert_int_eq(put(rows, 300, false).n_duplicates, 300);
}
END_TEST

START_TEST(joined_statistics_are_those_of_all_rows)
{
    static double rows[9000];
    struct column_stats whole[3];
    struct column_stats joined[3] = {{.n = 0}};
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < 9000; i++) {
        rows[i] = i % 3 == 0 ? 1e6 + rng_normal(&rng) : i % 3 == 1 ? exp(rng_normal(&rng)) : 2.5;
    }
    column_stats_of(rows, 3000, 3, 3, whole);
    for (int at = 0; at < 3000;) {
        struct column_stats part[3];
        int n = at % 7 + 1 < 3000 - at ? at % 7 + 1 : 3000 - at;
        column_stats_of(rows + 3 * (size_t)at, n, 3, 3, part);
        column_stats_join(joined, part, 3);
        at += n;
    }
    double range[2];
    for (int j = 0; j < 3; j++) {
        ck_assert_double_eq(joined[j].n, 3000);
        ck_assert_double_eq(joined[j].low, whole[j].low);
        ck_assert_double_eq(joined[j].high, whole[j].high);
        ck_assert_double_eq_tol(joined[j].mean, whole[j].mean, 1e-12 * fabs(whole[j].mean));
        ck_assert_double_eq_tol(joined[j].m2, whole[j].m2, 1e-9 * (1.0 + whole[j].m2));
        for (int level = 1; level < 4; level++) {
            double value = column_stats_quantile(&joined[j], 0.25 * level);
            int below = 0;
            for (int i = 0; i < 3000; i++) {
                below += rows[3 * i + j] <= value;
            }
            ck_assert(j == 2 || fabs(below / 3000.0 - 0.25 * level) < 0.03);
        }
    }
    ck_assert(column_stats_usual(&joined[0], range));
    ck_assert(!column_stats_usual(&joined[2], range));
    ck_assert_double_eq(column_stats_quantile(&joined[2], 0.3), 2.5);
}
END_TEST

/* Each column is as if the rows that miss it were not there. */
START_TEST(statistics_are_of_what_is_there)
{
    static double rows[3 * 3000];
    static double present[3000];
    struct column_stats columns[3];
    struct column_stats joined[3] = {{.n = 0}};
    struct column_stats part[3];
    struct column_stats alone;
    struct rng rng;
    int n = 0;
    rng_init(&rng, 7, RNG_TEST, 0);
    for (int i = 0; i < 3000; i++) {
        bool there = rng_uniform(&rng) < 0.6;
        rows[3 * i] = rng_normal(&rng);
        rows[3 * i + 1] = there ? 5.0 + rng_normal(&rng) : (double)NAN;
        rows[3 * i + 2] = (double)NAN;
        present[n] = rows[3 * i + 1];
        n += there;
    }
    column_stats_of(rows, 3000, 3, 3, columns);
    column_stats_of(present, n, 1, 1, &alone);
    ck_assert_double_eq(columns[0].n, 3000);
    ck_assert_mem_eq(&columns[1], &alone, sizeof alone);
    ck_assert_double_eq(columns[2].n, 0);
    for (int at = 0; at < 3000; at += 500) {
        column_stats_of(rows + 3 * (size_t)at, 500, 3, 3, part);
        column_stats_join(joined, part, 3);
    }
    ck_assert_double_eq(joined[1].n, n);
    ck_assert_double_eq(joined[1].low, alone.low);
    ck_assert_double_eq(joined[1].high, alone.high);
    ck_assert_double_eq_tol(joined[1].mean, alone.mean, 1e-12);
    ck_assert_double_eq(joined[2].n, 0);
    part[2] = alone; /* values come at last */
    column_stats_join(joined, part, 3);
    ck_assert_double_eq(joined[2].mean, alone.mean);
}
END_TEST

/* There are four read connections and one to write: an open transaction would soon be missed. */
START_TEST(a_model_that_is_absent_leaves_no_transaction_open)
{
    double rows[3] = {1.0, 2.0, 3.0};
    for (int i = 0; i < 10; i++) {
        struct err err = ERR_INIT;
        struct data_summary summary;
        int64_t n_rows = 0;
        ck_assert_int_eq(data_store_summary(db, "absent", &summary, &err), ERR_NOT_FOUND);
        ck_assert_str_eq(err.msg, "there is no model absent");
        err_clear(&err);
        ck_assert_int_eq(data_store_delete(db, "absent", &n_rows, &err), ERR_NOT_FOUND);
    }
    ck_assert_int_eq(put(rows, 1, false).total_rows, 1);
}
END_TEST

START_TEST(every_allocation_of_an_upload_may_fail)
{
    static const unsigned char payload[32] = {7};
    double rows[200 * 3];
    fill(rows, 100, 1, 100000);
    put(rows, 100, false);
    fill(rows + 300, 100, 2, 100000);
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct data_append_result result;
        struct data_summary summary;
        struct data_upload up = {.n = 200,
                                 .d = 2,
                                 .o = 1,
                                 .rows = rows,
                                 .format = "npy",
                                 .key = "key",
                                 .payload = payload,
                                 .skip_duplicates = true};
        long live = mem_live();
        mem_fail_after(at, false);
        enum err_code code = data_store_append(db, "m", &up, &result, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        ck_assert_int_eq(mem_live(), live);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            ck_assert_int_eq(result.n_duplicates, 100);
            ck_assert_int_eq(result.total_rows, 200);
            ck_assert_int_eq(result.repeated, 0);
            break;
        }
        ck_assert_msg(code == ERR_NOMEM, "allocation %ld: %s", at, err_msg(&err));
        err_clear(&err);
        ck_assert_int_eq(data_store_summary(db, "m", &summary, &err), ERR_OK);
        ck_assert_int_eq(summary.n_rows, 100);
        ck_assert_int_eq(data_store_find_key(db, "m", "key", payload, &result, &err),
                         ERR_NOT_FOUND);
    }
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        int64_t deleted = 0;
        long live = mem_live();
        mem_fail_after(at, false);
        enum err_code code = data_store_delete_batch(db, "m", 1, &deleted, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        ck_assert_int_eq(mem_live(), live);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            ck_assert_int_eq(deleted, 100);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data_store");
    TCase *tc = tcase_create("data_store");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, rows_span_chunks_and_come_back);
    tcase_add_test(tc, duplicates_agree_with_a_plain_search);
    tcase_add_test(tc, deletion_leaves_the_statistics_of_the_others);
    tcase_add_test(tc, joined_statistics_are_those_of_all_rows);
    tcase_add_test(tc, statistics_are_of_what_is_there);
    tcase_add_test(tc, a_model_that_is_absent_leaves_no_transaction_open);
    tcase_add_test(tc, every_allocation_of_an_upload_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
