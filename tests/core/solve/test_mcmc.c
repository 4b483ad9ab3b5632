/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains as solvers: the same result after interruptions and on any number of threads,
 * cancellation, failed allocations. Whether they sample the posterior: test_posterior.c and
 * test_sbc.c.
 */
#include "chain_cases.h"
#include "memory_checkpoint.h"
#include "sampler_settings.h"

static void ck_same_result(const struct solver_result *a, const struct solver_result *b,
                           int n_params)
{
    ck_assert_int_eq(a->m, b->m);
    ck_assert_int_eq(memcmp(a->draws, b->draws, (size_t)(a->m * n_params) * sizeof *a->draws), 0);
    ck_assert_int_eq(memcmp(a->noise_sigma, b->noise_sigma, sizeof *a->noise_sigma), 0);
    ck_assert_int_eq(a->report.n_items, b->report.n_items);
    for (int i = 0; i < a->report.n_items; i++) {
        const struct report_item *p = &a->report.items[i];
        const struct report_item *q = &b->report.items[i];
        ck_assert_str_eq(p->name, q->name);
        ck_assert_int_eq(p->n, q->n);
        ck_assert_int_eq(memcmp(p->values, q->values, (size_t)p->n * sizeof *p->values), 0);
    }
    ck_assert_int_eq(a->report.n_warnings, b->report.n_warnings);
}

/* The k-th report of progress cancels; fractions only grow. */
struct watcher {
    struct cancel cancel;
    int at; /* 0: never */
    int reports;
    double fraction;
    double loss;
    int n_members;
};

static void watch(void *ctx, const struct progress *progress)
{
    struct watcher *w = ctx;
    ck_assert_double_ge(progress->fraction, w->fraction);
    w->fraction = progress->fraction;
    w->loss = progress->loss;
    w->n_members = progress->n_members;
    if (++w->reports == w->at) {
        cancel_request(&w->cancel);
    }
}

START_TEST(an_interrupted_run_ends_as_an_unbroken_one)
{
    static const struct {
        int every, die_after;
    } cuts[] = {{1, 1}, {3, 1}, {7, 2}, {11, 1}, {40, 1}, {83, 1}};
    enum solver_kind kind = (enum solver_kind)_i;
    for (int epochs = 0; epochs < 2; epochs++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct solver_result whole;
        fixture_init(&f, kind, NOISE_LEARNED);
        f.settings.epochs *= epochs;
        ck_assert_int_eq(solver_run(kind, &f.problem, &f.settings, &whole, &err), ERR_OK);
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
            struct memory_checkpoint memory;
            struct solver_result result;
            int interruptions = 0;
            int loads = 0;
            memory_checkpoint_init(&memory, cuts[k].every);
            memory.die_after = cuts[k].die_after;
            f.problem.checkpoint = &memory.checkpoint;
            /* Past 12 interruptions it may run to its end: with every = 1 there would be 250. */
            while (solver_run(kind, &f.problem, &f.settings, &result, &err) == ERR_CANCELLED) {
                ck_assert_ptr_null(result.draws);
                err_clear(&err);
                loads += memory.n_loads;
                memory_checkpoint_revive(&memory);
                memory.die_after = ++interruptions < 12 ? cuts[k].die_after : 0;
            }
            ck_assert_msg(err.code == ERR_OK, "%s", err_msg(&err));
            ck_assert_int_gt(interruptions, 0);
            ck_assert_int_gt(loads + memory.n_loads, 0);
            ck_same_result(&whole, &result, f.net.n_params);
            solver_result_release(&result);
            /* Once more: everything has ended, nothing is computed again. */
            struct watcher watcher = {.at = 0};
            memory_checkpoint_revive(&memory);
            f.problem.progress = watch;
            f.problem.progress_ctx = &watcher;
            ck_assert_int_eq(solver_run(kind, &f.problem, &f.settings, &result, &err), ERR_OK);
            ck_assert_int_eq(memory.n_asked, 0);
            ck_assert_double_eq_tol(watcher.fraction, 1.0, 1e-12);
            f.problem.progress = NULL;
            ck_same_result(&whole, &result, f.net.n_params);
            solver_result_release(&result);
            memory_checkpoint_release(&memory);
        }
        solver_result_release(&whole);
        resnet_release(&f.net);
    }
}
END_TEST

/* Many gradients of a step, and those that seek its first size, are not made again. */
START_TEST(an_interrupted_step_goes_on_within)
{
    static const enum solver_kind kinds[] = {SOLVER_HMC, SOLVER_NUTS};
    for (size_t k = 0; k < 2; k++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct solver_result whole;
        struct solver_result result;
        struct memory_checkpoint memory;
        fixture_init(&f, kinds[k], NOISE_LEARNED);
        f.settings.chains = 1;
        f.settings.warmup = 0;
        f.settings.thin = 1;
        f.settings.draws = 4;
        f.settings.epochs = 0;
        f.settings.leapfrog_steps = 200;
        f.settings.max_depth = 8;
        f.settings.epsilon = kinds[k] == SOLVER_NUTS ? 1e-4 : 0.0;
        memory_checkpoint_init(&memory, 1);
        f.problem.checkpoint = &memory.checkpoint;
        ck_assert_int_eq(solver_run(kinds[k], &f.problem, &f.settings, &whole, &err), ERR_OK);
        int asked = memory.n_asked; /* after each gradient and each step */
        ck_assert_int_gt(asked, 4 * 100);
        memory_checkpoint_release(&memory);
        for (int at = 1; at < asked; at += 37) {
            memory_checkpoint_init(&memory, 1);
            memory.die_after = at;
            f.problem.checkpoint = &memory.checkpoint;
            ck_assert_int_eq(solver_run(kinds[k], &f.problem, &f.settings, &result, &err),
                             ERR_CANCELLED);
            ck_assert_int_eq(memory.n_asked, at);
            err_clear(&err);
            memory_checkpoint_revive(&memory);
            ck_assert_int_eq(solver_run(kinds[k], &f.problem, &f.settings, &result, &err), ERR_OK);
            ck_assert_int_eq(memory.n_loads, 1);
            ck_assert_int_le(memory.n_asked, asked - at + 1);
            ck_same_result(&whole, &result, f.net.n_params);
            solver_result_release(&result);
            memory_checkpoint_release(&memory);
        }
        solver_result_release(&whole);
        resnet_release(&f.net);
    }
}
END_TEST

/* The draws are those of the bare sampler: warm-up left out, every thin-th state, in order. */
START_TEST(draws_are_the_sampler_s_states_after_the_warm_up)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct solver_result result;
    fixture_init(&f, SOLVER_HMC, NOISE_GIVEN);
    f.settings.epochs = 0;
    ck_assert_int_eq(solver_run(SOLVER_HMC, &f.problem, &f.settings, &result, &err), ERR_OK);
    struct objective objective = {.kind = OBJECTIVE_NLP,
                                  .noise_sigmas = &f.noise,
                                  .prior_sigmas = f.prior,
                                  .n_total = N_ROWS};
    struct sampler_settings settings = test_sampler_settings(SAMPLER_HMC);
    settings.warmup = f.settings.warmup;
    settings.leapfrog_steps = f.settings.leapfrog_steps;
    for (int c = 0; c < f.settings.chains; c++) {
        struct logpost logpost;
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        double q0[K_MAX];
        ck_assert_int_eq(logpost_init(&logpost, &objective, &f.net, &f.problem.train, &err),
                         ERR_OK);
        struct target target = logpost_target(&logpost);
        rng_init(&rng, f.problem.seed, RNG_CHAIN, (uint32_t)c);
        fit_init_params(&f.net, f.settings.init_factor, &rng, q0);
        ck_assert_int_eq(sampler_init(&sampler, &settings, &target, q0, &rng, &err), ERR_OK);
        for (int t = 1; t <= settings.warmup + 12 * 2; t++) {
            sampler_step(&sampler, &target, &rng, &info);
            int draw = (t - settings.warmup) / 2 - 1;
            if (t > settings.warmup && (t - settings.warmup) % 2 == 0) {
                const double *at = result.draws + (c * 12 + draw) * f.net.n_params;
                ck_assert_int_eq(memcmp(at, sampler.q, (size_t)f.net.n_params * sizeof *at), 0);
            }
        }
        ck_assert_double_eq(list(&result.report, "chains.step_size", 3)[c], sampler.epsilon);
        ck_assert_double_eq(list(&result.report, "chains.leapfrogs", 3)[c], 24.0 * 4.0);
        sampler_release(&sampler);
        logpost_release(&logpost);
    }
    solver_result_release(&result);
    resnet_release(&f.net);
}
END_TEST

START_TEST(chains_do_not_depend_on_the_number_of_threads)
{
    static const int threads[] = {2, 5};
    for (int kind = SOLVER_AMCMC; kind <= SOLVER_NUTS; kind++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct solver_result one;
        fixture_init(&f, (enum solver_kind)kind, NOISE_LEARNED);
        ck_assert_int_eq(solver_run((enum solver_kind)kind, &f.problem, &f.settings, &one, &err),
                         ERR_OK);
        for (int k = 0; k < 2; k++) {
            struct solver_result many;
            f.problem.n_threads = threads[k];
            ck_assert_int_eq(
                solver_run((enum solver_kind)kind, &f.problem, &f.settings, &many, &err), ERR_OK);
            ck_same_result(&one, &many, f.net.n_params);
            solver_result_release(&many);
        }
        solver_result_release(&one);
        resnet_release(&f.net);
    }
}
END_TEST

START_TEST(chains_report_progress_and_can_be_cancelled_at_every_step)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct solver_result result;
    struct watcher all = {.at = 0};
    fixture_init(&f, SOLVER_HMC, NOISE_LEARNED);
    f.problem.progress = watch;
    f.problem.progress_ctx = &all;
    ck_assert_int_eq(solver_run(SOLVER_HMC, &f.problem, &f.settings, &result, &err), ERR_OK);
    solver_result_release(&result);
    int steps = f.settings.warmup + f.settings.thin * f.settings.draws;
    /* Each epoch, the end of the fit, each step. */
    ck_assert_int_eq(all.reports, f.settings.epochs + 1 + f.settings.chains * steps);
    ck_assert_double_eq_tol(all.fraction, 1.0, 1e-12);
    ck_assert(isfinite(all.loss) && all.n_members == f.settings.chains + 1);
    long live = mem_live();
    for (int at = 1; at <= all.reports; at++) {
        struct watcher w = {.at = at};
        f.problem.progress_ctx = &w;
        f.problem.cancel = &w.cancel;
        err_clear(&err);
        ck_assert_int_eq(solver_run(SOLVER_HMC, &f.problem, &f.settings, &result, &err),
                         ERR_CANCELLED);
        ck_assert_int_eq(w.reports, at);
        ck_assert_int_eq(mem_live(), live);
    }
    resnet_release(&f.net);
}
END_TEST

START_TEST(chains_survive_each_failed_allocation)
{
    struct fixture f;
    fixture_init(&f, SOLVER_NUTS, NOISE_LEARNED);
    f.settings.draws = 4;
    f.settings.warmup = 1;
    f.settings.chains = 2;
    f.settings.epochs = 1;
    for (int saved = 0; saved < 2; saved++) {
        for (long at = 1;; at++) {
            struct err err = ERR_INIT;
            struct solver_result result;
            struct memory_checkpoint memory;
            long live = mem_live();
            memory_checkpoint_init(&memory, 2);
            f.problem.checkpoint = saved ? &memory.checkpoint : NULL;
            mem_fail_after(at, false);
            enum err_code code = solver_run(SOLVER_NUTS, &f.problem, &f.settings, &result, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            solver_result_release(&result);
            memory_checkpoint_release(&memory);
            ck_assert_int_eq(mem_live(), live);
            if (attempts < at) {
                ck_assert_int_eq(code, ERR_OK);
                break;
            }
            /* Of all that it remembers of a step it needs nothing: test_solver compares the
             * results. */
            ck_assert(code == ERR_NOMEM || (saved == 1 && code == ERR_OK));
        }
    }
    resnet_release(&f.net);
}
END_TEST

START_TEST(a_damaged_checkpoint_is_refused)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct solver_result result;
    struct memory_checkpoint memory;
    fixture_init(&f, SOLVER_AMCMC, NOISE_LEARNED);
    memory_checkpoint_init(&memory, 0);
    f.problem.checkpoint = &memory.checkpoint;
    ck_assert_int_eq(solver_run(SOLVER_AMCMC, &f.problem, &f.settings, &result, &err), ERR_OK);
    solver_result_release(&result);
    long live = mem_live();
    for (int i = 0; i < memory.n_states; i++) {
        memory.states[i].n_bytes -= 8;
        ck_assert_int_eq(solver_run(SOLVER_AMCMC, &f.problem, &f.settings, &result, &err),
                         ERR_CORRUPT);
        ck_assert_int_eq(mem_live(), live);
        memory.states[i].n_bytes += 8;
        err_clear(&err);
    }
    memory_checkpoint_release(&memory);
    resnet_release(&f.net);
}
END_TEST

START_TEST(chains_too_long_are_refused)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct solver_result result;
    fixture_init(&f, SOLVER_NUTS, NOISE_LEARNED);
    f.settings.thin = 1000000;
    f.settings.draws = 100000;
    ck_assert_int_eq(solver_run(SOLVER_NUTS, &f.problem, &f.settings, &result, &err), ERR_LIMIT);
    resnet_release(&f.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mcmc");
    TCase *tc = tcase_create("mcmc");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, an_interrupted_run_ends_as_an_unbroken_one, SOLVER_AMCMC,
                        SOLVER_NUTS + 1);
    tcase_add_test(tc, an_interrupted_step_goes_on_within);
    tcase_add_test(tc, draws_are_the_sampler_s_states_after_the_warm_up);
    tcase_add_test(tc, chains_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, chains_report_progress_and_can_be_cancelled_at_every_step);
    tcase_add_test(tc, chains_survive_each_failed_allocation);
    tcase_add_test(tc, a_damaged_checkpoint_is_refused);
    tcase_add_test(tc, chains_too_long_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
