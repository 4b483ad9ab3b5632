/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The covariance is that of the surrogate's draws, held as one matrix of all outputs at all
 * candidates. The candidates are therefore few hundred of the posterior's draws, evenly spaced.
 */
#include "analyse/calibrate_design.h"

#include "math/linalg.h"

#include <math.h>
#include <string.h>

#define MAX_CELLS 1200 /* outputs times candidates: a matrix of 12 MB */
#define MAX_POOL  400
#define NUGGET    1e-9 /* of the largest variance: a simulation leaves next to nothing unknown */

struct design {
    const struct calibrate_run *run;
    size_t o, d, m;
    int n;       /* candidates */
    size_t size; /* n o */
    double *x;   /* [n x d] */
    double *c;   /* [size x size] */
    double *std; /* [size] */
    double *l;   /* [o x o] Cholesky factor of C_cc + nugget */
    double *w;   /* [o x size] L^-1 C_c. */
    double nugget;
    bool *used; /* [n] */
};

/* What one is in units of: the noise of an output. */
static double unit_of(const struct calibrate_spec *spec, size_t o, size_t a)
{
    if (spec->sigma != NULL) {
        return spec->sigma[a];
    }
    return spec->covariance != NULL ? sqrt(spec->covariance[a * o + a]) : spec->scale[a];
}

/* The inputs that a draw has at an experiment. */
static void set_row(const struct design *design, const struct calibrate_result *draws, size_t draw,
                    int experiment, double *x)
{
    const struct calibrate_run *run = design->run;
    const double *fixed = run->spec->experiments[experiment].fixed;
    const double *q = draws->draws + draw * (size_t)draws->n_parameters;
    int next = 0;
    for (int b = 0; b < run->field->d; b++) {
        bool set = fixed != NULL && !isnan(fixed[b]);
        bool calibrated = next < draws->k && draws->inputs[next] == b;
        x[b] = set ? fixed[b] : calibrated ? q[next] : run->laws[b].fixed;
        next += calibrated;
    }
}

static enum err_code allocate(struct design *design, struct arena *scratch, struct err *err)
{
    size_t n = (size_t)design->n;
    size_t size = design->size;
    design->x = arena_alloc_array(scratch, n * design->d, sizeof(double));
    design->c = arena_zalloc_array(scratch, size * size, sizeof(double));
    design->std = arena_alloc_array(scratch, size, sizeof(double));
    design->l = arena_alloc_array(scratch, design->o * design->o, sizeof(double));
    design->w = arena_alloc_array(scratch, design->o * size, sizeof(double));
    design->used = arena_zalloc_array(scratch, n, sizeof *design->used);
    return design->x != NULL && design->c != NULL && design->std != NULL && design->l != NULL &&
                   design->w != NULL && design->used != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the points to simulate next");
}

/* c <- the covariance of y [m x size], which loses its mean. */
static void set_covariance(struct design *design, double *y)
{
    size_t size = design->size;
    double largest = 0.0;
    for (size_t i = 0; i < size; i++) {
        double mean = 0.0;
        for (size_t j = 0; j < design->m; j++) {
            mean += y[j * size + i] / (double)design->m;
        }
        for (size_t j = 0; j < design->m; j++) {
            y[j * size + i] -= mean;
        }
    }
    for (size_t j = 0; j < design->m; j++) {
        const double *row = y + j * size;
        for (size_t p = 0; p < size; p++) {
            double factor = row[p] / (double)(design->m - 1);
            for (size_t q = 0; q < size; q++) {
                design->c[p * size + q] += factor * row[q];
            }
        }
    }
    for (size_t i = 0; i < size; i++) {
        double variance = design->c[i * size + i];
        double unit = unit_of(design->run->spec, design->o, i % design->o);
        design->std[i] = unit * sqrt(variance);
        largest = fmax(largest, variance);
    }
    design->nugget = NUGGET * largest;
}

static enum err_code evaluate(struct design *design, struct arena *scratch, struct err *err)
{
    const struct field *field = design->run->field;
    const struct field_rows rows = {.m = field->m, .n = design->n, .x = design->x};
    struct arena inner = ARENA_INIT;
    double *y = arena_alloc_array(scratch, design->m * design->size, sizeof *y);
    if (y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the points to simulate next");
    }
    if (field->ops->values(field, &rows, &inner, y, err) == ERR_OK) {
        for (size_t i = 0; i < design->m * design->size; i++) {
            y[i] /= unit_of(design->run->spec, design->o, i % design->o);
        }
        set_covariance(design, y);
    }
    arena_release(&inner);
    return err->code;
}

static double mean_variance(const struct design *design)
{
    double sum = 0.0;
    for (size_t i = 0; i < design->size; i++) {
        sum += design->c[i * design->size + i];
    }
    return sum / (double)design->size;
}

/* w <- L^-1 C_c. with L L' = C_cc + nugget; the gain is the sum of its squares. */
static double gain(const struct design *design, size_t candidate)
{
    size_t o = design->o;
    size_t size = design->size;
    const double *rows = design->c + candidate * o * size; /* C_c. */
    double sum = 0.0;
    for (size_t a = 0; a < o; a++) {
        for (size_t b = 0; b < o; b++) {
            design->l[a * o + b] = rows[a * size + candidate * o + b];
        }
        design->l[a * o + a] += design->nugget;
    }
    if (!linalg_cholesky((int)o, design->l)) {
        return 0.0; /* nothing is unknown there but for rounding */
    }
    for (size_t a = 0; a < o; a++) {
        double *w = design->w + a * size;
        memcpy(w, rows + a * size, size * sizeof *w);
        for (size_t b = 0; b < a; b++) {
            const double *before = design->w + b * size;
            for (size_t i = 0; i < size; i++) {
                w[i] -= design->l[a * o + b] * before[i];
            }
        }
        for (size_t i = 0; i < size; i++) {
            w[i] /= design->l[a * o + a];
            sum += w[i] * w[i];
        }
    }
    return sum;
}

static int find_best(const struct design *design)
{
    int best = -1;
    double most = 0.0;
    for (int i = 0; i < design->n; i++) {
        double value = design->used[i] ? 0.0 : gain(design, (size_t)i);
        if (value > most) {
            most = value;
            best = i;
        }
    }
    return best;
}

/* C <- C - W' W of a candidate. */
static void condition(const struct design *design, size_t candidate)
{
    size_t size = design->size;
    (void)gain(design, candidate); /* w is the candidate's */
    for (size_t a = 0; a < design->o; a++) {
        const double *w = design->w + a * size;
        for (size_t p = 0; p < size; p++) {
            for (size_t q = 0; q < size; q++) {
                design->c[p * size + q] -= w[p] * w[q];
            }
        }
    }
}

static enum err_code choose(struct design *design, int n, struct arena *arena,
                            struct calibrate_design *out, struct err *err)
{
    size_t o = design->o;
    size_t d = design->d;
    out->x = arena_alloc_array(arena, (size_t)n * d + 1, sizeof *out->x);
    out->std = arena_alloc_array(arena, (size_t)n * o + 1, sizeof *out->std);
    if (out->x == NULL || out->std == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the points to simulate next");
    }
    out->variance = mean_variance(design);
    bool more = out->variance > 0.0;
    while (more && out->n < n) {
        int best = find_best(design);
        if (cancel_is_requested(design->run->terms.cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in a calibration");
        }
        more = best >= 0;
        if (more) {
            size_t from = (size_t)best;
            size_t to = (size_t)out->n++;
            memcpy(out->x + to * d, design->x + from * d, d * sizeof *out->x);
            memcpy(out->std + to * o, design->std + from * o, o * sizeof *out->std);
            design->used[best] = true;
            condition(design, from);
        }
    }
    out->variance_after = fmax(mean_variance(design), 0.0);
    return ERR_OK;
}

enum err_code calibrate_design_find(const struct calibrate_run *run,
                                    const struct calibrate_result *draws, int n,
                                    struct arena *arena, struct calibrate_design *out,
                                    struct err *err)
{
    struct arena scratch = ARENA_INIT;
    struct design design = {.run = run,
                            .o = (size_t)run->field->o,
                            .d = (size_t)run->field->d,
                            .m = (size_t)run->field->m};
    int pool = MAX_CELLS / run->field->o;
    pool = pool < MAX_POOL ? pool : MAX_POOL;
    design.n = draws->n_draws < pool ? draws->n_draws : pool < 1 ? 1 : pool;
    design.size = (size_t)design.n * design.o;
    *out = (struct calibrate_design){.n = 0};
    if (n < 1 || run->field->m < 2) {
        return ERR_OK;
    }
    if (allocate(&design, &scratch, err) == ERR_OK) {
        for (int i = 0; i < design.n; i++) {
            size_t draw = (size_t)i * (size_t)draws->n_draws / (size_t)design.n;
            set_row(&design, draws, draw, i % run->spec->n_experiments,
                    design.x + (size_t)i * design.d);
        }
        if (evaluate(&design, &scratch, err) == ERR_OK) {
            err_kept(choose(&design, n, arena, out, err));
        }
    }
    arena_release(&scratch);
    return err->code;
}
