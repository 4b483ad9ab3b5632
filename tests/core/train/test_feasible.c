/* SPDX-License-Identifier: Apache-2.0 */
/* P(run succeeds) of models that were trained with failed runs. */
#include "memory_checkpoint.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/cross_entropy.h"
#include "fit/logistic.h"
#include "fit/split.h"
#include "math/gemm.h"
#include "model/codec.h"
#include "predict/feasible.h"
#include "predict/predict_join.h"
#include "train/train.h"

enum { D = 2, N = 240 };

static double x[N * D];
static double y[N];

/* Runs fail at high x0, where `bound` is passed; their outputs are missing. */
static struct data make_rows(double bound)
{
    struct rng rng;
    rng_init(&rng, 12, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        x[i * D] = 10.0 * rng_uniform(&rng);
        x[i * D + 1] = 100.0 * rng_uniform(&rng);
        y[i] = x[i * D] > bound ? (double)NAN : sin(x[i * D]) + 0.01 * x[i * D + 1];
    }
    return (struct data){.n = N, .d = D, .o = 1, .x = x, .y = y};
}

static struct train_spec small_spec(enum solver_kind solver)
{
    struct train_spec spec = train_defaults(solver);
    spec.arch.width = 6;
    spec.arch.layers = 1;
    spec.settings.members = 2;
    spec.settings.epochs = 5;
    spec.settings.draws = 4;
    spec.validation = 0.2;
    spec.seed = 3;
    return spec;
}

static enum err_code train(struct train_spec *spec, const struct train_run *how,
                           struct model **model, struct err *err)
{
    struct train_run run = *how;
    run.spec = spec;
    run.n_threads = run.n_threads > 0 ? run.n_threads : 2;
    if (train_validate(spec, err) != ERR_OK || train_resolve(spec, D, 1, err) != ERR_OK) {
        return err->code;
    }
    return train_run(&run, model, err);
}

static struct model *train_well(struct train_spec *spec, struct data data)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    const struct train_run how = {.data = data};
    ck_assert_msg(train(spec, &how, &model, &err) == ERR_OK, "%s", err_msg(&err));
    return model;
}

static void predict(const struct model *model, const double *at, int n, struct arena *arena,
                    struct predict_result *out)
{
    struct err err = ERR_INIT;
    const struct predict_request req = {
        .n = n, .x = at, .want = PREDICT_FEASIBLE | PREDICT_MEAN, .n_threads = 2};
    ck_assert_msg(predict_run(model, &req, arena, out, &err) == ERR_OK, "%s", err_msg(&err));
}

static double number(const struct model *model, const char *name)
{
    const struct report_item *item = report_find(&model->report, name);
    ck_assert_msg(item != NULL && item->n == 1, "%s", name);
    return item->values[0];
}

static void check_bytes(const struct model *model)
{
    struct err err = ERR_INIT;
    unsigned char *bytes = NULL;
    unsigned char *again = NULL;
    size_t n = 0;
    size_t m = 0;
    struct model *copy = NULL;
    ck_assert_int_eq(codec_encode(model, &bytes, &n, &err), ERR_OK);
    ck_assert_msg(codec_decode(bytes, n, &copy, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_int_eq(codec_encode(copy, &again, &m, &err), ERR_OK);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(bytes, again, n);
    ck_assert_uint_gt(model_bytes(model), model_bytes(model->feasible));
    /* Cut short or damaged at any byte of the model within, it is refused or another model. */
    for (size_t at = n - 1; at > n - n / 3; at -= 7) {
        struct model *damaged = NULL;
        struct err bad = ERR_INIT;
        ck_assert_int_ne(codec_decode(bytes, at, &damaged, &bad), ERR_OK);
        err_clear(&bad);
        bytes[at] ^= 0x41;
        if (codec_decode(bytes, n, &damaged, &bad) == ERR_OK) {
            model_unref(damaged);
        }
        bytes[at] ^= 0x41;
    }
    mem_free(bytes);
    mem_free(again);
    model_unref(copy);
}

/* ---- networks ---- */

START_TEST(networks_tell_where_runs_fail)
{
    static const enum solver_kind solvers[] = {SOLVER_ENSEMBLE, SOLVER_LAPLACE};
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    const double at[6] = {2.0, 50.0, 6.9, 50.0, 9.5, 50.0};
    struct train_spec spec = small_spec(solvers[_i]);
    struct model *model = train_well(&spec, make_rows(7.0));
    ck_assert_ptr_nonnull(model->feasible);
    ck_assert_int_eq(model->feasible->m, FEASIBLE_MEMBERS);
    predict(model, at, 3, &arena, &r);
    ck_assert_double_gt(r.feasible[0], 0.95);
    ck_assert_double_lt(r.feasible[2], 0.05);
    ck_assert_double_lt(r.feasible[1], r.feasible[0]);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_gt(r.feasible[3 + i], 0.0);
        ck_assert_double_lt(r.feasible[3 + i], 0.5);
    }
    ck_assert_double_gt(number(model, "feasible.auc"), 0.95);
    ck_assert_double_lt(number(model, "feasible.log_loss"), 0.25);
    ck_assert_double_eq(number(model, "feasible.train_rows") + number(model, "feasible.kept_rows"),
                        N);
    check_bytes(model);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* The mean and standard deviation over the draws, by hand. */
START_TEST(the_prediction_is_of_the_draws)
{
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    struct model *model = train_well(&spec, make_rows(7.0));
    predict(model, x, N, &arena, &r);
    struct model *f = model->feasible;
    struct predict_result logits;
    const struct predict_request req = {
        .n = N, .x = x, .want = PREDICT_SAMPLES, .n_samples = f->m, .n_threads = 1};
    ck_assert_int_eq(predict_run(f, &req, &arena, &logits, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        double mean = 0.0;
        double squares = 0.0;
        for (int j = 0; j < f->m; j++) {
            mean += 1.0 / (1.0 + exp(-logits.samples[j * N + i])) / f->m;
        }
        for (int j = 0; j < f->m; j++) {
            double dev = 1.0 / (1.0 + exp(-logits.samples[j * N + i])) - mean;
            squares += dev * dev;
        }
        ck_assert_double_eq_tol(r.feasible[i], mean, 1e-12);
        ck_assert_double_eq_tol(r.feasible[N + i], sqrt(squares / (f->m - 1)), 1e-12);
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* ---- a regression ---- */

START_TEST(few_failures_are_a_regression)
{
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    struct data rows = make_rows(9.75);
    struct model *model = train_well(&spec, rows);
    double failed = number(model, "feasible.train_failed");
    ck_assert(failed > 0.0 && failed < FEASIBLE_MIN);
    ck_assert_int_eq(model->feasible->m, FEASIBLE_DRAWS);
    ck_assert_str_eq(model->feasible->solver, "logistic");
    /* The same on the same rows, scaled as the model does. */
    unsigned char role[N];
    double z[N * D];
    double labels[N];
    double params[D + 1];
    int n = 0;
    split_rows(3, N, 0.2, 0.0, role);
    for (int i = 0; i < N; i++) {
        if (role[i] == SPLIT_TRAIN) {
            for (int j = 0; j < D; j++) {
                z[n * D + j] = (x[i * D + j] - model->in[j].shift) / model->in[j].scale;
            }
            labels[n++] = isnan(y[i]) ? 0.0 : 1.0;
        }
    }
    const struct data scaled = {.n = n, .d = D, .o = 1, .x = z, .y = labels};
    ck_assert_int_eq(logistic_fit(&scaled, 1.0, NULL, params, NULL, &err), ERR_OK);
    size_t k = (size_t)model->feasible->net.n_params;
    for (int j = 0; j <= D; j++) {
        double mean = 0.0;
        for (int draw = 0; draw < FEASIBLE_DRAWS; draw++) {
            mean += model->feasible->draws[(size_t)draw * k + (size_t)j] / FEASIBLE_DRAWS;
        }
        ck_assert_double_eq_tol(mean, params[j], 1e-10);
    }
    predict(model, x, N, &arena, &r);
    double low = 0.0;
    for (int i = 0; i < N; i++) {
        ck_assert(r.feasible[i] > 0.0 && r.feasible[i] < 1.0);
        ck_assert_double_gt(r.feasible[N + i], 0.0);
        low += isnan(y[i]) ? r.feasible[i] / (N - n) : 0.0;
    }
    ck_assert_double_lt(low, 0.9);
    check_bytes(model);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* ---- the rest of the model ---- */

START_TEST(failed_runs_change_nothing_else)
{
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    struct err err = ERR_INIT;
    struct data rows = make_rows(20.0);
    struct model *plain = NULL;
    struct model *model = NULL;
    unsigned char failed[N + 12] = {0};
    static double more_x[(N + 12) * D];
    static double more_y[N + 12];
    memcpy(more_x, x, sizeof x);
    memcpy(more_y, y, sizeof y);
    for (int i = 0; i < 12; i++) {
        failed[N + i] = 1;
        more_y[N + i] = NAN;
        more_x[(N + i) * D] = 11.0;
        more_x[(N + i) * D + 1] = 3.0;
    }
    struct train_run how = {.data = rows};
    ck_assert_int_eq(train(&spec, &how, &plain, &err), ERR_OK);
    ck_assert_ptr_null(plain->feasible);
    how.data = (struct data){.n = N + 12, .d = D, .o = 1, .x = more_x, .y = more_y};
    how.failed = failed;
    ck_assert_msg(train(&spec, &how, &model, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_ptr_nonnull(model->feasible);
    ck_assert_mem_eq(plain->draws, model->draws,
                     (size_t)plain->m * (size_t)plain->net.n_params * sizeof(double));
    ck_assert_double_eq(plain->scores.rmse[0], model->scores.rmse[0]);
    ck_assert_double_eq(plain->training_range[1], model->training_range[1]);
    /* Nobody failed, although outputs are missing. */
    memset(failed, 0, sizeof failed);
    struct model *none = NULL;
    ck_assert_int_eq(train(&spec, &how, &none, &err), ERR_OK);
    ck_assert_ptr_null(none->feasible);
    const double at[D] = {1.0, 1.0};
    const struct predict_request req = {.n = 1, .x = at, .want = PREDICT_FEASIBLE};
    ck_assert_int_eq(predict_check(none, &req, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "without failed runs"));
    model_unref(plain);
    model_unref(model);
    model_unref(none);
}
END_TEST

START_TEST(neither_threads_nor_interruptions_change_it)
{
    struct err err = ERR_INIT;
    struct model *whole = NULL;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    struct train_run how = {.data = make_rows(7.0), .n_threads = 1};
    ck_assert_int_eq(train(&spec, &how, &whole, &err), ERR_OK);
    size_t bytes =
        (size_t)FEASIBLE_MEMBERS * (size_t)whole->feasible->net.n_params * sizeof(double);
    for (int at = 4; at < 120; at += 23) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        struct model *model = NULL;
        memory_checkpoint_init(&memory, 9);
        memory.cancel = &cancel;
        memory.die_after = at;
        how.n_threads = 3;
        how.checkpoint = &memory.checkpoint;
        how.cancel = &cancel;
        err_clear(&err);
        enum err_code code = train(&spec, &how, &model, &err);
        if (code != ERR_OK) {
            ck_assert_int_eq(code, ERR_CANCELLED);
            err_clear(&err);
            atomic_store(&cancel.stop, false);
            memory_checkpoint_revive(&memory);
            ck_assert_msg(train(&spec, &how, &model, &err) == ERR_OK, "%s", err_msg(&err));
        }
        ck_assert_mem_eq(whole->feasible->draws, model->feasible->draws, bytes);
        model_unref(model);
        memory_checkpoint_release(&memory);
    }
    model_unref(whole);
}
END_TEST

START_TEST(no_failed_allocation_hurts)
{
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    struct train_run how = {.data = make_rows(9.75), .n_threads = 1};
    struct model *model = NULL;
    struct err none = ERR_INIT;
    long live = mem_live();
    mem_fail_after(0, false);
    ck_assert_int_eq(train(&spec, &how, &model, &none), ERR_OK);
    long total = mem_attempts();
    model_unref(model);
    for (long at = total; at > total - 40; at--) {
        struct err err = ERR_INIT;
        model = NULL;
        mem_fail_after(at, false);
        ck_assert_int_eq(train(&spec, &how, &model, &err), ERR_NOMEM);
        mem_fail_after(0, false);
        ck_assert_ptr_null(model);
        ck_assert_int_eq(mem_live(), live);
    }
}
END_TEST

/* ---- scores ---- */

START_TEST(scores_are_those_of_all_pairs)
{
    const double p[7] = {0.9, 0.5, 0.5, 0.2, 0.5, 0.1, 0.0};
    const unsigned char failed[7] = {0, 0, 1, 1, 0, 0, 1};
    struct feasible_scores s;
    struct err err = ERR_INIT;
    double pairs = 0.0;
    double loss = 0.0;
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 7; j++) {
            if (!failed[i] && failed[j]) {
                pairs += p[i] > p[j] ? 1.0 : p[i] < p[j] ? 0.0 : 0.5;
            }
        }
        loss -= log(failed[i] ? 1.0 - p[i] : p[i]) / 7.0;
    }
    ck_assert_int_eq(feasible_score(7, p, failed, &s, &err), ERR_OK);
    ck_assert_double_eq_tol(s.auc, pairs / 12.0, 1e-15);
    ck_assert_double_eq_tol(s.log_loss, loss, 1e-14);
    ck_assert_int_eq(s.n_failed, 3);
    ck_assert_int_eq(feasible_score(2, p, failed, &s, &err), ERR_OK);
    ck_assert(isnan(s.auc));
    /* A certain mistake costs much, but not all. */
    ck_assert_int_eq(feasible_score(1, (const double[]){0.0}, failed, &s, &err), ERR_OK);
    ck_assert_double_eq_tol(s.log_loss, 15.0 * M_LN10, 1e-9);
    ck_assert_int_eq(feasible_score(0, p, failed, &s, &err), ERR_INVALID);
}
END_TEST

START_TEST(requests_that_want_it_are_joined_with_their_like)
{
    const struct predict_request a = {.n = 1, .want = PREDICT_FEASIBLE};
    const struct predict_request b = {.n = 1, .want = PREDICT_FEASIBLE | PREDICT_STD};
    const struct predict_request c = {.n = 1, .want = PREDICT_MEAN};
    ck_assert(predict_can_join(&a, &b));
    ck_assert(!predict_can_join(&a, &c));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("feasible");
    TCase *tc = tcase_create("feasible");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, networks_tell_where_runs_fail, 0, 2);
    tcase_add_test(tc, neither_threads_nor_interruptions_change_it);
    tcase_add_test(tc, requests_that_want_it_are_joined_with_their_like);
    suite_add_tcase(suite, tc);
    TCase *rest = tcase_create("feasible, threads aside");
    tcase_set_tags(rest, "no_races");
    tcase_set_timeout(rest, 240);
    tcase_add_test(rest, the_prediction_is_of_the_draws);
    tcase_add_test(rest, few_failures_are_a_regression);
    tcase_add_test(rest, failed_runs_change_nothing_else);
    tcase_add_test(rest, no_failed_allocation_hurts);
    tcase_add_test(rest, scores_are_those_of_all_pairs);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
