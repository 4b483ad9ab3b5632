/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screening by elementary effects [1]. A trajectory begins at a random point of a grid of LEVELS
 * values an input, and changes each input once, in random order, by half of its probability up or
 * down. An effect is the change of the output divided by the change of probability: in the
 * output's unit for the whole of an input's distribution. Tables: mu, the mean effect; mu_star, the
 * mean of its absolute value [2]; sigma, its standard deviation.
 *
 * Levels are the middles of equal parts of the probability, so that inputs without ends have values
 * at all of them.
 *
 * [1] M. D. Morris, Factorial sampling plans for preliminary computational experiments,
 *     Technometrics 33, 1991.
 * [2] F. Campolongo, J. Cariboni, A. Saltelli, An effective screening design for sensitivity
 *     analysis of large models, Environmental Modelling & Software 22, 2007.
 */
#include "analyse/analyse_priv.h"

#include <math.h>
#include <string.h>

#define LEVELS       4
#define N_OF_EFFECT  3 /* statistics: means of the effect, of its absolute value and square */
#define TRAJECTORIES 16

static double morris_rows(const struct analysis *a)
{
    return (double)a->spec->n * (a->n_free + 1);
}

static enum err_code morris_check(const struct analysis *a, struct err *err)
{
    (void)a;
    return err->code;
}

static enum err_code morris_plan(struct analysis *a, struct err *err)
{
    bool ok = true;
    const struct analyse_axis axes[] = {analysis_outputs(a), analysis_inputs(a)};
    analysis_add_table(a, "mu", 2, axes, &ok);
    analysis_add_table(a, "mu_star", 2, axes, &ok);
    analysis_add_table(a, "sigma", 2, axes, &ok);
    a->n_statistics = (size_t)a->field->o * (size_t)a->n_free * N_OF_EFFECT;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

/* The probability of a level. */
static double level_share(int level)
{
    return (0.5 + level) / LEVELS;
}

/* Trajectories that are evaluated together. */
struct trajectories {
    int n;
    int *level;   /* [n_free] */
    int *order;   /* [n x n_free] which input changes at a step */
    double *step; /* [n x n_free] change of the probability of an input */
    double *u;    /* [n x (n_free + 1) x n_free] */
    double *x;    /* [n x (n_free + 1) x d] */
    double *y;    /* [m x n x (n_free + 1) x o] */
};

static void draw_trajectory(const struct analysis *a, struct rng *rng, struct trajectories *t,
                            size_t which)
{
    size_t k = (size_t)a->n_free;
    int *order = t->order + which * k;
    double *step = t->step + which * k;
    double *u = t->u + which * (k + 1) * k;
    int jump = LEVELS / 2;
    rng_permutation(rng, a->n_free, order);
    for (size_t i = 0; i < k; i++) {
        t->level[i] = (int)rng_below(rng, LEVELS);
        u[i] = level_share(t->level[i]);
    }
    for (size_t s = 0; s < k; s++) {
        double *row = u + (s + 1) * k;
        int i = order[s];
        int to = t->level[i] + (t->level[i] < jump ? jump : -jump);
        memcpy(row, u + s * k, k * sizeof *row);
        row[i] = level_share(to);
        step[i] = level_share(to) - level_share(t->level[i]);
    }
}

/* Adds the effects of one trajectory of one draw, whose values are y [(n_free + 1) x o]. */
static void add_effects(const struct analysis *a, const struct trajectories *t, size_t which,
                        const double *y, double *sums)
{
    size_t k = (size_t)a->n_free;
    size_t o = (size_t)a->field->o;
    const int *order = t->order + which * k;
    const double *step = t->step + which * k;
    double weight = 1.0 / a->spec->n;
    for (size_t s = 0; s < k; s++) {
        size_t i = (size_t)order[s];
        for (size_t c = 0; c < o; c++) {
            double effect = (y[(s + 1) * o + c] - y[s * o + c]) / step[i];
            double *of = sums + (c * k + i) * N_OF_EFFECT;
            of[0] += weight * effect;
            of[1] += weight * fabs(effect);
            of[2] += weight * effect * effect;
        }
    }
}

static bool allocate(const struct analysis *a, struct arena *scratch, struct trajectories *t)
{
    size_t k = (size_t)a->n_free;
    size_t n = (size_t)t->n;
    size_t rows = n * (k + 1);
    t->level = arena_alloc_array(scratch, k, sizeof *t->level);
    t->order = arena_alloc_array(scratch, n * k, sizeof *t->order);
    t->step = arena_alloc_array(scratch, n * k, sizeof *t->step);
    t->u = arena_alloc_array(scratch, rows * k, sizeof *t->u);
    t->x = arena_alloc_array(scratch, rows * (size_t)a->field->d, sizeof *t->x);
    t->y =
        arena_alloc_array(scratch, rows * (size_t)a->field->m * (size_t)a->field->o, sizeof *t->y);
    return t->level != NULL && t->order != NULL && t->step != NULL && t->u != NULL &&
           t->x != NULL && t->y != NULL;
}

static enum err_code morris_replicate(const struct analysis *a, int replicate,
                                      struct arena *scratch, double *out, struct err *err)
{
    size_t row = ((size_t)a->n_free + 1) * (size_t)a->field->o;
    struct rng rng;
    struct arena inner = ARENA_INIT;
    struct trajectories t = {.n = analysis_block(a, a->spec->n, a->n_free + 1)};
    int block = t.n;
    if (!allocate(a, scratch, &t)) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(out, 0, (size_t)a->field->m * a->n_statistics * sizeof *out);
    rng_init(&rng, a->spec->seed, RNG_ANALYSE, (uint32_t)replicate);
    for (int first = 0; first < a->spec->n && err->code == ERR_OK; first += block) {
        t.n = a->spec->n - first < block ? a->spec->n - first : block;
        for (int i = 0; i < t.n; i++) {
            draw_trajectory(a, &rng, &t, (size_t)i);
        }
        int rows = t.n * (a->n_free + 1);
        analysis_rows(a, rows, t.u, t.x);
        if (analysis_values(a, rows, t.x, &inner, t.y, err) == ERR_OK) {
            for (size_t i = 0; i < (size_t)a->field->m * (size_t)t.n; i++) {
                add_effects(a, &t, i % (size_t)t.n, t.y + i * row,
                            out + i / (size_t)t.n * a->n_statistics);
            }
        }
        arena_clear(&inner);
    }
    arena_release(&inner);
    return err->code;
}

static enum err_code morris_finish(const struct analysis *a, int draw, const double *s,
                                   double *numbers, struct err *err)
{
    size_t n = (size_t)a->field->o * (size_t)a->n_free;
    (void)draw;
    for (size_t i = 0; i < n; i++, s += N_OF_EFFECT) {
        numbers[a->tables[0].first + i] = s[0];
        numbers[a->tables[1].first + i] = s[1];
        numbers[a->tables[2].first + i] = sqrt(fmax(s[2] - s[0] * s[0], 0.0));
    }
    return err->code;
}

const struct analyse_ops analyse_morris_ops = {.points = TRAJECTORIES,
                                               .check = morris_check,
                                               .plan = morris_plan,
                                               .replicate = morris_replicate,
                                               .finish = morris_finish,
                                               .rows = morris_rows};
