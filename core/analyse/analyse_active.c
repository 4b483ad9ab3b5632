/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Active subspaces [1]: the directions in the space of the inputs along which an output changes
 * most on average, which are the eigenvectors of
 *
 *   C = E[grad f grad f'],   grad by x_i / s_i,
 *
 * from exact derivatives. The scale s_i of an input is the half width of its distribution
 * (law_half_width). The diagonal of C is the derivative-based measure of each input [2].
 *
 * An eigenvector's sign is such that its largest component is positive.
 *
 * [1] P. G. Constantine, E. Dow, Q. Wang, Active subspace methods in theory and practice, SIAM
 *     Journal on Scientific Computing 36, 2014.
 * [2] I. M. Sobol', S. Kucherenko, Derivative based global sensitivity measures and their link with
 *     global sensitivity indices, Mathematics and Computers in Simulation 79, 2009.
 */
#include "analyse/analyse_priv.h"

#include "math/decompose.h"

#include <math.h>
#include <string.h>

#define MAX_INPUTS  200
#define MAX_VECTORS 8
#define BLOCK_ROWS  96

struct active {
    int n_vectors;
    double *scale;          /* [k] */
    const char **labels;    /* [n_vectors] "1", "2", .. */
    double *matrix, *value; /* [k x k], [k]: of one finish at a time */
};

static double active_rows(const struct analysis *a)
{
    return a->spec->n;
}

static enum err_code active_check(const struct analysis *a, struct err *err)
{
    for (int i = 0; i < a->n_free; i++) {
        if (a->run->laws[a->inputs[i]].input->type == SPACE_CATEGORY) {
            return err_set(
                err, ERR_INVALID,
                "input \"%.60s\" is a category, by which there is no derivative; give it "
                "a fixed value",
                a->spec->input_names[a->inputs[i]]);
        }
    }
    if (a->field->ops->jacobian == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "the derivatives are not known");
    }
    return a->n_free <= MAX_INPUTS
               ? ERR_OK
               : err_set(err, ERR_LIMIT, "%d inputs are not fixed, at most %d are allowed",
                         a->n_free, MAX_INPUTS);
}

static enum err_code active_plan(struct analysis *a, struct err *err)
{
    struct active *own = arena_zalloc_array(a->arena, 1, sizeof *own);
    size_t k = (size_t)a->n_free;
    bool ok = own != NULL;
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    a->own = own;
    own->n_vectors = a->n_free < MAX_VECTORS ? a->n_free : MAX_VECTORS;
    own->scale = analysis_array(a, k, &ok);
    own->matrix = analysis_array(a, k * k, &ok);
    own->value = analysis_array(a, k, &ok);
    own->labels = arena_alloc_array(a->arena, MAX_VECTORS, sizeof *own->labels);
    ok = ok && own->labels != NULL;
    for (size_t i = 0; ok && i < k; i++) {
        own->scale[i] = law_half_width(&a->run->laws[a->inputs[i]]);
    }
    for (int v = 0; ok && v < own->n_vectors; v++) {
        own->labels[v] = arena_printf(a->arena, "%d", v + 1);
        ok = own->labels[v] != NULL;
    }
    const struct analyse_axis direction = {
        .name = "direction", .n = own->n_vectors, .labels = own->labels};
    const struct analyse_axis values[] = {analysis_outputs(a), direction};
    const struct analyse_axis vectors[] = {analysis_outputs(a), direction, analysis_inputs(a)};
    const struct analyse_axis measures[] = {analysis_outputs(a), analysis_inputs(a)};
    analysis_add_table(a, "eigenvalues", 2, values, &ok);
    analysis_add_table(a, "eigenvectors", 3, vectors, &ok);
    analysis_add_table(a, "derivative_measure", 2, measures, &ok);
    a->n_statistics = (size_t)a->field->o * k * k;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

/* ---- a replicate ---- */

/* Adds grad grad' of one row of one output: jac [d]. c: [k x k], lower triangle. */
static void add_gradient(const struct analysis *a, const double *jac, double *gradient, double *c)
{
    const struct active *own = a->own;
    size_t k = (size_t)a->n_free;
    for (size_t i = 0; i < k; i++) {
        gradient[i] = jac[a->inputs[i]] * own->scale[i];
        for (size_t j = 0; j <= i; j++) {
            c[i * k + j] += gradient[i] * gradient[j] / a->spec->n;
        }
    }
}

struct pass {
    double *u, *x, *jac, *gradient;
};

static enum err_code add_block(const struct analysis *a, const struct pass *pass, int n,
                               double *out, struct err *err)
{
    size_t d = (size_t)a->field->d;
    size_t o = (size_t)a->field->o;
    size_t size = (size_t)n * o * d;
    struct arena inner = ARENA_INIT;
    for (int j = 0; j < a->field->m && err->code == ERR_OK; j++) {
        const struct field_rows rows = {.first = j, .m = 1, .n = n, .x = pass->x};
        if (cancel_is_requested(a->run->terms.cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled in an analysis");
        } else if (a->field->ops->jacobian(a->field, &rows, &inner, pass->jac, err) == ERR_OK) {
            double *of_draw = out + (size_t)j * a->n_statistics;
            for (size_t at = 0; at < size; at += d) {
                add_gradient(a, pass->jac + at, pass->gradient,
                             of_draw + at / d % o * (a->n_statistics / o));
            }
        }
        arena_clear(&inner);
    }
    arena_release(&inner);
    return err->code;
}

static enum err_code active_replicate(const struct analysis *a, int replicate,
                                      struct arena *scratch, double *out, struct err *err)
{
    size_t d = (size_t)a->field->d;
    struct points points = {.dims = 0};
    struct pass pass;
    pass.u = arena_alloc_array(scratch, BLOCK_ROWS * (size_t)a->n_free, sizeof(double));
    pass.x = arena_alloc_array(scratch, BLOCK_ROWS * d, sizeof(double));
    pass.jac = arena_alloc_array(scratch, BLOCK_ROWS * d * (size_t)a->field->o, sizeof(double));
    pass.gradient = arena_alloc_array(scratch, (size_t)a->n_free, sizeof(double));
    if (pass.u == NULL || pass.x == NULL || pass.jac == NULL || pass.gradient == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(out, 0, (size_t)a->field->m * a->n_statistics * sizeof *out);
    err_kept(points_init(&points, a->spec->seed, replicate, a->n_free, err));
    for (int first = 0; first < a->spec->n && err->code == ERR_OK; first += BLOCK_ROWS) {
        int n = a->spec->n - first < BLOCK_ROWS ? a->spec->n - first : BLOCK_ROWS;
        points_next(&points, n, pass.u);
        analysis_rows(a, n, pass.u, pass.x);
        err_kept(add_block(a, &pass, n, out, err));
    }
    points_release(&points);
    return err->code;
}

/* ---- numbers ---- */

static void copy_vector(size_t k, const double *from, double *to)
{
    size_t largest = 0;
    for (size_t i = 1; i < k; i++) {
        largest = fabs(from[i]) > fabs(from[largest]) ? i : largest;
    }
    for (size_t i = 0; i < k; i++) {
        to[i] = from[largest] < 0.0 ? -from[i] : from[i];
    }
}

static enum err_code active_finish(const struct analysis *a, int draw, const double *statistics,
                                   double *numbers, struct err *err)
{
    const struct active *own = a->own;
    const struct analyse_table *t = a->tables;
    size_t k = (size_t)a->n_free;
    size_t n = (size_t)own->n_vectors;
    (void)draw;
    for (size_t c = 0; c < (size_t)a->field->o; c++) {
        const double *s = statistics + c * k * k;
        for (size_t i = 0; i < k; i++) {
            for (size_t j = 0; j <= i; j++) {
                own->matrix[i * k + j] = s[i * k + j];
                own->matrix[j * k + i] = s[i * k + j];
            }
            numbers[t[2].first + c * k + i] = s[i * k + i];
        }
        if (decompose_eigen((int)k, own->matrix, own->value, NULL, err) != ERR_OK) {
            return err->code;
        }
        for (size_t v = 0; v < n; v++) { /* ascending becomes descending */
            numbers[t[0].first + c * n + v] = own->value[k - 1 - v];
            copy_vector(k, own->matrix + (k - 1 - v) * k, numbers + t[1].first + (c * n + v) * k);
        }
    }
    return ERR_OK;
}

const struct analyse_ops analyse_active_ops = {.points = 256,
                                               .check = active_check,
                                               .plan = active_plan,
                                               .replicate = active_replicate,
                                               .finish = active_finish,
                                               .rows = active_rows};
