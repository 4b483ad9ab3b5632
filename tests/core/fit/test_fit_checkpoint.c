/* SPDX-License-Identifier: Apache-2.0 */
/* Fits that die between two minibatches or iterations, and continue. */
#include "memory_checkpoint.h"
#include "run.h"
#include "solver_toy.h"

#include <string.h>

#include "math/gemm.h"

#define EPOCHS     12
#define MAX_PARAMS 64

/* A fit with its curves. */
struct run {
    enum err_code code;
    struct err err;
    struct fit_result result;
    double train[EPOCHS], validation[EPOCHS];
    double params[MAX_PARAMS];
};

static void run_fit(enum optim_kind kind, int patience, int n_kept, const struct checkpoint *memory,
                    struct run *run)
{
    struct solver_toy toy;
    struct objective_loss loss;
    struct objective mse = {.kind = OBJECTIVE_MSE};
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    struct fit_settings settings = {.epochs = EPOCHS, .batch_size = 5, .optim = optim_defaults()};
    struct rng rng;
    *run = (struct run){.err = ERR_INIT};
    run->result = (struct fit_result){.train_loss = run->train, .validation_loss = run->validation};
    solver_toy_init(&toy, SOLVER_ENSEMBLE, NOISE_ESTIMATED, &arch);
    ck_assert_int_le(toy.net.n_params, MAX_PARAMS);
    ck_assert_int_eq(objective_loss_init(&loss, &mse, &toy.net, &run->err), ERR_OK);
    struct fit_problem problem = {
        .loss = objective_loss_as_loss(&loss),
        .train = toy.problem.train,
        .validation = toy.problem.validation,
        .checkpoint = memory,
        .task = 5,
        .n_members = 1,
        .fraction_to = 1.0,
    };
    problem.validation.n = n_kept;
    settings.patience = patience;
    settings.optim.kind = kind;
    settings.optim.momentum = 0.5;
    settings.optim.learning_rate = 0.1;
    rng_init(&rng, 3, RNG_INIT, 0);
    fit_init_params(&toy.net, 1.0, &rng, run->params);
    rng_init(&rng, 9, RNG_BATCH, 0);
    run->code = fit_run(&problem, &settings, &rng, run->params, &run->result, &run->err);
    objective_loss_release(&loss);
    solver_toy_release(&toy);
}

static void same_runs(const struct run *a, const struct run *b)
{
    ck_assert_int_eq(a->code, ERR_OK);
    ck_assert_int_eq(b->code, ERR_OK);
    ck_assert_int_eq(a->result.epochs, b->result.epochs);
    ck_assert_int_eq(a->result.best_epoch, b->result.best_epoch);
    ck_assert_int_eq(memcmp(&a->result.best_loss, &b->result.best_loss, sizeof(double)), 0);
    ck_assert_int_eq(memcmp(a->params, b->params, sizeof a->params), 0);
    ck_assert_int_eq(memcmp(a->train, b->train, sizeof a->train), 0);
    ck_assert_int_eq(memcmp(a->validation, b->validation, sizeof a->validation), 0);
}

START_TEST(a_fit_interrupted_anywhere_ends_as_an_unbroken_one)
{
    static const struct {
        enum optim_kind kind;
        int patience, n_kept;
    } cases[] = {
        {OPTIM_ADAM, 0, TOY_KEPT}, {OPTIM_SGD, 0, TOY_KEPT},       {OPTIM_ADAM, 1, TOY_KEPT},
        {OPTIM_ADAM, 0, 0},        {OPTIM_LBFGS, 0, TOY_KEPT},     {OPTIM_LBFGS, 2, TOY_KEPT},
        {OPTIM_LBFGS, 0, 0},       {OPTIM_LEVENBERG, 0, TOY_KEPT}, {OPTIM_LEVENBERG, 2, 0}};
    struct run whole;
    struct run part;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        run_fit(cases[c].kind, cases[c].patience, cases[c].n_kept, NULL, &whole);
        /* It saves after every step, until it ends before it dies. */
        for (int at = 1;; at++) {
            struct memory_checkpoint memory;
            memory_checkpoint_init(&memory, 1);
            memory.die_after = at;
            run_fit(cases[c].kind, cases[c].patience, cases[c].n_kept, &memory.checkpoint, &part);
            if (part.code == ERR_OK) {
                same_runs(&whole, &part);
                memory_checkpoint_release(&memory);
                /* L-BFGS also saves within an iteration, after each pass over the rows. */
                int by_epoch = cases[c].kind == OPTIM_LBFGS ? 2 : 1;
                ck_assert_int_gt(at, by_epoch * whole.result.epochs);
                break;
            }
            ck_assert_int_eq(part.code, ERR_CANCELLED);
            memory_checkpoint_revive(&memory);
            run_fit(cases[c].kind, cases[c].patience, cases[c].n_kept, &memory.checkpoint, &part);
            same_runs(&whole, &part);
            ck_assert_int_eq(memory.n_loads, 1);
            memory_checkpoint_release(&memory);
        }
    }
}
END_TEST

START_TEST(a_damaged_checkpoint_is_refused)
{
    struct run run;
    struct memory_checkpoint memory;
    memory_checkpoint_init(&memory, 4);
    memory.die_after = 1;
    run_fit(OPTIM_ADAM, 0, TOY_KEPT, &memory.checkpoint, &run);
    memory_checkpoint_revive(&memory);
    ck_assert_int_eq(memory.n_states, 1);
    size_t n = memory.states[0].n_bytes;
    for (size_t left = 0; left < n; left += 7) {
        memory.states[0].n_bytes = left;
        run_fit(OPTIM_ADAM, 0, TOY_KEPT, &memory.checkpoint, &run);
        ck_assert_int_eq(run.code, ERR_CORRUPT);
    }
    /* The checkpoint of another optimiser, which has fewer numbers. */
    memory.states[0].n_bytes = n;
    run_fit(OPTIM_SGD, 0, TOY_KEPT, &memory.checkpoint, &run);
    ck_assert_int_eq(run.code, ERR_CORRUPT);
    memory_checkpoint_release(&memory);
}
END_TEST

/* Without validation rows a random loss keeps the last state, not that of the luckiest epoch. */
int main(void)
{
    Suite *suite = suite_create("fit_checkpoint");
    TCase *tc = tcase_create("fit_checkpoint");
    gemm_use_one_thread();
    tcase_add_test(tc, a_fit_interrupted_anywhere_ends_as_an_unbroken_one);
    tcase_add_test(tc, a_damaged_checkpoint_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
