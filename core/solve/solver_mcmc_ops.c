/* SPDX-License-Identifier: Apache-2.0 */
/* The solvers that sample by Markov chains (solver_mcmc.c): a sampler, its memory, its defaults. */
#include "solve/solver_chain_mode.h"
#include "solve/solver_priv.h"

#include <limits.h>

struct sampler_settings solver_mcmc_settings(enum sampler_kind kind,
                                             const struct solver_settings *s)
{
    return (struct sampler_settings){
        .kind = kind,
        .warmup = s->warmup,
        .epsilon = s->epsilon,
        .target_accept = s->target_accept,
        .adapt_step = s->adapt_step,
        .adapt_mass = s->adapt_mass,
        .leapfrog_steps = s->leapfrog_steps,
        .jitter = s->jitter,
        .max_depth = s->max_depth,
        .gamma = s->gamma,
        .t0 = s->t0,
        .tadapt = s->tadapt,
    };
}

enum err_code solver_mcmc_count(const struct solver_settings *s, int *steps, struct err *err)
{
    long long all = (long long)s->warmup + (long long)s->draws * (long long)s->thin;
    if (all > INT_MAX) {
        return err_set(err, ERR_LIMIT,
                       "warmup + draws * thin is %lld steps of a chain, at most %d are possible",
                       all, INT_MAX);
    }
    *steps = (int)all;
    return ERR_OK;
}

/* The optimal acceptance of Langevin's proposals: Roberts and Rosenthal 1998. */
static void set_mala_defaults(struct solver_settings *settings)
{
    settings->target_accept = 0.574;
}

/* Vectors of a trajectory, counted for nuts, which needs the most: some for each level of a
 * tree. */
static double trajectory_values(const struct solver_settings *s, const struct resnet *net,
                                int n_threads)
{
    double threads = n_threads < s->chains ? n_threads : s->chains;
    return threads * (40.0 + 10.0 * s->max_depth) * net->n_params;
}

/* Covariance and factor of each chain, and both again in a checkpoint. */
static double covariance_values(const struct solver_settings *s, const struct resnet *net,
                                int n_threads)
{
    double k = net->n_params;
    double threads = n_threads < s->chains ? n_threads : s->chains;
    return threads * 4.0 * k * k;
}

static enum err_code check_steps(const struct solver_settings *settings, struct err *err)
{
    int steps = 0;
    return solver_mcmc_count(settings, &steps, err);
}

#define CHAINS(code, name, set, memory)                                                            \
    static enum err_code run_##name(const struct solver_problem *problem,                          \
                                    const struct solver_settings *settings,                        \
                                    struct solver_result *result, struct err *err)                 \
    {                                                                                              \
        return solver_mcmc_run(SAMPLER_##code, problem, settings, result, err);                    \
    }                                                                                              \
    const struct solver_ops solver_##name##_ops = {.run = run_##name,                              \
                                                   .weighs = true,                                 \
                                                   .terms = true,                                  \
                                                   .values = memory,                               \
                                                   .draws = DRAWS_OF_CHAINS,                       \
                                                   .one_member = true,                             \
                                                   .set_defaults = set,                            \
                                                   .validate = check_steps,                        \
                                                   .noises = NOISES_ALL,                           \
                                                   .noise = NOISE_LEARNED,                         \
                                                   .groups = "chains.accept"}

CHAINS(AMCMC, amcmc, NULL, covariance_values);
CHAINS(MALA, mala, set_mala_defaults, trajectory_values);
CHAINS(HMC, hmc, NULL, trajectory_values);
CHAINS(NUTS, nuts, NULL, trajectory_values);
