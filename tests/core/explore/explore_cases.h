/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of two inputs in [-1, 2] x [0, 3] and one output that is linear in its uncertain
 * parameters, f = phi(x)' w with w normal, whose covariances are known exactly.
 */
#ifndef EXPLORE_CASES_H
#define EXPLORE_CASES_H

#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "explore/region.h"
#include "model/model.h"

#define D        2
#define WIDTH    5
#define FEATURES (WIDTH + 1)
#define SIGMA    0.3

static inline struct space *plane_space(void)
{
    static const char *const names[] = {"a", "b", "y"};
    struct err err = ERR_INIT;
    struct space *space = NULL;
    ck_assert_int_eq(space_of_names(D, 1, names, NULL, &space, &err), ERR_OK);
    for (int j = 0; j < D; j++) {
        space->inputs[j].has_bounds = true;
        space->inputs[j].bounds[0] = j - 1.0;
        space->inputs[j].bounds[1] = j + 2.0;
    }
    ck_assert_int_eq(space_validate(space, &err), ERR_OK);
    return space;
}

/* linearised: predicted in closed form; else by that many draws. noise: SIGMA is known. */
static inline struct model *linear_model(bool linearised, int draws, bool noise)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, 1);
    struct rng rng;
    arch.width = WIDTH;
    arch.layers = 0;
    ck_assert_int_eq(model_new(&arch, draws, &model, &err), ERR_OK);
    int k = model->net.n_params;
    const struct gauss_shape shape = {
        .n_params = k, .first = model->net.off.weight_post, .n = FEATURES, .rank = FEATURES};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, 1, &shape, &err), ERR_OK);
    rng_init(&rng, 77, RNG_TEST, 0);
    struct gauss *g = &model->gaussian.members[0];
    for (int j = 0; j < k; j++) {
        g->mean[j] = 0.8 * rng_normal(&rng);
    }
    for (int j = 0; j < FEATURES * FEATURES; j++) {
        g->factor[j] = 0.3 * rng_normal(&rng);
    }
    model->gaussian.n_draws = draws;
    model->gaussian.seed = 5;
    model->gaussian.linearised = linearised;
    if (noise) {
        model->noise_sigma = mem_alloc(sizeof *model->noise_sigma);
        ck_assert_ptr_nonnull(model->noise_sigma);
        model->noise_sigma[0] = SIGMA;
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

/* phi(x) by the formulas of a network with one block, h = 1. */
static inline void features_of(const struct model *model, const double *x, double *phi)
{
    const double *p = model->gaussian.members[0].mean;
    const struct arch_offsets *off = &model->net.off;
    double z[WIDTH];
    for (int a = 0; a < WIDTH; a++) {
        double sum = p[off->bias_pre + a];
        for (int b = 0; b < D; b++) {
            sum += p[off->weight_pre + a * D + b] * x[b];
        }
        z[a] = tanh(sum);
    }
    for (int a = 0; a < WIDTH; a++) {
        double sum = p[off->bb + a];
        for (int b = 0; b < WIDTH; b++) {
            sum += p[off->ww + a * WIDTH + b] * z[b];
        }
        phi[a] = z[a] + tanh(sum);
    }
    phi[WIDTH] = 1.0;
}

static inline double mean_of(const struct model *model, const double *x)
{
    const struct gauss *g = &model->gaussian.members[0];
    double phi[FEATURES];
    double sum = 0.0;
    features_of(model, x, phi);
    for (int k = 0; k < FEATURES; k++) {
        sum += phi[k] * g->mean[g->first + k];
    }
    return sum;
}

/* s [FEATURES x FEATURES] <- the covariance of w. */
static inline void prior_of(const struct model *model, double *s)
{
    const double *f = model->gaussian.members[0].factor;
    for (int i = 0; i < FEATURES; i++) {
        for (int j = 0; j < FEATURES; j++) {
            s[i * FEATURES + j] = 0.0;
            for (int c = 0; c < FEATURES; c++) {
                s[i * FEATURES + j] += f[i * FEATURES + c] * f[j * FEATURES + c];
            }
        }
    }
}

static inline double covariance_of(const struct model *model, const double *s, const double *x,
                                   const double *y)
{
    double a[FEATURES];
    double b[FEATURES];
    double sum = 0.0;
    features_of(model, x, a);
    features_of(model, y, b);
    for (int i = 0; i < FEATURES; i++) {
        for (int j = 0; j < FEATURES; j++) {
            sum += a[i] * s[i * FEATURES + j] * b[j];
        }
    }
    return sum;
}

/* The textbook update of s by an observation at x: s - s phi phi' s / (phi' s phi + sigma^2). */
static inline void observe(const struct model *model, const double *x, double noise, double *s)
{
    double phi[FEATURES];
    double gain[FEATURES];
    double square = noise;
    features_of(model, x, phi);
    for (int i = 0; i < FEATURES; i++) {
        gain[i] = 0.0;
        for (int j = 0; j < FEATURES; j++) {
            gain[i] += s[i * FEATURES + j] * phi[j];
        }
        square += phi[i] * gain[i];
    }
    for (int i = 0; i < FEATURES; i++) {
        for (int j = 0; j < FEATURES; j++) {
            s[i * FEATURES + j] -= gain[i] * gain[j] / square;
        }
    }
}

static inline void make_region(struct region *region, const struct region_spec *spec,
                               struct arena *arena)
{
    struct err err = ERR_INIT;
    ck_assert_msg(region_init(region, spec, arena, &err) == ERR_OK, "%s", err.msg);
}

#endif
