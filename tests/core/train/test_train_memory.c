/* SPDX-License-Identifier: Apache-2.0 */
/* What a training is expected to need, against what it needs. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_account.h"
#include "base/rng.h"
#include "train/train_memory.h"

#define ROWS    300
#define THREADS 2

static double x[ROWS * 3];
static double y[ROWS * 2];
static const struct train_load load = {.n_rows = ROWS};
static const struct data rows = {.n = ROWS, .d = 3, .o = 2, .x = x, .y = y};

static void setup(void)
{
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < 3; j++) {
            x[3 * i + j] = 2.0 * rng_uniform(&rng) - 1.0;
        }
        y[2 * i] = sin(x[3 * i]) + 0.1 * rng_normal(&rng);
        y[2 * i + 1] = x[3 * i + 1] * x[3 * i + 2] + 0.1 * rng_normal(&rng);
    }
}

/* Few steps: memory does not depend on how many there are. */
static struct train_spec spec_of(enum solver_kind solver, int width, int layers)
{
    struct train_spec spec = train_defaults(solver);
    struct err err = ERR_INIT;
    spec.arch = arch_default(0, 0);
    spec.arch.width = width;
    spec.arch.layers = layers;
    spec.settings.epochs = 2;
    spec.settings.swag_epochs = 45;
    spec.settings.warmup = 2;
    spec.settings.draws = 20;
    spec.settings.max_depth = 2;
    spec.settings.leapfrog_steps = 1;
    spec.settings.thin = 1;
    ck_assert_int_eq(train_resolve(&spec, rows.d, rows.o, &err), ERR_OK);
    return spec;
}

static double measured_peak_of(const struct train_spec *spec, const struct data *data)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct mem_account account = {.limit = 0};
    struct train_run run = {.spec = spec, .data = *data, .n_threads = THREADS};
    mem_account_use(&account);
    enum err_code code = train_run(&run, &model, &err);
    mem_account_use(NULL);
    ck_assert_msg(code == ERR_OK, "%s: %s", solver_name(spec->solver), err_msg(&err));
    model_unref(model);
    return (double)atomic_load(&account.peak);
}

static double measured_peak(const struct train_spec *spec)
{
    return measured_peak_of(spec, &rows);
}

START_TEST(the_estimate_is_of_the_size_of_the_peak)
{
    struct err err = ERR_INIT;
    struct train_size size;
    enum solver_kind solver = (enum solver_kind)_i;
    /* Quadratic ones with fewer parameters. */
    bool matrices = solver == SOLVER_LAPLACE || solver == SOLVER_AMCMC;
    struct train_spec spec = spec_of(solver, matrices ? 16 : 64, 3);
    ck_assert_int_eq(train_memory(&spec, &load, THREADS, &size, &err), ERR_OK);
    double peak = measured_peak(&spec);
    ck_assert_msg(size.n_bytes > 0.6 * peak && size.n_bytes < 6.0 * peak,
                  "%s: estimated %.0f bytes, needed %.0f", solver_name(solver), size.n_bytes, peak);
    train_spec_release(&spec);
}
END_TEST

/* Every tenth run failed, and every third of the others misses an output. */
START_TEST(failed_runs_and_holes_are_counted)
{
    static double holed[ROWS * 2];
    static const enum solver_kind solvers[] = {SOLVER_BLL, SOLVER_ENSEMBLE};
    const struct train_load with = {.n_rows = ROWS, .holes = true, .failed = true};
    struct err err = ERR_INIT;
    struct train_size complete;
    struct train_size size;
    struct data data = rows;
    for (int i = 0; i < ROWS; i++) {
        holed[2 * i] = i % 10 == 0 ? (double)NAN : y[2 * i];
        holed[2 * i + 1] = i % 10 == 0 || i % 3 == 0 ? (double)NAN : y[2 * i + 1];
    }
    data.y = holed;
    for (size_t i = 0; i < sizeof solvers / sizeof *solvers; i++) {
        struct train_spec spec = spec_of(solvers[i], 64, 3);
        ck_assert_int_eq(train_memory(&spec, &load, THREADS, &complete, &err), ERR_OK);
        ck_assert_int_eq(train_memory(&spec, &with, THREADS, &size, &err), ERR_OK);
        ck_assert_double_gt(size.n_bytes, complete.n_bytes);
        double peak = measured_peak_of(&spec, &data);
        ck_assert_msg(size.n_bytes > 0.6 * peak && size.n_bytes < 6.0 * peak,
                      "%s: estimated %.0f bytes, needed %.0f", solver_name(solvers[i]),
                      size.n_bytes, peak);
        train_spec_release(&spec);
    }
}
END_TEST

START_TEST(folds_keep_a_posterior_each)
{
    struct err err = ERR_INIT;
    struct train_size one;
    struct train_size size;
    struct train_spec spec = spec_of(SOLVER_ENSEMBLE, 64, 3);
    ck_assert_int_eq(train_memory(&spec, &load, THREADS, &one, &err), ERR_OK);
    spec.calibration.method = CONFORMAL_CV_PLUS;
    spec.calibration.folds = 10;
    ck_assert_int_eq(train_memory(&spec, &load, THREADS, &size, &err), ERR_OK);
    ck_assert_double_eq(size.n_draws, 10.0 * one.n_draws);
    double peak = measured_peak(&spec);
    ck_assert(size.n_bytes > 0.6 * peak && size.n_bytes < 6.0 * peak);
    train_spec_release(&spec);
}
END_TEST

START_TEST(too_much_is_refused_with_the_numbers_at_the_limit_and_one_beyond)
{
    struct err err = ERR_INIT;
    struct train_size size;
    struct train_spec spec = spec_of(SOLVER_ENSEMBLE, 2048, 10);
    ck_assert_int_eq(train_memory(&spec, &load, THREADS, &size, &err), ERR_OK);
    ck_assert_double_gt(size.n_bytes, 3e9);
    int64_t limit = (int64_t)ceil(size.n_bytes);
    ck_assert_int_eq(train_memory_check(&spec, &load, THREADS, limit, &err), ERR_OK);
    ck_assert_int_eq(train_memory_check(&spec, &load, THREADS, 0, &err), ERR_OK);
    ck_assert_int_eq(train_memory_check(&spec, &load, THREADS, limit - 1, &err), ERR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.msg, "8 draws of"));
    ck_assert_ptr_nonnull(strstr(err.msg, "train_memory_mb"));
    train_spec_release(&spec);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_memory");
    TCase *tc = tcase_create("train_memory");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, the_estimate_is_of_the_size_of_the_peak, 0, solver_known().n);
    tcase_add_test(tc, failed_runs_and_holes_are_counted);
    tcase_add_test(tc, folds_keep_a_posterior_each);
    tcase_add_test(tc, too_much_is_refused_with_the_numbers_at_the_limit_and_one_beyond);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
