/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse/centre.h"

#include <math.h>
#include <string.h>

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

static enum err_code check_centre(const struct analysis *a, const double *centre, struct err *err)
{
    for (size_t k = 0; k < (size_t)a->field->m * (size_t)a->field->o; k++) {
        if (!isfinite(centre[k])) {
            return err_set(err, ERR_NUMERIC, "the mean of an output is not finite");
        }
    }
    return ERR_OK;
}

enum err_code centre_make(struct analysis *a, double **centre, double **range, struct err *err)
{
    size_t o = (size_t)a->field->o;
    size_t n = (size_t)a->field->m * o;
    bool ok = true;
    struct arena arena = ARENA_INIT;
    double *mean = analysis_array(a, n, &ok);
    double *ends = range != NULL ? analysis_array(a, 2 * o, &ok) : NULL;
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(mean, 0, n * sizeof *mean);
    for (size_t c = 0; ends != NULL && c < o; c++) {
        ends[c] = INFINITY;
        ends[o + c] = -INFINITY;
    }
    if (look(a, &arena, mean, ends, err) == ERR_OK) {
        err_kept(check_centre(a, mean, err));
    }
    arena_release(&arena);
    *centre = mean;
    if (range != NULL) {
        *range = ends;
    }
    return err->code;
}
