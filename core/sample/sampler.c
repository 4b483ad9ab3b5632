/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/sampler.h"

#include "base/mem.h"
#include "sample/sampler_priv.h"

#include <math.h>
#include <string.h>

static const char *const sampler_names[] = {
#define SAMPLER(code, name, ops) name,
#include "sample/sampler.def"
#undef SAMPLER
};
static const struct sampler_ops *const all_ops[] = {
#define SAMPLER(code, name, ops) &ops,
#include "sample/sampler.def"
#undef SAMPLER
};

const char *sampler_name(enum sampler_kind kind)
{
    return sampler_names[kind];
}

bool sampler_accepts(double log_ratio, struct rng *rng, double *accept)
{
    *accept = log_ratio >= 0.0 ? 1.0 : (isnan(log_ratio) ? 0.0 : exp(log_ratio));
    /* Always draws one number, so that the stream does not depend on the outcome. */
    return rng_uniform(rng) < *accept;
}

/*
 * Seeks a step size at which one leapfrog step is accepted with a probability of about 0.8: it is
 * doubled or halved until the acceptance crosses that ([4] algorithm 4, with Stan's threshold).
 */
static void seek_epsilon(struct sampler *s, const struct target *target, struct rng *rng)
{
    const double threshold = log(0.8);
    int n = s->n;
    double *memory = s->work;
    struct phase at = {.q = memory, .p = memory + n, .grad = memory + 2 * n};
    int direction = 0;
    for (int round = 0; round < 100; round++) {
        memcpy(at.q, s->q, (size_t)n * sizeof *at.q);
        memcpy(at.grad, s->grad, (size_t)n * sizeof *at.grad);
        at.logp = s->logp;
        leapfrog_momentum(n, s->inv_mass, rng, at.p);
        double before = leapfrog_energy(n, s->inv_mass, &at);
        leapfrog_step(target, s->inv_mass, s->epsilon, &at);
        double change = before - leapfrog_energy(n, s->inv_mass, &at);
        int wanted = change > threshold ? 1 : -1;
        if (direction == 0) {
            direction = wanted;
        } else if (wanted != direction) {
            break;
        }
        double next = direction > 0 ? 2.0 * s->epsilon : 0.5 * s->epsilon;
        if (next > 1e7 || next < 1e-14) {
            break;
        }
        s->epsilon = next;
    }
}

static void start_epsilon(struct sampler *s, const struct target *target, struct rng *rng)
{
    seek_epsilon(s, target, rng);
    dual_averaging_start(&s->da, s->settings.target_accept, s->epsilon);
}

/* Allocates and clears everything; the mass matrix is the identity, and no step is done. */
static enum err_code allocate_sampler(struct sampler *sampler,
                                      const struct sampler_settings *settings, int dim,
                                      struct err *err)
{
    size_t n = (size_t)dim;
    const struct sampler_ops *ops = all_ops[settings->kind];
    size_t work = ops->work(dim, settings);
    work = work < 3 * n ? 3 * n : work; /* for seek_epsilon */
    *sampler = (struct sampler){.ops = ops, .settings = *settings, .n = dim, .n_work = work};
    sampler->memory = mem_zalloc_array(5 * n + work, sizeof *sampler->memory);
    if (sampler->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a chain of %zu parameters", n);
    }
    sampler->q = sampler->memory;
    sampler->grad = sampler->q + n;
    sampler->inv_mass = sampler->grad + n;
    mass_window_start(&sampler->window, dim, settings->warmup, sampler->inv_mass + n,
                      sampler->inv_mass + 2 * n);
    sampler->work = sampler->inv_mass + 3 * n;
    for (size_t i = 0; i < n; i++) {
        sampler->inv_mass[i] = 1.0;
    }
    return ERR_OK;
}

/* The first step size: the user's, or an earlier chain's, from which the warm-up continues;
 * otherwise one that suits the start. */
static void choose_epsilon(struct sampler *s, const struct target *target, double learnt,
                           struct rng *rng)
{
    const struct sampler_settings *settings = &s->settings;
    bool learns = settings->adapt_step && settings->warmup > 0;
    bool given = settings->epsilon > 0.0;
    s->epsilon = given ? settings->epsilon : (learnt > 0.0 ? learnt : 1.0);
    if (learns && learnt > 0.0 && !given) {
        dual_averaging_go_on(&s->da, settings->target_accept, s->epsilon);
    } else if (learns) {
        start_epsilon(s, target, rng);
    } else if (!given && !(learnt > 0.0)) {
        seek_epsilon(s, target, rng);
    }
}

enum err_code sampler_init(struct sampler *sampler, const struct sampler_settings *settings,
                           const struct target *target, const double *q0, struct rng *rng,
                           struct err *err)
{
    const struct sampler_start start = {.q0 = q0};
    return sampler_begin(sampler, settings, target, &start, rng, err);
}

enum err_code sampler_begin(struct sampler *sampler, const struct sampler_settings *settings,
                            const struct target *target, const struct sampler_start *start,
                            struct rng *rng, struct err *err)
{
    const struct sampler_ops *ops = all_ops[settings->kind];
    size_t n = (size_t)target->n;
    if (allocate_sampler(sampler, settings, target->n, err) != ERR_OK) {
        return err->code;
    }
    memcpy(sampler->q, start->q0, n * sizeof *sampler->q);
    if (start->inv_mass != NULL) {
        memcpy(sampler->inv_mass, start->inv_mass, n * sizeof *sampler->inv_mass);
    }
    sampler->logp = target->logp(target->ctx, sampler->q, ops->gradient ? sampler->grad : NULL);
    if (!isfinite(sampler->logp)) {
        sampler_release(sampler);
        return err_set(err, ERR_NUMERIC, "the density is 0 or not a number where the chain starts");
    }
    sampler->epsilon = settings->epsilon > 0.0 ? settings->epsilon : 1.0;
    if (ops->gradient) {
        choose_epsilon(sampler, target, start->epsilon, rng);
    }
    memset(sampler->work, 0, sampler->n_work * sizeof *sampler->work);
    if (ops->init != NULL) {
        ops->init(sampler);
    }
    if (ops->go_on != NULL && start->count > 0) {
        ops->go_on(sampler, start);
    }
    return ERR_OK;
}

void sampler_save(const struct sampler *s, struct bytes_writer *w)
{
    size_t n = (size_t)s->n;
    const double numbers[] = {s->logp,  s->epsilon,  s->da.target,
                              s->da.mu, s->da.h_bar, s->da.log_epsilon_bar};
    bytes_put_i64(w, s->t);
    bytes_put_f64(w, numbers, sizeof numbers / sizeof *numbers);
    bytes_put_i64(w, s->da.t);
    bytes_put_i64(w, s->window.size);
    bytes_put_i64(w, s->window.end);
    bytes_put_i64(w, s->window.count);
    /* q, grad, inv_mass and both moments of the window lie side by side. */
    bytes_put_f64(w, s->memory, 5 * n);
    if (s->ops->remembers) {
        bytes_put_f64(w, s->work, s->n_work);
    }
}

enum err_code sampler_load(struct sampler *sampler, const struct sampler_settings *settings, int n,
                           struct bytes_reader *r, struct err *err)
{
    double numbers[6] = {0};
    if (allocate_sampler(sampler, settings, n, err) != ERR_OK) {
        return err->code;
    }
    sampler->t = (long)bytes_get_i64(r);
    bytes_get_f64(r, numbers, sizeof numbers / sizeof *numbers);
    sampler->logp = numbers[0];
    sampler->epsilon = numbers[1];
    sampler->da = (struct dual_averaging){.target = numbers[2],
                                          .mu = numbers[3],
                                          .h_bar = numbers[4],
                                          .log_epsilon_bar = numbers[5],
                                          .t = (long)bytes_get_i64(r)};
    sampler->window.size = (int)bytes_get_i64(r);
    sampler->window.end = (int)bytes_get_i64(r);
    sampler->window.count = (long)bytes_get_i64(r);
    bytes_get_f64(r, sampler->memory, 5 * (size_t)n);
    if (sampler->ops->remembers) {
        bytes_get_f64(r, sampler->work, sampler->n_work);
    }
    return ERR_OK;
}

bool sampler_uses_gradients(enum sampler_kind kind)
{
    return all_ops[kind]->gradient;
}

bool sampler_builds_trees(enum sampler_kind kind)
{
    return all_ops[kind]->trees;
}

void sampler_release(struct sampler *sampler)
{
    mem_free(sampler->memory);
    *sampler = (struct sampler){.ops = NULL};
}

/* Adapts step size and masses after a step of the warm-up. */
static void learn_from_step(struct sampler *s, const struct target *target, struct rng *rng,
                            double accept)
{
    if (s->settings.adapt_step) {
        s->epsilon = dual_averaging_update(&s->da, accept);
    }
    if (s->settings.adapt_mass && mass_window_add(&s->window, (int)s->t, s->q, s->inv_mass) &&
        s->settings.adapt_step) {
        start_epsilon(s, target, rng);
    }
    if (s->t + 1 == s->settings.warmup && s->settings.adapt_step) {
        s->epsilon = dual_averaging_final(&s->da);
    }
}

void sampler_step(struct sampler *sampler, const struct target *target, struct rng *rng,
                  struct sampler_info *info)
{
    *info = (struct sampler_info){.accept = 0.0};
    sampler->ops->step(sampler, target, rng, info);
    if (sampler->ops->gradient && sampler->t < sampler->settings.warmup) {
        learn_from_step(sampler, target, rng, info->accept);
    }
    sampler->t++;
}
