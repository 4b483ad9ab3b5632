/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with the same inputs are on one side of a split, and in one fold. */
#include "base/mem.h"
#include "fit/split.h"
#include "run.h"
#include "train/train.h"
#include "train/train_rows.h"

#include <string.h>

enum { N_INPUTS = 60, RUNS = 3, N = N_INPUTS * RUNS };

/* Each input comes RUNS times, far apart and next to each other, with another output each time. */
struct repeated {
    double x[N];
    double y[N];
};

static void fill(struct repeated *rows, int n_inputs)
{
    for (int i = 0; i < N; i++) {
        rows->x[i] = i < N / 2 ? (i / 2) % n_inputs : (i * 7) % n_inputs;
        rows->y[i] = i;
    }
}

static struct data data_of(const struct repeated *rows, int n)
{
    return (struct data){.n = n, .d = 1, .o = 1, .x = rows->x, .y = rows->y};
}

static struct train_spec spec_of(enum conformal_method method, int folds)
{
    return (struct train_spec){
        .seed = 4,
        .validation = 0.2,
        .calibration = {.method = method, .share = 0.25, .folds = folds},
    };
}

static bool share_inputs(const struct train_rows *a, const struct train_rows *b)
{
    for (int i = 0; i < a->n * b->n; i++) {
        if (a->x[i / b->n] == b->x[i % b->n]) {
            return true;
        }
    }
    return false;
}

static void release_parts(struct train_rows *const *parts)
{
    for (int i = 0; i < 3; i++) {
        train_rows_release(parts[i]);
    }
}

START_TEST(no_input_is_in_two_parts)
{
    static const int n_inputs[] = {N_INPUTS, 17, 10};
    for (size_t k = 0; k < sizeof n_inputs / sizeof *n_inputs; k++) {
        struct repeated rows;
        struct train_rows part[3] = {{.n = 0}};
        struct train_rows *const parts[] = {&part[0], &part[1], &part[2]};
        const struct train_spec spec = spec_of(CONFORMAL_SPLIT, 0);
        struct err err = ERR_INIT;
        fill(&rows, n_inputs[k]);
        const struct data data = data_of(&rows, N);
        ck_assert_int_eq(train_rows_split(&spec, &data, parts, &err), ERR_OK);
        ck_assert_int_eq(part[0].n + part[1].n + part[2].n, N);
        for (int a = 0; a < 3; a++) {
            ck_assert_int_gt(part[a].n, 0);
            ck_assert(!share_inputs(&part[a], &part[(a + 1) % 3]));
        }
        release_parts(parts);
    }
}
END_TEST

START_TEST(of_nine_inputs_with_many_runs_all_train)
{
    struct repeated rows;
    struct train_rows part[3] = {{.n = 0}};
    struct train_rows *const parts[] = {&part[0], &part[1], &part[2]};
    const struct train_spec spec = spec_of(CONFORMAL_NONE, 0);
    struct err err = ERR_INIT;
    fill(&rows, 9);
    const struct data data = data_of(&rows, N);
    ck_assert_int_eq(train_rows_split(&spec, &data, parts, &err), ERR_OK);
    ck_assert_int_eq(part[SPLIT_KEPT].n, N / 5);
    for (int i = 0; i < 9; i++) {
        struct train_rows one = {.n = 1, .x = (double[]){i}};
        ck_assert(share_inputs(&one, &part[SPLIT_TRAIN]));
    }
    release_parts(parts);
}
END_TEST

/* The roles of rows that all differ are those of their places. */
START_TEST(rows_that_differ_are_split_by_their_places)
{
    struct repeated rows;
    unsigned char role[N];
    unsigned char assigned[N];
    struct row_groups groups;
    struct err err = ERR_INIT;
    const struct train_spec spec = spec_of(CONFORMAL_SPLIT, 0);
    for (int i = 0; i < N; i++) {
        rows.x[i] = rows.y[i] = i;
    }
    const struct data data = data_of(&rows, N);
    split_rows(4, N, 0.2, 0.25, role);
    ck_assert_int_eq(row_groups_find(&data, &groups, &err), ERR_OK);
    train_rows_assign(&spec, &groups, &data, assigned);
    ck_assert_mem_eq(role, assigned, N);
    row_groups_release(&groups);
}
END_TEST

/* Rows that are appended change no earlier row's role, and follow a row with their inputs. */
START_TEST(roles_stay_when_rows_are_appended)
{
    struct repeated rows;
    unsigned char whole[N];
    unsigned char part[N];
    struct row_groups groups;
    struct err err = ERR_INIT;
    const struct train_spec spec = spec_of(CONFORMAL_SPLIT, 0);
    fill(&rows, N_INPUTS);
    for (int n = 40; n <= N; n += 7) {
        const struct data data = data_of(&rows, n);
        ck_assert_int_eq(row_groups_find(&data, &groups, &err), ERR_OK);
        train_rows_assign(&spec, &groups, &data, n == 40 ? whole : part);
        ck_assert(n == 40 || memcmp(whole, part, 40) == 0);
        row_groups_release(&groups);
    }
}
END_TEST

START_TEST(no_input_is_in_two_folds)
{
    static const enum conformal_method methods[] = {CONFORMAL_CV_PLUS, CONFORMAL_JACKKNIFE_PLUS};
    for (int k = 0; k < 2; k++) {
        struct repeated rows;
        struct train_rows train;
        struct err err = ERR_INIT;
        int all[N];
        int sizes[N_INPUTS] = {0};
        int *fold = NULL;
        int n_folds = 0;
        const struct train_spec spec = spec_of(methods[k], 7);
        fill(&rows, N_INPUTS);
        for (int i = 0; i < N; i++) {
            all[i] = i;
        }
        const struct data data = data_of(&rows, N);
        ck_assert_int_eq(train_rows_take(&train, &data, all, N, &err), ERR_OK);
        ck_assert_int_eq(train_rows_choose_folds(&spec, &train, &n_folds, &fold, &err), ERR_OK);
        ck_assert_int_eq(n_folds, methods[k] == CONFORMAL_CV_PLUS ? 7 : N_INPUTS);
        for (int i = 0; i < N; i++) {
            sizes[fold[i]]++;
            for (int j = 0; j < i; j++) {
                ck_assert(rows.x[i] != rows.x[j] || fold[i] == fold[j]);
                ck_assert(k == 0 || rows.x[i] == rows.x[j] || fold[i] != fold[j]);
            }
        }
        for (int i = 0; i < n_folds; i++) {
            ck_assert_int_gt(sizes[i], 0);
        }
        mem_free(fold);
        train_rows_release(&train);
    }
}
END_TEST

START_TEST(folds_are_refused_by_the_number_of_different_inputs)
{
    struct repeated rows;
    struct train_rows train;
    struct err err = ERR_INIT;
    int all[N];
    int *fold = NULL;
    int n_folds = 0;
    struct train_spec spec = spec_of(CONFORMAL_CV_PLUS, N_INPUTS);
    fill(&rows, N_INPUTS);
    for (int i = 0; i < N; i++) {
        all[i] = i;
    }
    const struct data data = data_of(&rows, N);
    ck_assert_int_eq(train_rows_take(&train, &data, all, N, &err), ERR_OK);
    ck_assert_int_eq(train_rows_choose_folds(&spec, &train, &n_folds, &fold, &err), ERR_OK);
    mem_free(fold);
    fold = NULL;
    spec.calibration.folds = N_INPUTS + 1;
    ck_assert_int_eq(train_rows_choose_folds(&spec, &train, &n_folds, &fold, &err), ERR_INVALID);
    ck_assert_ptr_null(fold);
    ck_assert(strstr(err_msg(&err), "60 with different inputs, are too few") != NULL);
    train_rows_release(&train);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("same_inputs");
    TCase *tc = tcase_create("same_inputs");
    tcase_add_test(tc, no_input_is_in_two_parts);
    tcase_add_test(tc, of_nine_inputs_with_many_runs_all_train);
    tcase_add_test(tc, rows_that_differ_are_split_by_their_places);
    tcase_add_test(tc, roles_stay_when_rows_are_appended);
    tcase_add_test(tc, no_input_is_in_two_folds);
    tcase_add_test(tc, folds_are_refused_by_the_number_of_different_inputs);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
