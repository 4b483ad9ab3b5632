/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searches of several starts run on several threads, each with an arena of its own; the best is
 * taken in the order of the starts, so the answer does not depend on the threads.
 *
 * Points are compared by what passes the limits first, and by the objective among those that pass
 * none.
 */
#include "explore/optimise.h"

#include "base/par.h"
#include "explore/design.h"
#include "explore/search.h"
#include "model/space_rows.h"

#include <math.h>
#include <string.h>

#define EVALUATIONS       200 /* of a search with gradients, and of one in a draw */
#define EVALUATIONS_BLIND 600
#define MAX_ROUNDS        4  /* through the integers and categories */
#define MAX_ALTERNATIVES  64 /* members of a category that are tried */
#define EXCESS_TOLERANCE  1e-6

/* One search: over the model's numbers, or over those of a draw. */
struct hunt {
    const struct region *region;
    const struct terms *terms;
    const struct terms_draw *draw; /* NULL: none */
    struct arena scratch;          /* of an evaluation */
};

/* A point with its terms, [d] and [terms.n]. */
struct place {
    double *x;
    double *values;
};

struct race {
    const struct region *region;
    const struct optimise_spec *spec;
    struct terms one;     /* the terms, for a thread by itself */
    int n_candidates;     /* scattered points, and corners */
    double *candidates;   /* [n_candidates + n_ends x d], those where searches ended last */
    const double *values; /* [n_candidates x terms.n] */
    struct place *ends;   /* [n_starts] or [n_draws] where the searches began and ended */
    int n_ends;           /* of the first searches */
    struct place optimum; /* draws start from it, too */
    bool better;          /* a changed input has made it better */
};

static enum err_code hunt_value(void *ctx, const double *x, double *values, double *gradients,
                                struct err *err)
{
    struct hunt *hunt = ctx;
    if (cancel_is_requested(hunt->terms->cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    arena_clear(&hunt->scratch);
    if (hunt->draw != NULL) {
        return terms_of_draw(hunt->draw, 1, x, values, &hunt->scratch, err);
    }
    return gradients != NULL
               ? terms_gradients(hunt->terms, x, values, gradients, &hunt->scratch, err)
               : terms_values(hunt->terms, 1, x, values, &hunt->scratch, err);
}

/* Is a better than b? Limits are held to what searches hold them to. */
static bool is_better(const struct terms *terms, const double *a, const double *b)
{
    double scale = 1.0;
    for (int t = terms->n_objectives; t < terms->n; t++) {
        scale = fmax(scale, fabs(terms->list[t].limit));
    }
    double excess_a = fmax(0.0, terms_excess(terms, a) - EXCESS_TOLERANCE * scale);
    double excess_b = fmax(0.0, terms_excess(terms, b) - EXCESS_TOLERANCE * scale);
    return excess_a != excess_b ? excess_a < excess_b : a[0] < b[0];
}

/* Searches from place->x, whose values are known; keeps the end when it is better. */
static enum err_code run_hunt(struct hunt *hunt, struct place *place, struct err *err)
{
    struct arena arena = ARENA_INIT;
    bool gradients = hunt->draw == NULL && terms_have_gradients(hunt->terms);
    const struct search search = {
        .region = hunt->region,
        .fn = hunt_value,
        .ctx = hunt,
        .n_limits = hunt->terms->n - 1,
        .has_gradients = gradients,
        .max_evaluations = gradients || hunt->draw != NULL ? EVALUATIONS : EVALUATIONS_BLIND};
    size_t d = (size_t)hunt->region->d;
    size_t n = (size_t)hunt->terms->n;
    double value;
    double *x = arena_alloc_array(&arena, d, sizeof *x);
    double *values = arena_alloc_array(&arena, n, sizeof *values);
    if (x == NULL || values == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a search");
    } else {
        memcpy(x, place->x, d * sizeof *x);
        if (search_run(&search, x, &value, &arena, err) == ERR_OK &&
            hunt_value(hunt, x, values, NULL, err) == ERR_OK && region_holds(hunt->region, x) &&
            is_better(hunt->terms, values, place->values)) {
            memcpy(place->x, x, d * sizeof *x);
            memcpy(place->values, values, n * sizeof *values);
        }
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code run_start(void *ctx, int worker, int task, struct err *err)
{
    struct race *race = ctx;
    struct hunt hunt = {.region = race->region, .terms = &race->one, .scratch = ARENA_INIT};
    if (cancel_is_requested(race->spec->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    err_kept(run_hunt(&hunt, &race->ends[task], err));
    arena_release(&hunt.scratch);
    return err->code;
}

/* ---- starts ---- */

static enum err_code make_places(struct place **out, int n, size_t d, size_t n_terms,
                                 struct arena *arena, struct err *err)
{
    struct place *places = arena_alloc_array(arena, (size_t)n, sizeof *places);
    double *numbers = arena_alloc_array(arena, (size_t)n * (d + n_terms), sizeof *numbers);
    if (places == NULL || numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the searches");
    }
    for (int i = 0; i < n; i++) {
        places[i].x = numbers + (size_t)i * (d + n_terms);
        places[i].values = places[i].x + d;
    }
    *out = places;
    return ERR_OK;
}

static void place_set(struct place *place, const double *x, size_t d, const double *values,
                      size_t n_terms)
{
    memcpy(place->x, x, d * sizeof *x);
    memcpy(place->values, values, n_terms * sizeof *values);
}

/* The best of n points by these values [n x terms.n] that is not in taken [n]; -1: none. */
static int best_of(const struct race *race, int n, const double *values, const bool *taken)
{
    size_t n_terms = (size_t)race->one.n;
    int best = -1;
    for (int i = 0; i < n; i++) {
        const double *here = values + (size_t)i * n_terms;
        if ((taken == NULL || !taken[i]) &&
            (best < 0 || is_better(&race->one, here, values + (size_t)best * n_terms))) {
            best = i;
        }
    }
    return best;
}

/* Takes the candidates near one that starts a search: they would end where it ends. */
static void take_near(const struct race *race, const double *units, int start, bool *taken)
{
    size_t free = (size_t)race->region->n_free;
    for (int i = 0; i < race->n_candidates; i++) {
        taken[i] = taken[i] || region_is_near(race->region, units + (size_t)i * free,
                                              units + (size_t)start * free);
    }
}

static enum err_code choose_starts(struct race *race, struct arena *arena, struct err *err)
{
    int n = race->n_candidates;
    size_t d = (size_t)race->region->d;
    size_t free = (size_t)race->region->n_free;
    size_t n_terms = (size_t)race->one.n;
    bool *taken = arena_zalloc_array(arena, (size_t)n, sizeof *taken);
    double *units = arena_alloc_array(arena, (size_t)n * free, sizeof *units);
    if (taken == NULL || units == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the searches");
    }
    for (int i = 0; i < n; i++) {
        region_unit(race->region, race->candidates + (size_t)i * d, units + (size_t)i * free);
    }
    for (race->n_ends = 0; race->n_ends < race->spec->n_starts; race->n_ends++) {
        int best = best_of(race, n, race->values, taken);
        if (best < 0) {
            break;
        }
        take_near(race, units, best, taken);
        taken[best] = true;
        place_set(&race->ends[race->n_ends], race->candidates + (size_t)best * d, d,
                  race->values + (size_t)best * n_terms, n_terms);
    }
    return ERR_OK;
}

static enum err_code run_starts(struct race *race, struct arena *arena, struct err *err)
{
    size_t d = (size_t)race->region->d;
    if (make_places(&race->ends, race->spec->n_starts, d, (size_t)race->one.n, arena, err) !=
            ERR_OK ||
        choose_starts(race, arena, err) != ERR_OK ||
        par_run(race->spec->terms.n_threads, race->n_ends, run_start, race, err) != ERR_OK) {
        return err->code;
    }
    race->optimum = race->ends[0];
    for (int k = 0; k < race->n_ends; k++) {
        size_t at = (size_t)(race->n_candidates + k);
        memcpy(race->candidates + at * d, race->ends[k].x, d * sizeof *race->candidates);
        if (is_better(&race->one, race->ends[k].values, race->optimum.values)) {
            race->optimum = race->ends[k];
        }
    }
    return ERR_OK;
}

/* ---- integers and categories ---- */

/* The value of a discrete input that is `step` from its present one; NaN: there is none. */
static double neighbour(const struct marginal *input, double value, int step)
{
    int n = marginal_n_values(input);
    if (input->input->type == SPACE_CATEGORY) {
        double other = value + step;
        return other >= 0.0 && other < n ? other : NAN;
    }
    if (input->n_values > 0) {
        const double *list = input->input->distribution.values;
        for (int k = 0; k < n; k++) {
            bool there = list[k] == value && k + step >= 0 && k + step < n;
            if (there && !space_is_outside(input->limits, list[k + step])) {
                return list[k + step];
            }
        }
        return NAN;
    }
    return space_is_outside(input->limits, value + step) ? NAN : value + step;
}

/* Tries one other value of an input; when that is better, it is the optimum. */
static enum err_code try_value(struct race *race, struct hunt *hunt, struct place *trial, int input,
                               double value, struct err *err)
{
    size_t d = (size_t)race->region->d;
    place_set(trial, race->optimum.x, d, race->optimum.values, (size_t)race->one.n);
    trial->x[input] = value;
    if (isnan(value) || !region_holds(race->region, trial->x)) {
        return ERR_OK;
    }
    if (hunt_value(hunt, trial->x, trial->values, NULL, err) == ERR_OK &&
        run_hunt(hunt, trial, err) == ERR_OK &&
        is_better(&race->one, trial->values, race->optimum.values)) {
        place_set(&race->optimum, trial->x, d, trial->values, (size_t)race->one.n);
        race->better = true;
    }
    return err->code;
}

static enum err_code change_discrete(struct race *race, struct arena *arena, struct err *err)
{
    struct hunt hunt = {.region = race->region, .terms = &race->one, .scratch = ARENA_INIT};
    struct place *trial = NULL;
    race->better = true;
    if (make_places(&trial, 1, (size_t)race->region->d, (size_t)race->one.n, arena, err) !=
        ERR_OK) {
        return err->code;
    }
    for (int round = 0; round < MAX_ROUNDS && race->better && err->code == ERR_OK; round++) {
        race->better = false;
        for (int k = 0; k < race->region->n_free; k++) {
            const struct marginal *input = &race->region->inputs[k];
            int reach = input->input->type == SPACE_CATEGORY ? MAX_ALTERNATIVES : 1;
            for (int step = -reach; step <= reach && marginal_is_discrete(input); step++) {
                double value = race->optimum.x[race->region->free[k]];
                if (step != 0 && try_value(race, &hunt, trial, race->region->free[k],
                                           neighbour(input, value, step), err) != ERR_OK) {
                    break;
                }
            }
        }
    }
    arena_release(&hunt.scratch);
    return err->code;
}

/* ---- draws ---- */

static enum err_code run_draw(void *ctx, int worker, int task, struct err *err)
{
    struct race *race = ctx;
    const struct terms_draw draw = {.terms = &race->one, .draw = task, .seed = race->spec->seed};
    struct hunt hunt = {
        .region = race->region, .terms = &race->one, .draw = &draw, .scratch = ARENA_INIT};
    struct place *end = &race->ends[task];
    size_t d = (size_t)race->region->d;
    size_t n_terms = (size_t)race->one.n;
    struct arena arena = ARENA_INIT;
    struct place *other = NULL;
    int n = race->n_candidates + race->n_ends;
    double *values = arena_alloc_array(&arena, (size_t)n * n_terms, sizeof *values);
    if (values == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the draws");
    } else if (make_places(&other, 1, d, n_terms, &arena, err) == ERR_OK &&
               terms_of_draw(&draw, n, race->candidates, values, &hunt.scratch, err) == ERR_OK) {
        int best = best_of(race, n, values, NULL);
        place_set(end, race->candidates + (size_t)best * d, d, values + (size_t)best * n_terms,
                  n_terms);
        place_set(other, race->optimum.x, d, race->optimum.values, n_terms);
        if (hunt_value(&hunt, other->x, other->values, NULL, err) == ERR_OK &&
            run_hunt(&hunt, end, err) == ERR_OK && run_hunt(&hunt, other, err) == ERR_OK &&
            is_better(&race->one, other->values, end->values)) {
            place_set(end, other->x, d, other->values, n_terms);
        }
    }
    arena_release(&hunt.scratch);
    arena_release(&arena);
    return err->code;
}

/* Keeps the optima of draws that meet the limits. */
static enum err_code run_draws(struct race *race, struct arena *arena, struct optimum *out,
                               struct err *err)
{
    int n = race->spec->n_draws;
    size_t d = (size_t)race->region->d;
    const struct term *goal = &race->one.list[0];
    n = n < race->one.model->m ? n : race->one.model->m;
    out->draws_x = arena_alloc_array(arena, (size_t)n * d + 1, sizeof *out->draws_x);
    out->draws_value = arena_alloc_array(arena, (size_t)n + 1, sizeof *out->draws_value);
    if (out->draws_x == NULL || out->draws_value == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the draws");
    }
    if (make_places(&race->ends, n, d, (size_t)race->one.n, arena, err) != ERR_OK ||
        par_run(race->spec->terms.n_threads, n, run_draw, race, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < n; k++) {
        const double *values = race->ends[k].values;
        if (!optimise_holds(&race->one, values)) {
            out->n_failed++;
            continue;
        }
        memcpy(out->draws_x + (size_t)out->n_draws * d, race->ends[k].x, d * sizeof(double));
        out->draws_value[out->n_draws] = term_number(goal, values[0]);
        out->n_draws++;
    }
    return ERR_OK;
}

/* ---- all of it ---- */

bool optimise_holds(const struct terms *terms, const double *values)
{
    for (int t = terms->n_objectives; t < terms->n; t++) {
        if (values[t] > EXCESS_TOLERANCE * fmax(1.0, fabs(terms->list[t].limit))) {
            return false;
        }
    }
    return true;
}

static enum err_code check_spec(const struct optimise_spec *spec, struct err *err)
{
    if (spec->n_candidates < 1 || spec->n_candidates > OPTIMISE_MAX_CANDIDATES) {
        return err_set(err, ERR_LIMIT, "candidates must be from 1 to %d", OPTIMISE_MAX_CANDIDATES);
    }
    if (spec->n_starts < 1 || spec->n_starts > OPTIMISE_MAX_STARTS ||
        spec->n_starts > spec->n_candidates) {
        return err_set(err, ERR_LIMIT, "starts must be from 1 to %d, and no more than candidates",
                       OPTIMISE_MAX_STARTS);
    }
    if (spec->n_draws < 0 || spec->n_draws > OPTIMISE_MAX_DRAWS) {
        return err_set(err, ERR_LIMIT, "draws must be from 0 to %d", OPTIMISE_MAX_DRAWS);
    }
    return ERR_OK;
}

static enum err_code find_candidates(struct race *race, struct arena *arena, struct err *err)
{
    struct design design;
    struct arena scratch = ARENA_INIT;
    const struct optimise_spec *spec = race->spec;
    const struct design_spec wanted = {.kind = DESIGN_SOBOL,
                                       .n = spec->n_candidates,
                                       .scrambled = true,
                                       .seed = spec->seed,
                                       .cancel = spec->terms.cancel};
    size_t d = (size_t)race->region->d;
    size_t room = (size_t)spec->n_candidates + REGION_MAX_CORNERS;
    double *values = arena_alloc_array(arena, room * (size_t)race->one.n, sizeof *values);
    double *u = arena_alloc_array(arena, (size_t)race->region->n_free, sizeof *u);
    room += (size_t)spec->n_starts;
    race->candidates = arena_alloc_array(arena, room * d, sizeof *race->candidates);
    if (values == NULL || u == NULL || race->candidates == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates");
    }
    if (design_make(race->region, &wanted, arena, &design, err) == ERR_OK) {
        memcpy(race->candidates, design.x, (size_t)design.n * d * sizeof *design.x);
        race->n_candidates = design.n;
        race->n_candidates +=
            region_corners(race->region, u, race->candidates + (size_t)design.n * d);
        err_kept(terms_values(&spec->terms, race->n_candidates, race->candidates, values, &scratch,
                              err));
        race->values = values;
    }
    arena_release(&scratch);
    return err->code;
}

enum err_code optimise_run(const struct region *region, const struct optimise_spec *spec,
                           struct arena *arena, struct optimum *out, struct err *err)
{
    struct race race = {.region = region, .spec = spec, .one = spec->terms};
    struct optimum made = {.n_draws = 0};
    race.one.n_threads = 1;
    if (check_spec(spec, err) != ERR_OK || find_candidates(&race, arena, err) != ERR_OK ||
        run_starts(&race, arena, err) != ERR_OK || change_discrete(&race, arena, err) != ERR_OK ||
        run_draws(&race, arena, &made, err) != ERR_OK) {
        return err->code;
    }
    made.x = race.optimum.x;
    made.values = race.optimum.values;
    made.holds = optimise_holds(&race.one, made.values);
    for (int t = 0; t < race.one.n; t++) {
        made.values[t] = term_number(&race.one.list[t], made.values[t]);
    }
    *out = made;
    return ERR_OK;
}
