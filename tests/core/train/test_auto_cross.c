/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of auto that are trained on all rows: their scores are of what models without a fold
 * predict, which the test trains and scores by itself.
 */
#include "auto_cases.h"

#include "predict/predict.h"

/* A choice among evidence and others, without logarithms. */
static struct auto_spec free_spec(void)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING;
    spec.base.output_scaling = SCALER_STANDARD;
    return spec;
}

static void find_folds(int n, int *fold)
{
    struct rng rng;
    rng_init(&rng, 5, RNG_FOLD, 1);
    rng_permutation(&rng, n, fold);
    for (int i = 0; i < n; i++) {
        fold[i] %= FOLDS;
    }
}

/* What a model of the rows outside of row i's fold predicts of row i. */
static void predict_without(const struct data *data, const int *fold, int f, double *mean,
                            double *std)
{
    static double in[N * D], out[N * O];
    struct data rows = {.d = D, .o = O, .x = in, .y = out};
    struct train_spec spec = train_defaults(SOLVER_EVIDENCE);
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    spec.arch.width = 3;
    spec.arch.layers = 1;
    spec.seed = 5;
    spec.validation = 0.0;
    for (int i = 0; i < data->n; i++) {
        if (fold[i] != f) {
            memcpy(in + rows.n * D, data->x + i * D, D * sizeof *in);
            memcpy(out + rows.n++ * O, data->y + i * O, O * sizeof *out);
        }
    }
    struct model *model = train_well(&spec, rows);
    for (int i = 0; i < data->n; i++) {
        const struct predict_request req = {.n = 1,
                                            .x = data->x + i * D,
                                            .want = PREDICT_MEAN | PREDICT_TOTAL_VARIANCE,
                                            .n_threads = 1};
        ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
        for (int j = 0; fold[i] == f && j < O; j++) {
            mean[i * O + j] = r.mean[j];
            std[i * O + j] = sqrt(r.total_variance[j]);
        }
        arena_clear(&arena);
    }
    arena_release(&arena);
    model_unref(model);
}

/* The scores in plain words: root of the mean square, -log density, share within 90 %. */
static void check_scores(const struct model *model, const struct data *data, const double *mean,
                         const double *std)
{
    for (int j = 0; j < O; j++) {
        double squares = 0.0;
        double nll = 0.0;
        double within = 0.0;
        double n = 0.0;
        for (int i = 0; i < data->n; i++) {
            double gap = data->y[i * O + j] - mean[i * O + j];
            double s = std[i * O + j];
            if (!isnan(gap)) {
                squares += gap * gap;
                nll += 0.5 * gap * gap / (s * s) + log(s) + 0.5 * log(2.0 * acos(-1.0));
                within += fabs(gap) <= 1.6448536269514722 * s;
                n += 1.0;
            }
        }
        double rmse = sqrt(squares / n);
        ck_assert_double_eq_tol(model->scores.rmse[j], rmse, 1e-7 * rmse);
        ck_assert_double_eq_tol(model->scores.nll[j], nll / n, 1e-6 * (1.0 + fabs(nll / n)));
        ck_assert_double_eq_tol(model->scores.coverage[j * SCORES_INTERVALS + 1], within / n, 1e-9);
    }
    ck_assert_ptr_null(model->scores.nll_draws);
}

START_TEST(scores_are_those_of_models_without_the_fold)
{
    const struct auto_spec spec = free_spec();
    struct data data = rows_of(FEW);
    struct train_cross cross = {.n = 0};
    struct auto_table table;
    double holes[FEW * O];
    double mean[FEW * O];
    double std[FEW * O];
    int fold[FEW];
    memcpy(holes, data.y, sizeof holes);
    for (int i = 0; _i == 1 && i < FEW; i += 4) {
        holes[i * O + i / 4 % O] = (double)NAN;
    }
    data.y = holes;
    struct auto_run run = run_of(&spec, data);
    run.cross = &cross;
    struct model *model = choose(&run, &table);
    ck_assert_str_eq(model->solver, "evidence");
    find_folds(FEW, fold);
    for (int f = 0; f < FOLDS; f++) {
        predict_without(&data, fold, f, mean, std);
    }
    ck_assert_int_eq(table.n_rows, FEW);
    ck_assert_int_eq(cross.n, FEW);
    ck_assert_int_eq(model->scores.n_rows, FEW);
    ck_assert_int_eq((int)report_find(&model->report, "scores.folds")->values[0], FOLDS);
    for (int i = 0; i < FEW; i++) {
        ck_assert_int_eq(cross.rows[i], i);
        for (int j = 0; j < O; j++) {
            double unit = j == 0 ? 1024.0 : 1.0;
            ck_assert_double_eq_tol(cross.mean[i * O + j], mean[i * O + j], 1e-8 * unit);
            ck_assert_double_eq_tol(cross.std[i * O + j], std[i * O + j], 1e-8 * unit);
        }
    }
    check_scores(model, &data, mean, std);
    train_cross_release(&cross);
    model_unref(model);
}
END_TEST

/* All rows train, so that the model is the one that a request for all rows gives. */
START_TEST(the_model_is_of_all_rows)
{
    const struct auto_spec spec = free_spec();
    const struct auto_run run = run_of(&spec, rows_of(FEW));
    struct auto_table table;
    struct model *chosen = choose(&run, &table);
    struct train_spec all = table.candidates[table.chosen].spec;
    ck_assert_double_eq(all.validation, 0.0);
    all.arch.inputs = all.arch.outputs = 0;
    struct model *model = train_well(&all, rows_of(FEW));
    ck_assert_int_eq(chosen->gaussian.n_members, model->gaussian.n_members);
    for (int i = 0; i < model->gaussian.n_members; i++) {
        ck_assert_mem_eq(chosen->gaussian.members[i].mean, model->gaussian.members[i].mean,
                         (size_t)model->net.n_params * sizeof(double));
    }
    ck_assert_int_eq(model->scores.n_rows, 0);
    model_unref(chosen);
    model_unref(model);
}
END_TEST

/* Where the spec says what is kept, where nothing is compared, and where a solver needs kept rows.
 */
START_TEST(rows_are_kept_where_they_must_be)
{
    struct auto_table table;
    for (int k = 0; k < 3; k++) {
        struct auto_spec spec = free_spec();
        struct train_cross cross = {.n = 0};
        if (k == 0) {
            spec.fixed |= AUTO_FIXED_VALIDATION;
            spec.base.validation = 0.2;
        } else if (k == 1) {
            spec.fits = 1;
        } else {
            spec.fixed |= AUTO_FIXED_OPTIMIZER; /* evidence has none */
        }
        struct auto_run run = run_of(&spec, rows_of(FEW));
        run.cross = &cross;
        struct model *model = choose(&run, &table);
        ck_assert_int_eq(model->scores.n_rows, k == 0 ? FEW / 5 : FEW / 10);
        ck_assert_int_eq(table.n_rows, k == 0 ? FEW - FEW / 5 : FEW);
        ck_assert_ptr_null(report_find(&model->report, "scores.folds"));
        ck_assert_int_eq(cross.n, 0);
        model_unref(model);
    }
}
END_TEST

/* Rows that chance alone tells: the folds say that the fit is poor. */
START_TEST(a_poor_fit_is_told_by_the_folds)
{
    const struct auto_spec spec = free_spec();
    struct data data = rows_of(FEW);
    struct auto_table table;
    struct rng rng;
    rng_init(&rng, 9, RNG_TEST, 0);
    for (int i = 0; i < FEW * O; i++) {
        y[i] = rng_normal(&rng);
    }
    const struct auto_run run = run_of(&spec, data);
    struct model *model = choose(&run, &table);
    ck_assert_ptr_nonnull(warning(model, "poor_fit"));
    model_unref(model);
}
END_TEST

/* Only the chosen rows count, in any order of magnitude of the outputs. */
START_TEST(chosen_rows_alone_are_scored)
{
    static const double unit[] = {1.0, 0x1p600, 0x1p-600};
    const double range[2 * O] = {0.0, unit[_i], 0.0, unit[_i]};
    struct err err = ERR_INIT;
    struct data data = make_rows(1.0, unit[_i]);
    struct train_spec spec = small_spec(SOLVER_EVIDENCE, SCALER_STANDARD);
    struct scores scores = {.n_rows = 0};
    struct train_cross cross = {.n = 0};
    unsigned char chosen[N] = {0};
    const struct train_cross_rows rows = {&data, chosen, range};
    for (int i = 0; i < N; i++) {
        y[i * O + 1] *= unit[_i];
    }
    struct model *model = train_well(&spec, data);
    ck_assert_int_eq(train_cross_new(&cross, N, O, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        cross.rows[i] = i;
        chosen[i] = i % 2 == 0;
        for (int j = 0; j < O; j++) {
            cross.mean[i * O + j] = y[i * O + j] + (i % 2 == 0 ? 0.25 : 8.0) * unit[_i];
            cross.std[i * O + j] = unit[_i];
        }
    }
    ck_assert_int_eq(train_cross_score(&cross, &rows, model, &scores, &err), ERR_OK);
    ck_assert_int_eq(scores.n_rows, N / 2);
    for (int j = 0; j < O; j++) {
        double nll = 0.5 * 0.0625 + log(unit[_i]) + 0.5 * log(2.0 * acos(-1.0));
        ck_assert_double_eq_tol(scores.rmse[j], 0.25 * unit[_i], 1e-12 * unit[_i]);
        ck_assert_double_eq_tol(scores.nll[j], nll, 1e-9 * (1.0 + fabs(nll)));
    }
    scores_release(&scores);
    memset(chosen, 0, sizeof chosen);
    ck_assert_int_eq(train_cross_score(&cross, &rows, model, &scores, &err), ERR_INVALID);
    train_cross_release(&cross);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto_cross");
    TCase *tc = tcase_create("rows");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, scores_are_those_of_models_without_the_fold, 0, 2);
    tcase_add_test(tc, the_model_is_of_all_rows);
    tcase_add_test(tc, rows_are_kept_where_they_must_be);
    tcase_add_test(tc, a_poor_fit_is_told_by_the_folds);
    tcase_add_loop_test(tc, chosen_rows_alone_are_scored, 0, 3);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
