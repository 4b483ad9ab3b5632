/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/walk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define FAR_UNIT    1e-6 /* of an input without an end */
#define MIN_WALKERS 16
#define MAX_WALKERS 256
#define TRIES       40   /* starts for each walker */
#define SWEEPS      2000 /* projections of one start onto each constraint */
#define OVERSHOOT   1.3  /* a projection goes so far, and ends inside; in the later half 1 */
#define BURN_IN     60   /* rounds before the first point */
#define NO_RATE     1e-12 /* of the terms of a sum: it does not change along a line but by rounding */

static bool is_line(const struct walk *walk, int k)
{
    return !marginal_is_discrete(&walk->region->inputs[k]) && walk->high[k] > walk->low[k];
}

/* Is it a whole number, or real, so that differences of values make sense? */
static bool is_number(const struct walk *walk, int k)
{
    const struct marginal *input = &walk->region->inputs[k];
    return input->n_values == 0 && walk->high[k] > walk->low[k];
}

static double left_side(const struct region *region, int c, const double *x)
{
    double sum = 0.0;
    for (int j = 0; j < region->d; j++) {
        sum += region->spec.constraints[c].a[j] * x[j];
    }
    return sum;
}

/* ---- starts ---- */

/* Moves x to the other side of constraint c, by the inputs that are real, or whole numbers too. */
static void project(const struct walk *walk, int c, bool whole, double reach, double *x)
{
    const struct region *region = walk->region;
    const struct region_constraint *constraint = &region->spec.constraints[c];
    double excess = left_side(region, c, x) - constraint->limit;
    double square = 0.0;
    for (int k = 0; k < region->n_free; k++) {
        double width = walk->high[k] - walk->low[k];
        double slope = constraint->a[region->free[k]] * width;
        square += is_line(walk, k) || (whole && is_number(walk, k)) ? slope * slope : 0.0;
    }
    for (int k = 0; excess > 0.0 && square > 0.0 && k < region->n_free; k++) {
        int j = region->free[k];
        double width = walk->high[k] - walk->low[k];
        if (is_line(walk, k) || (whole && is_number(walk, k))) {
            double moved = x[j] - reach * excess / square * constraint->a[j] * width * width;
            x[j] = fmin(fmax(moved, walk->low[k]), walk->high[k]);
        }
    }
}

/* Projects until all constraints hold. */
static bool project_all(const struct walk *walk, bool whole, double *x)
{
    const struct region *region = walk->region;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        if (region_holds(region, x)) {
            return true;
        }
        for (int c = 0; c < region->spec.n_constraints; c++) {
            project(walk, c, whole, 2 * sweep < SWEEPS ? OVERSHOOT : 1.0, x);
        }
    }
    return region_holds(region, x);
}

/* A start from a random point of the cube; false: it did not come inside. */
static bool find_start(struct walk *walk, double *x)
{
    const struct region *region = walk->region;
    for (int k = 0; k < region->n_free; k++) {
        walk->trial[k] = rng_uniform(&walk->rng);
    }
    region_point(region, walk->trial, x);
    if (!project_all(walk, true, x)) {
        return false;
    }
    for (int k = 0; k < region->n_free; k++) {
        const struct marginal *input = &region->inputs[k];
        double *value = &x[region->free[k]];
        *value = marginal_is_discrete(input) ? marginal_value(input, marginal_unit(input, *value))
                                             : *value;
    }
    return project_all(walk, false, x);
}

static enum err_code refuse(const struct walk *walk, const double *x, struct err *err)
{
    const struct region *region = walk->region;
    int worst = 0;
    double most = 0.0;
    for (int c = 0; c < region->spec.n_constraints; c++) {
        double limit = region->spec.constraints[c].limit;
        double side = left_side(region, c, x);
        double excess = (side - limit) / (fabs(side) + fabs(limit) + DBL_MIN);
        worst = excess > most ? c : worst;
        most = fmax(most, excess);
    }
    return err_set(err, ERR_INVALID,
                   "no point within the bounds was found that meets all constraints: where the "
                   "others are met as well as they can be, the left side of constraints[%d] is %g, "
                   "and at most %g is asked for",
                   worst, left_side(region, worst, x), region->spec.constraints[worst].limit);
}

static enum err_code find_starts(struct walk *walk, struct err *err)
{
    size_t d = (size_t)walk->region->d;
    for (int i = 0, tries = 0; i < walk->n; tries++) {
        double *x = walk->x + (size_t)i * d;
        if (cancel_is_requested(walk->cancel)) {
            return err_set(err, ERR_CANCELLED, "the walk was cancelled");
        }
        if (find_start(walk, x)) {
            i++;
        } else if (tries >= TRIES && i == 0) {
            return refuse(walk, x, err);
        } else if (tries >= TRIES * walk->n) {
            walk->n = i; /* as many as there are */
        }
    }
    return ERR_OK;
}

/* ---- moves ---- */

/* By how much the logarithm of the density of real inputs is larger at `to` than at `from`. */
static double density_gain(const struct walk *walk, const double *from, const double *to)
{
    double gain = 0.0;
    for (int k = 0; k < walk->region->n_free; k++) {
        int j = walk->region->free[k];
        const struct marginal *input = &walk->region->inputs[k];
        if (to[j] != from[j]) {
            gain += marginal_log_density(input, to[j]) - marginal_log_density(input, from[j]);
        }
    }
    return gain;
}

/* Takes walk->trial when it is inside, and by its density. */
static void take_trial(struct walk *walk, double *x)
{
    const struct region *region = walk->region;
    double chance = rng_uniform(&walk->rng);
    for (int k = 0; k < region->n_free; k++) {
        double value = walk->trial[region->free[k]];
        if (is_number(walk, k) && (value < walk->low[k] || value > walk->high[k])) {
            return;
        }
    }
    if (region_holds(region, walk->trial) && log(chance) <= density_gain(walk, x, walk->trial)) {
        memcpy(x, walk->trial, (size_t)region->d * sizeof *x);
    }
}

static void cut(double slack, double rate, double ends[2])
{
    if (rate > 0.0) {
        ends[1] = fmin(ends[1], fmax(slack, 0.0) / rate);
    } else if (rate < 0.0) {
        ends[0] = fmax(ends[0], fmax(slack, 0.0) / rate);
    }
}

/* ends <- the t for which x + t direction is inside; 0 always is. */
static void find_ends(const struct walk *walk, const double *x, double ends[2])
{
    const struct region *region = walk->region;
    ends[0] = -DBL_MAX;
    ends[1] = DBL_MAX;
    for (int k = 0; k < region->n_free; k++) {
        int j = region->free[k];
        cut(walk->high[k] - x[j], walk->direction[j], ends);
        cut(x[j] - walk->low[k], -walk->direction[j], ends);
    }
    for (int c = 0; c < region->spec.n_constraints; c++) {
        const struct region_constraint *constraint = &region->spec.constraints[c];
        double rate = 0.0;
        double size = 0.0;
        for (int j = 0; j < region->d; j++) {
            rate += constraint->a[j] * walk->direction[j];
            size += fabs(constraint->a[j] * walk->direction[j]);
        }
        if (fabs(rate) > NO_RATE * size) {
            cut(constraint->limit - left_side(region, c, x), rate, ends);
        }
    }
}

/* A point of the line through x along walk->direction. */
static void move_along(struct walk *walk, double *x)
{
    double ends[2];
    double size = 0.0;
    size_t d = (size_t)walk->region->d;
    for (size_t j = 0; j < d; j++) {
        size += fabs(walk->direction[j]);
    }
    if (!(size > 0.0)) {
        return;
    }
    find_ends(walk, x, ends);
    double t = ends[0] + rng_uniform(&walk->rng) * (ends[1] - ends[0]);
    if (isfinite(t)) {
        for (size_t j = 0; j < d; j++) {
            walk->trial[j] = x[j] + t * walk->direction[j];
        }
        take_trial(walk, x);
    }
}

/* The difference of two walkers, other than one where there are so many: of real inputs, or of
 * whole numbers too. */
static void point_apart(struct walk *walk, int self, bool whole)
{
    const struct region *region = walk->region;
    size_t d = (size_t)region->d;
    int others = walk->n - 1;
    int a = others > 0 ? (int)rng_below(&walk->rng, (uint64_t)others) : 0;
    int b = others > 0 ? (int)rng_below(&walk->rng, (uint64_t)others) : 0;
    a += a >= self && others > 0;
    b += b >= self && others > 0;
    memset(walk->direction, 0, d * sizeof *walk->direction);
    for (int k = 0; k < region->n_free; k++) {
        size_t j = (size_t)region->free[k];
        if (is_line(walk, k) || (whole && is_number(walk, k))) {
            walk->direction[j] = walk->x[(size_t)a * d + j] - walk->x[(size_t)b * d + j];
        }
    }
}

static void point_anywhere(struct walk *walk, bool one)
{
    const struct region *region = walk->region;
    int only = one ? (int)rng_below(&walk->rng, (uint64_t)region->n_free) : -1;
    memset(walk->direction, 0, (size_t)region->d * sizeof *walk->direction);
    for (int k = 0; k < region->n_free; k++) {
        double step = one ? 1.0 : rng_normal(&walk->rng);
        if (is_line(walk, k) && (!one || k == only)) {
            walk->direction[region->free[k]] = step * (walk->high[k] - walk->low[k]);
        }
    }
}

/* Another value of one input that has no density. */
static void change_value(struct walk *walk, double *x)
{
    const struct region *region = walk->region;
    int k = (int)rng_below(&walk->rng, (uint64_t)region->n_free);
    double u = rng_uniform(&walk->rng);
    if (marginal_is_discrete(&region->inputs[k])) {
        memcpy(walk->trial, x, (size_t)region->d * sizeof *x);
        walk->trial[region->free[k]] = marginal_value(&region->inputs[k], u);
        if (region_holds(region, walk->trial)) {
            memcpy(x, walk->trial, (size_t)region->d * sizeof *x);
        }
    }
}

static void move_walker(struct walk *walk, int self)
{
    size_t d = (size_t)walk->region->d;
    double *x = walk->x + (size_t)self * d;
    point_apart(walk, self, false);
    move_along(walk, x);
    point_anywhere(walk, rng_uniform(&walk->rng) < 0.5);
    move_along(walk, x);
    change_value(walk, x);
    point_apart(walk, self, true);
    for (size_t j = 0; j < d; j++) {
        walk->trial[j] = x[j] + walk->direction[j];
    }
    take_trial(walk, x);
}

/* ---- all of it ---- */

enum err_code walk_init(struct walk *walk, const struct region *region, uint64_t seed,
                        const struct cancel *cancel, struct arena *arena, struct err *err)
{
    size_t d = (size_t)region->d;
    size_t free = (size_t)region->n_free;
    int n = 4 * (region->n_free + 1);
    n = n < MIN_WALKERS ? MIN_WALKERS : (n > MAX_WALKERS ? MAX_WALKERS : n);
    *walk = (struct walk){.region = region, .cancel = cancel, .n = n};
    walk->n_moves = 4 + region->n_free / 2;
    walk->x = arena_alloc_array(arena, ((size_t)n + 2) * d + 2 * free, sizeof *walk->x);
    if (walk->x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a walk");
    }
    walk->direction = walk->x + (size_t)n * d;
    walk->trial = walk->direction + d;
    walk->low = walk->trial + d;
    walk->high = walk->low + free;
    rng_init(&walk->rng, seed, RNG_DESIGN, 1);
    for (size_t k = 0; k < free; k++) {
        const struct marginal *input = &region->inputs[k];
        bool ends[2] = {isfinite(input->limits[0]), isfinite(input->limits[1])};
        walk->low[k] = ends[0] ? input->limits[0] : marginal_value(input, FAR_UNIT);
        walk->high[k] = ends[1] ? input->limits[1] : marginal_value(input, 1.0 - FAR_UNIT);
    }
    if (find_starts(walk, err) != ERR_OK) {
        return err->code;
    }
    for (int round = 0; round < BURN_IN; round++) {
        for (int i = 0; i < walk->n; i++) {
            move_walker(walk, i);
        }
    }
    return ERR_OK;
}

void walk_next(struct walk *walk, double *x)
{
    size_t d = (size_t)walk->region->d;
    for (int i = 0; i < walk->n_moves; i++) {
        move_walker(walk, walk->next);
    }
    memcpy(x, walk->x + (size_t)walk->next * d, d * sizeof *x);
    walk->next = (walk->next + 1) % walk->n;
}
