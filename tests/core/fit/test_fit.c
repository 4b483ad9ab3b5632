/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers, the epoch loop and the ensemble. */
#include "oracle.h"
#include "progress_watch.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/fit.h"
#include "math/gemm.h"

/* ---- reference cases: full-batch steps on the mean squared error ---- */

static void run_steps(const json_t *item)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct arch arch = oracle_arch(json_object_get(item, "architecture"));
    int n_x = 0;
    int n_losses = 0;
    double *params = oracle_numbers(json_object_get(item, "parameters"), NULL);
    double *x = oracle_numbers(json_object_get(item, "x"), &n_x);
    double *y = oracle_numbers(json_object_get(item, "y"), NULL);
    double *losses = oracle_numbers(json_object_get(item, "losses"), &n_losses);
    double *last = oracle_numbers(json_object_get(item, "final_parameters"), NULL);
    struct optim_settings settings = optim_defaults();
    struct objective objective = {.kind = OBJECTIVE_MSE};
    struct optim optim;
    int kind = names_find(optim_known(), json_string_value(json_object_get(item, "optimizer")));
    ck_assert_int_ge(kind, 0);
    settings.kind = (enum optim_kind)kind;
    settings.learning_rate = json_number_value(json_object_get(item, "learning_rate"));
    settings.weight_decay = json_number_value(json_object_get(item, "weight_decay"));
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    ck_assert_int_eq(optim_init(&optim, &settings, net.n_params, &err), ERR_OK);
    struct objective_loss loss;
    ck_assert_int_eq(objective_loss_init(&loss, &objective, &net, &err), ERR_OK);
    loss.tile = 32;
    const struct data rows = {
        .n = n_x / arch.inputs, .d = arch.inputs, .o = arch.outputs, .x = x, .y = y};
    double *grad = calloc((size_t)net.n_params, sizeof *grad);
    for (int k = 0; k < n_losses; k++) {
        double value = objective_loss_eval(&loss, &rows, params, grad);
        ck_assert_double_eq_tol(value, losses[k], 1e-12 * fabs(losses[k]));
        optim_step(&optim, settings.learning_rate, grad, params);
    }
    ck_assert_double_le(oracle_error(params, last, net.n_params), 1e-12);
    optim_release(&optim);
    objective_loss_release(&loss);
    resnet_release(&net);
    free(grad);
    free(params);
    free(x);
    free(y);
    free(losses);
    free(last);
}

START_TEST(steps_agree_with_pytorch)
{
    json_t *document = oracle_load("optimisers.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        run_steps(item);
    }
    json_decref(document);
}
END_TEST

START_TEST(schedules_have_their_ends)
{
    struct optim_settings s = optim_defaults();
    s.learning_rate = 0.1;
    s.final_factor = 0.01;
    s.schedule = SCHEDULE_CONSTANT;
    ck_assert_double_eq(optim_rate(&s, 7, 10), 0.1);
    s.schedule = SCHEDULE_COSINE;
    ck_assert_double_eq_tol(optim_rate(&s, 0, 10), 0.1, 1e-15);
    ck_assert_double_eq_tol(optim_rate(&s, 5, 10), 0.1 * (0.01 + 0.99 * 0.5), 1e-15);
    ck_assert_double_eq_tol(optim_rate(&s, 10, 10), 0.001, 1e-15);
    s.schedule = SCHEDULE_EXPONENTIAL;
    ck_assert_double_eq_tol(optim_rate(&s, 5, 10), 0.01, 1e-15);
    s.schedule = SCHEDULE_STEP;
    s.step_epochs = 3;
    ck_assert_double_eq_tol(optim_rate(&s, 8, 10), 0.1 * 0.25, 1e-15);
}
END_TEST

START_TEST(lists_are_lines_between_their_points)
{
    struct optim_settings s = optim_defaults();
    struct err err = ERR_INIT;
    s.schedule = SCHEDULE_LIST;
    ck_assert_int_eq(optim_validate(&s, &err), ERR_INVALID);
    err_clear(&err);
    s.n_rates = 3;
    s.rates[0] = (struct optim_point){2, 0.4};
    s.rates[1] = (struct optim_point){4, 0.2};
    s.rates[2] = (struct optim_point){14, 0.0};
    ck_assert_int_eq(optim_validate(&s, &err), ERR_OK);
    const double expected[] = {0.4, 0.4, 0.4, 0.3, 0.2, 0.18};
    for (int i = 0; i < 6; i++) {
        ck_assert_double_eq_tol(optim_rate(&s, i, 100), expected[i], 1e-15);
    }
    ck_assert_double_eq(optim_rate(&s, 99, 100), 0.0);
    s.rates[2].epoch = 4;
    ck_assert_int_eq(optim_validate(&s, &err), ERR_INVALID);
}
END_TEST

/* PyTorch's ReduceLROnPlateau(factor=0.5, patience=2, cooldown=3, threshold=1e-2, min_lr=0.1) from
 * a rate of 1, after each of these losses. */
START_TEST(plateaus_agree_with_pytorch)
{
    static const double losses[] = {5,   4,   3.99, 3.98, 3.97, 3.5, 3.6, 3.6, 3.6, 3.6,
                                    3.6, 3.6, 3.6,  3.6,  3.6,  3.6, 3.6, 3.6, 3.6, 3.6,
                                    3.6, 3.6, 3.6,  3.6,  1.0,  1.2, 1.2, 1.2};
    static const double rates[] = {1.0,   1.0,   1.0,  1.0,  0.5,  0.5,  0.5,   0.5,   0.5,   0.5,
                                   0.25,  0.25,  0.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125,
                                   0.125, 0.125, 0.1,  0.1,  0.1,  0.1,  0.1,   0.1};
    struct optim_settings s = optim_defaults();
    struct optim_plateau plateau;
    s.step_factor = 0.5;
    s.plateau_patience = 2;
    s.plateau_cooldown = 3;
    s.plateau_threshold = 1e-2;
    s.min_factor = 0.1;
    optim_plateau_init(&plateau);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        optim_plateau_step(&plateau, &s, losses[i]);
        ck_assert_double_eq(plateau.factor, rates[i]);
    }
}
END_TEST

START_TEST(bad_settings_are_named)
{
    struct {
        size_t offset;
        double value;
        const char *word;
    } cases[] = {
        {offsetof(struct optim_settings, learning_rate), 0.0, "learning_rate"},
        {offsetof(struct optim_settings, learning_rate), NAN, "learning_rate"},
        {offsetof(struct optim_settings, weight_decay), -1.0, "weight_decay"},
        {offsetof(struct optim_settings, beta1), 1.0, "beta1"},
        {offsetof(struct optim_settings, epsilon), 0.0, "epsilon"},
        {offsetof(struct optim_settings, final_factor), 2.0, "final_factor"},
        {offsetof(struct optim_settings, step_factor), 0.0, "step_factor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct optim_settings s = optim_defaults();
        memcpy((char *)&s + cases[i].offset, &cases[i].value, sizeof(double));
        ck_assert_int_eq(optim_validate(&s, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.msg, cases[i].word));
    }
}
END_TEST

/* ---- a fit of one network ---- */

#define N 60

struct toy {
    struct resnet net;
    struct objective_loss loss;
    double x[2 * N];
    double y[N];
    struct fit_problem problem;
    struct fit_settings settings;
    double *params;
};

static void toy_init(struct toy *toy, enum activation act)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(2, 1);
    struct rng rng;
    memset(toy, 0, sizeof *toy);
    arch.width = 6;
    arch.layers = 2;
    arch.activation = act;
    ck_assert_int_eq(resnet_init(&toy->net, &arch, &err), ERR_OK);
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        double a = toy->x[2 * i] = 2.0 * rng_uniform(&rng) - 1.0;
        double b = toy->x[2 * i + 1] = 2.0 * rng_uniform(&rng) - 1.0;
        toy->y[i] = act == ACT_TANH ? sin(2.0 * a) + a * b : 0.3 + 1.5 * a - 0.7 * b;
    }
    struct objective objective = {.kind = OBJECTIVE_MSE};
    ck_assert_int_eq(objective_loss_init(&toy->loss, &objective, &toy->net, &err), ERR_OK);
    toy->problem = (struct fit_problem){
        .loss = objective_loss_as_loss(&toy->loss),
        .train = {.n = 45, .d = 2, .o = 1, .x = toy->x, .y = toy->y},
        .validation = {.n = 15, .d = 2, .o = 1, .x = toy->x + 90, .y = toy->y + 45},
        .n_members = 1,
        .fraction_to = 1.0,
    };
    toy->settings = (struct fit_settings){.epochs = 40, .batch_size = 8, .optim = optim_defaults()};
    toy->params = mem_alloc_array((size_t)toy->net.n_params, sizeof *toy->params);
    rng_init(&rng, 3, RNG_INIT, 0);
    fit_init_params(&toy->net, 1.0, &rng, toy->params);
}

static void toy_release(struct toy *toy)
{
    mem_free(toy->params);
    objective_loss_release(&toy->loss);
    resnet_release(&toy->net);
}

static enum err_code toy_fit(struct toy *toy, struct fit_result *result, struct err *err)
{
    struct rng rng;
    rng_init(&rng, 9, RNG_BATCH, 0);
    return fit_run(&toy->problem, &toy->settings, &rng, toy->params, result, err);
}

static double validation_loss(struct toy *toy)
{
    return objective_loss_eval(&toy->loss, &toy->problem.validation, toy->params, NULL);
}

START_TEST(the_best_state_is_kept)
{
    struct toy toy;
    struct err err = ERR_INIT;
    double curve[40];
    double train[40];
    struct fit_result result = {.validation_loss = curve, .train_loss = train};
    toy_init(&toy, ACT_TANH);
    toy.settings.optim.learning_rate = 0.05;
    toy.settings.optim.schedule = SCHEDULE_CONSTANT;
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_OK);
    int best = 0;
    for (int k = 1; k < 40; k++) {
        best = curve[k] < curve[best] ? k : best;
    }
    ck_assert_int_eq(result.best_epoch, best + 1);
    ck_assert_double_eq(result.best_loss, curve[best]);
    ck_assert_double_eq_tol(validation_loss(&toy), curve[best], 1e-15);
    toy_release(&toy);
}
END_TEST

START_TEST(patience_ends_a_fit_early)
{
    struct toy toy;
    struct err err = ERR_INIT;
    struct fit_result result = {0};
    toy_init(&toy, ACT_TANH);
    toy.settings.epochs = 5000;
    toy.settings.patience = 3;
    toy.settings.optim.learning_rate = 0.1;
    toy.settings.optim.schedule = SCHEDULE_CONSTANT;
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_OK);
    ck_assert_int_lt(result.epochs, 5000);
    ck_assert_int_eq(result.epochs - result.best_epoch, 3);
    toy_release(&toy);
}
END_TEST

START_TEST(lbfgs_solves_a_linear_problem)
{
    struct toy toy;
    struct err err = ERR_INIT;
    struct fit_result result = {0};
    toy_init(&toy, ACT_IDENTITY);
    toy.settings.epochs = 500;
    toy.settings.optim.kind = OPTIM_LBFGS;
    toy.problem.validation.n = 0;
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_OK);
    /* The targets are linear in the inputs: the least-squares residual is zero. */
    ck_assert_double_le(result.best_loss, 1e-10);
    toy_release(&toy);
}
END_TEST

/* A network that bends: both methods find a minimum of the same loss, each with its gradient 0. */
START_TEST(levenberg_marquardt_ends_at_a_minimum)
{
    static const enum activation kinds[] = {ACT_IDENTITY, ACT_TANH};
    for (int i = 0; i < 2; i++) {
        struct toy toy;
        struct err err = ERR_INIT;
        struct fit_result result = {0};
        toy_init(&toy, kinds[i]);
        toy.settings.epochs = 2000;
        toy.settings.optim.kind = OPTIM_LEVENBERG;
        toy.settings.optim.weight_decay = i == 0 ? 0.0 : 1e-4;
        toy.problem.validation.n = 0;
        ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_OK);
        ck_assert_int_lt(result.epochs, 2000);
        if (i == 0) {
            ck_assert_double_le(result.best_loss, 1e-20); /* linear targets: no residual */
        }
        double grad[128];
        ck_assert_int_le(toy.problem.loss.n_params, 128);
        toy.problem.loss.train(toy.problem.loss.ctx, &toy.problem.train, toy.params, grad, NULL);
        for (int k = 0; k < toy.problem.loss.n_params; k++) {
            double decay = toy.settings.optim.weight_decay * toy.params[k];
            ck_assert_double_eq_tol(grad[k] + decay, 0.0, 1e-6);
        }
        toy_release(&toy);
    }
}
END_TEST

START_TEST(levenberg_marquardt_refuses_what_is_no_sum_of_squares_or_too_much_work)
{
    struct toy toy;
    struct err err = ERR_INIT;
    struct fit_result result = {0};
    toy_init(&toy, ACT_TANH);
    toy.settings.optim.kind = OPTIM_LEVENBERG;
    double k = toy.problem.loss.net->n_params;
    double max = FIT_LEVENBERG_MAX_WORK / (k * k * toy.problem.train.o);
    int n = toy.problem.train.n;
    toy.problem.train.n = (int)max + 1; /* refused before any row is read */
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "adam and lbfgs"));
    toy.problem.train.n = n;
    err_clear(&err);
    toy.problem.loss.objective = NULL;
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "sums of squares"));
    toy_release(&toy);
}
END_TEST

START_TEST(a_fit_can_be_cancelled_at_any_epoch)
{
    static const enum optim_kind kinds[] = {OPTIM_ADAM, OPTIM_LBFGS, OPTIM_LEVENBERG};
    for (int kind = 0; kind < 3; kind++) {
        for (int at = 1; at <= 10; at++) {
            struct toy toy;
            struct err err = ERR_INIT;
            struct progress_watch watch = {.stop_at = at};
            struct fit_result result = {0};
            toy_init(&toy, ACT_TANH);
            toy.settings.optim.kind = kinds[kind];
            toy.problem.cancel = &watch.cancel;
            toy.problem.progress = progress_watch_report;
            toy.problem.progress_ctx = &watch;
            ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_CANCELLED);
            ck_assert_int_eq(result.epochs, at);
            toy_release(&toy);
        }
    }
}
END_TEST

/* The loss of the last of `epochs` epochs is in curve[epochs - 1]. */
static int best_epoch(int epochs, bool is_random, double *curve)
{
    struct toy toy;
    struct err err = ERR_INIT;
    double unused[40];
    struct fit_result result = {.train_loss = curve, .validation_loss = unused};
    toy_init(&toy, ACT_TANH);
    toy.settings.epochs = epochs;
    toy.settings.optim.learning_rate = 0.2;
    toy.settings.optim.schedule = SCHEDULE_CONSTANT;
    toy.problem.validation.n = 0;
    toy.problem.loss.is_random = is_random;
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_OK);
    toy_release(&toy);
    return result.best_epoch;
}

/* Without validation rows a random loss keeps the last state, not that of the luckiest epoch. */
START_TEST(the_last_state_of_a_random_loss_is_kept)
{
    double curve[40];
    int epochs = 2;
    (void)best_epoch(40, false, curve);
    while (epochs < 40 && curve[epochs - 1] <= curve[epochs - 2]) {
        epochs++;
    }
    ck_assert_double_gt(curve[epochs - 1], curve[epochs - 2]);
    ck_assert_int_lt(best_epoch(epochs, false, curve), epochs);
    ck_assert_int_eq(best_epoch(epochs, true, curve), epochs);
}
END_TEST

START_TEST(a_diverging_fit_says_so)
{
    struct toy toy;
    struct err err = ERR_INIT;
    struct fit_result result = {0};
    toy_init(&toy, ACT_IDENTITY);
    toy.settings.epochs = 500;
    toy.settings.optim.kind = OPTIM_SGD;
    toy.settings.optim.learning_rate = 1000.0;
    toy.settings.optim.schedule = SCHEDULE_CONSTANT;
    ck_assert_int_eq(toy_fit(&toy, &result, &err), ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.msg, "learning_rate"));
    toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fit");
    TCase *tc = tcase_create("fit");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, steps_agree_with_pytorch);
    tcase_add_test(tc, schedules_have_their_ends);
    tcase_add_test(tc, lists_are_lines_between_their_points);
    tcase_add_test(tc, plateaus_agree_with_pytorch);
    tcase_add_test(tc, bad_settings_are_named);
    tcase_add_test(tc, the_best_state_is_kept);
    tcase_add_test(tc, patience_ends_a_fit_early);
    tcase_add_test(tc, lbfgs_solves_a_linear_problem);
    tcase_add_test(tc, levenberg_marquardt_ends_at_a_minimum);
    tcase_add_test(tc, levenberg_marquardt_refuses_what_is_no_sum_of_squares_or_too_much_work);
    tcase_add_test(tc, a_fit_can_be_cancelled_at_any_epoch);
    tcase_add_test(tc, the_last_state_of_a_random_loss_is_kept);
    tcase_add_test(tc, a_diverging_fit_says_so);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
