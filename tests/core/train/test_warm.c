/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings that begin from a model: where each solver begins, and what that is worth. */
#include "warm_cases.h"

#include "predict/predict.h"

/* ---- where it begins ---- */

START_TEST(a_warm_run_begins_where_its_base_ended)
{
    enum solver_kind kind = (enum solver_kind)_i;
    struct rows rows;
    struct train_spec spec = spec_of(kind, false);
    struct watch cold = {.n = 0};
    struct watch warm = {.n = 0};
    make_rows(&rows);
    if (solver_samples(kind)) {
        spec.settings.epochs = 0; /* a fit of the mode would hide where chains begin */
    }
    struct model *base = train(spec, &rows, MAX, NULL, &cold);
    /* The loss of an epoch is taken while it learns. */
    spec.settings.optim.learning_rate = 1e-5;
    struct model *model = train(spec, &rows, MAX, base, &warm);
    double gap = cold.first - cold.last;
    ck_assert_double_gt(gap, 0.0);
    ck_assert_msg(warm.first < cold.last + 0.1 * gap, "%s: %g, its base began at %g, ended at %g",
                  solver_name(kind), warm.first, cold.first, cold.last);
    model_unref(model);
    model_unref(base);
}
END_TEST

/* Root mean square error of output 1 over that of its mean, on the rows from `first` on. */
static double error_of(const struct model *model, const struct rows *rows, int first)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_request req = {
        .n = MAX - first, .x = rows->x + D * first, .want = PREDICT_MEAN, .n_threads = 1};
    double sum = 0.0;
    double mean = 0.0;
    double all = 0.0;
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
    for (int i = 0; i < req.n; i++) {
        mean += rows->y[O * (first + i)] / req.n;
    }
    for (int i = 0; i < req.n; i++) {
        double y = rows->y[O * (first + i)];
        sum += (r.mean[O * i] - y) * (r.mean[O * i] - y);
        all += (y - mean) * (y - mean);
    }
    arena_release(&arena);
    return sqrt(sum / all);
}

START_TEST(fewer_epochs_reach_the_cold_result)
{
    enum { FIRST = 60, ALL = 90, FEWER = 8 };
    enum solver_kind kind = (enum solver_kind)_i;
    struct rows rows;
    struct train_spec spec = spec_of(kind, false);
    make_rows(&rows);
    struct model *base = train(spec, &rows, FIRST, NULL, NULL);
    struct model *cold = train(spec, &rows, ALL, NULL, NULL);
    spec.settings.epochs /= FEWER;
    spec.settings.swag_epochs /= FEWER;
    spec.settings.warmup /= FEWER;
    struct model *shorter = train(spec, &rows, ALL, NULL, NULL);
    struct model *warm = train(spec, &rows, ALL, base, NULL);
    double wanted = error_of(cold, &rows, ALL);
    double found = error_of(warm, &rows, ALL);
    double without = error_of(shorter, &rows, ALL);
    if (solver_samples(kind)) {
        wanted = fmax(wanted, error_of(base, &rows, ALL)); /* chains stay in the mode they are in */
    }
    ck_assert_msg(found < 1.2 * wanted, "%s: %g, the cold run has %g", solver_name(kind), found,
                  wanted);
    /* The short warm-up of a chain may be enough for so easy a posterior, and Levenberg-Marquardt
     * takes few iterations. */
    bool quick = solver_samples(kind) || kind == SOLVER_EVIDENCE;
    ck_assert_msg(quick || found < 0.9 * without, "%s: %g, a short cold run has %g",
                  solver_name(kind), found, without);
    model_unref(base);
    model_unref(cold);
    model_unref(shorter);
    model_unref(warm);
}
END_TEST

/* ---- from one solver to another ---- */

/* Hardly any training comes on top, so that the new model predicts much as its base does. */
static void check_goes_on(enum solver_kind kind, const struct model *base, enum solver_kind other,
                          const struct rows *rows)
{
    struct err err = ERR_INIT;
    struct train_spec spec = spec_of(kind, false);
    spec.settings.epochs = 2;
    spec.settings.swag_epochs = 20;
    spec.settings.warmup = 5;
    spec.settings.optim.learning_rate = 1e-6;
    spec.settings.swag_learning_rate = 1e-9;
    spec.settings.log_sigma_start = -12.0;
    (void)run_of(&spec, rows, MAX, base);
    enum err_code code = train_check_base(&spec, NULL, base, &err);
    if ((kind == SOLVER_PBP || kind == SOLVER_DUQ) && other != kind) {
        ck_assert_int_eq(code, ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.msg, solver_name(other)));
        return;
    }
    ck_assert_msg(code == ERR_OK, "%s from %s: %s", solver_name(kind), solver_name(other),
                  err_msg(&err));
    struct model *model = train(spec, rows, MAX, base, NULL);
    /* One draw of chains is worse than their mean, and dropout costs something, the more the better
     * the base was; without a base two epochs leave an error near 1. */
    double had = error_of(base, rows, 0);
    double found = error_of(model, rows, 0);
    double max = (solver_samples(other) ? 2.0 : 1.25) * had + 0.03;
    ck_assert_msg(found < max + (kind == SOLVER_MC_DROPOUT ? 0.2 : 0.0),
                  "%s from %s: %g, the base has %g", solver_name(kind), solver_name(other), found,
                  had);
    model_unref(model);
}

START_TEST(solvers_start_from_models_of_others)
{
    enum solver_kind other = (enum solver_kind)_i;
    struct rows rows;
    struct train_spec spec = spec_of(other, false);
    make_rows(&rows);
    spec.settings.epochs = 100;
    spec.settings.warmup = 60;
    spec.settings.draws = 20;
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    for (int kind = 0; kind < N_KINDS; kind++) {
        check_goes_on((enum solver_kind)kind, base, other, &rows);
    }
    model_unref(base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warm");
    TCase *tc = tcase_create("warm");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_warm_run_begins_where_its_base_ended, 0, N_KINDS);
    tcase_add_loop_test(tc, fewer_epochs_reach_the_cold_result, 0, N_KINDS);
    tcase_add_loop_test(tc, solvers_start_from_models_of_others, 0, N_KINDS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
