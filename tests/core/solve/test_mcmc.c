/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains as solvers: the same result after interruptions and on any number of threads, reports and
 * warnings, cancellation, failed allocations. Whether they sample the posterior: test_posterior.c
 * and test_sbc.c.
 */
#include "memory_checkpoint.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "sample/chain.h"
#include "math/gemm.h"
#include "solve/logpost.h"
#include "solve/mcmc_report.h"
#include "base/mem.h"
#include "sample/sampler.h"
#include "solve/solver.h"

/* ---- solvers ---- */

#define N_ROWS 20
#define K_MOST 64

/* One input, one output, a sine with noise; with two heads when the noise is predicted. */
struct fixture {
    struct resnet net;
    double x[N_ROWS], y[N_ROWS];
    double prior[K_MOST], noise;
    struct uq_problem problem;
    struct uq_settings settings;
};

static void fixture_init(struct fixture *f, enum uq_kind kind, enum noise_kind noise)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(1, noise == NOISE_PREDICTED ? 2 : 1);
    struct rng rng;
    arch.width = 3;
    arch.layers = 1;
    ck_assert_int_eq(resnet_init(&f->net, &arch, &err), ERR_OK);
    ck_assert_int_le(f->net.n_params, K_MOST);
    rng_init(&rng, 51, RNG_TEST, 0);
    for (int i = 0; i < N_ROWS; i++) {
        f->x[i] = 2.0 * i / (N_ROWS - 1.0) - 1.0;
        f->y[i] = 0.5 * sin(3.0 * f->x[i]) + 0.1 * rng_normal(&rng);
    }
    for (int k = 0; k < K_MOST; k++) {
        f->prior[k] = 1.0;
    }
    f->noise = 0.1;
    f->problem = (struct uq_problem){
        .net = &f->net,
        .train = {.n = N_ROWS, .d = 1, .o = 1, .x = f->x, .y = f->y},
        .validation = {.d = 1, .o = 1},
        .beliefs = {.noise = noise,
                    .noise_sigmas =
                        noise == NOISE_GIVEN || noise == NOISE_ESTIMATED ? &f->noise : NULL,
                    .prior_sigmas = f->prior},
        .seed = 5,
        .n_threads = 1,
    };
    f->settings = uq_defaults(kind);
    f->settings.chains = 3;
    f->settings.draws = 12;
    f->settings.thin = 2;
    f->settings.warmup = 60;
    f->settings.epochs = 4;
    f->settings.leapfrog_steps = 4;
    f->settings.max_depth = 5;
    f->settings.t0 = 10;
    f->settings.tadapt = 20;
}

static void ck_same_result(const struct uq_result *a, const struct uq_result *b, int n_params)
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

static bool has_warning(const struct report *report, const char *code)
{
    for (int i = 0; i < report->n_warnings; i++) {
        if (strcmp(report->warnings[i].code, code) == 0) {
            return true;
        }
    }
    return false;
}

static double number(const struct report *report, const char *name)
{
    const struct report_item *item = report_find(report, name);
    ck_assert_msg(item != NULL && item->n == 1, "no number %s", name);
    return item->values[0];
}

static const double *list(const struct report *report, const char *name, int n)
{
    const struct report_item *item = report_find(report, name);
    ck_assert_msg(item != NULL && item->n == n, "no list %s of %d", name, n);
    return item->values;
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
    enum uq_kind kind = (enum uq_kind)_i;
    for (int epochs = 0; epochs < 2; epochs++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct uq_result whole;
        fixture_init(&f, kind, NOISE_LEARNED);
        f.settings.epochs *= epochs;
        ck_assert_int_eq(uq_run(kind, &f.problem, &f.settings, &whole, &err), ERR_OK);
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
            struct memory_checkpoint memory;
            struct uq_result result;
            int interruptions = 0;
            int loads = 0;
            memory_checkpoint_init(&memory, cuts[k].every);
            memory.die_after = cuts[k].die_after;
            f.problem.checkpoint = &memory.checkpoint;
            /* Past 12 interruptions it may run to its end: with every = 1 there would be 250. */
            while (uq_run(kind, &f.problem, &f.settings, &result, &err) == ERR_CANCELLED) {
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
            uq_result_release(&result);
            /* Once more: everything has ended, nothing is computed again. */
            struct watcher watcher = {.at = 0};
            memory_checkpoint_revive(&memory);
            f.problem.progress = watch;
            f.problem.progress_ctx = &watcher;
            ck_assert_int_eq(uq_run(kind, &f.problem, &f.settings, &result, &err), ERR_OK);
            ck_assert_int_eq(memory.n_asked, 0);
            ck_assert_double_eq_tol(watcher.fraction, 1.0, 1e-12);
            f.problem.progress = NULL;
            ck_same_result(&whole, &result, f.net.n_params);
            uq_result_release(&result);
            memory_checkpoint_release(&memory);
        }
        uq_result_release(&whole);
        resnet_release(&f.net);
    }
}
END_TEST

/* Many gradients of a step, and those that seek its first size, are not made again. */
START_TEST(an_interrupted_step_goes_on_within)
{
    static const enum uq_kind kinds[] = {UQ_HMC, UQ_NUTS};
    for (size_t k = 0; k < 2; k++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct uq_result whole;
        struct uq_result result;
        struct memory_checkpoint memory;
        fixture_init(&f, kinds[k], NOISE_LEARNED);
        f.settings.chains = 1;
        f.settings.warmup = 0;
        f.settings.thin = 1;
        f.settings.draws = 4;
        f.settings.epochs = 0;
        f.settings.leapfrog_steps = 200;
        f.settings.max_depth = 8;
        f.settings.epsilon = kinds[k] == UQ_NUTS ? 1e-4 : 0.0;
        memory_checkpoint_init(&memory, 1);
        f.problem.checkpoint = &memory.checkpoint;
        ck_assert_int_eq(uq_run(kinds[k], &f.problem, &f.settings, &whole, &err), ERR_OK);
        int asked = memory.n_asked; /* after each gradient and each step */
        ck_assert_int_gt(asked, 4 * 100);
        memory_checkpoint_release(&memory);
        for (int at = 1; at < asked; at += 37) {
            memory_checkpoint_init(&memory, 1);
            memory.die_after = at;
            f.problem.checkpoint = &memory.checkpoint;
            ck_assert_int_eq(uq_run(kinds[k], &f.problem, &f.settings, &result, &err),
                             ERR_CANCELLED);
            ck_assert_int_eq(memory.n_asked, at);
            err_clear(&err);
            memory_checkpoint_revive(&memory);
            ck_assert_int_eq(uq_run(kinds[k], &f.problem, &f.settings, &result, &err), ERR_OK);
            ck_assert_int_eq(memory.n_loads, 1);
            ck_assert_int_le(memory.n_asked, asked - at + 1);
            ck_same_result(&whole, &result, f.net.n_params);
            uq_result_release(&result);
            memory_checkpoint_release(&memory);
        }
        uq_result_release(&whole);
        resnet_release(&f.net);
    }
}
END_TEST

/* The draws are those of the bare sampler: warm-up left out, every thin-th state, in order. */
START_TEST(draws_are_the_sampler_s_states_after_the_warm_up)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct uq_result result;
    fixture_init(&f, UQ_HMC, NOISE_GIVEN);
    f.settings.epochs = 0;
    ck_assert_int_eq(uq_run(UQ_HMC, &f.problem, &f.settings, &result, &err), ERR_OK);
    struct objective objective = {.kind = OBJECTIVE_NLP,
                                  .noise_sigmas = &f.noise,
                                  .prior_sigmas = f.prior,
                                  .n_total = N_ROWS};
    struct sampler_settings settings = sampler_defaults(SAMPLER_HMC);
    settings.warmup = f.settings.warmup;
    settings.leapfrog_steps = f.settings.leapfrog_steps;
    for (int c = 0; c < f.settings.chains; c++) {
        struct logpost logpost;
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        double q0[K_MOST];
        ck_assert_int_eq(logpost_init(&logpost, &objective, &f.net, &f.problem.train, &err),
                         ERR_OK);
        struct target target = logpost_target(&logpost);
        rng_init(&rng, f.problem.seed, RNG_CHAIN, (uint32_t)c);
        fit_init_params(&f.net, f.settings.init_factor, &rng, q0);
        ck_assert_int_eq(sampler_init(&sampler, SAMPLER_HMC, &settings, &target, q0, &rng, &err),
                         ERR_OK);
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
    uq_result_release(&result);
    resnet_release(&f.net);
}
END_TEST

START_TEST(chains_do_not_depend_on_the_number_of_threads)
{
    static const int threads[] = {2, 5};
    for (int kind = UQ_AMCMC; kind <= UQ_NUTS; kind++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct uq_result one;
        fixture_init(&f, (enum uq_kind)kind, NOISE_LEARNED);
        ck_assert_int_eq(uq_run((enum uq_kind)kind, &f.problem, &f.settings, &one, &err), ERR_OK);
        for (int k = 0; k < 2; k++) {
            struct uq_result many;
            f.problem.n_threads = threads[k];
            ck_assert_int_eq(uq_run((enum uq_kind)kind, &f.problem, &f.settings, &many, &err),
                             ERR_OK);
            ck_same_result(&one, &many, f.net.n_params);
            uq_result_release(&many);
        }
        uq_result_release(&one);
        resnet_release(&f.net);
    }
}
END_TEST

START_TEST(chains_report_progress_and_can_be_cancelled_at_every_step)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct uq_result result;
    struct watcher all = {.at = 0};
    fixture_init(&f, UQ_HMC, NOISE_LEARNED);
    f.problem.progress = watch;
    f.problem.progress_ctx = &all;
    ck_assert_int_eq(uq_run(UQ_HMC, &f.problem, &f.settings, &result, &err), ERR_OK);
    uq_result_release(&result);
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
        ck_assert_int_eq(uq_run(UQ_HMC, &f.problem, &f.settings, &result, &err), ERR_CANCELLED);
        ck_assert_int_eq(w.reports, at);
        ck_assert_int_eq(mem_live(), live);
    }
    resnet_release(&f.net);
}
END_TEST

START_TEST(chains_survive_each_failed_allocation)
{
    struct fixture f;
    fixture_init(&f, UQ_NUTS, NOISE_LEARNED);
    f.settings.draws = 4;
    f.settings.warmup = 1;
    f.settings.chains = 2;
    f.settings.epochs = 1;
    for (int saved = 0; saved < 2; saved++) {
        for (long at = 1;; at++) {
            struct err err = ERR_INIT;
            struct uq_result result;
            struct memory_checkpoint memory;
            long live = mem_live();
            memory_checkpoint_init(&memory, 2);
            f.problem.checkpoint = saved ? &memory.checkpoint : NULL;
            mem_fail_after(at, false);
            enum err_code code = uq_run(UQ_NUTS, &f.problem, &f.settings, &result, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            uq_result_release(&result);
            memory_checkpoint_release(&memory);
            ck_assert_int_eq(mem_live(), live);
            if (attempts < at) {
                ck_assert_int_eq(code, ERR_OK);
                break;
            }
            /* Of all that it remembers of a step it needs nothing: test_uq compares the results. */
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
    struct uq_result result;
    struct memory_checkpoint memory;
    fixture_init(&f, UQ_AMCMC, NOISE_LEARNED);
    memory_checkpoint_init(&memory, 0);
    f.problem.checkpoint = &memory.checkpoint;
    ck_assert_int_eq(uq_run(UQ_AMCMC, &f.problem, &f.settings, &result, &err), ERR_OK);
    uq_result_release(&result);
    long live = mem_live();
    for (int i = 0; i < memory.n_states; i++) {
        memory.states[i].n_bytes -= 8;
        ck_assert_int_eq(uq_run(UQ_AMCMC, &f.problem, &f.settings, &result, &err), ERR_CORRUPT);
        ck_assert_int_eq(mem_live(), live);
        memory.states[i].n_bytes += 8;
        err_clear(&err);
    }
    memory_checkpoint_release(&memory);
    resnet_release(&f.net);
}
END_TEST

/* ---- reports ---- */

START_TEST(every_sampler_takes_every_noise)
{
    for (int kind = UQ_AMCMC; kind <= UQ_NUTS; kind++) {
        ck_assert_int_eq(uq_default_noise((enum uq_kind)kind), NOISE_LEARNED);
        for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
            struct err err = ERR_INIT;
            struct fixture f;
            struct uq_result result;
            fixture_init(&f, (enum uq_kind)kind, (enum noise_kind)noise);
            ck_assert_int_eq(uq_run((enum uq_kind)kind, &f.problem, &f.settings, &result, &err),
                             ERR_OK);
            ck_assert_int_eq(result.m, 36);
            for (int k = 0; k < result.m * f.net.n_params; k++) {
                ck_assert(isfinite(result.draws[k]));
            }
            ck_assert_int_eq(result.noise_sigma == NULL, noise == NOISE_PREDICTED);
            if (noise == NOISE_GIVEN || noise == NOISE_ESTIMATED) {
                ck_assert_double_eq(result.noise_sigma[0], 0.1);
            }
            list(&result.report, "chains.accept", 3);
            ck_assert_int_eq(report_find(&result.report, "chains.step_size") == NULL,
                             kind == UQ_AMCMC);
            ck_assert_int_eq(report_find(&result.report, "chains.depth_max") == NULL,
                             kind != UQ_NUTS);
            list(&result.report, "predictions.ess_tail", N_ROWS);
            uq_result_release(&result);
            resnet_release(&f.net);
        }
    }
}
END_TEST

/* The report's R-hat of predictions from the published draws, so these are the sampled ones. */
START_TEST(predictions_are_judged_by_the_published_draws)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct uq_result result;
    fixture_init(&f, UQ_NUTS, NOISE_LEARNED);
    ck_assert_int_eq(uq_run(UQ_NUTS, &f.problem, &f.settings, &result, &err), ERR_OK);
    double values[N_ROWS][36];
    double most = 0.0;
    struct resnet_tape *tape = resnet_tape_new(&f.net, N_ROWS);
    for (int k = 0; k < result.m; k++) {
        double y[N_ROWS];
        resnet_set_params(tape, result.draws + k * f.net.n_params);
        resnet_forward(tape, N_ROWS, f.x, y);
        for (int i = 0; i < N_ROWS; i++) {
            values[i][k] = y[i];
        }
    }
    resnet_tape_free(tape);
    const double *rhat = list(&result.report, "predictions.rhat", N_ROWS);
    const double *rows = list(&result.report, "predictions.rows", N_ROWS);
    for (int i = 0; i < N_ROWS; i++) {
        struct chain_summary summary;
        ck_assert_int_eq(chain_summarise(3, 12, values[i], &summary, &err), ERR_OK);
        ck_assert_double_eq_tol(rhat[i], summary.rhat, 1e-9);
        ck_assert_double_eq(rows[i], i);
        most = fmax(most, rhat[i]);
    }
    ck_assert_double_eq(number(&result.report, "predictions.rhat_max"), most);
    ck_assert_int_eq(has_warning(&result.report, "rhat_predictions"), most > 1.05);
    uq_result_release(&result);
    resnet_release(&f.net);
}
END_TEST

START_TEST(long_chains_agree_on_predictions_and_find_the_noise)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct uq_result result;
    fixture_init(&f, UQ_NUTS, NOISE_LEARNED);
    f.settings.draws = 400;
    f.settings.thin = 1;
    f.settings.warmup = 400;
    f.settings.epochs = 200;
    f.settings.max_depth = 10;
    ck_assert_int_eq(uq_run(UQ_NUTS, &f.problem, &f.settings, &result, &err), ERR_OK);
    ck_assert_double_lt(number(&result.report, "predictions.rhat_max"), 1.05);
    ck_assert_double_gt(number(&result.report, "predictions.ess_bulk_min"), 100.0);
    ck_assert_double_gt(number(&result.report, "predictions.ess_tail_min"), 50.0);
    ck_assert(!has_warning(&result.report, "rhat_predictions"));
    ck_assert(!has_warning(&result.report, "ebfmi"));
    ck_assert(!has_warning(&result.report, "max_depth"));
    for (int i = 0; i < 3; i++) {
        ck_assert_double_gt(list(&result.report, "chains.accept", 3)[i], 0.7);
    }
    /* Of 20 rows the noise is known to about a sixth. */
    ck_assert_double_eq_tol(result.noise_sigma[0], 0.1, 0.06);
    uq_result_release(&result);
    resnet_release(&f.net);
}
END_TEST

/* Bad settings, and the warnings they must bring. */
START_TEST(bad_chains_are_published_with_warnings)
{
    static const struct {
        const char *code;
        double epsilon, target_accept;
        int warmup, draws, max_depth, epochs;
        enum uq_kind kind;
    } cases[] = {
        {"few_draws", 0.0, 0.8, 30, 3, 5, 4, UQ_NUTS},
        {"rhat_predictions", 1e-4, 0.8, 0, 20, 3, 0, UQ_NUTS},
        {"rhat_parameters", 1e-4, 0.8, 0, 20, 3, 0, UQ_MALA},
        {"divergences", 3.0, 0.8, 0, 20, 5, 4, UQ_HMC},
        {"divergences", 3.0, 0.8, 0, 20, 5, 4, UQ_NUTS},
        {"no_verdict", 1e3, 0.8, 0, 20, 5, 4, UQ_HMC},
        {"max_depth", 1e-3, 0.8, 0, 20, 2, 4, UQ_NUTS},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct uq_result result;
        fixture_init(&f, cases[k].kind, NOISE_LEARNED);
        f.settings.epsilon = cases[k].epsilon;
        f.settings.target_accept = cases[k].target_accept;
        f.settings.warmup = cases[k].warmup;
        f.settings.draws = cases[k].draws;
        f.settings.max_depth = cases[k].max_depth;
        f.settings.epochs = cases[k].epochs;
        f.settings.start_spread = strcmp(cases[k].code, "no_verdict") == 0 ? 0.0 : 0.1;
        ck_assert_int_eq(uq_run(cases[k].kind, &f.problem, &f.settings, &result, &err), ERR_OK);
        ck_assert_msg(has_warning(&result.report, cases[k].code), "case %zu: no %s", k,
                      cases[k].code);
        uq_result_release(&result);
        resnet_release(&f.net);
    }
}
END_TEST

/* Energies that hardly change from step to step, without a sampler. */
START_TEST(slow_energies_bring_a_warning)
{
    struct err err = ERR_INIT;
    struct fixture f;
    fixture_init(&f, UQ_HMC, NOISE_GIVEN);
    for (int slow = 0; slow < 2; slow++) {
        struct mcmc_chain chains[2] = {{.steps = 100}, {.steps = 100}};
        double vectors[2 * 3 * K_MOST] = {0};
        struct report report = {.n_items = 0};
        struct rng rng;
        struct mcmc_draws draws = {.c = 2,
                                   .n = 3,
                                   .stride = f.net.n_params,
                                   .gradients = true,
                                   .vectors = vectors,
                                   .chains = chains};
        rng_init(&rng, 61, RNG_TEST, 0);
        for (int i = 0; i < 100; i++) {
            chain_energy_add(&chains[0].energy, rng_normal(&rng));
            chain_energy_add(&chains[1].energy, slow ? 0.1 * i : rng_normal(&rng));
        }
        ck_assert_int_eq(mcmc_report(&f.problem, &draws, &report, &err), ERR_OK);
        ck_assert_int_eq(has_warning(&report, "ebfmi"), slow);
        ck_assert(has_warning(&report, "few_draws"));
        report_release(&report);
    }
    resnet_release(&f.net);
}
END_TEST

START_TEST(chains_too_long_are_refused)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct uq_result result;
    fixture_init(&f, UQ_NUTS, NOISE_LEARNED);
    f.settings.thin = 1000000;
    f.settings.draws = 100000;
    ck_assert_int_eq(uq_run(UQ_NUTS, &f.problem, &f.settings, &result, &err), ERR_LIMIT);
    resnet_release(&f.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mcmc");
    TCase *tc = tcase_create("mcmc");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, an_interrupted_run_ends_as_an_unbroken_one, UQ_AMCMC, UQ_NUTS + 1);
    tcase_add_test(tc, an_interrupted_step_goes_on_within);
    tcase_add_test(tc, draws_are_the_sampler_s_states_after_the_warm_up);
    tcase_add_test(tc, chains_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, chains_report_progress_and_can_be_cancelled_at_every_step);
    tcase_add_test(tc, chains_survive_each_failed_allocation);
    tcase_add_test(tc, a_damaged_checkpoint_is_refused);
    tcase_add_test(tc, every_sampler_takes_every_noise);
    tcase_add_test(tc, predictions_are_judged_by_the_published_draws);
    tcase_add_test(tc, long_chains_agree_on_predictions_and_find_the_noise);
    tcase_add_test(tc, bad_chains_are_published_with_warnings);
    tcase_add_test(tc, slow_energies_bring_a_warning);
    tcase_add_test(tc, chains_too_long_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
