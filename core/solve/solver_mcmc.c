/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Markov chains on the posterior of all parameters, by one of core/sample/sampler's methods:
 * adaptive Metropolis, Langevin, Hamiltonian Monte Carlo, No-U-Turn.
 *
 * The target is the objective of the beliefs (core/losses/objective) on all rows: likelihood and,
 * unless the prior is flat, prior. When the noise is learned its log s_j are sampled with the
 * network's parameters; a draw of the result has the network's alone, and the result's noise_sigma
 * is the root of the mean variance over draws.
 *
 * Chains are tasks of their own. With epochs > 0 one fit of the posterior's mode comes first, and
 * each chain starts at the mode plus start_spread times the scale of a random start, in a random
 * direction: far enough apart that R-hat means something, near enough that the warm-up is short.
 * With epochs = 0 each chain starts at random. Each takes `warmup` steps, in which its sampler
 * learns, then keeps the state after every thin-th step until it has `draws` of them.
 *
 * In a warm start each chain continues where a chain of the earlier posterior ended, with its step
 * size and spread (core/solve/solver_chain_start). There is no fit, and a short warm-up is enough.
 * A warm-up of fewer than MASS_WINDOW_FULL steps, and of fewer steps than the earlier chain has
 * draws, leaves the masses as they are. Random offsets are added only to chains that would
 * otherwise start at the same point.
 *
 * A chain's checkpoint holds its whole state: the sampler, the rng, counts and the draws so far. A
 * step of No-U-Turn takes up to 2^max_depth gradients over all rows, and the search for the first
 * step size about a dozen. Therefore a checkpoint may come between any two gradients: it holds the
 * state at the beginning of the step and the gradients since then (core/fit/replay.h). amcmc, which
 * needs one density a step, saves only between steps.
 *
 * Where we differ from QUiNN: several chains and their diagnostics (core/solve/mcmc_report), step
 * sizes and masses learnt in the warm-up, a Gaussian prior by default, and No-U-Turn. QUiNN keeps
 * every step of one chain and leaves the burn-in to the caller.
 */
#include "base/mem.h"
#include "fit/replay.h"
#include "sample/sampler.h"
#include "solve/logpost.h"
#include "solve/mcmc_report.h"
#include "solve/solver_chain_mode.h"
#include "solve/solver_chain_start.h"
#include "solve/solver_priv.h"

#include <limits.h>
#include <math.h>
#include <string.h>

struct chains {
    struct solver_tasks tasks; /* the chains and, after them, the fit of the mode */
    const struct solver_settings *settings;
    struct sampler_settings sampler;
    struct objective objective;
    int stride;                    /* parameters sampled: K, or K + o */
    int steps;                     /* of a chain, warm-up included */
    bool fits;                     /* the mode, before the chains */
    struct solver_chain_mode mode; /* params NULL: random starts */
    double *given_factor;          /* [stride x stride] of a given covariance; NULL: none; mem */
    double *vectors;               /* [chains draws x stride] */
    double *log_posterior;         /* [chains draws] */
    double *acceptance;            /* [chains draws] of the step that led to the draw */
    struct mcmc_chain *stats;      /* [chains] */
};

/* The state of a chain while it runs. */
struct chain {
    struct chains *all;
    int number;
    int kept;                           /* draws so far */
    double *vectors;                    /* [draws x stride] of this chain */
    double *log_posterior, *acceptance; /* [draws] of this chain */
    struct mcmc_chain *stats;
    struct logpost logpost;
    struct whitened white;   /* coordinates of the sampler; factor NULL: the parameters are */
    struct target posterior; /* the logpost's, in those coordinates */
    struct target target;    /* the same, which remembers what it gave within a step */
    struct sampler sampler;
    struct rng rng;
    /* Checkpoints within a step; without them nothing is remembered. */
    bool remembers;
    struct replay replay;
    struct bytes_writer begun; /* rng and sampler when the step began; empty: none has begun */
    struct err failure;        /* of a save within the target */
};

/* ---- starts ---- */

/* Adds spread times N(0, scale^2) to each parameter; scales are the bounds of fit_init_params. */
static void scatter(const struct chains *all, double spread, struct rng *rng, double *q)
{
    const struct resnet *net = all->tasks.problem->net;
    const struct arch *a = &net->arch;
    /* The pre layer's weights and biases come first; all after it has fan-in r. */
    int pre = net->off.weight_pre >= 0 ? a->width * a->inputs + a->width : 0;
    double factor = all->settings->init_factor;
    for (int k = 0; k < all->stride; k++) {
        double scale = 1.0; /* of log s_j */
        if (k < net->n_params) {
            scale = factor / sqrt((double)(k < pre ? a->inputs : a->width));
        }
        q[k] += spread * scale * rng_normal(rng);
    }
}

static enum err_code start_from_earlier(struct chain *chain, struct err *err)
{
    const struct chains *all = chain->all;
    const struct solver_problem *p = all->tasks.problem;
    const struct solver_chain which = {.kind = all->sampler.kind,
                                       .n_params = all->stride,
                                       .number = chain->number,
                                       .n_chains = all->settings->chains};
    struct solver_chain_start from;
    if (solver_chain_start_init(&from, p, &which, err) != ERR_OK) {
        return err->code;
    }
    if (from.alike) {
        scatter(all, all->settings->start_spread, &chain->rng, from.q0);
    }
    if (!all->settings->adapt_mass) {
        from.start.inv_mass = NULL;
        from.start.epsilon = 0.0; /* it was learnt with masses */
    }
    err_kept(sampler_begin(&chain->sampler, &all->sampler, &chain->target, &from.start, &chain->rng,
                           err));
    solver_chain_start_release(&from);
    return err->code;
}

/* The point [stride] near which a chain begins: given, the mode, or at random. */
static void find_point(struct chain *chain, double *point)
{
    const struct chains *all = chain->all;
    const struct solver_problem *p = all->tasks.problem;
    size_t stride = (size_t)all->stride;
    if (p->given != NULL && p->given->n_starts > 0) {
        int at = chain->number % p->given->n_starts;
        memcpy(point, p->given->starts + (size_t)at * stride, stride * sizeof *point);
    } else if (all->mode.params != NULL) {
        memcpy(point, all->mode.params, stride * sizeof *point);
    } else {
        fit_init_params(p->net, all->settings->init_factor, &chain->rng, point);
        for (int k = p->net->n_params; k < all->stride; k++) {
            point[k] = OBJECTIVE_LOG_S_MEAN;
        }
    }
}

static enum err_code start_sampler(struct chain *chain, struct err *err)
{
    const struct chains *all = chain->all;
    const struct solver_problem *p = all->tasks.problem;
    bool exact = p->given != NULL && p->given->n_starts > 0;
    if (p->start != NULL && p->given == NULL && chain->white.factor == NULL) {
        return start_from_earlier(chain, err);
    }
    double *start = mem_zalloc_array((size_t)all->stride, sizeof *start);
    if (start == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the start of a chain");
    }
    if (chain->white.factor != NULL) {
        for (int k = 0; !exact && k < all->stride; k++) {
            start[k] = all->settings->start_spread * rng_normal(&chain->rng);
        }
    } else {
        find_point(chain, start);
        if (!exact && all->mode.params != NULL) {
            scatter(all, all->settings->start_spread, &chain->rng, start);
        }
    }
    if (all->given_factor != NULL && chain->white.factor == NULL) {
        const struct solver_chain_proposals proposals = {p->given, &all->sampler, start,
                                                         &chain->rng};
        err_kept(solver_chain_given_begin(&proposals, &chain->target, &chain->sampler, err));
    } else {
        err_kept(
            sampler_init(&chain->sampler, &all->sampler, &chain->target, start, &chain->rng, err));
    }
    mem_free(start);
    return err->code;
}

/* The coordinates of a chain: those of a given covariance around its start, or solver_chain_mode's.
 * amcmc needs none. */
static enum err_code find_coordinates(struct chain *chain, struct err *err)
{
    const struct chains *all = chain->all;
    const struct solver_chain which = {.kind = all->sampler.kind,
                                       .n_params = all->stride,
                                       .number = chain->number,
                                       .n_chains = all->settings->chains};
    if (all->tasks.problem->given == NULL) {
        return solver_chain_mode_whiten(&all->mode, all->tasks.problem, &which, &chain->white, err);
    }
    if (all->given_factor != NULL && sampler_uses_gradients(all->sampler.kind) &&
        whitened_init(&chain->white, all->stride, all->stride, err) == ERR_OK) {
        chain->white.factor = all->given_factor;
        find_point(chain, chain->white.mean);
    }
    return err->code;
}

/* ---- checkpoints ---- */

/* Records the state from which the next step, or the interrupted one, begins. */
static enum err_code mark_beginning(struct chain *chain, struct err *err)
{
    chain->begun.size = 0;
    rng_save(&chain->rng, &chain->begun);
    sampler_save(&chain->sampler, &chain->begun);
    replay_restart(&chain->replay);
    return chain->begun.failed ? err_set(err, ERR_NOMEM, "no memory for a checkpoint") : ERR_OK;
}

static enum err_code save_chain(const struct chain *chain, struct err *err)
{
    const struct mcmc_chain *stats = chain->stats;
    const struct chain_energy *energy = &stats->energy;
    const double numbers[] = {stats->accept, stats->depth, stats->leapfrogs, stats->step_size,
                              energy->mean,  energy->m2,   energy->change,   energy->last};
    struct bytes_writer w = {.data = NULL};
    bytes_put_u32(&w, chain->begun.size > 0);
    bytes_put_u32(&w, (uint32_t)chain->kept);
    bytes_put_i64(&w, stats->steps);
    bytes_put_i64(&w, stats->divergences);
    bytes_put_i64(&w, stats->at_max_depth);
    bytes_put_u32(&w, (uint32_t)stats->depth_max);
    bytes_put_i64(&w, energy->n);
    bytes_put_f64(&w, numbers, sizeof numbers / sizeof *numbers);
    bytes_put_f64(&w, chain->vectors, (size_t)chain->kept * (size_t)chain->all->stride);
    bytes_put_f64(&w, chain->log_posterior, (size_t)chain->kept);
    bytes_put_f64(&w, chain->acceptance, (size_t)chain->kept);
    bytes_put(&w, chain->begun.data, chain->begun.size);
    replay_save(&chain->replay, &w);
    return checkpoint_save(chain->all->tasks.problem->checkpoint, chain->number, &w, err);
}

static enum err_code save_between_steps(struct chain *chain, struct err *err)
{
    return mark_beginning(chain, err) == ERR_OK ? save_chain(chain, err) : err->code;
}

/* The posterior as the sampler sees it. After a failure every value is NaN, so that the step
 * ends. */
static double remembered_logp(void *ctx, const double *theta, double *grad)
{
    struct chain *chain = ctx;
    const struct checkpoint *checkpoint = chain->all->tasks.problem->checkpoint;
    struct err *failure = &chain->failure;
    double value = NAN;
    if (failure->code != ERR_OK || replay_tell(&chain->replay, &value, grad)) {
        return value;
    }
    value = chain->posterior.logp(chain->posterior.ctx, theta, grad);
    /* After a cancellation the value may come from part of the rows, and must not be kept. */
    if (cancel_is_requested(chain->all->tasks.problem->cancel)) {
        return value;
    }
    replay_keep(&chain->replay, value, grad);
    if (checkpoint_due(checkpoint, chain->number) && save_chain(chain, failure) == ERR_NOMEM) {
        err_clear(failure); /* the chain can go on, and a later save may find memory */
    }
    return value;
}

static void set_target(struct chain *chain)
{
    const struct chains *all = chain->all;
    chain->remembers =
        all->tasks.problem->checkpoint != NULL && sampler_uses_gradients(all->sampler.kind);
    chain->posterior = logpost_target(&chain->logpost);
    if (chain->white.factor != NULL) {
        chain->white.inner = chain->posterior;
        chain->posterior = whitened_target(&chain->white);
    }
    chain->target = chain->posterior;
    if (chain->remembers) {
        replay_init(&chain->replay, chain->posterior.n);
        chain->target.logp = remembered_logp;
        chain->target.ctx = chain;
    }
}

static void read_counts(struct chain *chain, struct bytes_reader *r)
{
    struct mcmc_chain *stats = chain->stats;
    double numbers[8] = {0};
    chain->kept = bytes_get_int(r, chain->all->settings->draws);
    stats->steps = (long)bytes_get_i64(r);
    stats->divergences = (long)bytes_get_i64(r);
    stats->at_max_depth = (long)bytes_get_i64(r);
    stats->depth_max = bytes_get_int(r, INT_MAX);
    stats->energy.n = (long)bytes_get_i64(r);
    bytes_get_f64(r, numbers, sizeof numbers / sizeof *numbers);
    stats->accept = numbers[0];
    stats->depth = numbers[1];
    stats->leapfrogs = numbers[2];
    stats->step_size = numbers[3];
    stats->energy.mean = numbers[4];
    stats->energy.m2 = numbers[5];
    stats->energy.change = numbers[6];
    stats->energy.last = numbers[7];
    bytes_get_f64(r, chain->vectors, (size_t)chain->kept * (size_t)chain->all->stride);
    bytes_get_f64(r, chain->log_posterior, (size_t)chain->kept);
    bytes_get_f64(r, chain->acceptance, (size_t)chain->kept);
}

/* *begun: a sampler was loaded, at the beginning of a step. Otherwise the search for its first step
 * size is repeated, with the evaluations that the replay holds. */
static enum err_code resume_chain(struct chain *chain, bool *begun, struct err *err)
{
    const struct chains *all = chain->all;
    struct bytes_reader r;
    void *bytes = NULL;
    bool found = false;
    *begun = false;
    if (checkpoint_load(all->tasks.problem->checkpoint, chain->number, &bytes, &r, &found, err) !=
            ERR_OK ||
        !found) {
        return err->code;
    }
    *begun = bytes_get_int(&r, 1) == 1;
    read_counts(chain, &r);
    if (*begun) {
        rng_load(&chain->rng, &r);
    }
    if ((!*begun || (sampler_load(&chain->sampler, &all->sampler, all->stride, &r, err) == ERR_OK &&
                     mark_beginning(chain, err) == ERR_OK)) &&
        replay_load(&chain->replay, &r, err) == ERR_OK) {
        err_kept(checkpoint_check(&r, err));
    }
    mem_free(bytes);
    return err->code;
}

/* ---- steps ---- */

/* Counts a step after the warm-up, and keeps its state when it is to be a draw. */
static void count_step(struct chain *chain, const struct sampler_info *info)
{
    const struct chains *all = chain->all;
    struct mcmc_chain *stats = chain->stats;
    stats->steps++;
    stats->divergences += info->divergent;
    stats->at_max_depth +=
        sampler_builds_trees(all->sampler.kind) && info->depth >= all->sampler.max_depth;
    stats->depth_max = info->depth > stats->depth_max ? info->depth : stats->depth_max;
    stats->accept += info->accept;
    stats->depth += info->depth;
    stats->leapfrogs += info->n_leapfrog;
    stats->step_size = chain->sampler.epsilon;
    chain_energy_add(&stats->energy, info->energy);
    if (stats->steps % all->settings->thin == 0) {
        double *draw = chain->vectors + (size_t)chain->kept * (size_t)all->stride;
        if (chain->white.factor != NULL) {
            whitened_point(&chain->white, chain->sampler.q, draw);
        } else {
            memcpy(draw, chain->sampler.q, (size_t)all->stride * sizeof *draw);
        }
        chain->log_posterior[chain->kept] = chain->sampler.logp;
        chain->acceptance[chain->kept] = info->accept;
        chain->kept++;
    }
}

static void tell_progress(const struct chain *chain)
{
    struct chains *all = chain->all;
    int step = (int)chain->sampler.t;
    solver_tasks_progress(&all->tasks,
                          &(struct progress){
                              .member = chain->number,
                              .step = step,
                              .n_steps = all->steps,
                              .loss = -chain->sampler.logp / (double)all->tasks.problem->train.n,
                              .validation_loss = NAN,
                              .fraction = (double)step / (double)all->steps,
                          });
}

/* One step, or the rest of one that was interrupted. */
static enum err_code take_step(struct chain *chain, bool resumed, struct err *err)
{
    const struct cancel *cancel = chain->all->tasks.problem->cancel;
    struct sampler_info info;
    if (cancel_is_requested(cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled after step %ld", chain->sampler.t);
    }
    if (chain->remembers && !resumed && mark_beginning(chain, err) != ERR_OK) {
        return err->code;
    }
    sampler_step(&chain->sampler, &chain->target, &chain->rng, &info);
    /* A step that failed or was cancelled may be incomplete, so it is neither counted nor saved. */
    if (chain->failure.code != ERR_OK) {
        *err = chain->failure;
        return err->code;
    }
    if (cancel_is_requested(cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in step %ld", chain->sampler.t);
    }
    if (chain->sampler.t > chain->all->settings->warmup) {
        count_step(chain, &info);
    }
    tell_progress(chain);
    return ERR_OK;
}

static enum err_code take_samples(struct chain *chain, bool resumed, struct err *err)
{
    const struct chains *all = chain->all;
    const struct solver_problem *p = all->tasks.problem;
    while (chain->sampler.t < all->steps) {
        if (take_step(chain, resumed, err) != ERR_OK) {
            return err->code;
        }
        resumed = false;
        if (checkpoint_due(p->checkpoint, chain->number) &&
            save_between_steps(chain, err) != ERR_OK) {
            return err->code;
        }
    }
    return p->checkpoint != NULL ? save_between_steps(chain, err) : ERR_OK;
}

/* Continues where an interrupted run stopped, or starts the chain. */
static enum err_code resume_or_start(struct chain *chain, bool *resumed, struct err *err)
{
    if (resume_chain(chain, resumed, err) != ERR_OK) {
        return err->code;
    }
    if (*resumed) {
        tell_progress(chain);
        return ERR_OK;
    }
    err_kept(start_sampler(chain, err));
    if (chain->failure.code != ERR_OK) {
        *err = chain->failure;
    }
    return err->code;
}

static enum err_code run_chain(void *ctx, int worker, int number, struct err *err)
{
    struct chains *all = ctx;
    const struct solver_problem *p = all->tasks.problem;
    struct chain chain = {
        .all = all, .number = number, .stats = &all->stats[number], .failure = ERR_INIT};
    bool resumed = false;
    (void)worker;
    chain.vectors =
        all->vectors + (size_t)number * (size_t)all->settings->draws * (size_t)all->stride;
    chain.log_posterior = all->log_posterior + (size_t)number * (size_t)all->settings->draws;
    chain.acceptance = all->acceptance + (size_t)number * (size_t)all->settings->draws;
    rng_init(&chain.rng, p->seed, RNG_CHAIN, (uint32_t)number);
    if (logpost_init(&chain.logpost, &all->objective, p->net, &p->train, err) != ERR_OK ||
        find_coordinates(&chain, err) != ERR_OK) {
        goto done;
    }
    set_target(&chain);
    if (resume_or_start(&chain, &resumed, err) == ERR_OK) {
        err_kept(take_samples(&chain, resumed, err));
    }
done:
    if (err->code != ERR_OK) {
        err_prefix(err, "chain %d", number);
    }
    replay_release(&chain.replay);
    mem_free(chain.begun.data);
    sampler_release(&chain.sampler);
    logpost_release(&chain.logpost);
    whitened_release(&chain.white);
    return err->code;
}

/* ---- the whole ---- */

/* By evidence, prior and noise of the chains come with their mode. */
static enum err_code find_mode(struct chains *all, struct report *report, struct err *err)
{
    if (all->fits && solver_chain_mode_find(&all->mode, &all->tasks, all->settings, all->stride,
                                            report, err) != ERR_OK) {
        return err->code;
    }
    if (all->mode.factor != NULL) {
        all->objective.prior_sigmas = all->mode.prior;
        all->objective.noise_sigmas = all->mode.sigmas;
    }
    return ERR_OK;
}

/* Report, noise, and the draws without their log s_j; vectors go to the result. */
static enum err_code collect_results(struct chains *all, struct solver_result *result,
                                     struct err *err)
{
    const struct solver_problem *p = all->tasks.problem;
    size_t k = (size_t)p->net->n_params;
    size_t stride = (size_t)all->stride;
    struct mcmc_draws draws = {
        .c = all->settings->chains,
        .n = all->settings->draws,
        .stride = all->stride,
        .gradients = sampler_uses_gradients(all->sampler.kind),
        .trees = sampler_builds_trees(all->sampler.kind),
        .vectors = all->vectors,
        .chains = all->stats,
        .log_posterior = all->log_posterior,
        .acceptance = all->acceptance,
    };
    struct solver_problem of_noise = *p;
    if (all->mode.sigmas != NULL) {
        of_noise.beliefs.noise = NOISE_GIVEN;
        of_noise.beliefs.noise_sigmas = all->mode.sigmas;
    }
    enum err_code code =
        of_noise.beliefs.noise == NOISE_LEARNED
            ? solver_noise_of_draws(p, result->m, all->vectors, stride, result, err)
            : solver_noise_of_beliefs(&of_noise, result, err);
    if (code != ERR_OK || mcmc_report(p, &draws, &result->report, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 1; stride != k && i < (size_t)result->m; i++) {
        memmove(all->vectors + i * k, all->vectors + i * stride, k * sizeof *all->vectors);
    }
    result->draws = all->vectors;
    all->vectors = NULL;
    return ERR_OK;
}

static enum err_code allocate_draws(struct chains *all, struct err *err)
{
    const struct solver_settings *s = all->settings;
    size_t stride = (size_t)all->stride;
    size_t m = (size_t)s->chains * (size_t)s->draws;
    all->vectors = mem_alloc_array(m * stride, sizeof *all->vectors);
    all->stats = mem_zalloc_array((size_t)s->chains, sizeof *all->stats);
    all->log_posterior = mem_alloc_array(m, sizeof *all->log_posterior);
    all->acceptance = mem_alloc_array(m, sizeof *all->acceptance);
    if (all->vectors == NULL || all->stats == NULL || all->log_posterior == NULL ||
        all->acceptance == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu draws of %zu parameters", m, stride);
    }
    return ERR_OK;
}

static enum err_code check_given(struct chains *all, struct err *err)
{
    const struct solver_given *given = all->tasks.problem->given;
    return given == NULL || solver_check_given(given, all->stride, err) != ERR_OK
               ? err->code
               : solver_chain_given_factor(given, &all->given_factor, err);
}

enum err_code solver_mcmc_run(enum sampler_kind kind, const struct solver_problem *problem,
                              const struct solver_settings *settings, struct solver_result *result,
                              struct err *err)
{
    struct chains all = {.settings = settings,
                         .sampler = solver_mcmc_settings(kind, settings),
                         .objective = solver_objective(problem)};
    bool evidence = settings->hyperparameters == HYPER_EVIDENCE;
    bool starts = problem->given != NULL && problem->given->n_starts > 0;
    all.fits = evidence || (settings->epochs > 0 && problem->start == NULL && !starts);
    int n_tasks = settings->chains + (all.fits ? solver_chain_mode_tasks(settings) : 0);
    if (evidence) {
        all.objective.kind = OBJECTIVE_NLP;
        all.objective.noise = NOISE_GIVEN;
    }
    if (problem->start != NULL && solver_chain_start_knows(problem->start, settings->warmup)) {
        all.sampler.adapt_mass = false;
    }
    all.stride = objective_n_params(&all.objective, problem->net);
    if (solver_mcmc_count(settings, &all.steps, err) != ERR_OK ||
        solver_tasks_init(&all.tasks, problem, n_tasks, err) != ERR_OK) {
        return err->code;
    }
    if (check_given(&all, err) == ERR_OK && allocate_draws(&all, err) == ERR_OK &&
        find_mode(&all, &result->report, err) == ERR_OK &&
        ranks_run(problem->checkpoint, problem->n_threads, settings->chains, run_chain, &all,
                  err) == ERR_OK) {
        err_kept(collect_results(&all, result, err));
    }
    mem_free(all.vectors);
    mem_free(all.given_factor);
    mem_free(all.stats);
    mem_free(all.log_posterior);
    mem_free(all.acceptance);
    solver_chain_mode_release(&all.mode);
    solver_tasks_release(&all.tasks);
    return err->code;
}
