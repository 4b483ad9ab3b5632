/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points are evaluated in blocks. Those of a block that pass a wave move to its front, so that the
 * next wave is evaluated at them alone. Every point of a block enters the cells once, with the
 * largest implausibility of the waves that it was evaluated with.
 */
#include "analyse/history_priv.h"

#include "analyse/points.h"

#include <math.h>
#include <string.h>

#define BLOCK_NUMBERS 262144 /* values of a block: 2 MiB */

struct pass {
    const struct history_work *work;
    int block;
    double *u;           /* [block x k] */
    double *implausible; /* [block] the largest of the waves so far */
    int *alive;          /* [block] points that have passed */
    double *x;           /* [block x E x d] */
    double *y;           /* [m x block x E x o] */
    double *mean;        /* [block x E x o] */
    double *variance;    /* [block x E x o] */
    double *noise;       /* [E x o] variance of noise and discrepancy */
    double *observed;    /* [E x o] */
    struct arena inner;
};

/* ---- points ---- */

void history_point(const struct history_work *work, const double *u, double *x)
{
    for (int b = 0; b < work->run->waves->d; b++) {
        x[b] = work->run->laws[b].fixed;
    }
    for (int i = 0; i < work->k; i++) {
        x[work->inputs[i]] = law_quantile(&work->run->laws[work->inputs[i]], u[i]);
    }
}

static int cell_of(const struct history_work *work, int i, double u)
{
    const struct law *law = &work->run->laws[work->inputs[i]];
    int n = work->cells[i];
    if (law_is_continuous(law)) {
        int cell = (int)(u * n);
        return cell < n ? cell : n - 1;
    }
    const double *values = work->values + (size_t)i * (size_t)work->run->spec->grid;
    double x = law_quantile(law, u);
    int nearest = 0;
    for (int c = 1; c < n; c++) {
        nearest = fabs(values[c] - x) < fabs(values[nearest] - x) ? c : nearest;
    }
    return nearest;
}

double history_coordinate(const struct history_work *work, int input, double u)
{
    return law_is_continuous(&work->run->laws[work->inputs[input]]) || work->cells[input] == 0
               ? u
               : (cell_of(work, input, u) + 0.5) / work->cells[input];
}

static void set_rows(struct pass *pass, int n)
{
    const struct history_work *work = pass->work;
    const struct history_spec *spec = work->run->spec;
    size_t d = (size_t)work->run->waves->d;
    for (int i = 0; i < n; i++) {
        const double *u = pass->u + (size_t)pass->alive[i] * (size_t)work->k;
        double *rows = pass->x + (size_t)i * (size_t)spec->n_experiments * d;
        history_point(work, u, rows);
        /* The first row, which holds the point, is the last to get its experiment's inputs. */
        for (size_t e = (size_t)spec->n_experiments; e-- > 0;) {
            const double *fixed = spec->experiments[e].fixed;
            for (size_t b = 0; b < d; b++) {
                rows[e * d + b] = fixed != NULL && !isnan(fixed[b]) ? fixed[b] : rows[b];
            }
        }
    }
}

/* ---- implausibility ---- */

/* mean and variance [numbers] <- over the draws of y [m x numbers]. */
static void take_moments(struct pass *pass, int m, size_t numbers)
{
    memset(pass->mean, 0, numbers * sizeof *pass->mean);
    memset(pass->variance, 0, numbers * sizeof *pass->variance);
    for (size_t j = 0; j < (size_t)m; j++) {
        const double *y = pass->y + j * numbers;
        for (size_t i = 0; i < numbers; i++) {
            pass->mean[i] += y[i] / m;
        }
    }
    for (size_t j = 0; m > 1 && j < (size_t)m; j++) {
        const double *y = pass->y + j * numbers;
        for (size_t i = 0; i < numbers; i++) {
            double delta = y[i] - pass->mean[i];
            pass->variance[i] += delta * delta / (m - 1);
        }
    }
}

/* The largest, second or third largest over the numbers of a point; NaN: not finite. */
static double implausibility(const struct pass *pass, const double *mean, const double *variance)
{
    const struct history_run *run = pass->work->run;
    size_t cells = (size_t)run->spec->n_experiments * (size_t)run->waves->o;
    double top[HISTORY_MAX_ORDER] = {0.0};
    for (size_t c = 0; c < cells; c++) {
        double value = fabs(pass->observed[c] - mean[c]) / sqrt(pass->noise[c] + variance[c]);
        if (!isfinite(value)) {
            return NAN;
        }
        for (int rank = 0; rank < run->spec->order; rank++) {
            double lower = fmin(top[rank], value);
            top[rank] = fmax(top[rank], value);
            value = lower;
        }
    }
    return top[run->spec->order - 1];
}

/* Evaluates the first n of alive with a wave; those that pass move to the front. */
static enum err_code run_wave(struct pass *pass, int wave, int *n, double *out, struct err *err)
{
    const struct history_work *work = pass->work;
    const struct history_run *run = work->run;
    const struct field *field = &run->waves[wave];
    size_t cells = (size_t)run->spec->n_experiments * (size_t)field->o;
    int passed = 0;
    if (cancel_is_requested(run->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in a history match");
    }
    set_rows(pass, *n);
    const struct field_rows rows = {
        .m = field->m, .n = *n * run->spec->n_experiments, .x = pass->x};
    err_kept(field->ops->values(field, &rows, &pass->inner, pass->y, err));
    arena_clear(&pass->inner);
    if (err->code != ERR_OK) {
        return err->code;
    }
    take_moments(pass, field->m, (size_t)*n * cells);
    for (int i = 0; i < *n; i++) {
        size_t first = (size_t)i * cells;
        double value = implausibility(pass, pass->mean + first, pass->variance + first);
        int point = pass->alive[i];
        if (!isfinite(value)) {
            return err_set(err, ERR_NUMERIC,
                           "the model's answer, or a square of it, is not finite somewhere in the "
                           "space");
        }
        pass->implausible[point] = fmax(pass->implausible[point], value);
        if (value <= run->spec->cutoff) {
            pass->alive[passed++] = point;
        }
    }
    out[work->at.runs] += (double)rows.n * field->m;
    out[wave] += passed;
    *n = passed;
    return ERR_OK;
}

/* ---- what is kept ---- */

static void count(double *cell, double value, bool passed)
{
    cell[CELL_POINTS] += 1.0;
    cell[CELL_PASSED] += passed;
    cell[CELL_MINIMUM] = fmin(cell[CELL_MINIMUM], value);
}

static void count_cells(const struct history_work *work, const double *u, double value, double *out)
{
    size_t grid = (size_t)work->run->spec->grid;
    bool passed = value <= work->run->spec->cutoff;
    double *pair = out + work->at.pairs;
    for (int i = 0; grid > 0 && i < work->k; i++) {
        size_t of = (size_t)cell_of(work, i, u[i]);
        count(out + work->at.single + ((size_t)i * grid + of) * CELL_NUMBERS, value, passed);
        for (int j = i + 1; j < work->k; j++, pair += grid * grid * CELL_NUMBERS) {
            size_t at = of * grid + (size_t)cell_of(work, j, u[j]);
            count(pair + at * CELL_NUMBERS, value, passed);
        }
    }
}

static void keep_point(const struct history_work *work, const double *u, double value, double *out)
{
    size_t k = (size_t)work->k;
    if (value < out[work->at.least]) {
        out[work->at.least] = value;
        memcpy(out + work->at.best, u, k * sizeof *u);
    }
    size_t n = (size_t)out[work->at.n_kept];
    if (value <= work->run->spec->cutoff && n < (size_t)work->room) {
        memcpy(out + work->at.kept + n * k, u, k * sizeof *u);
        out[work->at.implausibility + n] = value;
        out[work->at.n_kept] += 1.0;
    }
}

/* ---- a replicate ---- */

static void set_observed(const struct pass *pass)
{
    const struct history_spec *spec = pass->work->run->spec;
    size_t o = (size_t)pass->work->run->waves->o;
    for (size_t e = 0; e < (size_t)spec->n_experiments; e++) {
        const struct calibrate_experiment *of = &spec->experiments[e];
        for (size_t a = 0; a < o; a++) {
            double tau = spec->discrepancy != NULL ? spec->discrepancy[a] : 0.0;
            double noise = spec->covariance != NULL ? spec->covariance[a * o + a]
                                                    : spec->sigma[a] * spec->sigma[a];
            double mean = 0.0;
            for (size_t i = 0; i < (size_t)of->n; i++) {
                mean += of->y[i * o + a] / of->n;
            }
            pass->observed[e * o + a] = mean;
            pass->noise[e * o + a] = noise / of->n + tau * tau;
        }
    }
}

static bool allocate(struct pass *pass, struct arena *scratch)
{
    const struct history_run *run = pass->work->run;
    size_t experiments = (size_t)run->spec->n_experiments;
    size_t cells = experiments * (size_t)run->waves->o;
    size_t m = 1;
    for (int w = 0; w < run->n_waves; w++) {
        m = (size_t)run->waves[w].m > m ? (size_t)run->waves[w].m : m;
    }
    size_t block = BLOCK_NUMBERS / (m * cells);
    block = block < 1 ? 1 : block;
    block = block < (size_t)run->spec->n ? block : (size_t)run->spec->n;
    pass->block = (int)block;
    pass->u = arena_alloc_array(scratch, block * (size_t)pass->work->k, sizeof *pass->u);
    pass->implausible = arena_alloc_array(scratch, block, sizeof *pass->implausible);
    pass->alive = arena_alloc_array(scratch, block, sizeof *pass->alive);
    pass->x =
        arena_alloc_array(scratch, block * experiments * (size_t)run->waves->d, sizeof *pass->x);
    pass->y = arena_alloc_array(scratch, m * block * cells, sizeof *pass->y);
    pass->mean = arena_alloc_array(scratch, block * cells, sizeof *pass->mean);
    pass->variance = arena_alloc_array(scratch, block * cells, sizeof *pass->variance);
    pass->noise = arena_alloc_array(scratch, cells, sizeof *pass->noise);
    pass->observed = arena_alloc_array(scratch, cells, sizeof *pass->observed);
    return pass->u != NULL && pass->implausible != NULL && pass->alive != NULL && pass->x != NULL &&
           pass->y != NULL && pass->mean != NULL && pass->variance != NULL && pass->noise != NULL &&
           pass->observed != NULL;
}

static void clear(const struct history_work *work, double *out)
{
    memset(out, 0, work->at.all * sizeof *out);
    out[work->at.least] = INFINITY;
    for (size_t at = work->at.single; at < work->at.all; at += CELL_NUMBERS) {
        out[at + CELL_MINIMUM] = INFINITY;
    }
}

enum err_code history_replicate(const struct history_work *work, int replicate,
                                struct arena *scratch, double *out, struct err *err)
{
    const struct history_run *run = work->run;
    struct pass pass = {.work = work};
    struct points points = {.dims = 0};
    if (!allocate(&pass, scratch)) {
        return err_set(err, ERR_NOMEM, "no memory for a history match");
    }
    clear(work, out);
    set_observed(&pass);
    err_kept(points_init(&points, run->spec->seed, replicate, work->k, err));
    for (int first = 0; first < run->spec->n && err->code == ERR_OK; first += pass.block) {
        int all = run->spec->n - first < pass.block ? run->spec->n - first : pass.block;
        int n = all;
        points_next(&points, all, pass.u);
        for (int i = 0; i < all; i++) {
            pass.alive[i] = i;
            pass.implausible[i] = 0.0;
        }
        for (int wave = 0; wave < run->n_waves && n > 0 && err->code == ERR_OK; wave++) {
            err_kept(run_wave(&pass, wave, &n, out, err));
        }
        for (int i = 0; i < all && err->code == ERR_OK; i++) {
            const double *u = pass.u + (size_t)i * (size_t)work->k;
            count_cells(work, u, pass.implausible[i], out);
            keep_point(work, u, pass.implausible[i], out);
        }
    }
    points_release(&points);
    arena_release(&pass.inner);
    return err->code;
}
