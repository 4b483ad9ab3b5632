/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Gaussian momentum, some leapfrog steps, and a Metropolis test on the change of energy. One step
 * is the Langevin proposal q + eps^2/2 M^-1 grad + eps M^-1/2 z with its correction.
 */
#include "sample/sampler_priv.h"

#include <math.h>
#include <string.h>

static size_t hmc_work(int n, const struct sampler_settings *settings)
{
    (void)settings;
    return 3 * (size_t)n;
}

struct path {
    double epsilon;
    int steps;
};

/* Proposes the end of a path with a fresh momentum, and moves there or stays. */
static void follow_path(struct sampler *s, const struct target *target, struct path path,
                        struct rng *rng, struct sampler_info *info)
{
    size_t bytes = (size_t)s->n * sizeof *s->q;
    struct phase at = {
        .q = s->work, .p = s->work + s->n, .grad = s->work + 2 * s->n, .logp = s->logp};
    memcpy(at.q, s->q, bytes);
    memcpy(at.grad, s->grad, bytes);
    leapfrog_momentum(s->n, s->inv_mass, rng, at.p);
    double before = leapfrog_energy(s->n, s->inv_mass, &at);
    for (int k = 0; k < path.steps; k++) {
        leapfrog_step(target, s->inv_mass, path.epsilon, &at);
    }
    double after = leapfrog_energy(s->n, s->inv_mass, &at);
    info->n_leapfrog = path.steps;
    info->divergent = !(after - before < SAMPLER_DIVERGENCE);
    info->moved = sampler_accepts(before - after, rng, &info->accept);
    info->energy = before;
    if (info->moved) {
        memcpy(s->q, at.q, bytes);
        memcpy(s->grad, at.grad, bytes);
        s->logp = at.logp;
    }
}

static void step_hmc(struct sampler *s, const struct target *target, struct rng *rng,
                     struct sampler_info *info)
{
    /* Paths that all have the same length may return to their start each time; jitter prevents
     * that. */
    double epsilon = s->epsilon * (1.0 + s->settings.jitter * (2.0 * rng_uniform(rng) - 1.0));
    follow_path(s, target, (struct path){epsilon, s->settings.leapfrog_steps}, rng, info);
}

static void step_mala(struct sampler *s, const struct target *target, struct rng *rng,
                      struct sampler_info *info)
{
    follow_path(s, target, (struct path){s->epsilon, 1}, rng, info);
}

const struct sampler_ops sampler_hmc_ops = {.work = hmc_work, .step = step_hmc, .gradient = true};
const struct sampler_ops sampler_mala_ops = {.work = hmc_work, .step = step_mala, .gradient = true};
