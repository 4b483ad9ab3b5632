/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trainings that choose what they train: the scores of candidates against trainings of the test's
 * own, refusals, and what stays with the model.
 */
#include "auto_cases.h"

#include "math/gemm.h"
#include "predict/predict.h"

/* ---- scores ---- */

/* A cross-validation of the test's own: the folds, and the sums of -log densities of each row. */
struct own_scores {
    struct data data;
    struct train_spec spec;
    int fold[N];
    int n; /* rows that have been scored */
    double sums[N], counts[N];
};

static double spread(const struct data *data, int j)
{
    double sum = 0.0;
    double squares = 0.0;
    double m = 0.0;
    for (int i = 0; i < data->n; i++) {
        double value = data->y[i * O + j];
        if (!isnan(value)) {
            sum += value;
            m += 1.0;
        }
    }
    for (int i = 0; i < data->n; i++) {
        double gap = data->y[i * O + j] - sum / m;
        squares += isnan(gap) ? 0.0 : gap * gap;
    }
    return sqrt(squares / (m - 1.0));
}

/* A model of the rows outside of a fold. */
static struct model *train_without(const struct own_scores *own, int fold)
{
    static double in[N * D], out[N * O];
    struct data rows = {.d = D, .o = O, .x = in, .y = out};
    struct train_spec spec = own->spec;
    for (int i = 0; i < own->data.n; i++) {
        if (own->fold[i] != fold) {
            memcpy(in + rows.n * D, own->data.x + i * D, D * sizeof *in);
            memcpy(out + rows.n++ * O, own->data.y + i * O, O * sizeof *out);
        }
    }
    return train_well(&spec, rows);
}

/* Scores a fold's rows one by one, in the user's units. */
static void score_own_fold(struct own_scores *own, int fold)
{
    struct model *model = train_without(own, fold);
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    for (int i = 0; i < own->data.n; i++) {
        const struct predict_request req = {.n = 1,
                                            .x = own->data.x + i * D,
                                            .want = PREDICT_MEAN | PREDICT_TOTAL_VARIANCE,
                                            .n_threads = 1};
        if (own->fold[i] != fold) {
            continue;
        }
        ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
        own->sums[own->n] = own->counts[own->n] = 0.0;
        for (int j = 0; j < O; j++) {
            double s = spread(&own->data, j);
            double v = r.total_variance[j];
            double gap = own->data.y[i * O + j] - r.mean[j];
            if (!isnan(gap)) {
                own->sums[own->n] += 0.5 * (gap * gap / v + log(2.0 * acos(-1.0) * v / (s * s)));
                own->counts[own->n] += 1.0;
            }
        }
        own->n++;
        arena_clear(&arena);
    }
    arena_release(&arena);
    model_unref(model);
}

/* The ratio of sums, and its standard error as that of the mean of pseudo-values of a jackknife,
 * which is the same for ratios of equal counts and nearly so else. */
static void own_mean(const struct own_scores *own, double *mean, double *error)
{
    double sums = 0.0;
    double counts = 0.0;
    double squares = 0.0;
    for (int i = 0; i < own->n; i++) {
        sums += own->sums[i];
        counts += own->counts[i];
    }
    *mean = sums / counts;
    for (int i = 0; i < own->n; i++) {
        double gap = (sums - own->sums[i]) / (counts - own->counts[i]) - *mean;
        squares += gap * gap;
    }
    *error = sqrt(squares * (own->n - 1.0) / own->n);
}

/* An ensemble chooses its epochs on rows left out of the others; evidence needs none. */
static void check_candidate(const struct auto_table *table, enum solver_kind solver,
                            const struct data *data)
{
    static struct own_scores own;
    const struct auto_candidate *c = find(table, solver_name(solver));
    double mean, error;
    struct rng rng;
    own = (struct own_scores){.data = *data, .spec = train_defaults(solver)};
    own.spec.arch = c->spec.arch;
    own.spec.seed = 5;
    own.spec.output_scaling = SCALER_STANDARD;
    own.spec.validation = solver == SOLVER_EVIDENCE ? 0.0 : 0.1;
    rng_init(&rng, 5, RNG_FOLD, 1);
    rng_permutation(&rng, data->n, own.fold);
    for (int i = 0; i < data->n; i++) {
        own.fold[i] %= FOLDS;
    }
    for (int f = 0; f < FOLDS; f++) {
        score_own_fold(&own, f);
    }
    own_mean(&own, &mean, &error);
    ck_assert_int_eq(own.n, table->n_rows);
    ck_assert_double_lt(fabs(c->score - mean), 1e-6 * (1.0 + fabs(mean)));
    ck_assert_double_lt(fabs(c->error - error), 0.1 * error);
}

START_TEST(scores_are_those_of_trainings_without_the_fold)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct data data = rows_of(FEW);
    struct auto_table table;
    double holes[FEW * O];
    spec.base.validation = 0.0;
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING; /* two candidates: the solvers */
    spec.base.output_scaling = SCALER_STANDARD;
    for (int k = 0; k < 2; k++) {
        struct auto_run run = run_of(&spec, data);
        model_unref(choose(&run, &table));
        ck_assert_int_eq(table.n, 2);
        ck_assert_int_eq(table.n_rows, FEW);
        ck_assert_int_eq(table.n_folds, FOLDS);
        ck_assert_int_eq(count(&table, AUTO_CHOSEN), 1);
        check_candidate(&table, SOLVER_EVIDENCE, &data);
        if (find(&table, "ensemble")->n_folds == FOLDS) { /* it may have been dropped */
            check_candidate(&table, SOLVER_ENSEMBLE, &data);
        }
        /* Then with rows that miss an output. */
        memcpy(holes, data.y, sizeof holes);
        for (int i = 0; i < FEW; i += 4) {
            holes[i * O + i / 4 % O] = (double)NAN;
        }
        data.y = holes;
    }
}
END_TEST

START_TEST(units_of_outputs_change_no_score)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_table tables[2];
    struct data data = rows_of(FEW);
    double scaled[FEW * O];
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING;
    spec.base.output_scaling = SCALER_STANDARD;
    for (int i = 0; i < FEW; i++) {
        scaled[i * O] = data.y[i * O] * 0x1p-600;
        scaled[i * O + 1] = data.y[i * O + 1] * 0x1p700;
    }
    for (int k = 0; k < 2; k++) {
        struct auto_run run = run_of(&spec, data);
        model_unref(choose(&run, &tables[k]));
        data.y = scaled;
    }
    for (int i = 0; i < tables[0].n; i++) {
        double score = tables[0].candidates[i].score;
        ck_assert_double_lt(fabs(tables[1].candidates[i].score - score),
                            1e-6 * (1.0 + fabs(score)));
    }
    ck_assert_int_eq(tables[0].chosen, tables[1].chosen);
}
END_TEST

/* ---- what there is to choose from ---- */

START_TEST(few_rows_are_trained_at_once)
{
    struct auto_spec spec = tiny_spec(1000);
    struct auto_table table;
    spec.base.validation = 0.0;
    for (int n = AUTO_MIN_ROWS - 1; n <= AUTO_MIN_ROWS; n++) {
        struct auto_run run = run_of(&spec, rows_of(n));
        struct model *model = choose(&run, &table);
        ck_assert_int_eq(table.n_rows, n);
        ck_assert_int_eq(table.n_folds, n < AUTO_MIN_ROWS ? 0 : n);
        if (n < AUTO_MIN_ROWS) {
            ck_assert_int_eq(table.chosen, 0);
            ck_assert(isnan(table.candidates[0].score));
        }
        model_unref(model);
    }
}
END_TEST

/* Of a model of logarithms of which no row is kept out. The first output has noise of 0.02 x 1024,
 * the other one has none. */
START_TEST(noise_is_known_without_kept_rows)
{
    struct auto_spec spec = tiny_spec(100);
    struct auto_table table;
    spec.base.validation = 0.0;
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING;
    spec.base.output_scaling = SCALER_LOG;
    struct auto_run run = run_of(&spec, rows_of(N));
    struct model *model = choose(&run, &table);
    ck_assert_int_eq(model->scores.n_rows, N); /* in the folds */
    ck_assert_ptr_nonnull(model->noise_sigma);
    ck_assert(model->noise_of_logs); /* of outputs of 2 x 1024 and more */
    ck_assert_double_gt(model->noise_sigma[0], 0.005);
    ck_assert_double_lt(model->noise_sigma[0], 0.03);
    ck_assert_double_lt(model->noise_sigma[1], 0.03);
    model_unref(model);
}
END_TEST

/* The noise of a cross-validation is taken where none is known, and only there. */
START_TEST(noise_of_folds_is_for_models_without_kept_rows)
{
    static const double noise[O] = {7.0, 0.25};
    for (int k = 0; k < 2; k++) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_STANDARD);
        struct train_run run = {
            .spec = &spec, .data = rows_of(N), .n_threads = 1, .cross_noise = noise};
        spec.validation = k == 0 ? 0.0 : 0.2;
        ck_assert_int_eq(train_resolve(&spec, D, O, &err), ERR_OK);
        ck_assert_int_eq(train_run(&run, &model, &err), ERR_OK);
        for (int j = 0; j < O; j++) {
            ck_assert_int_eq(model->noise_sigma[j] == noise[j], k == 0);
        }
        model_unref(model);
    }
}
END_TEST

START_TEST(failed_runs_are_learned_once)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_table table;
    struct data data = rows_of(FEW);
    double failed[FEW * O];
    memcpy(failed, data.y, sizeof failed);
    for (int i = 0; i < FEW; i += 5) {
        failed[i * O] = failed[i * O + 1] = (double)NAN;
    }
    data.y = failed;
    struct auto_run run = run_of(&spec, data);
    struct model *model = choose(&run, &table);
    ck_assert_ptr_nonnull(model->feasible);
    ck_assert_int_lt(table.n_rows, FEW);
    model_unref(model);
}
END_TEST

START_TEST(what_cannot_be_chosen_is_refused)
{
    struct err err = ERR_INIT;
    struct auto_spec spec = tiny_spec(10);
    spec.base.start = TRAIN_WARM;
    ck_assert_int_eq(auto_validate(&spec, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "warm start"));
    err_clear(&err);
    spec = tiny_spec(-1);
    ck_assert_int_eq(auto_validate(&spec, &err), ERR_INVALID);
    err_clear(&err);
    spec = tiny_spec(10);
    spec.base.arch.width = 0;
    ck_assert_int_eq(auto_validate(&spec, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "width"));
}
END_TEST

/* Noise that evidence does not have leaves ensembles alone. */
START_TEST(a_given_noise_leaves_the_solvers_that_have_it)
{
    struct auto_spec spec = tiny_spec(1);
    struct auto_table table;
    spec.fixed |= AUTO_FIXED_NOISE;
    spec.base.noise = NOISE_PREDICTED;
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct model *model = choose(&run, &table);
    ck_assert_int_eq(table.n, 1);
    ck_assert_str_eq(table.candidates[0].name, "ensemble");
    ck_assert(model->noise_predicted);
    model_unref(model);
}
END_TEST

START_TEST(given_settings_leave_the_solvers_that_have_them)
{
    static const struct {
        const char *name;
        int n; /* candidates; 0: refused */
    } cases[] = {{"members", 2}, {"batch_size", 1}, {"hessian", 0}};
    int n_settings;
    const struct solver_setting *list = solver_setting_list(&n_settings);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct auto_spec spec = tiny_spec(1);
        struct auto_run run = run_of(&spec, rows_of(FEW));
        struct auto_table table;
        struct err err = ERR_INIT;
        struct model *model = NULL;
        spec.base.settings.members = 3;
        for (int i = 0; i < n_settings; i++) {
            spec.settings |= (uint64_t)(strcmp(list[i].name, cases[k].name) == 0) << i;
        }
        enum err_code code = auto_train(&run, &table, &model, &err);
        ck_assert_int_eq(code, cases[k].n > 0 ? ERR_OK : ERR_INVALID);
        ck_assert_int_eq(table.n, cases[k].n);
        for (int i = 0; i < table.n && k == 0; i++) {
            ck_assert_int_eq(table.candidates[i].spec.settings.members, 3);
        }
        ck_assert(code == ERR_OK || strstr(err.msg, cases[k].name) != NULL);
        model_unref(model);
    }
    ck_assert_int_le(n_settings, 64); /* a bit each */
}
END_TEST

/* Fails the training whose model is to be published, once. */
struct failing {
    int n; /* descriptions asked for */
    char first[32];
};

static enum err_code fail_once(void *ctx, const struct train_spec *chosen, char **text,
                               struct err *err)
{
    struct failing *failing = ctx;
    *text = NULL;
    if (failing->n++ > 0) {
        return ERR_OK;
    }
    snprintf(failing->first, sizeof failing->first, "%s", solver_name(chosen->solver));
    return err_set(err, ERR_NUMERIC, "this one fails");
}

START_TEST(the_next_best_is_trained_when_the_last_training_fails)
{
    struct auto_spec spec = tiny_spec(100);
    struct auto_table table;
    struct failing failing = {.n = 0};
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING; /* two candidates: the solvers */
    struct auto_run run = run_of(&spec, rows_of(FEW));
    run.describe = fail_once;
    run.ctx = &failing;
    struct model *model = choose(&run, &table);
    ck_assert_int_eq(failing.n, 2);
    ck_assert_str_ne(model->solver, failing.first);
    ck_assert_int_eq(count(&table, AUTO_FAILED), 1);
    ck_assert_str_eq(find(&table, failing.first)->why, "this one fails");
    ck_assert_str_eq(table.candidates[table.chosen].name, model->solver);
    model_unref(model);
}
END_TEST

/* Evidence holds derivatives of rows, some 30 MB; an ensemble of such a network next to nothing. */
START_TEST(what_needs_too_much_memory_is_not_tried)
{
    static const struct {
        int64_t max_bytes;
        int too_large;
    } cases[] = {{1000, 3}, {10000000, 2}, {1000000000, 0}};
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run run = run_of(&spec, wide_rows(FEW));
    struct auto_table table;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        run.max_bytes = cases[k].max_bytes;
        enum err_code code = auto_train(&run, &table, &model, &err);
        ck_assert_int_eq(count(&table, AUTO_TOO_LARGE), cases[k].too_large);
        ck_assert_int_eq(code, cases[k].too_large == 3 ? ERR_TOO_LARGE : ERR_OK);
        if (cases[k].too_large == 2) {
            ck_assert_str_eq(model->solver, "ensemble");
            ck_assert_int_eq(table.n_scored, 0); /* with nothing to compare */
        }
        model_unref(model);
    }
}
END_TEST

/* Squares of outputs that are not scaled are no numbers. */
START_TEST(when_all_fail_that_is_the_error)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct data data = make_rows(1.0, 0x1p700);
    struct auto_table table;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING;
    spec.base.output_scaling = SCALER_NONE;
    data.n = FEW;
    struct auto_run run = run_of(&spec, data);
    long live = mem_live();
    ck_assert_int_eq(auto_train(&run, &table, &model, &err), ERR_NUMERIC);
    ck_assert_int_eq(mem_live(), live);
    for (int i = 0; i < table.n; i++) {
        ck_assert_str_ne(table.candidates[i].why, "");
    }
}
END_TEST

static void count_shows(void *ctx, const struct auto_table *table)
{
    int *n = ctx;
    ck_assert_int_ge(table->n, 1);
    ++*n;
}

START_TEST(the_table_is_shown_and_stays_with_the_model)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct auto_table table;
    char name[64];
    int shows = 0;
    run.show = count_shows;
    run.describe = describe;
    run.ctx = &shows;
    struct model *model = choose(&run, &table);
    const struct auto_candidate *c = &table.candidates[table.chosen];
    ck_assert_int_gt(shows, FOLDS);
    ck_assert_str_eq(model->settings, model->solver);
    snprintf(name, sizeof name, "auto.%s.chosen", c->name);
    ck_assert_ptr_nonnull(report_find(&model->report, name));
    snprintf(name, sizeof name, "auto.%s.score", c->name);
    const struct report_item *score = report_find(&model->report, name);
    ck_assert_ptr_nonnull(score);
    ck_assert_double_eq(score->values[0], c->score);
    ck_assert_double_eq(score->values[1], c->error);
    ck_assert_ptr_null(report_find(&model->report, "auto.evidence.seconds"));
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto");
    TCase *tc = tcase_create("threads");
    TCase *rest = tcase_create("rest");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_set_timeout(rest, 240);
    tcase_set_tags(rest, "no_races");
    tcase_add_test(tc, scores_are_those_of_trainings_without_the_fold);
    tcase_add_test(rest, units_of_outputs_change_no_score);
    tcase_add_test(rest, given_settings_leave_the_solvers_that_have_them);
    tcase_add_test(rest, the_next_best_is_trained_when_the_last_training_fails);
    tcase_add_test(rest, few_rows_are_trained_at_once);
    tcase_add_test(rest, noise_is_known_without_kept_rows);
    tcase_add_test(rest, noise_of_folds_is_for_models_without_kept_rows);
    tcase_add_test(tc, failed_runs_are_learned_once);
    tcase_add_test(rest, what_cannot_be_chosen_is_refused);
    tcase_add_test(rest, a_given_noise_leaves_the_solvers_that_have_it);
    tcase_add_test(rest, what_needs_too_much_memory_is_not_tried);
    tcase_add_test(rest, when_all_fail_that_is_the_error);
    tcase_add_test(rest, the_table_is_shown_and_stays_with_the_model);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
