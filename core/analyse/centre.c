/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse/centre.h"

#include <math.h>

#define N_POINTS  512
#define REPLICATE ANALYSE_MAX_REPLICATES /* its points are none of a replicate's */

static void add_points(const struct analysis *a, int n, const double *y, double *centre,
                       double *range)
{
    size_t o = (size_t)a->field->o;
    for (size_t j = 0; j < (size_t)a->field->m; j++) {
        for (size_t i = 0; i < (size_t)n; i++) {
            for (size_t c = 0; c < o; c++) {
                double f = y[(j * (size_t)n + i) * o + c];
                centre[j * o + c] += f / N_POINTS;
                if (range != NULL) {
                    range[c] = fmin(range[c], f);
                    range[o + c] = fmax(range[o + c], f);
                }
            }
        }
    }
}

static enum err_code look(const struct analysis *a, struct arena *arena, double *centre,
                          double *range, struct err *err)
{
    int block = analysis_block(a, N_POINTS, 1);
    struct points points = {.dims = 0};
    struct arena inner = ARENA_INIT;
    double *u = arena_alloc_array(arena, (size_t)block * (size_t)a->n_free, sizeof *u);
    double *x = arena_alloc_array(arena, (size_t)block * (size_t)a->field->d, sizeof *x);
    double *y = arena_alloc_array(arena, (size_t)block * (size_t)a->field->m * (size_t)a->field->o,
                                  sizeof *y);
    if (u == NULL || x == NULL || y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    err_kept(points_init(&points, a->spec->seed, REPLICATE, a->n_free, err));
    for (int first = 0; first < N_POINTS && err->code == ERR_OK; first += block) {
        int n = N_POINTS - first < block ? N_POINTS - first : block;
        points_next(&points, n, u);
        analysis_rows(a, n, u, x);
        if (analysis_values(a, n, x, &inner, y, err) == ERR_OK) {
            add_points(a, n, y, centre, range);
        }
        arena_clear(&inner);
    }
    points_release(&points);
    arena_release(&inner);
    return err->code;
}

enum err_code centre_find(const struct analysis *a, double *centre, double *range, struct err *err)
{
    size_t o = (size_t)a->field->o;
    struct arena arena = ARENA_INIT;
    for (size_t k = 0; k < (size_t)a->field->m * o; k++) {
        centre[k] = 0.0;
    }
    for (size_t c = 0; range != NULL && c < o; c++) {
        range[c] = INFINITY;
        range[o + c] = -INFINITY;
    }
    err_kept(look(a, &arena, centre, range, err));
    arena_release(&arena);
    for (size_t k = 0; err->code == ERR_OK && k < (size_t)a->field->m * o; k++) {
        if (!isfinite(centre[k])) {
            return err_set(err, ERR_NUMERIC, "the mean of an output is not finite");
        }
    }
    return err->code;
}
