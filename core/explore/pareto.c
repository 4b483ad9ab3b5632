/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/pareto.h"

#include "base/rng.h"
#include "explore/design.h"
#include "explore/optimise.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CROSSOVER_SHARE 0.9
#define CROSSOVER_ETA   15.0 /* how close children are to their parents */
#define MUTATION_ETA    20.0

struct being {
    double *u;      /* [n_free] */
    double *x;      /* [d] */
    double *values; /* [terms.n] */
    double excess;  /* by which limits and constraints are passed */
    int rank;       /* 0: nobody is better */
    double crowding;
};

struct herd {
    const struct region *region;
    const struct pareto_spec *spec;
    struct rng rng;
    struct being *list; /* [2 population] parents, then children */
    double *x;          /* [population x d] scratch of an evaluation */
    double *values;     /* [population x terms.n] likewise */
    int *order;         /* [2 population] */
    struct arena scratch;
};

/* ---- who is better ---- */

static bool dominates(const struct terms *terms, const struct being *a, const struct being *b)
{
    bool better = false;
    if (a->excess != b->excess) {
        return a->excess < b->excess;
    }
    if (a->excess > 0.0) {
        return false;
    }
    for (int t = 0; t < terms->n_objectives; t++) {
        if (a->values[t] > b->values[t]) {
            return false;
        }
        better = better || a->values[t] < b->values[t];
    }
    return better;
}

/* Ranks by peeling off those that nobody left dominates. */
static void rank_all(struct herd *herd, int n)
{
    int left = n;
    for (int i = 0; i < n; i++) {
        herd->list[i].rank = -1;
    }
    for (int rank = 0; left > 0; rank++) {
        int found = 0;
        for (int i = 0; i < n; i++) {
            bool beaten = herd->list[i].rank >= 0;
            for (int k = 0; k < n && !beaten; k++) {
                int other = herd->list[k].rank;
                beaten = (other < 0 || other == rank) &&
                         dominates(&herd->spec->terms, &herd->list[k], &herd->list[i]);
            }
            if (!beaten) {
                herd->list[i].rank = rank;
                found++;
            }
        }
        left -= found;
    }
}

/* order [n]: the beings of a rank, sorted by objective t; ties by their place. */
static void sort_by(const struct herd *herd, int n, int t)
{
    for (int i = 1; i < n; i++) {
        int moved = herd->order[i];
        int k = i;
        while (k > 0 && herd->list[herd->order[k - 1]].values[t] > herd->list[moved].values[t]) {
            herd->order[k] = herd->order[k - 1];
            k--;
        }
        herd->order[k] = moved;
    }
}

/* How far the neighbours in its rank are from each being, in every objective. */
static void measure_crowding(struct herd *herd, int n_all, int rank)
{
    int n = 0;
    for (int i = 0; i < n_all; i++) {
        if (herd->list[i].rank == rank) {
            herd->list[i].crowding = 0.0;
            herd->order[n++] = i;
        }
    }
    for (int t = 0; n > 0 && t < herd->spec->terms.n_objectives; t++) {
        sort_by(herd, n, t);
        double low = herd->list[herd->order[0]].values[t];
        double span = herd->list[herd->order[n - 1]].values[t] - low;
        herd->list[herd->order[0]].crowding = DBL_MAX;
        herd->list[herd->order[n - 1]].crowding = DBL_MAX;
        for (int i = 1; span > 0.0 && i + 1 < n; i++) {
            struct being *here = &herd->list[herd->order[i]];
            double gap =
                herd->list[herd->order[i + 1]].values[t] - herd->list[herd->order[i - 1]].values[t];
            here->crowding = here->crowding < DBL_MAX ? here->crowding + gap / span : DBL_MAX;
        }
    }
}

static bool is_fitter(const struct being *a, const struct being *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->crowding > b->crowding;
}

/* ---- children ---- */

static const struct being *choose_parent(struct herd *herd)
{
    uint64_t n = (uint64_t)herd->spec->population;
    const struct being *a = &herd->list[rng_below(&herd->rng, n)];
    const struct being *b = &herd->list[rng_below(&herd->rng, n)];
    return is_fitter(b, a) ? b : a;
}

static double inside(double u)
{
    return u < 0.0 ? 0.0 : (u > 1.0 ? 1.0 : u);
}

static void cross(struct herd *herd, const struct being *a, const struct being *b, double *child)
{
    bool mix = rng_uniform(&herd->rng) < CROSSOVER_SHARE;
    for (int k = 0; k < herd->region->n_free; k++) {
        double r = rng_uniform(&herd->rng);
        bool swap = rng_uniform(&herd->rng) < 0.5;
        double beta = r < 0.5 ? pow(2.0 * r, 1.0 / (CROSSOVER_ETA + 1.0))
                              : pow(0.5 / (1.0 - r), 1.0 / (CROSSOVER_ETA + 1.0));
        double first = swap ? b->u[k] : a->u[k];
        double second = swap ? a->u[k] : b->u[k];
        child[k] = mix ? inside(0.5 * ((1.0 + beta) * first + (1.0 - beta) * second)) : a->u[k];
    }
}

static void mutate(struct herd *herd, double *u)
{
    for (int k = 0; k < herd->region->n_free; k++) {
        double share = rng_uniform(&herd->rng);
        double r = rng_uniform(&herd->rng);
        if (share < 1.0 / herd->region->n_free) {
            double power = 1.0 / (MUTATION_ETA + 1.0);
            double step = r < 0.5 ? pow(2.0 * r, power) - 1.0 : 1.0 - pow(2.0 * (1.0 - r), power);
            u[k] = inside(u[k] + step);
        }
    }
}

/* ---- generations ---- */

/* By how much linear constraints are passed, each in units of its own size. */
static double linear_excess(const struct region *region, const double *x)
{
    double sum = 0.0;
    for (int c = 0; c < region->spec.n_constraints; c++) {
        const struct region_constraint *one = &region->spec.constraints[c];
        double left = -one->limit;
        double size = fabs(one->limit) + DBL_MIN;
        for (int j = 0; j < region->d; j++) {
            left += one->a[j] * x[j];
            size += fabs(one->a[j] * x[j]);
        }
        sum += left > 0.0 ? left / size : 0.0;
    }
    return region_holds(region, x) ? 0.0 : sum;
}

static double limits_excess(const struct terms *terms, const double *values)
{
    double sum = 0.0;
    for (int t = terms->n_objectives; t < terms->n; t++) {
        sum += values[t] > 0.0 ? values[t] / (fabs(terms->list[t].limit) + 1.0) : 0.0;
    }
    return optimise_holds(terms, values) ? 0.0 : sum;
}

static enum err_code evaluate(struct herd *herd, int first, struct err *err)
{
    const struct terms *terms = &herd->spec->terms;
    int n = herd->spec->population;
    size_t d = (size_t)herd->region->d;
    size_t n_terms = (size_t)terms->n;
    for (int i = 0; i < n; i++) {
        struct being *being = &herd->list[first + i];
        region_point(herd->region, being->u, being->x);
        memcpy(herd->x + (size_t)i * d, being->x, d * sizeof *herd->x);
    }
    arena_clear(&herd->scratch);
    if (pareto_values(herd->spec, n, herd->x, herd->values, &herd->scratch, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < n; i++) {
        struct being *being = &herd->list[first + i];
        memcpy(being->values, herd->values + (size_t)i * n_terms, n_terms * sizeof *herd->values);
        being->excess = linear_excess(herd->region, being->x) + limits_excess(terms, being->values);
    }
    return ERR_OK;
}

/* Moves the fittest half to the front. */
static void select_half(struct herd *herd)
{
    int n = 2 * herd->spec->population;
    rank_all(herd, n);
    for (int rank = 0; rank < n; rank++) {
        measure_crowding(herd, n, rank);
    }
    for (int i = 1; i < n; i++) {
        struct being moved = herd->list[i];
        int k = i;
        while (k > 0 && is_fitter(&moved, &herd->list[k - 1])) {
            herd->list[k] = herd->list[k - 1];
            k--;
        }
        herd->list[k] = moved;
    }
}

static enum err_code run_generation(struct herd *herd, struct err *err)
{
    int n = herd->spec->population;
    for (int i = 0; i < n; i++) {
        const struct being *a = choose_parent(herd);
        const struct being *b = choose_parent(herd);
        cross(herd, a, b, herd->list[n + i].u);
        mutate(herd, herd->list[n + i].u);
    }
    if (evaluate(herd, n, err) == ERR_OK) {
        select_half(herd);
    }
    return err->code;
}

static enum err_code make_herd(struct herd *herd, struct arena *arena, struct err *err)
{
    size_t n = (size_t)herd->spec->population;
    size_t d = (size_t)herd->region->d;
    size_t n_terms = (size_t)herd->spec->terms.n;
    size_t each = (size_t)herd->region->n_free + d + n_terms;
    struct design design;
    const struct design_spec start = {.kind = DESIGN_SOBOL,
                                      .n = herd->spec->population,
                                      .scrambled = true,
                                      .seed = herd->spec->seed,
                                      .cancel = herd->spec->terms.cancel};
    double *numbers = arena_alloc_array(arena, 2 * n * each, sizeof *numbers);
    herd->list = arena_zalloc_array(arena, 2 * n, sizeof *herd->list);
    herd->order = arena_alloc_array(arena, 2 * n, sizeof *herd->order);
    herd->x = arena_alloc_array(arena, n * d, sizeof *herd->x);
    herd->values = arena_alloc_array(arena, n * n_terms, sizeof *herd->values);
    if (numbers == NULL || herd->list == NULL || herd->order == NULL || herd->x == NULL ||
        herd->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the objectives");
    }
    for (size_t i = 0; i < 2 * n; i++) {
        herd->list[i].u = numbers + i * each;
        herd->list[i].x = herd->list[i].u + herd->region->n_free;
        herd->list[i].values = herd->list[i].x + d;
    }
    if (design_make(herd->region, &start, arena, &design, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n; i++) {
        bool given = i < (size_t)herd->spec->n_start;
        region_unit(herd->region, given ? herd->spec->start + i * d : design.x + i * d,
                    herd->list[i].u);
    }
    rng_init(&herd->rng, herd->spec->seed, RNG_EXPLORE, 0);
    return evaluate(herd, 0, err);
}

/* ---- the front ---- */

static bool is_repeated(const struct being *being, const struct pareto_front *front, size_t d)
{
    for (int k = 0; k < front->n; k++) {
        if (memcmp(front->x + (size_t)k * d, being->x, d * sizeof *being->x) == 0) {
            return true;
        }
    }
    return false;
}

static enum err_code take_front(struct herd *herd, struct arena *arena, struct pareto_front *out,
                                struct err *err)
{
    const struct terms *terms = &herd->spec->terms;
    int n = herd->spec->population;
    size_t d = (size_t)herd->region->d;
    int count = 0;
    out->x = arena_alloc_array(arena, (size_t)n * d, sizeof *out->x);
    out->values = arena_alloc_array(arena, (size_t)n * (size_t)terms->n, sizeof *out->values);
    if (out->x == NULL || out->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the front");
    }
    rank_all(herd, n);
    for (int i = 0; i < n; i++) {
        if (herd->list[i].rank == 0 && !(herd->list[i].excess > 0.0)) {
            herd->order[count++] = i;
        }
    }
    sort_by(herd, count, 0);
    for (int k = 0; k < count; k++) {
        const struct being *being = &herd->list[herd->order[k]];
        if (is_repeated(being, out, d)) {
            continue;
        }
        memcpy(out->x + (size_t)out->n * d, being->x, d * sizeof *being->x);
        for (int t = 0; t < terms->n; t++) {
            out->values[(size_t)out->n * (size_t)terms->n + (size_t)t] =
                term_number(&terms->list[t], being->values[t]);
        }
        out->n++;
    }
    return ERR_OK;
}

enum err_code pareto_values(const struct pareto_spec *spec, int n, const double *x, double *values,
                            struct arena *scratch, struct err *err)
{
    if (cancel_is_requested(spec->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    return spec->draw != NULL ? terms_of_draw(spec->draw, n, x, values, scratch, err)
                              : terms_values(&spec->terms, n, x, values, scratch, err);
}

enum err_code pareto_run(const struct region *region, const struct pareto_spec *spec,
                         struct arena *arena, struct pareto_front *out, struct err *err)
{
    struct herd herd = {.region = region, .spec = spec, .scratch = ARENA_INIT};
    struct pareto_front front = {.n = 0};
    if (spec->population < 4 || spec->population > PARETO_MAX_POPULATION || spec->generations < 1 ||
        spec->generations > PARETO_MAX_GENERATIONS) {
        return err_set(err, ERR_LIMIT,
                       "population must be from 4 to %d, and generations from 1 to %d",
                       PARETO_MAX_POPULATION, PARETO_MAX_GENERATIONS);
    }
    if (spec->method == PARETO_WEIGHTED_SUM) {
        return pareto_weighted_sum(region, spec, arena, out, err);
    }
    if (make_herd(&herd, arena, err) == ERR_OK) {
        for (int g = 0; g < spec->generations && err->code == ERR_OK; g++) {
            err_kept(run_generation(&herd, err));
        }
        if (err->code == ERR_OK && take_front(&herd, arena, &front, err) == ERR_OK) {
            *out = front;
        }
    }
    arena_release(&herd.scratch);
    return err->code;
}
