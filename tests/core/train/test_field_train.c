/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings on outputs that are fields. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/gemm.h"
#include "model/codec.h"
#include "predict/predict.h"
#include "fit/split.h"
#include "train/train.h"

#define N 40
#define D 2
#define P 6

static double x[N * D];
static double y[N * P];

/* Fields that are linear in the inputs, but for noise of all ranks. */
static void make_rows(double bend)
{
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *u = x + (size_t)i * D;
        u[0] = 2.0 * rng_uniform(&rng) - 1.0;
        u[1] = 2.0 * rng_uniform(&rng) - 1.0;
        for (int j = 0; j < P; j++) {
            y[i * P + j] = 10.0 + u[0] * cos(0.5 * j) + u[1] * 0.3 * j + bend * u[0] * u[1] +
                           0.05 * rng_normal(&rng);
        }
    }
}

static struct train_spec small_spec(enum solver_kind solver)
{
    struct train_spec spec = train_defaults(solver);
    spec.arch.width = 4;
    spec.arch.layers = 1;
    spec.settings.epochs = spec.settings.epochs > 40 ? 40 : spec.settings.epochs;
    spec.settings.members = spec.settings.members > 2 ? 2 : spec.settings.members;
    spec.reduction = (struct reduction_spec){.on = true, .modes = 3};
    spec.seed = 3;
    return spec;
}

static enum err_code train(struct train_spec *spec, const struct model *base, int n_threads,
                           struct model **model, struct err *err)
{
    struct train_run run = {.spec = spec,
                            .data = {.n = N, .d = D, .o = P, .x = x, .y = y},
                            .base = base,
                            .n_threads = n_threads,
                            .settings_text = "{}"};
    return train_resolve(spec, D, P, err) == ERR_OK ? train_run(&run, model, err) : err->code;
}

static struct model *train_well(struct train_spec *spec, const struct model *base, int n_threads)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    enum err_code code = train(spec, base, n_threads, &model, &err);
    ck_assert_msg(code == ERR_OK, "%s", err_msg(&err));
    return model;
}

/* Least squares of output j on 1, x by the normal equations. */
static void least_squares(int j, double *w)
{
    double a[3][4] = {{0.0}};
    for (int i = 0; i < N; i++) {
        const double v[] = {1.0, x[i * D], x[i * D + 1], y[i * P + j]};
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 4; c++) {
                a[r][c] += v[r] * v[c];
            }
        }
    }
    for (int r = 0; r < 3; r++) {
        for (int q = 0; q < 3; q++) {
            double by = q == r ? 0.0 : a[q][r] / a[r][r];
            for (int c = 0; c < 4; c++) {
                a[q][c] -= by * a[r][c];
            }
        }
    }
    for (int r = 0; r < 3; r++) {
        w[r] = a[r][3] / a[r][r];
    }
}

/* A linear network of all coefficients fits what one of all outputs fits, as far as L-BFGS goes:
 * its gradient ends at 1e-9 of the parameters. */
START_TEST(all_modes_reproduce_the_linear_fit_of_the_outputs)
{
    make_rows(0.0);
    for (int reduced = 0; reduced < 2; reduced++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result out;
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
        spec.arch.activation = ACT_IDENTITY;
        spec.arch.layers = 0;
        spec.settings.members = 1;
        spec.settings.epochs = 3000;
        spec.settings.batch_size = 0;
        spec.settings.optim.kind = OPTIM_LBFGS;
        spec.settings.hyperparameters = solver_defaults(SOLVER_SWAG).hyperparameters;
        spec.noise = NOISE_ESTIMATED;
        spec.prior.flat = true;
        spec.validation = 0.0;
        spec.reduction.on = reduced == 1;
        spec.reduction.modes = 0;
        spec.reduction.explained = 1.0;
        struct model *model = train_well(&spec, NULL, 1);
        const struct predict_request req = {.n = N, .x = x, .want = PREDICT_MEAN, .n_threads = 1};
        ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_OK);
        if (reduced) {
            ck_assert_int_eq(model->reduction->k, P);
        }
        for (int j = 0; j < P; j++) {
            double w[3];
            least_squares(j, w);
            for (int i = 0; i < N; i++) {
                double fit = w[0] + w[1] * x[i * D] + w[2] * x[i * D + 1];
                ck_assert_double_eq_tol(out.mean[i * P + j], fit, 1e-7);
            }
        }
        arena_release(&arena);
        model_unref(model);
    }
}
END_TEST

START_TEST(every_solver_learns_coefficients)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result out;
    make_rows(0.5);
    struct train_spec spec = small_spec((enum solver_kind)_i);
    spec.settings.warmup = spec.settings.warmup > 50 ? 50 : spec.settings.warmup;
    spec.settings.draws = spec.settings.draws > 20 ? 20 : spec.settings.draws;
    struct model *model = train_well(&spec, NULL, 2);
    ck_assert_int_eq(model->o, P);
    ck_assert_int_eq(model->reduction->k, 3);
    ck_assert_int_eq(model->net.n_out, spec.noise == NOISE_PREDICTED ? 6 : 3);
    ck_assert_int_gt(model->scores.n_rows, 0);
    const struct predict_request req = {
        .n = N,
        .x = x,
        .want = PREDICT_MEAN | PREDICT_STD | PREDICT_SAMPLES |
                (model_knows_noise(model) ? PREDICT_TOTAL_VARIANCE : 0u),
        .n_samples = 1,
        .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_OK);
    for (int c = 0; c < N * P; c++) {
        ck_assert_double_le(fabs(out.mean[c] - y[c]), 4.0);
        ck_assert_double_ge(out.std[c], sqrt(model->reduction->truncation[c % P]) * (1.0 - 1e-12));
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(a_training_does_not_depend_on_threads)
{
    unsigned char *first = NULL;
    size_t n_first = 0;
    make_rows(0.5);
    for (int threads = 1; threads <= 4; threads += 3) {
        struct err err = ERR_INIT;
        struct train_spec spec = small_spec(SOLVER_SWAG);
        unsigned char *bytes = NULL;
        size_t n = 0;
        spec.calibration.method = CONFORMAL_SPLIT;
        struct model *model = train_well(&spec, NULL, threads);
        ck_assert_int_eq(codec_encode(model, &bytes, &n, &err), ERR_OK);
        if (first == NULL) {
            first = bytes;
            n_first = n;
        } else {
            ck_assert_uint_eq(n, n_first);
            ck_assert_int_eq(memcmp(bytes, first, n), 0);
            mem_free(bytes);
        }
        model_unref(model);
    }
    mem_free(first);
}
END_TEST

/* Rows that are kept out, and those of the calibration, are none of those that the modes fit. */
START_TEST(modes_come_from_the_rows_that_train_alone)
{
    struct train_spec spec = small_spec(SOLVER_SWAG);
    unsigned char role[N];
    make_rows(0.5);
    spec.validation = 0.2;
    spec.calibration.method = CONFORMAL_SPLIT;
    struct model *before = train_well(&spec, NULL, 1);
    split_rows((uint64_t)spec.seed, N, spec.validation, spec.calibration.share, role);
    int changed = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < P && role[i] != SPLIT_TRAIN; j++) {
            y[i * P + j] += 3.0 * j - i;
            changed++;
        }
    }
    ck_assert_int_ge(changed, 8 * P);
    struct model *after = train_well(&spec, NULL, 1);
    ck_assert_int_eq(
        memcmp(before->reduction->modes, after->reduction->modes, 3 * P * sizeof(double)), 0);
    ck_assert_int_eq(
        memcmp(before->reduction->truncation, after->reduction->truncation, P * sizeof(double)), 0);
    ck_assert_int_ne(memcmp(before->scores.rmse, after->scores.rmse, P * sizeof(double)), 0);
    ck_assert_int_ne(memcmp(before->conformal.scores, after->conformal.scores, sizeof(double)), 0);
    model_unref(before);
    model_unref(after);
}
END_TEST

START_TEST(a_warm_run_keeps_the_modes)
{
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_SWAG);
    struct model *none = NULL;
    make_rows(0.5);
    struct model *base = train_well(&spec, NULL, 1);
    for (int i = 0; i < N * P; i++) {
        y[i] += 0.01 * (i % 7);
    }
    spec = small_spec(SOLVER_SWAG);
    spec.start = TRAIN_WARM;
    spec.reduction.modes = 0;
    spec.reduction.explained = 0.5; /* the base has more, and keeps them */
    ck_assert_int_eq(train_resolve(&spec, D, P, &err), ERR_OK);
    ck_assert_int_eq(train_check_base(&spec, NULL, base, &err), ERR_OK);
    struct model *warm = train_well(&spec, base, 1);
    ck_assert_ptr_eq(warm->reduction, base->reduction);
    ck_assert_int_eq(
        memcmp(warm->coefficient_out, base->coefficient_out, 3 * sizeof(struct scaler)), 0);
    spec.reduction.on = false;
    spec.arch.outputs = 0;
    ck_assert_int_eq(train(&spec, base, 1, &none, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "output_reduction"));
    model_unref(warm);
    model_unref(base);
}
END_TEST

START_TEST(noise_that_is_given_stays_that_of_the_outputs)
{
    struct train_spec spec = small_spec(SOLVER_VI);
    static double sigmas[P] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
    make_rows(0.5);
    spec.noise = NOISE_GIVEN;
    spec.n_noise_sigmas = P;
    spec.noise_sigmas = sigmas;
    struct model *model = train_well(&spec, NULL, 1);
    ck_assert_int_eq(memcmp(model->noise_sigma, sigmas, sizeof sigmas), 0);
    for (int i = 0; i < 3; i++) {
        double sum = 0.0;
        for (int j = 0; j < P; j++) {
            double part = model->reduction->modes[i * P + j] * sigmas[j];
            sum += part * part;
        }
        ck_assert_double_eq_tol(model->coefficient_noise[i], sqrt(sum), 1e-12);
    }
    model_unref(model);
}
END_TEST

START_TEST(a_field_is_whole_or_missing)
{
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_SWAG);
    struct model *model = NULL;
    make_rows(0.5);
    for (int j = 0; j < P; j++) {
        y[7 * P + j] = (double)NAN;
    }
    model = train_well(&spec, NULL, 1);
    ck_assert_ptr_nonnull(model->feasible);
    model_unref(model);
    model = NULL;
    y[9 * P + 4] = (double)NAN;
    ck_assert_int_eq(train(&spec, NULL, 1, &model, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 9);
    ck_assert_int_eq(err.column, 4);
    ck_assert_ptr_null(model);
}
END_TEST

START_TEST(what_does_not_go_with_a_reduction_is_refused)
{
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    spec.calibration.method = CONFORMAL_CV_PLUS;
    ck_assert_int_eq(train_validate(&spec, &err), ERR_UNSUPPORTED);
    err_clear(&err);
    spec = small_spec(SOLVER_ENSEMBLE);
    spec.output_scaling = SCALER_LOG;
    ck_assert_int_eq(train_validate(&spec, &err), ERR_UNSUPPORTED);
    err_clear(&err);
    spec = small_spec(SOLVER_ENSEMBLE);
    spec.arch.final = FINAL_EXP;
    ck_assert_int_eq(train_validate(&spec, &err), ERR_UNSUPPORTED);
    err_clear(&err);
    spec = small_spec(SOLVER_ENSEMBLE);
    spec.reduction.on = false;
    ck_assert_int_eq(train_resolve(&spec, D, ARCH_MAX_OUTPUTS + 1, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "output_reduction"));
    err_clear(&err);
    spec = small_spec(SOLVER_ENSEMBLE);
    ck_assert_int_eq(train_resolve(&spec, D, ARCH_MAX_OUTPUTS + 1, &err), ERR_OK);
    ck_assert_int_eq(spec.arch.outputs, 3);
}
END_TEST

START_TEST(failed_allocations_are_survived)
{
    make_rows(0.5);
    long live = mem_live();
    for (long at = 1;; at += 1 + at / 40) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        struct train_spec spec = small_spec(SOLVER_SWAG);
        spec.settings.epochs = 2;
        mem_fail_after(at, true);
        enum err_code code = train(&spec, NULL, 1, &model, &err);
        mem_fail_after(0, false);
        if (code == ERR_OK) {
            model_unref(model);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_ptr_null(model);
        ck_assert_int_eq(mem_live(), live);
    }
}
END_TEST

int main(void)
{
    gemm_use_one_thread();
    Suite *s = suite_create("core/field_train");
    TCase *tc = tcase_create("field");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, all_modes_reproduce_the_linear_fit_of_the_outputs);
    tcase_add_loop_test(tc, every_solver_learns_coefficients, 0, solver_known().n);
    tcase_add_test(tc, a_training_does_not_depend_on_threads);
    tcase_add_test(tc, modes_come_from_the_rows_that_train_alone);
    tcase_add_test(tc, a_warm_run_keeps_the_modes);
    tcase_add_test(tc, noise_that_is_given_stays_that_of_the_outputs);
    tcase_add_test(tc, a_field_is_whole_or_missing);
    tcase_add_test(tc, what_does_not_go_with_a_reduction_is_refused);
    tcase_add_test(tc, failed_allocations_are_survived);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
