/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of rows in their roles, and what comes of them: places, spaces, rows, failures. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/train_roles.h"

#define N 4
#define C 5

/* w, y, kept, sd of y, dy/db; another target in place of the derivative with one role fewer. */
static struct train_column columns[] = {
    {.role = TRAIN_WEIGHT, .name = (char *)"w"},
    {.role = TRAIN_VALIDATION, .name = (char *)"2"},
    {.role = TRAIN_SIGMA, .name = (char *)"sd", .of = (char *)"y"},
    {.role = TRAIN_DERIVATIVE, .name = (char *)"dy", .of = (char *)"y", .by = (char *)"b"},
};
static const struct train_roles roles = {.n_columns = 4, .columns = columns};
static const char *const names[] = {"a", "b", "w", "y", "kept", "sd", "dy"};
static const double rows[N * C] = {
    2,   10, 0,   0.1, 5,   /* plain */
    NAN, 11, 1,   0.2, NAN, /* weight 1, kept, no derivative */
    0,   12, 0,   0.3, 7,   /* no row */
    1,   13, NAN, 0.4, 8,   /* trains */
};
static const double inputs[N * 2] = {0, 1, 2, 3, 4, 5, 6, 7};

static struct space *named(void)
{
    struct err err = ERR_INIT;
    struct space *space = NULL;
    static const char *const units[7] = {NULL};
    ck_assert_int_eq(space_of_names(2, C, names, units, &space, &err), ERR_OK);
    return space;
}

START_TEST(rows_are_taken_in_their_roles)
{
    struct err err = ERR_INIT;
    struct space *space = named();
    struct train_roles_rows taken = {.y = NULL};
    struct data data = {.n = N, .d = 2, .o = C, .x = inputs, .y = rows};
    ck_assert_int_eq(train_roles_apply(&roles, &data, &space, &taken, &err), ERR_OK);
    ck_assert_int_eq(data.o, 1);
    ck_assert_int_eq(space->o, 1);
    ck_assert_str_eq(space->outputs[0].name, "y");
    for (int i = 0; i < N; i++) {
        static const double weights[] = {2, 1, 0, 1};
        ck_assert_double_eq(data.y[i], 10.0 + i);
        ck_assert_double_eq(data.weights[i], weights[i]);
        ck_assert_double_eq(data.sigmas[i], rows[i * C + 3]);
        ck_assert_int_eq(data.kept[i], i == 1);
        ck_assert(isnan(data.jacobian[2 * i]));
        ck_assert(i == 1 ? isnan(data.jacobian[3]) : data.jacobian[2 * i + 1] == rows[i * C + 4]);
    }
    train_roles_rows_release(&taken);
    space_unref(space);
}
END_TEST

/* Without memory nothing changes, and nothing leaks. */
START_TEST(failed_allocations_are_errors)
{
    struct err err = ERR_INIT;
    struct space *space = named();
    int at = 1;
    for (;; at++) {
        struct train_roles_rows taken = {.y = NULL};
        struct data data = {.n = N, .d = 2, .o = C, .x = inputs, .y = rows};
        const struct space *before = space;
        mem_fail_after(at, false);
        enum err_code code = train_roles_apply(&roles, &data, &space, &taken, &err);
        mem_fail_after(0, false);
        if (code == ERR_OK) {
            train_roles_rows_release(&taken);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_ptr_eq(space, before);
        ck_assert_int_eq(data.o, C);
        err_clear(&err);
    }
    ck_assert_int_gt(at, 8);
    space_unref(space);
}
END_TEST

START_TEST(bad_rows_name_their_place)
{
    struct err err = ERR_INIT;
    double own[N * C];
    struct space *space = named();
    struct train_roles_rows taken = {.y = NULL};
    struct data data = {.n = N, .d = 2, .o = C, .x = inputs, .y = own};
    memcpy(own, rows, sizeof own);
    own[3 * C + 3] = NAN; /* the noise of an output that is there */
    ck_assert_int_eq(train_roles_apply(&roles, &data, &space, &taken, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 3);
    err_clear(&err);
    own[3 * C + 3] = 1;
    own[0] = -1;
    ck_assert_int_eq(train_roles_apply(&roles, &data, &space, &taken, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 0);
    space_unref(space);
}
END_TEST

START_TEST(roles_that_make_no_sense_are_refused)
{
    struct train_column two[] = {{.role = TRAIN_WEIGHT, .name = (char *)"w"},
                                 {.role = TRAIN_WEIGHT, .name = (char *)"y"}};
    struct train_column alone[] = {{.role = TRAIN_SIGMA, .name = (char *)"sd"}};
    struct train_constraint period = {
        .kind = TRAIN_PERIODIC, .input = (char *)"a", .low = 1, .high = 1};
    const struct train_roles bad[] = {{.n_columns = 2, .columns = two},
                                      {.n_columns = 1, .columns = alone},
                                      {.n_constraints = 1, .constraints = &period}};
    for (int i = 0; i < 3; i++) {
        struct err err = ERR_INIT;
        ck_assert_int_eq(train_roles_validate(&bad[i], &err), ERR_INVALID);
    }
    struct err err = ERR_INIT;
    ck_assert_int_eq(train_roles_validate(&roles, &err), ERR_OK);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("roles");
    TCase *tcase = tcase_create("roles");
    tcase_add_test(tcase, rows_are_taken_in_their_roles);
    tcase_add_test(tcase, failed_allocations_are_errors);
    tcase_add_test(tcase, bad_rows_name_their_place);
    tcase_add_test(tcase, roles_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(suite());
}
