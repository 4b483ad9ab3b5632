/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/outlook.h"

#include "base/rng.h"
#include "math/normal.h"

#include <math.h>
#include <string.h>

enum err_code outlook_init(struct outlook *outlook, int n_points, int room, uint64_t seed,
                           double best, struct arena *arena, struct err *err)
{
    size_t n = (size_t)n_points;
    *outlook = (struct outlook){.n_points = n_points, .room = room, .seed = seed};
    outlook->best = arena_alloc_array(arena, OUTLOOK_FUTURES, sizeof *outlook->best);
    outlook->order = arena_alloc_array(arena, OUTLOOK_FUTURES, sizeof *outlook->order);
    bool ok = outlook->best != NULL && outlook->order != NULL;
    if (ok && room > 0) {
        outlook->shift = arena_zalloc_array(arena, n * OUTLOOK_FUTURES, sizeof *outlook->shift);
        outlook->normal =
            arena_alloc_array(arena, (size_t)room * OUTLOOK_FUTURES, sizeof *outlook->normal);
        outlook->dots = arena_alloc_array(arena, n, sizeof *outlook->dots);
        ok = outlook->shift != NULL && outlook->normal != NULL && outlook->dots != NULL;
    }
    for (int s = 0; ok && s < OUTLOOK_FUTURES; s++) {
        outlook->best[s] = best;
    }
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for what pending points may give");
}

/* The normal density at the edge between intervals k - 1 and k, which are equally likely. */
static double edge_density(int k)
{
    bool inside = k > 0 && k < OUTLOOK_FUTURES;
    return inside ? normal_density(normal_quantile((double)k / OUTLOOK_FUTURES)) : 0.0;
}

/* The w of one observation; the mean of an interval is N times the densities' difference. */
static void draw_normals(struct outlook *outlook, double *w)
{
    struct rng rng;
    rng_init(&rng, outlook->seed, RNG_OUTLOOK, (uint32_t)outlook->n);
    for (int s = 0; s < OUTLOOK_FUTURES; s++) {
        outlook->order[s] = s;
    }
    for (int s = OUTLOOK_FUTURES - 1; s > 0; s--) {
        int other = (int)rng_below(&rng, (uint64_t)s + 1);
        int kept = outlook->order[s];
        outlook->order[s] = outlook->order[other];
        outlook->order[other] = kept;
    }
    for (int s = 0; s < OUTLOOK_FUTURES; s++) {
        w[s] = OUTLOOK_FUTURES *
               (edge_density(outlook->order[s]) - edge_density(outlook->order[s] + 1));
    }
}

void outlook_observe(struct outlook *outlook, struct spread *spread, int point,
                     struct spread_history *history, bool maximise)
{
    int before = history->n;
    spread_observe(spread, point, history, outlook->dots);
    if (history->n > before && outlook->n < outlook->room) {
        double *w = outlook->normal + (size_t)outlook->n * OUTLOOK_FUTURES;
        draw_normals(outlook, w);
        for (size_t i = 0; i < (size_t)outlook->n_points; i++) {
            double by = outlook->dots[i] * history->step[before];
            double *shift = outlook->shift + i * OUTLOOK_FUTURES;
            for (int s = 0; s < OUTLOOK_FUTURES; s++) {
                shift[s] += by * w[s];
            }
        }
        outlook->n++;
    }
    const double *shift = outlook->shift + (size_t)point * OUTLOOK_FUTURES;
    for (int s = 0; s < OUTLOOK_FUTURES; s++) {
        double value = spread->mean[point] + shift[s];
        double best = outlook->best[s];
        bool better = isnan(best) || (maximise ? value > best : value < best);
        outlook->best[s] = better ? value : best;
    }
}

void outlook_shift(const struct outlook *outlook, const struct spread_history *history,
                   const double *dots, double *shift)
{
    memset(shift, 0, OUTLOOK_FUTURES * sizeof *shift);
    for (int k = 0; k < outlook->n; k++) {
        const double *w = outlook->normal + (size_t)k * OUTLOOK_FUTURES;
        double by = dots[k] * history->step[k];
        for (int s = 0; s < OUTLOOK_FUTURES; s++) {
            shift[s] += by * w[s];
        }
    }
}

void outlook_shift_back(const struct outlook *outlook, const struct spread_history *history,
                        const double *by_shift, double *by_dots)
{
    for (int k = 0; k < outlook->n; k++) {
        const double *w = outlook->normal + (size_t)k * OUTLOOK_FUTURES;
        by_dots[k] = history->step[k] * spread_dot(by_shift, w, OUTLOOK_FUTURES);
    }
}
