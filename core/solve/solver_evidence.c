/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks at maxima of the evidence (core/solve/evidence_fit.h has the method). `members` fits
 * start at random, side by side. Which of them are good is told by their evidence, without any rows
 * kept out: those whose log evidence is within `evidence_gap` of the best are the posterior, at
 * most `keep` of them, as a mixture of Gaussians
 *
 *   w ~ N(theta, H^-1),  H by Gauss-Newton with the chosen noise and precisions
 *
 * with equal weights, whose predictions linearise the networks at their theta.
 *
 * Why not weights by evidence: exp of a difference of a few units would leave one network of many
 * that are equally good, while Laplace's approximation of the evidence is itself no better than
 * that. A start that ended in a bad maximum is far behind, and is left out.
 *
 * Each fit has all rows at each step and works with K x K matrices: n o K^2 and K^3 operations a
 * step, exact up to MAX_PARAMS parameters and meant for few rows, up to some thousands. Inputs that
 * do not matter lose their weights to a prior precision of their own, and cost nothing but time.
 *
 * The prior of the request only says where the precisions begin. Noise is given, or found for each
 * output; predicted noise would need a network of its own for the precision and is refused.
 *
 * Where the posterior is a part of a whole that needs equally many Gaussians of each part, better
 * starts take the places of those left out, a second time.
 *
 * A warm start begins at the networks of the earlier posterior; starts beyond their number begin at
 * random, since the fit has no random numbers that would tell two equal beginnings apart.
 */
#include "solve/evidence_starts.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct mixture_work {
    struct evidence_starts *starts;
    struct gauss_mixture *mixture;
};

static enum err_code make_gaussian(void *ctx, int worker, int slot, struct err *err)
{
    const struct mixture_work *work = ctx;
    struct evidence_starts *starts = work->starts;
    struct gauss *gauss = &work->mixture->members[slot];
    size_t k = (size_t)starts->tasks->problem->net->n_params;
    size_t g = (size_t)starts->groups.n;
    const struct checkpoint *checkpoint = starts->tasks->problem->checkpoint;
    const struct ranks_piece pieces[] = {
        {gauss->mean, k * sizeof *gauss->mean},
        {gauss->factor, k * k * sizeof *gauss->factor},
        {starts->gamma + (size_t)slot * g, g * sizeof *starts->gamma}};
    struct evidence_opened opened = {.fit = {.memory = NULL}};
    (void)worker;
    if (ranks_hear(checkpoint, slot, pieces, 3)) {
        evidence_starts_tell_end(starts, starts->kept[slot], NULL);
        return ERR_OK;
    }
    if (evidence_starts_open(starts, slot, &opened, err) == ERR_OK &&
        levenberg_covariance(&opened.fit.lm, gauss->factor, err) == ERR_OK) {
        memcpy(gauss->mean, opened.fit.lm.params, k * sizeof *gauss->mean);
        evidence_starts_tell_end(starts, starts->kept[slot], &opened);
        err_kept(ranks_tell(checkpoint, slot, pieces, 3, err));
    }
    evidence_starts_close(&opened);
    return err->code;
}

static enum err_code make_posterior(struct evidence_starts *starts, int n_draws,
                                    struct solver_result *result, struct err *err)
{
    const struct solver_problem *p = starts->tasks->problem;
    int k = p->net->n_params;
    const struct gauss_shape shape = {.n_params = k, .n = k, .rank = k};
    struct mixture_work work = {.starts = starts, .mixture = &result->gaussian};
    if (gauss_mixture_new(&result->gaussian, starts->n_kept, &shape, err) != ERR_OK) {
        return err->code;
    }
    result->gaussian.n_draws = n_draws;
    result->gaussian.seed = (int64_t)p->seed;
    result->gaussian.linearised = true;
    result->m = starts->n_kept * n_draws;
    evidence_starts_tell_left_out(starts);
    return ranks_run(p->checkpoint, p->n_threads, starts->n_kept, make_gaussian, &work, err);
}

enum err_code solver_evidence_mixture(const struct solver_problem *problem,
                                      const struct evidence_plan *plan,
                                      struct solver_result *result, struct err *err)
{
    struct solver_tasks tasks;
    struct evidence_starts starts = {.memory = NULL};
    if (solver_tasks_init(&tasks, problem, plan->n, err) != ERR_OK) {
        return err->code;
    }
    if (evidence_starts_run(&starts, &tasks, plan, err) == ERR_OK &&
        make_posterior(&starts, plan->settings->draws, result, err) == ERR_OK &&
        evidence_starts_report(&starts, &result->report, err) == ERR_OK) {
        err_kept(evidence_starts_report_noise(&starts, result, err));
    }
    evidence_starts_release(&starts);
    solver_tasks_release(&tasks);
    return err->code;
}

/* ---- for laplace ---- */

/* factor <- the root of covariance_scale times it. */
static void scale_covariances(struct gauss_mixture *mixture, double covariance_scale)
{
    for (int i = 0; i < mixture->n_members; i++) {
        struct gauss *g = &mixture->members[i];
        size_t n = (size_t)g->n * (size_t)g->rank;
        /* The covariance is that of (covariance_scale H)^-1. */
        for (size_t k = 0; k < n; k++) {
            g->factor[k] /= sqrt(covariance_scale);
        }
    }
}

enum err_code laplace_by_evidence(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err)
{
    const struct evidence_plan plan = {.settings = settings,
                                       .n = settings->members > EVIDENCE_STARTS ? settings->members
                                                                                : EVIDENCE_STARTS,
                                       .keep = settings->members,
                                       .gap = settings->evidence_gap};
    if (solver_evidence_mixture(problem, &plan, result, err) == ERR_OK) {
        if (settings->covariance_scale != 1.0) {
            scale_covariances(&result->gaussian, settings->covariance_scale);
        }
        result->gaussian.linearised = settings->predictive == PREDICTIVE_LINEARISED;
    }
    return err->code;
}

/* ---- the solver ---- */

static enum err_code run_evidence(const struct solver_problem *problem,
                                  const struct solver_settings *settings,
                                  struct solver_result *result, struct err *err)
{
    const struct evidence_plan plan = {.settings = settings,
                                       .n = settings->members,
                                       .keep = settings->keep,
                                       .gap = settings->evidence_gap};
    return solver_evidence_mixture(problem, &plan, result, err);
}

static enum err_code check_size(const struct solver_settings *settings, const struct resnet *net,
                                bool flat, struct err *err)
{
    (void)settings;
    (void)flat;
    return evidence_check_size(SOLVER_EVIDENCE, net, err);
}

static double values_held(const struct solver_settings *s, const struct resnet *net, int n_threads)
{
    int kept = s->keep < s->members ? s->keep : s->members;
    return evidence_starts_values(net, s->members, kept, n_threads);
}

static void set_defaults(struct solver_settings *settings)
{
    settings->epochs = 300;
    settings->patience = 30;
}

/* A few hundred parameters. The weak prior lets all inputs in before the evidence decides; from a
 * strong one more starts end where the network does nothing. */
static void set_request(struct solver_request *request)
{
    request->arch.width = 16;
    request->arch.layers = 2;
    request->arch.basis = WPFN_CONSTANT;
    request->prior_sigma = 10.0;
    request->output_scaling = SCALER_STANDARD;
}

const struct solver_ops solver_evidence_ops = {
    .run = run_evidence,
    .set_request = set_request,
    .check_size = check_size,
    .values = values_held,
    .draws = DRAWS_OF_KEPT,
    .set_defaults = set_defaults,
    .noises = NOISE_BIT(GIVEN) | NOISE_BIT(LEARNED),
    .noise = NOISE_LEARNED,
};
