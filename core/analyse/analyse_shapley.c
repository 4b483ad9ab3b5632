/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapley effects [1, 2] of inputs that may depend on each other through a Gaussian copula: each
 * input has its own distribution, and the normal scores z of all have the correlation R. The effect
 * of an input is what it adds to the cost
 *
 *   c(J) = E[Var(y | x_-J)],   c of all inputs = Var(y),
 *
 * on average over the orders in which inputs can join J. Effects are not negative and sum up to 1.
 *
 * The average is over random orders, with one outer and three inner points for each J [2]. With the
 * inputs in reverse order and R = L L', the last ones given the others are had by new numbers in
 * the last places of xi, z = L xi. Var(y) comes from all points, each of which has the
 * distribution of the inputs.
 *
 * [1] A. B. Owen, Sobol' indices and Shapley value, SIAM/ASA JUQ 2, 2014.
 * [2] E. Song, B. L. Nelson, J. Staum, Shapley effects for global sensitivity analysis: theory and
 *     computation, SIAM/ASA JUQ 4, 2016.
 */
#include "analyse/centre.h"

#include "math/linalg.h"

#include <math.h>
#include <string.h>

#define INNER 3

struct shapley {
    double *centre; /* [m x o] */
};

static double shapley_rows(const struct analysis *a)
{
    return (double)a->spec->n * INNER * a->n_free;
}

/* The correlation of the free inputs in this order; NULL: the identity. */
static void ordered_correlation(const struct analysis *a, const int *order, double *r)
{
    size_t k = (size_t)a->n_free;
    size_t d = (size_t)a->field->d;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < k; j++) {
            size_t at = (size_t)a->inputs[order[i]] * d + (size_t)a->inputs[order[j]];
            double same = i == j ? 1.0 : 0.0;
            r[i * k + j] = a->spec->correlation != NULL ? a->spec->correlation[at] : same;
        }
    }
}

static enum err_code check_entries(const struct analysis *a, struct err *err)
{
    size_t d = (size_t)a->field->d;
    const double *r = a->spec->correlation;
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            bool fits = i == j ? r[i * d + j] == 1.0 : fabs(r[i * d + j]) < 1.0;
            if (!fits || r[i * d + j] != r[j * d + i]) {
                return err_set(err, ERR_INVALID,
                               "the correlation of inputs %zu and %zu is %.15g; a symmetric matrix "
                               "with 1 on its diagonal and less elsewhere is needed",
                               i, j, r[i * d + j]);
            }
        }
    }
    return ERR_OK;
}

static enum err_code shapley_check(const struct analysis *a, struct err *err)
{
    size_t k = (size_t)a->n_free;
    struct arena arena = ARENA_INIT;
    if (a->spec->correlation == NULL || check_entries(a, err) != ERR_OK) {
        return err->code;
    }
    double *r = arena_alloc_array(&arena, k * k, sizeof *r);
    int *order = arena_alloc_array(&arena, k, sizeof *order);
    if (r == NULL || order == NULL) {
        err_set(err, ERR_NOMEM, "no memory for an analysis");
    } else {
        for (size_t i = 0; i < k; i++) {
            order[i] = (int)i;
        }
        ordered_correlation(a, order, r);
        if (!linalg_cholesky((int)k, r)) {
            err_set(err, ERR_INVALID, "the correlation is not positive definite");
        }
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code shapley_plan(struct analysis *a, struct err *err)
{
    bool ok = true;
    struct shapley *own = arena_zalloc_array(a->arena, 1, sizeof *own);
    const struct analyse_axis axes[] = {analysis_outputs(a), analysis_inputs(a)};
    a->own = own;
    analysis_add_table(a, "effect", 2, axes, &ok);
    analysis_add_table(a, "variance", 1, axes, &ok);
    /* Of an output: [k] changes of the cost, [k] shares of last places, y and y^2. */
    a->n_statistics = (size_t)a->field->o * (2 * (size_t)a->n_free + 2);
    return ok && own != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

static enum err_code shapley_prepare(struct analysis *a, struct err *err)
{
    struct shapley *own = a->own;
    return centre_make(a, &own->centre, NULL, err);
}

/* ---- a replicate ---- */

struct pass {
    const struct analysis *a;
    struct rng rng;
    int *order;    /* [k] in which inputs join J */
    int *reversed; /* [k] */
    double *l;     /* [k x k] */
    double *xi;    /* [k] */
    double *x;     /* [3 k x d] three rows for each J, of 1, 2, .. k inputs */
    double *y;     /* [m x 3 k x o] */
    double *out;
};

/* A row from xi. */
static void set_row(const struct pass *pass, double *x)
{
    const struct analysis *a = pass->a;
    int k = a->n_free;
    for (int b = 0; b < a->field->d; b++) {
        x[b] = a->run->laws[b].fixed;
    }
    for (int i = 0; i < k; i++) {
        int input = a->inputs[pass->reversed[i]];
        double z = 0.0;
        for (int j = 0; j <= i; j++) {
            z += pass->l[i * k + j] * pass->xi[j];
        }
        x[input] = law_from_normal(&a->run->laws[input], z);
    }
}

/* Draws an order and the rows of all J. False: the correlation is none (it was checked). */
static bool draw_rows(struct pass *pass)
{
    const struct analysis *a = pass->a;
    int k = a->n_free;
    size_t d = (size_t)a->field->d;
    rng_permutation(&pass->rng, k, pass->order);
    for (int i = 0; i < k; i++) {
        pass->reversed[i] = pass->order[k - 1 - i];
    }
    ordered_correlation(a, pass->reversed, pass->l);
    if (!linalg_cholesky(k, pass->l)) {
        return false;
    }
    for (int size = 1; size <= k; size++) {
        for (int i = 0; i < k - size; i++) {
            pass->xi[i] = rng_normal(&pass->rng);
        }
        for (int inner = 0; inner < INNER; inner++) {
            for (int i = k - size; i < k; i++) {
                pass->xi[i] = rng_normal(&pass->rng);
            }
            set_row(pass, pass->x + (size_t)((size - 1) * INNER + inner) * d);
        }
    }
    return true;
}

/* s: the statistics of an output; y: its values, at distance o. */
static void add_output(const struct pass *pass, const double *y, double centre, double *s)
{
    size_t k = (size_t)pass->a->n_free;
    size_t o = (size_t)pass->a->field->o;
    double weight = 1.0 / pass->a->spec->n;
    double before = 0.0;
    for (size_t j = 0; j < k; j++, y += INNER * o) {
        double mean = 0.0;
        double cost = 0.0;
        for (size_t i = 0; i < INNER; i++) {
            double f = y[i * o] - centre;
            mean += f / INNER;
            s[2 * k] += weight * f / (double)(INNER * k);
            s[2 * k + 1] += weight * f * f / (double)(INNER * k);
        }
        for (size_t i = 0; i < INNER; i++) {
            double delta = y[i * o] - centre - mean;
            cost += delta * delta / (INNER - 1);
        }
        size_t input = (size_t)pass->order[j];
        bool is_last = j + 1 == k;
        s[input] += weight * ((is_last ? 0.0 : cost) - before);
        s[k + input] += is_last ? weight : 0.0;
        before = cost;
    }
}

static bool allocate(struct pass *pass, struct arena *scratch)
{
    const struct analysis *a = pass->a;
    size_t k = (size_t)a->n_free;
    size_t rows = INNER * k;
    pass->order = arena_alloc_array(scratch, k, sizeof *pass->order);
    pass->reversed = arena_alloc_array(scratch, k, sizeof *pass->reversed);
    pass->l = arena_alloc_array(scratch, k * k, sizeof *pass->l);
    pass->xi = arena_alloc_array(scratch, k, sizeof *pass->xi);
    pass->x = arena_alloc_array(scratch, rows * (size_t)a->field->d, sizeof *pass->x);
    pass->y = arena_alloc_array(scratch, rows * (size_t)a->field->m * (size_t)a->field->o,
                                sizeof *pass->y);
    return pass->order != NULL && pass->reversed != NULL && pass->l != NULL && pass->xi != NULL &&
           pass->x != NULL && pass->y != NULL;
}

static enum err_code shapley_replicate(const struct analysis *a, int replicate,
                                       struct arena *scratch, double *out, struct err *err)
{
    const struct shapley *own = a->own;
    size_t o = (size_t)a->field->o;
    size_t rows = INNER * (size_t)a->n_free;
    struct arena inner = ARENA_INIT;
    struct pass pass = {.a = a, .out = out};
    if (!allocate(&pass, scratch)) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    memset(out, 0, (size_t)a->field->m * a->n_statistics * sizeof *out);
    rng_init(&pass.rng, a->spec->seed, RNG_ANALYSE, (uint32_t)replicate);
    for (int i = 0; i < a->spec->n && err->code == ERR_OK; i++) {
        if (!draw_rows(&pass)) {
            err_set(err, ERR_NUMERIC, "the correlation is not positive definite");
        } else if (analysis_values(a, (int)rows, pass.x, &inner, pass.y, err) == ERR_OK) {
            for (size_t j = 0; j < (size_t)a->field->m * o; j++) {
                add_output(&pass, pass.y + j / o * rows * o + j % o, own->centre[j],
                           out + j * (a->n_statistics / o));
            }
        }
        arena_clear(&inner);
    }
    arena_release(&inner);
    return err->code;
}

static enum err_code shapley_finish(const struct analysis *a, int draw, const double *statistics,
                                    double *numbers, struct err *err)
{
    size_t k = (size_t)a->n_free;
    (void)draw;
    for (size_t c = 0; c < (size_t)a->field->o; c++) {
        const double *s = statistics + c * (2 * k + 2);
        double variance = fmax(s[2 * k + 1] - s[2 * k] * s[2 * k], 0.0);
        for (size_t i = 0; i < k; i++) {
            double part = s[i] + s[k + i] * variance;
            numbers[a->tables[0].first + c * k + i] = variance > 0.0 ? part / variance : NAN;
        }
        numbers[a->tables[1].first + c] = variance;
    }
    return err->code;
}

const struct analyse_ops analyse_shapley_ops = {.points = 500,
                                                .check = shapley_check,
                                                .plan = shapley_plan,
                                                .prepare = shapley_prepare,
                                                .replicate = shapley_replicate,
                                                .finish = shapley_finish,
                                                .rows = shapley_rows};
