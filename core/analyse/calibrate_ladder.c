/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse/calibrate_ladder.h"

#include <math.h>
#include <string.h>

#define LADDER_POWER (1.0 / 0.3)

enum err_code calibrate_ladder_init(struct calibrate_ladder *ladder,
                                    struct calibrate_density *density, int n, struct arena *arena,
                                    struct err *err)
{
    *ladder = (struct calibrate_ladder){
        .n = n, .density = density, .target = calibrate_density_target(density)};
    struct sampler *samplers = arena_zalloc_array(arena, (size_t)n, sizeof *samplers);
    ladder->beta = arena_alloc_array(arena, (size_t)n, sizeof *ladder->beta);
    ladder->likelihood = arena_zalloc_array(arena, (size_t)n, sizeof *ladder->likelihood);
    ladder->stone = arena_alloc_array(arena, (size_t)n, sizeof *ladder->stone);
    if (samplers == NULL || ladder->beta == NULL || ladder->likelihood == NULL ||
        ladder->stone == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    ladder->samplers = samplers;
    for (int k = 0; k < n; k++) {
        ladder->beta[k] = n > 1 ? pow((n - 1.0 - k) / (n - 1.0), LADDER_POWER) : 1.0;
        ladder->stone[k] = -INFINITY;
    }
    return ERR_OK;
}

void calibrate_ladder_release(struct calibrate_ladder *ladder)
{
    for (int k = 0; ladder->samplers != NULL && k < ladder->n; k++) {
        sampler_release(&ladder->samplers[k]);
    }
}

static struct sampler *heat(struct calibrate_ladder *ladder, int place)
{
    ladder->density->beta = ladder->beta[place];
    return &ladder->samplers[place];
}

/* logp, grad and likelihood of a state that has just come to its place. */
static void look_again(struct calibrate_ladder *ladder, int place)
{
    struct sampler *s = heat(ladder, place);
    s->logp = ladder->target.logp(ladder->target.ctx, s->q, s->grad);
    ladder->likelihood[place] = ladder->density->likelihood;
}

enum err_code calibrate_ladder_begin(struct calibrate_ladder *ladder, int place,
                                     const struct sampler_settings *settings, const double *q,
                                     struct rng *rng, struct err *err)
{
    struct sampler *s = heat(ladder, place);
    return sampler_init(s, settings, &ladder->target, q, rng, err);
}

static void exchange(struct calibrate_ladder *ladder, int k, struct rng *rng)
{
    struct sampler *colder = &ladder->samplers[k];
    struct sampler *hotter = &ladder->samplers[k + 1];
    double gain = (ladder->beta[k] - ladder->beta[k + 1]) *
                  (ladder->likelihood[k + 1] - ladder->likelihood[k]);
    if (!(log(rng_uniform(rng)) < gain)) {
        return;
    }
    for (int i = 0; i < colder->n; i++) {
        double q = colder->q[i];
        colder->q[i] = hotter->q[i];
        hotter->q[i] = q;
    }
    look_again(ladder, k);
    look_again(ladder, k + 1);
}

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b)
{
    double max = fmax(a, b);
    return isinf(max) ? max : max + log1p(exp(fmin(a, b) - max));
}

void calibrate_ladder_step(struct calibrate_ladder *ladder, bool counts, struct rng *rng,
                           struct sampler_info *info)
{
    for (int k = 0; k < ladder->n; k++) {
        struct sampler_info other;
        sampler_step(heat(ladder, k), &ladder->target, rng, k == 0 ? info : &other);
        if (ladder->n > 1) {
            look_again(ladder, k);
        }
        if (counts && k > 0) {
            double by = (ladder->beta[k - 1] - ladder->beta[k]) * ladder->likelihood[k];
            ladder->stone[k - 1] = log_add(ladder->stone[k - 1], by);
        }
    }
    for (int k = (int)(ladder->samplers[0].t % 2); k + 1 < ladder->n; k += 2) {
        exchange(ladder, k, rng);
    }
    ladder->density->beta = 1.0;
}

void calibrate_ladder_save(const struct calibrate_ladder *ladder, struct bytes_writer *writer)
{
    for (int k = 0; k < ladder->n; k++) {
        sampler_save(&ladder->samplers[k], writer);
    }
    bytes_put_f64(writer, ladder->stone, (size_t)ladder->n);
}

enum err_code calibrate_ladder_load(struct calibrate_ladder *ladder,
                                    const struct sampler_settings *settings,
                                    struct bytes_reader *reader, struct err *err)
{
    int n = ladder->density->n_parameters;
    for (int k = 0; k < ladder->n && err->code == ERR_OK; k++) {
        err_kept(sampler_load(&ladder->samplers[k], settings, n, reader, err));
    }
    bytes_get_f64(reader, ladder->stone, (size_t)ladder->n);
    return err->code;
}

double calibrate_ladder_evidence(const double *stones, int n_chains, int n, int steps)
{
    double evidence = 0.0;
    for (int k = 0; k + 1 < n; k++) {
        double sum = -INFINITY;
        for (int c = 0; c < n_chains; c++) {
            sum = log_add(sum, stones[c * n + k]);
        }
        evidence += sum - log((double)n_chains * steps);
    }
    return evidence;
}
