/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/design.h"

#include "base/rng.h"
#include "explore/halton.h"
#include "explore/lhs.h"
#include "explore/sobol.h"
#include "explore/walk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CANDIDATES_PER_POINT 20
#define MIN_CANDIDATES       2000

static const char *const kind_names[] = {
#define DESIGN(NAME, name) name,
#include "explore/design.def"
#undef DESIGN
};
NAMES_DEFINE(design_kind, enum design_kind, kind_names)

/* ---- points of the cube, one after the other ---- */

struct source {
    enum design_kind kind;
    int d;
    struct sobol_sequence sobol;
    struct halton_sequence halton;
    struct rng rng;
};

static enum err_code source_init(struct source *source, const struct design_spec *spec, int d,
                                 struct err *err)
{
    bool scrambled = spec->scrambled || spec->kind == DESIGN_MAXIMIN || spec->kind == DESIGN_LHS;
    *source = (struct source){.kind = spec->kind, .d = d};
    if (spec->kind == DESIGN_HALTON) {
        if (halton_init(&source->halton, d, scrambled, spec->seed, err) == ERR_OK) {
            halton_seek(&source->halton, (uint64_t)spec->skip);
        }
    } else if (spec->kind == DESIGN_RANDOM) {
        rng_init(&source->rng, spec->seed, RNG_DESIGN, 0);
    } else if (sobol_init(&source->sobol, d, scrambled, spec->seed, err) == ERR_OK) {
        sobol_seek(&source->sobol, (uint64_t)spec->skip);
    }
    return err->code;
}

static void source_next(struct source *source, double *u)
{
    if (source->kind == DESIGN_HALTON) {
        halton_next(&source->halton, u);
    } else if (source->kind == DESIGN_RANDOM) {
        for (int k = 0; k < source->d; k++) {
            u[k] = rng_uniform(&source->rng);
        }
    } else {
        sobol_next(&source->sobol, u);
    }
}

static void source_release(struct source *source)
{
    sobol_release(&source->sobol);
    halton_release(&source->halton);
}

/* ---- points that meet the constraints ---- */

/* x [n x d] <- points of a thin region (walk.h). */
static enum err_code walk_points(const struct region *region, const struct design_spec *spec, int n,
                                 double *x, struct arena *arena, struct err *err)
{
    struct walk walk;
    if (walk_init(&walk, region, spec->seed, spec->cancel, arena, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < n; i++) {
        if (cancel_is_requested(spec->cancel)) {
            return err_set(err, ERR_CANCELLED, "the design was cancelled");
        }
        walk_next(&walk, x + (size_t)i * (size_t)region->d);
    }
    return ERR_OK;
}

/* x [n x d] <- the next points of the source that meet the constraints; how many were found before
 * it seemed better to stop trying. u: [n_free] */
static int take_points(const struct region *region, struct source *source, int n, double *u,
                       double *x)
{
    double limit = (double)REGION_MAX_TRIES + 64.0 * n;
    double tries = 0.0;
    int found = 0;
    while (found < n && tries < limit) {
        double *to = x + (size_t)found * (size_t)region->d;
        source_next(source, u);
        region_point(region, u, to);
        found += region_holds(region, to);
        tries += 1.0;
    }
    return found;
}

static enum err_code make_sequence(const struct region *region, const struct design_spec *spec,
                                   int n, double *x, struct arena *arena, struct err *err)
{
    struct source source;
    double *u = arena_alloc_array(arena, (size_t)region->n_free, sizeof *u);
    if (u == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a design");
    }
    if (source_init(&source, spec, region->n_free, err) == ERR_OK) {
        int found = take_points(region, &source, n, u, x);
        source_release(&source);
        return found == n ? ERR_OK : walk_points(region, spec, n, x, arena, err);
    }
    return err->code;
}

/* ---- far from each other ---- */

/* near [n_candidates]: the squared distance of each candidate to the closest point so far. */
static void come_closer(const struct region *region, int n, const double *candidates,
                        const double *point, double *near)
{
    for (int i = 0; i < n; i++) {
        const double *u = candidates + (size_t)i * (size_t)region->n_free;
        double here = region_distance2(region, u, point);
        near[i] = here < near[i] ? here : near[i];
    }
}

static int farthest(int n, const double *near)
{
    int found = 0;
    for (int i = 1; i < n; i++) {
        found = near[i] > near[found] ? i : found;
    }
    return found;
}

/* Chooses spec->n of the points. */
static enum err_code choose_far(const struct region *region, const struct design_spec *spec,
                                const struct design *from, struct arena *arena, double *x,
                                struct err *err)
{
    int n = from->n;
    size_t free = (size_t)region->n_free;
    size_t d = (size_t)region->d;
    double *u = arena_alloc_array(arena, (size_t)n * free, sizeof *u);
    double *near = arena_alloc_array(arena, (size_t)n, sizeof *near);
    double *point = arena_alloc_array(arena, free, sizeof *point);
    if (u == NULL || near == NULL || point == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a design");
    }
    for (int i = 0; i < n; i++) {
        region_unit(region, from->x + (size_t)i * d, u + (size_t)i * free);
        near[i] = DBL_MAX;
    }
    for (int i = 0; i < spec->n_existing; i++) {
        region_unit(region, spec->existing + (size_t)i * d, point);
        come_closer(region, n, u, point, near);
    }
    for (int i = 0; i < spec->n; i++) {
        int far = farthest(n, near);
        if (cancel_is_requested(spec->cancel)) {
            return err_set(err, ERR_CANCELLED, "the design was cancelled");
        }
        memcpy(x + (size_t)i * d, from->x + (size_t)far * d, d * sizeof *x);
        come_closer(region, n, u, u + (size_t)far * free, near);
        near[far] = -1.0;
    }
    return ERR_OK;
}

static enum err_code make_maximin(const struct region *region, const struct design_spec *spec,
                                  double *x, struct arena *arena, struct err *err)
{
    double per_candidate = ((double)spec->n + spec->n_existing) * region->n_free;
    double n = (double)CANDIDATES_PER_POINT * spec->n;
    n = n < MIN_CANDIDATES ? MIN_CANDIDATES : n;
    n = n * per_candidate > DESIGN_MAX_WORK ? floor(DESIGN_MAX_WORK / per_candidate) : n;
    if (n < 2.0 * spec->n) {
        return err_set(err, ERR_LIMIT,
                       "%d points that are far from %d others, and from each other, would take too "
                       "long; ask for fewer, or for sobol",
                       spec->n, spec->n_existing);
    }
    struct design from = {.n = (int)n};
    from.x = arena_alloc_array(arena, (size_t)n * (size_t)region->d, sizeof *from.x);
    if (from.x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a design");
    }
    if (make_sequence(region, spec, from.n, from.x, arena, err) != ERR_OK) {
        return err->code;
    }
    return choose_far(region, spec, &from, arena, x, err);
}

static enum err_code make_lhs(const struct region *region, const struct design_spec *spec,
                              double *x, struct arena *arena, struct err *err)
{
    size_t free = (size_t)region->n_free;
    double *u = arena_alloc_array(arena, (size_t)spec->n * free, sizeof *u);
    if (u == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a design");
    }
    const struct lhs_spec lhs = {spec->n, region->n_free, spec->maximin, spec->seed, spec->cancel};
    if (lhs_fill(&lhs, u, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < spec->n; i++) {
        region_point(region, u + (size_t)i * free, x + (size_t)i * (size_t)region->d);
    }
    return ERR_OK;
}

/* ---- grids ---- */

/* The levels of an input when a continuous one has so many. */
static int levels_of(const struct marginal *input, int wanted)
{
    int own = marginal_is_discrete(input) ? marginal_n_values(input) : 0;
    bool all = input->input->type == SPACE_CATEGORY || (own > 0 && own < wanted);
    return all ? own : wanted;
}

/* The points of a grid with so many levels; infinite when it has more than can be. */
static double grid_size(const struct region *region, int levels)
{
    double size = 1.0;
    for (int k = 0; k < region->n_free; k++) {
        size *= levels_of(&region->inputs[k], levels);
    }
    return size;
}

/* Level `at` of n, in the cube: the ends are levels where they are values. */
static double level_unit(const struct marginal *input, int at, int n)
{
    bool ends = !marginal_is_discrete(input) && isfinite(input->limits[0]) &&
                isfinite(input->limits[1]) && n > 1;
    return ends ? (double)at / (n - 1.0) : (at + 0.5) / n;
}

/* A list of values has its values as levels, whatever their probabilities. */
static double level_value(const struct marginal *input, int at, int n)
{
    if (input->n_values > 0 && n == input->n_values) {
        bool member = input->input->type == SPACE_CATEGORY;
        return member ? at : input->input->distribution.values[at];
    }
    return marginal_value(input, level_unit(input, at, n));
}

static enum err_code make_grid(const struct region *region, const struct design_spec *spec,
                               struct arena *arena, struct design *out, struct err *err)
{
    int levels = spec->levels > 0 ? spec->levels : 2;
    while (spec->levels == 0 && levels < spec->n && grid_size(region, levels + 1) <= spec->n) {
        levels++;
    }
    double size = grid_size(region, levels);
    double limit = spec->levels > 0 ? DESIGN_MAX_POINTS : spec->n;
    if (size > limit || size * region->d > DESIGN_MAX_VALUES) {
        return err_set(
            err, spec->levels > 0 ? ERR_LIMIT : ERR_INVALID,
            "a grid of %d levels for each of %d inputs has %.0f points, and at most %.0f "
            "are possible here",
            levels, region->n_free, size, limit);
    }
    out->x = arena_alloc_array(arena, (size_t)size * (size_t)region->d, sizeof *out->x);
    if (out->x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a design");
    }
    for (int i = 0; i < (int)size; i++) {
        double *x = out->x + (size_t)out->n * (size_t)region->d;
        int rest = i;
        for (int j = 0; region->spec.fixed != NULL && j < region->d; j++) {
            x[j] = region->spec.fixed[j];
        }
        for (int k = region->n_free - 1; k >= 0; k--) {
            int n = levels_of(&region->inputs[k], levels);
            x[region->free[k]] = level_value(&region->inputs[k], rest % n, n);
            rest /= n;
        }
        out->n += region_holds(region, x);
    }
    return out->n > 0 ? ERR_OK
                      : err_set(err, ERR_INVALID,
                                "none of the %.0f points of the grid meets the constraints", size);
}

/* ---- all of them ---- */

static enum err_code check_spec(const struct region *region, const struct design_spec *spec,
                                struct err *err)
{
    if (spec->n < 1 || spec->n > DESIGN_MAX_POINTS ||
        (double)spec->n * region->d > DESIGN_MAX_VALUES) {
        return err_set(err, ERR_LIMIT,
                       "n must be from 1 to %d, and n times the number of inputs at most %d",
                       DESIGN_MAX_POINTS, DESIGN_MAX_VALUES);
    }
    if (spec->n_existing > DESIGN_MAX_EXISTING) {
        return err_set(err, ERR_LIMIT, "at most %d points can be extended", DESIGN_MAX_EXISTING);
    }
    if (spec->kind == DESIGN_LHS && region->spec.n_constraints > 0 && spec->n_existing == 0) {
        return err_set(
            err, ERR_INVALID,
            "a Latin hypercube fills a box; with constraints use sobol, halton or maximin");
    }
    if (spec->skip < 0 ||
        (double)spec->skip + REGION_MAX_TRIES + 200.0 * spec->n > (double)SOBOL_MAX_POINTS) {
        return err_set(err, ERR_LIMIT, "skip must be from 0 to %.0f",
                       (double)SOBOL_MAX_POINTS - REGION_MAX_TRIES - 200.0 * DESIGN_MAX_POINTS);
    }
    return ERR_OK;
}

enum err_code design_make(const struct region *region, const struct design_spec *spec,
                          struct arena *arena, struct design *out, struct err *err)
{
    struct design made = {.n = 0};
    if (check_spec(region, spec, err) != ERR_OK) {
        return err->code;
    }
    if (spec->kind == DESIGN_GRID) {
        if (make_grid(region, spec, arena, &made, err) == ERR_OK) {
            *out = made;
        }
        return err->code;
    }
    made.n = spec->n;
    made.x = arena_alloc_array(arena, (size_t)spec->n * (size_t)region->d, sizeof *made.x);
    if (made.x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a design");
    }
    if (spec->kind == DESIGN_MAXIMIN || spec->n_existing > 0) {
        err_kept(make_maximin(region, spec, made.x, arena, err));
    } else if (spec->kind == DESIGN_LHS) {
        err_kept(make_lhs(region, spec, made.x, arena, err));
    } else {
        err_kept(make_sequence(region, spec, spec->n, made.x, arena, err));
    }
    if (err->code == ERR_OK) {
        *out = made;
    }
    return err->code;
}
