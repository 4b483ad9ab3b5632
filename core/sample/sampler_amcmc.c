/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mean and covariance of the chain are updated at every step (Haario's recursion, with the division
 * by t of the sample covariance of all states so far); the proposals' Cholesky factor is renewed
 * every tadapt steps from t0 on. Before that the proposals are independent, of variance 0.01 + 0.09
 * |q0_i| as in QUiNN. A chain that continues an earlier one also counts the earlier states, and
 * begins with proposals of their covariance.
 */
#include "sample/sampler_priv.h"

#include "math/linalg.h"

#include <math.h>
#include <string.h>

#define RIDGE 1e-8

/* Work: mean [n], covariance [n x n], factor [n x n], proposal [n], noise [n], states before the
 * first step (1: the start itself, or those of an earlier chain). */
static size_t amcmc_work(int n, const struct sampler_settings *settings)
{
    (void)settings;
    return 3 * (size_t)n + 2 * (size_t)n * (size_t)n + 1;
}

struct parts {
    double *mean;
    double *cov;
    double *factor;
    double *proposal;
    double *noise;
    double *before;
};

static struct parts parts_of(const struct sampler *s)
{
    size_t n = (size_t)s->n;
    struct parts p;
    p.mean = s->work;
    p.cov = p.mean + n;
    p.factor = p.cov + n * n;
    p.proposal = p.factor + n * n;
    p.noise = p.proposal + n;
    p.before = p.noise + n;
    return p;
}

static void init_amcmc(struct sampler *s)
{
    struct parts p = parts_of(s);
    *p.before = 1.0;
    memcpy(p.mean, s->q, (size_t)s->n * sizeof *p.mean);
    for (int i = 0; i < s->n; i++) {
        p.factor[(size_t)i * (size_t)s->n + (size_t)i] = sqrt(0.01 + 0.09 * fabs(s->q[i]));
    }
}

void sampler_observe(const struct sampler_moments *moments, double t, const double *x)
{
    int n = moments->n;
    double *mean = moments->mean;
    double *delta = moments->delta;
    /* C_t = (t-1)/t C_{t-1} + (x - mean_{t-1})(x - mean_t)' / t, of t + 1 states. */
    for (int i = 0; i < n; i++) {
        delta[i] = x[i] - mean[i];
        mean[i] += delta[i] / (t + 1.0);
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            double *c = &moments->cov[(ptrdiff_t)i * n + j];
            *c = (t - 1.0) / t * *c + delta[i] * (x[j] - mean[j]) / t;
            moments->cov[(ptrdiff_t)j * n + i] = *c;
        }
    }
}

double sampler_amcmc_scale(double gamma, int n)
{
    return gamma * 2.4 * 2.4 / (double)n;
}

/* Where the covariance has no Cholesky factor, the proposals become independent, with its
 * variances. */
static void renew_proposals(struct sampler *s)
{
    struct parts p = parts_of(s);
    size_t n = (size_t)s->n;
    double scale = sampler_amcmc_scale(s->settings.gamma, s->n);
    double *factor = p.factor;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            factor[i * n + j] = scale * (p.cov[i * n + j] + (i == j ? RIDGE : 0.0));
        }
    }
    if (!linalg_cholesky(s->n, factor)) {
        memset(factor, 0, n * n * sizeof *factor);
        for (size_t i = 0; i < n; i++) {
            factor[i * n + i] = sqrt(scale * (p.cov[i * n + i] + RIDGE));
        }
    }
}

static void go_on_amcmc(struct sampler *s, const struct sampler_start *start)
{
    struct parts p = parts_of(s);
    size_t n = (size_t)s->n;
    *p.before = (double)start->count;
    memcpy(p.mean, start->mean, n * sizeof *p.mean);
    memcpy(p.cov, start->cov, n * n * sizeof *p.cov);
    renew_proposals(s);
}

static void step_amcmc(struct sampler *s, const struct target *target, struct rng *rng,
                       struct sampler_info *info)
{
    struct parts p = parts_of(s);
    size_t n = (size_t)s->n;
    for (size_t i = 0; i < n; i++) {
        p.noise[i] = rng_normal(rng);
    }
    for (size_t i = 0; i < n; i++) {
        double sum = s->q[i];
        for (size_t j = 0; j <= i; j++) {
            sum += p.factor[i * n + j] * p.noise[j];
        }
        p.proposal[i] = sum;
    }
    double logp = target->logp(target->ctx, p.proposal, NULL);
    info->moved = sampler_accepts(logp - s->logp, rng, &info->accept);
    if (info->moved) {
        memcpy(s->q, p.proposal, n * sizeof *s->q);
        s->logp = logp;
    }
    info->energy = -s->logp;
    long t = s->t + 1;
    const struct sampler_moments moments = {
        .n = s->n, .mean = p.mean, .cov = p.cov, .delta = p.noise};
    sampler_observe(&moments, *p.before - 1.0 + (double)t, s->q);
    if (t >= s->settings.t0 && t % s->settings.tadapt == 0) {
        renew_proposals(s);
    }
}

const struct sampler_ops sampler_amcmc_ops = {
    .work = amcmc_work,
    .init = init_amcmc,
    .go_on = go_on_amcmc,
    .step = step_amcmc,
    .remembers = true,
};
