/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the outputs depend on one or two inputs, on a grid of their values: with all others at a
 * point, or averaged over their distribution, which is partial dependence [1]. The average is over
 * the same points of the others at every place of the grid. Bands come from the draws.
 *
 * [1] J. H. Friedman, Greedy function approximation: a gradient boosting machine, Annals of
 *     Statistics 29(5), 2001, section 8.2.
 */
#include "analyse/analyse_priv.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS 960

struct slice {
    int n_inputs;
    int inputs[2];   /* of the space */
    int n[2];        /* values of each; 1 where there is no second one */
    double *grid[2]; /* [n] */
    size_t first;    /* number of the table */
};

struct slices {
    int n;
    struct slice *all; /* [n] */
};

/* Values of a slice's grid at most; those of a plane are fewer along each side. */
static int values_of(const struct analyse_spec *spec, int n_inputs)
{
    int side = (int)ceil(sqrt((double)spec->grid * 10.0));
    return n_inputs == 1 || side > spec->grid ? spec->grid : side;
}

static int n_slices(const struct analysis *a)
{
    return a->spec->n_slices > 0 ? a->spec->n_slices : a->n_free;
}

static struct analyse_set slice_set(const struct analysis *a, int s)
{
    return a->spec->n_slices > 0 ? a->spec->slices[s]
                                 : (struct analyse_set){.n = 1, .inputs = &a->inputs[s]};
}

static bool slices_is_exact(const struct analysis *a)
{
    return a->spec->at_point;
}

static int n_points(const struct analysis *a)
{
    return a->spec->at_point ? 1 : a->spec->n;
}

static double slices_rows(const struct analysis *a)
{
    double cells = 0.0;
    for (int s = 0; s < n_slices(a); s++) {
        int n = slice_set(a, s).n;
        cells += pow(values_of(a->spec, n), n);
    }
    return cells * n_points(a);
}

static enum err_code slices_check(const struct analysis *a, struct err *err)
{
    const struct analyse_spec *spec = a->spec;
    if (spec->grid < 2 || spec->grid > ANALYSE_MAX_GRID || n_slices(a) > ANALYSE_MAX_SETS) {
        return err_set(err, ERR_INVALID, "grid is %d, 2 to %d are possible, and at most %d slices",
                       spec->grid, ANALYSE_MAX_GRID, ANALYSE_MAX_SETS);
    }
    for (int s = 0; s < spec->n_slices; s++) {
        const struct analyse_set *set = &spec->slices[s];
        if (set->n < 1 || set->n > 2 || (set->n == 2 && set->inputs[0] == set->inputs[1])) {
            return err_set(err, ERR_INVALID,
                           "slices[%d] must have one input, or two different "
                           "ones",
                           s);
        }
        for (int i = 0; i < set->n; i++) {
            if (analysis_find_free(a, set->inputs[i]) < 0) {
                return err_set(err, ERR_INVALID, "slices[%d]: input \"%.60s\" is fixed", s,
                               spec->input_names[set->inputs[i]]);
            }
        }
    }
    return ERR_OK;
}

static void plan_slice(struct analysis *a, struct slice *slice, const struct analyse_set *set,
                       bool *ok)
{
    struct analyse_axis axes[ANALYSE_MAX_RANK];
    *slice = (struct slice){.n_inputs = set->n, .n = {1, 1}};
    for (int i = 0; *ok && i < set->n; i++) {
        int input = set->inputs[i];
        int max = values_of(a->spec, set->n);
        slice->inputs[i] = input;
        slice->grid[i] = analysis_array(a, (size_t)max, ok);
        if (*ok) {
            slice->n[i] = law_grid(&a->run->laws[input], max, slice->grid[i]);
        }
        axes[i] = (struct analyse_axis){
            .name = a->spec->input_names[input], .n = slice->n[i], .values = slice->grid[i]};
    }
    axes[set->n] = analysis_outputs(a);
    const struct analyse_table *table =
        *ok ? analysis_add_table(a, a->spec->at_point ? "slice" : "partial_dependence", set->n + 1,
                                 axes, ok)
            : NULL;
    slice->first = table != NULL ? table->first : 0;
}

static enum err_code slices_plan(struct analysis *a, struct err *err)
{
    struct slices *own = arena_zalloc_array(a->arena, 1, sizeof *own);
    struct slice *all = arena_alloc_array(a->arena, (size_t)n_slices(a), sizeof *all);
    bool ok = own != NULL && all != NULL;
    for (int s = 0; ok && s < n_slices(a); s++) {
        const struct analyse_set set = slice_set(a, s);
        plan_slice(a, &all[s], &set, &ok);
    }
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    *own = (struct slices){.n = n_slices(a), .all = all};
    a->own = own;
    a->n_statistics = a->n_numbers;
    return ERR_OK;
}

/* ---- a replicate ---- */

struct pass {
    const struct analysis *a;
    int n;              /* points of the others */
    const double *back; /* [n x d] */
    int room;           /* cells that are evaluated together */
    double *x;          /* [room x n x d] */
    double *y;          /* [m x room x n x o] */
    struct arena inner;
    double *out; /* [m x n_statistics] */
};

static void fill_cell(const struct pass *pass, const struct slice *slice, int cell, double *x)
{
    size_t d = (size_t)pass->a->field->d;
    memcpy(x, pass->back, (size_t)pass->n * d * sizeof *x);
    for (size_t i = 0; i < (size_t)pass->n; i++) {
        x[i * d + (size_t)slice->inputs[0]] = slice->grid[0][cell / slice->n[1]];
        if (slice->n_inputs == 2) {
            x[i * d + (size_t)slice->inputs[1]] = slice->grid[1][cell % slice->n[1]];
        }
    }
}

/* Means over the points of n cells from `first` on. */
static void add_cells(const struct pass *pass, const struct slice *slice, int first, int n)
{
    size_t o = (size_t)pass->a->field->o;
    size_t points = (size_t)pass->n;
    for (size_t j = 0; j < (size_t)pass->a->field->m; j++) {
        double *out = pass->out + j * pass->a->n_statistics + slice->first + (size_t)first * o;
        const double *y = pass->y + j * (size_t)n * points * o;
        for (size_t cell = 0; cell < (size_t)n; cell++) {
            for (size_t c = 0; c < o; c++) {
                double sum = 0.0;
                for (size_t i = 0; i < points; i++) {
                    sum += y[(cell * points + i) * o + c];
                }
                out[cell * o + c] = sum / (double)points;
            }
        }
    }
}

static enum err_code run_slice(struct pass *pass, const struct slice *slice, struct err *err)
{
    int n_cells = slice->n[0] * slice->n[1];
    size_t size = (size_t)pass->n * (size_t)pass->a->field->d;
    for (int first = 0; first < n_cells && err->code == ERR_OK; first += pass->room) {
        int n = n_cells - first < pass->room ? n_cells - first : pass->room;
        for (int cell = 0; cell < n; cell++) {
            fill_cell(pass, slice, first + cell, pass->x + (size_t)cell * size);
        }
        if (analysis_values(pass->a, n * pass->n, pass->x, &pass->inner, pass->y, err) == ERR_OK) {
            add_cells(pass, slice, first, n);
        }
        arena_clear(&pass->inner);
    }
    return err->code;
}

/* The others at their point, or at random. */
static enum err_code fill_background(const struct analysis *a, int replicate, double *u, double *x,
                                     struct err *err)
{
    struct points points = {.dims = 0};
    size_t d = (size_t)a->field->d;
    if (!a->spec->at_point) {
        if (points_init(&points, a->spec->seed, replicate, a->n_free, err) == ERR_OK) {
            points_next(&points, a->spec->n, u);
            analysis_rows(a, a->spec->n, u, x);
        }
        points_release(&points);
        return err->code;
    }
    for (size_t b = 0; b < d; b++) {
        const struct law *law = &a->run->laws[b];
        bool given = a->spec->point != NULL && !law_is_fixed(law);
        x[b] = given ? a->spec->point[b] : law_quantile(law, 0.5);
    }
    return ERR_OK;
}

static enum err_code slices_replicate(const struct analysis *a, int replicate,
                                      struct arena *scratch, double *out, struct err *err)
{
    const struct slices *own = a->own;
    struct pass pass = {.a = a, .n = n_points(a), .out = out, .inner = ARENA_INIT};
    pass.room = analysis_block(a, BLOCK_ROWS, 1) / pass.n;
    pass.room = pass.room > 1 ? pass.room : 1;
    size_t rows = (size_t)pass.room * (size_t)pass.n;
    size_t d = (size_t)a->field->d;
    double *u = arena_alloc_array(scratch, (size_t)pass.n * (size_t)a->n_free, sizeof *u);
    double *back = arena_alloc_array(scratch, (size_t)pass.n * d, sizeof *back);
    pass.x = arena_alloc_array(scratch, rows * d, sizeof *pass.x);
    pass.y = arena_alloc_array(scratch, rows * (size_t)a->field->m * (size_t)a->field->o,
                               sizeof *pass.y);
    if (u == NULL || back == NULL || pass.x == NULL || pass.y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    err_kept(fill_background(a, replicate, u, back, err));
    pass.back = back;
    for (int s = 0; s < own->n && err->code == ERR_OK; s++) {
        err_kept(run_slice(&pass, &own->all[s], err));
    }
    arena_release(&pass.inner);
    return err->code;
}

static enum err_code slices_finish(const struct analysis *a, int draw, const double *s,
                                   double *numbers, struct err *err)
{
    (void)draw;
    memcpy(numbers, s, a->n_numbers * sizeof *numbers);
    return err->code;
}

const struct analyse_ops analyse_slices_ops = {.points = 96,
                                               .check = slices_check,
                                               .plan = slices_plan,
                                               .replicate = slices_replicate,
                                               .finish = slices_finish,
                                               .rows = slices_rows,
                                               .is_exact = slices_is_exact};
