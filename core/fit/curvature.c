/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact Hessian: its column k is the product H e_k with a unit vector. Let J be the derivatives
 * of the outputs with respect to the network's parameters, and `first` and L the objective's first
 * and second derivatives with respect to the outputs (core/fit/output_curvature). Then
 *
 *   H v = sum over rows of  d/de [J(w + e v)' first]      where first changes by L J v
 *
 * which is one pass forward over reverse (core/network/resnet_tangent). A learned log s_j = l_j
 * enters the objective as w_j S_j / 2 + n_j l_j, where w_j = exp(-2 l_j), S_j is the sum of
 * squared residuals and n_j how many there are, so that
 *
 *   d2F/dl_j dw = -2 sum over rows of first_ij J_ij       d2F/dl_j^2 = 2 w_j S_j
 *
 * and a change of l_j changes first by -2 first times that change.
 *
 * Rows are taken group by group, and after each group the sums so far can be saved. Within a group
 * a task computes a block of columns and passes over the group in tiles, so that the reverse sweep
 * of a tile serves all columns of the block. A column's numbers do not depend on the block. The two
 * triangles differ by rounding, and their mean is taken.
 *
 * Nothing here is approximate. QUiNN's Hessian (automatic differentiation, twice) is exact too, and
 * its empirical Fisher is the same as ours.
 */
#include "fit/curvature.h"

#include "base/mem.h"
#include "base/par.h"
#include "fit/curvature_priv.h"
#include "fit/output_curvature.h"
#include "network/resnet_tangent.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Columns of a task: so many that their common sweep hardly counts, few enough to share out. */
#define BLOCK      16
#define GROUP_WORK 1e9 /* rows times squared parameters of a group: a few seconds of one core */
#define LARGE      ((size_t)2 << 20) /* sums (16 MB): there may be no memory for a copy */
#define MIN_ROWS   16                /* of a group: fewer do not fill the vector units */

/* One thread's scratch. */
struct worker {
    struct resnet_tape *tape;
    struct resnet_tangent *tangent;
    struct output_curvature outputs; /* of a tile */
    double *memory;
    double *f;    /* [tile x n_out] */
    double *df;   /* [tile x n_out] the change of f along a direction */
    double *dw;   /* [tile x n_out] the change of first */
    double *unit; /* [P] direction */
    double *part; /* [K] */
};

struct hessian {
    const struct curvature_problem *problem;
    int n_params; /* P */
    int tile;
    int first, end; /* rows of the group */
    struct worker *workers;
    double *h; /* row k: column k */
};

static enum err_code worker_init(struct worker *w, const struct resnet *net, int n_params, int tile,
                                 struct err *err)
{
    size_t cells = (size_t)tile * (size_t)net->n_out;
    w->tape = resnet_tape_new(net, tile);
    w->tangent = resnet_tangent_new(net, tile);
    w->memory =
        mem_zalloc_array(6 * cells + (size_t)n_params + (size_t)net->n_params, sizeof *w->memory);
    if (w->tape == NULL || w->tangent == NULL || w->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for second derivatives of %d parameters",
                       n_params);
    }
    w->outputs.first = w->memory;
    w->outputs.second = w->memory + cells;
    w->outputs.cross = w->memory + 2 * cells;
    w->f = w->memory + 3 * cells;
    w->df = w->memory + 4 * cells;
    w->dw = w->memory + 5 * cells;
    w->unit = w->memory + 6 * cells;
    w->part = w->unit + n_params;
    return ERR_OK;
}

static void worker_release(struct worker *w)
{
    resnet_tape_free(w->tape);
    resnet_tangent_free(w->tangent);
    mem_free(w->memory);
}

/* dw <- L df, the change of first along df. */
static void outputs_change(const struct objective *obj, int rows, size_t n_out, struct worker *w)
{
    size_t o = n_out / 2;
    for (size_t c = 0; c < (size_t)rows * n_out; c++) {
        w->dw[c] = w->outputs.second[c] * w->df[c];
    }
    for (size_t i = 0; objective_predicts_noise(obj) && i < (size_t)rows; i++) {
        for (size_t j = 0; j < o; j++) {
            size_t at = i * n_out + j;
            double cross = w->outputs.cross[i * o + j];
            w->dw[at] += cross * w->df[at + o];
            w->dw[at + o] += cross * w->df[at];
        }
    }
}

/* Adds a tile's part of column k, of one of the network's parameters, to `column` [P]. */
static void network_column(const struct hessian *self, int rows, int k, struct worker *w,
                           double *column)
{
    const struct resnet *net = self->problem->net;
    size_t o = (size_t)net->n_out;
    w->unit[k] = 1.0;
    resnet_tangent_forward(w->tangent, w->tape, w->unit, NULL, w->df);
    outputs_change(self->problem->objective, rows, o, w);
    resnet_tangent_backward(w->tangent, w->dw, w->part, NULL);
    w->unit[k] = 0.0;
    for (int i = 0; i < net->n_params; i++) {
        column[i] += w->part[i];
    }
    for (size_t c = 0; self->n_params > net->n_params && c < (size_t)rows * o; c++) {
        column[(size_t)net->n_params + c % o] -= 2.0 * w->outputs.first[c] * w->df[c];
    }
}

/* The same for the column of the learned log s_j. */
static void noise_column(const struct hessian *self, int rows, int j, struct worker *w,
                         double *column)
{
    const struct resnet *net = self->problem->net;
    size_t o = (size_t)net->n_out;
    memset(w->dw, 0, (size_t)rows * o * sizeof *w->dw);
    for (size_t c = (size_t)j; c < (size_t)rows * o; c += o) {
        double first = w->outputs.first[c];
        if (!(w->outputs.second[c] > 0.0)) {
            continue; /* the row misses this output */
        }
        w->dw[c] = -2.0 * first;
        column[net->n_params + j] += 2.0 * first * first / w->outputs.second[c];
    }
    resnet_backward(w->tape, w->dw, w->part, NULL);
    for (int i = 0; i < net->n_params; i++) {
        column[i] += w->part[i];
    }
}

static enum err_code hessian_block(void *ctx, int worker, int task, struct err *err)
{
    const struct hessian *self = ctx;
    const struct curvature_problem *p = self->problem;
    const struct resnet *net = p->net;
    struct worker *w = &self->workers[worker];
    int first_column = task * BLOCK;
    int end = first_column + BLOCK < self->n_params ? first_column + BLOCK : self->n_params;
    if (w->tape == NULL && worker_init(w, net, self->n_params, self->tile, err) != ERR_OK) {
        return err->code;
    }
    resnet_set_params(w->tape, p->params);
    for (int first = self->first; first < self->end; first += self->tile) {
        int rows = self->end - first < self->tile ? self->end - first : self->tile;
        resnet_forward(w->tape, rows, p->rows.x + (size_t)first * (size_t)p->rows.d, w->f);
        const struct output_tile tile = {
            .rows = rows, .f = w->f, .y = p->rows.y + (size_t)first * (size_t)p->rows.o};
        output_curvature(p, &tile, false, &w->outputs);
        resnet_tangent_adjoint(w->tape, w->outputs.first);
        for (int k = first_column; k < end; k++) {
            double *column = self->h + (size_t)k * (size_t)self->n_params;
            if (cancel_is_requested(p->cancel)) {
                return err_set(err, ERR_CANCELLED, "cancelled");
            }
            if (k < net->n_params) {
                network_column(self, rows, k, w, column);
            } else {
                noise_column(self, rows, k - net->n_params, w, column);
            }
        }
    }
    return ERR_OK;
}

/* Rows of a group: whole tiles, where a group has at least one. */
static int group_rows(const struct curvature_problem *p, int n_params)
{
    double rows = GROUP_WORK / ((double)n_params * (double)n_params);
    if (p->group_rows > 0) {
        return p->group_rows < p->rows.n ? p->group_rows : p->rows.n;
    }
    if (rows >= (double)p->rows.n) {
        return p->rows.n;
    }
    int whole = (int)rows / OBJECTIVE_TILE * OBJECTIVE_TILE;
    int min = rows > MIN_ROWS ? (int)rows : MIN_ROWS;
    min = whole > 0 ? whole : min;
    return min < p->rows.n ? min : p->rows.n;
}

/* Sums over group after group, from where an interrupted run stopped. */
static enum err_code sum_groups(struct hessian *self, int threads, int group, struct err *err)
{
    const struct curvature_problem *p = self->problem;
    size_t n = (size_t)self->n_params;
    struct curvature_sums sums = {.v = self->h, .rows = n, .columns = n};
    int n_blocks = (self->n_params + BLOCK - 1) / BLOCK;
    int n_done = 0;
    enum err_code code = curvature_resume(p, &sums, &n_done, err);
    while (n_done < p->rows.n && code == ERR_OK) {
        self->first = n_done;
        self->end = p->rows.n - n_done < group ? p->rows.n : n_done + group;
        code = par_run(threads, n_blocks, hessian_block, self, err);
        n_done = self->end;
        if (code == ERR_OK) {
            code = curvature_save_if_due(p, &sums, n_done, err);
        }
    }
    return code;
}

enum err_code curvature_hessian(const struct curvature_problem *problem, double *h, struct err *err)
{
    int n_params = objective_n_params(problem->objective, problem->net);
    size_t n = (size_t)n_params;
    int threads = curvature_threads(problem);
    int group = group_rows(problem, n_params);
    struct hessian self = {.problem = problem,
                           .n_params = n_params,
                           .tile = group < OBJECTIVE_TILE ? group : OBJECTIVE_TILE,
                           .h = h};
    self.workers = mem_zalloc_array((size_t)threads, sizeof *self.workers);
    if (self.workers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for second derivatives");
    }
    memset(h, 0, n * n * sizeof *h);
    enum err_code code = sum_groups(&self, threads, group, err);
    for (int i = 0; i < threads; i++) {
        worker_release(&self.workers[i]);
    }
    mem_free(self.workers);
    if (code != ERR_OK) {
        return code;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            h[i * n + j] = h[j * n + i] = 0.5 * (h[i * n + j] + h[j * n + i]);
        }
    }
    curvature_add_prior(problem, n + 1, h);
    return curvature_check(h, n * n, err);
}

/* ---- sums over rows in a checkpoint ---- */

/* The first column of a row that is used. */
static size_t first_column(const struct curvature_sums *sums, size_t row)
{
    return sums->block > 0 ? row / sums->block * sums->block : 0;
}

enum err_code curvature_resume(const struct curvature_problem *problem,
                               const struct curvature_sums *sums, int *n_done, struct err *err)
{
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    if (checkpoint_load(problem->checkpoint, problem->task, &bytes, &r, &found, err) != ERR_OK ||
        !found) {
        return err->code;
    }
    bool ours = bytes_get_int(&r, INT_MAX) == problem->stage;
    if (ours || r.failed) {
        int rows = bytes_get_int(&r, problem->rows.n);
        for (size_t i = 0; i < sums->rows; i++) {
            size_t first = first_column(sums, i);
            bytes_get_f64(&r, sums->v + i * sums->columns + first, sums->columns - first);
        }
        if (checkpoint_check(&r, err) == ERR_OK) {
            *n_done = rows;
        }
    }
    mem_free(bytes);
    return err->code;
}

enum err_code curvature_save_if_due(const struct curvature_problem *problem,
                                    const struct curvature_sums *sums, int n_done, struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    if (!checkpoint_due(problem->checkpoint, problem->task)) {
        return ERR_OK;
    }
    bytes_put_u32(&w, (uint32_t)problem->stage);
    bytes_put_u32(&w, (uint32_t)n_done);
    for (size_t i = 0; i < sums->rows; i++) {
        size_t first = first_column(sums, i);
        bytes_put_f64(&w, sums->v + i * sums->columns + first, sums->columns - first);
    }
    if (w.failed && sums->rows * sums->columns > LARGE) {
        mem_free(w.data);
        return ERR_OK;
    }
    return checkpoint_save(problem->checkpoint, problem->task, &w, err);
}
