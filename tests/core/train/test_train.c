/* SPDX-License-Identifier: Apache-2.0 */
/* Whole training runs of an ensemble. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "predict/evaluation.h"
#include "solve/solver.h"
#include "train/train.h"

static void make_rows(double *x, double *y, int n, uint32_t stream)
{
    struct rng rng;
    rng_init(&rng, 17, RNG_TEST, stream);
    for (int i = 0; i < n; i++) {
        x[i] = 2.0 * rng_uniform(&rng);
        y[i] = 100.0 + 40.0 * sin(3.0 * x[i]);
    }
}

static enum err_code train(int n_threads, int64_t seed, double dfrac, const struct cancel *cancel,
                           struct model **model, struct err *err)
{
    static double x[120];
    static double y[120];
    struct train_spec spec = train_defaults(SOLVER_ENSEMBLE);
    make_rows(x, y, 120, 0);
    spec.arch.width = 8;
    spec.arch.layers = 2;
    spec.settings.members = 5;
    spec.settings.dfrac = dfrac;
    spec.settings.epochs = 500;
    spec.settings.batch_size = 16;
    spec.seed = seed;
    struct train_run run = {.spec = &spec,
                            .data = {.n = 120, .d = 1, .o = 1, .x = x, .y = y},
                            .n_threads = n_threads,
                            .settings_text = "{}",
                            .cancel = cancel};
    if (train_resolve(&spec, 1, 1, err) != ERR_OK) {
        return err->code;
    }
    return train_run(&run, model, err);
}

START_TEST(training_does_not_depend_on_the_number_of_threads)
{
    static const int threads[] = {1, 2, 7};
    struct model *first = NULL;
    for (int k = 0; k < 3; k++) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        ck_assert_int_eq(train(threads[k], 1, 0.8, NULL, &model, &err), ERR_OK);
        if (first == NULL) {
            first = model;
            continue;
        }
        size_t bytes = (size_t)model->m * (size_t)model->net.n_params * sizeof(double);
        ck_assert_int_eq(memcmp(first->draws, model->draws, bytes), 0);
        ck_assert_int_eq(memcmp(first->noise_sigma, model->noise_sigma, sizeof(double)), 0);
        model_unref(model);
    }
    model_unref(first);
}
END_TEST

START_TEST(another_seed_gives_another_model)
{
    struct err err = ERR_INIT;
    struct model *a = NULL;
    struct model *b = NULL;
    ck_assert_int_eq(train(2, 1, 1.0, NULL, &a, &err), ERR_OK);
    ck_assert_int_eq(train(2, 2, 1.0, NULL, &b, &err), ERR_OK);
    ck_assert_int_ne(memcmp(a->draws, b->draws, sizeof(double)), 0);
    model_unref(a);
    model_unref(b);
}
END_TEST

START_TEST(an_ensemble_learns_a_sine)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    double x[50];
    double y[50];
    struct scores scores = {.n_rows = 0};
    double range[2] = {60.0, 140.0};
    ck_assert_int_eq(train(2, 1, 1.0, NULL, &model, &err), ERR_OK);
    make_rows(x, y, 50, 1);
    struct data rows = {.n = 50, .d = 1, .o = 1, .x = x, .y = y};
    ck_assert_int_eq(evaluation_score(model, &rows, range, &(struct evaluation_run){.n_threads = 1},
                                      &scores, &err),
                     ERR_OK);
    ck_assert_double_le(scores.rmse[0], 0.01 * 80.0); /* 1 % of the range */
    scores_release(&scores);
    ck_assert_int_eq(model->scores.n_rows, 12);
    ck_assert_ptr_nonnull(model->noise_sigma);
    ck_assert_str_eq(model->solver, "ensemble");
    model_unref(model);
}
END_TEST

START_TEST(a_cancelled_training_gives_no_model)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct cancel cancel = {true};
    long live = mem_live();
    ck_assert_int_eq(train(2, 1, 1.0, &cancel, &model, &err), ERR_CANCELLED);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

/* Every allocation of a training run fails in turn, alone and together with all later ones. */
START_TEST(no_failed_allocation_hurts)
{
    long live = mem_live();
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long at = 1;; at++) {
            struct err err = ERR_INIT;
            struct model *model = NULL;
            struct cancel cancel = {true}; /* ends the run after the first minibatch */
            mem_fail_after(at, for_ever == 1);
            enum err_code code = train(1, 1, 0.5, &cancel, &model, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            ck_assert_int_eq(mem_live(), live);
            if (attempts < at) {
                ck_assert_int_eq(code, ERR_CANCELLED);
                break;
            }
            ck_assert_int_eq(code, ERR_NOMEM);
        }
    }
}
END_TEST

START_TEST(a_whole_training_survives_each_failed_allocation)
{
    long live = mem_live();
    struct err err = ERR_INIT;
    struct model *model = NULL;
    mem_fail_after(0, false);
    ck_assert_int_eq(train(1, 1, 0.5, NULL, &model, &err), ERR_OK);
    long total = mem_attempts();
    model_unref(model);
    /* The last allocations come after the fits, when the model is published and scored. */
    for (long at = total; at > total - 12; at--) {
        struct err one = ERR_INIT;
        model = NULL;
        mem_fail_after(at, false);
        ck_assert_int_eq(train(1, 1, 0.5, NULL, &model, &one), ERR_NOMEM);
        mem_fail_after(0, false);
        ck_assert_ptr_null(model);
        ck_assert_int_eq(mem_live(), live);
    }
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_refused)
{
    struct err err = ERR_INIT;
    struct train_spec spec = train_defaults(SOLVER_ENSEMBLE);
    spec.arch.inputs = 3;
    ck_assert_int_eq(train_resolve(&spec, 2, 1, &err), ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.msg, "3 inputs"));
    err_clear(&err);
    spec = train_defaults(SOLVER_ENSEMBLE);
    spec.validation = 0.95;
    ck_assert_int_eq(train_validate(&spec, &err), ERR_INVALID);
    err_clear(&err);
    spec = train_defaults(SOLVER_ENSEMBLE);
    spec.settings.members = 0;
    ck_assert_int_eq(train_validate(&spec, &err), ERR_INVALID);
}
END_TEST

/* The defaults that a plain spec gets for n rows of 3 inputs and o outputs. */
static struct train_spec followed(enum solver_kind solver, bool plain, int64_t n, int o)
{
    struct train_spec spec = train_defaults(solver);
    spec.plain = plain;
    train_follow_rows(&spec, n, 3, o);
    return spec;
}

START_TEST(few_rows_decide_what_a_plain_request_leaves_open)
{
    struct err err = ERR_INIT;
    const struct train_spec given = train_defaults(SOLVER_NUTS);
    struct train_spec few = followed(SOLVER_NUTS, true, TRAIN_FOLLOW_ROWS, 4);
    ck_assert_int_eq(few.settings.hyperparameters, HYPER_EVIDENCE);
    ck_assert_int_eq(few.noise, NOISE_LEARNED);
    ck_assert_int_lt(few.settings.warmup, given.settings.warmup);
    ck_assert_int_ne(few.arch.width, given.arch.width);
    ck_assert_int_eq(train_validate(&few, &err), ERR_OK);
    /* One row, one value of outputs, or one parameter too many; not plain; no such defaults. */
    const struct train_spec others[] = {
        followed(SOLVER_NUTS, true, TRAIN_FOLLOW_ROWS + 1, 1),
        followed(SOLVER_NUTS, true, TRAIN_FOLLOW_VALUES / 5 + 1, 5),
        followed(SOLVER_NUTS, true, 10, TRAIN_FOLLOW_PARAMS / 17),
        followed(SOLVER_NUTS, false, 10, 1),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_int_eq(others[i].settings.hyperparameters, HYPER_GIVEN);
        ck_assert_int_eq(others[i].arch.width, given.arch.width);
        ck_assert_int_eq(others[i].settings.warmup, given.settings.warmup);
    }
    ck_assert_int_eq(followed(SOLVER_VI, true, 10, 1).settings.epochs,
                     train_defaults(SOLVER_VI).settings.epochs);
    /* A warm run keeps its network. */
    struct train_spec warm = train_defaults(SOLVER_ENSEMBLE);
    warm.plain = true;
    warm.start = TRAIN_WARM;
    warm.arch.width = 5;
    train_follow_rows(&warm, 50, 3, 1);
    ck_assert_int_eq(warm.arch.width, 5);
    ck_assert_int_eq(warm.settings.hyperparameters, HYPER_EVIDENCE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train");
    TCase *tc = tcase_create("train");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, training_does_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, another_seed_gives_another_model);
    tcase_add_test(tc, an_ensemble_learns_a_sine);
    tcase_add_test(tc, a_cancelled_training_gives_no_model);
    tcase_add_test(tc, no_failed_allocation_hurts);
    tcase_add_test(tc, a_whole_training_survives_each_failed_allocation);
    tcase_add_test(tc, shapes_that_do_not_fit_are_refused);
    tcase_add_test(tc, few_rows_decide_what_a_plain_request_leaves_open);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
