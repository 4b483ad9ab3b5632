/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objective of core/fit/objective.h over rows, in tiles that a tape takes. In each tile the
 * network's values f give the loss and its derivative with respect to f, from which the tape's
 * backward pass gives the gradient. The tiles' gradients are added in the order of the rows.
 */
#include "fit/loss.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define LOG_TWO_PI 1.837877066409345484

enum err_code objective_loss_init(struct objective_loss *self, const struct objective *objective,
                                  const struct resnet *net, struct err *err)
{
    size_t cells = OBJECTIVE_TILE * (size_t)net->n_out;
    *self = (struct objective_loss){.objective = *objective, .net = net, .tile = OBJECTIVE_TILE};
    self->tape = resnet_tape_new(net, OBJECTIVE_TILE);
    self->memory = mem_alloc_array(2 * cells + (size_t)net->n_params, sizeof *self->memory);
    if (self->tape == NULL || self->memory == NULL) {
        objective_loss_release(self);
        return err_set(err, ERR_NOMEM, "no memory for the loss of %d parameters", net->n_params);
    }
    self->f = self->memory;
    self->df = self->f + cells;
    self->part = self->df + cells;
    return ERR_OK;
}

void objective_loss_release(struct objective_loss *self)
{
    resnet_tape_free(self->tape);
    mem_free(self->memory);
    *self = (struct objective_loss){.net = NULL};
}

/* ---- one tile: values f -> loss, and df = its derivative with respect to f ---- */

struct tile {
    int rows;
    int o;           /* targets of a row */
    bool holes;      /* NaN in y: an output that the row misses, whose df is 0 */
    const double *f; /* [rows x n_out] */
    const double *y; /* [rows x o] */
    double *df;      /* [rows x n_out] */
};

/* Factors of (f - y) in the derivative with respect to f: one for all outputs, or one for each. */
struct weights {
    double common;
    const double *each; /* [o] or NULL */
};

/* room: [o] */
static struct weights weights_of(const struct objective *obj, const struct resnet *net,
                                 const struct data *rows, const double *params, double *room)
{
    int o = net->n_out;
    struct weights w = {.common = 0.0};
    if (obj->kind == OBJECTIVE_MSE) {
        w.common = 2.0 / ((double)rows->n * data_outputs(rows));
    } else if (obj->noise == NOISE_LEARNED) {
        for (int j = 0; j < o; j++) {
            room[j] = exp(-2.0 * params[net->n_params + j]);
        }
        w.each = room;
    } else if (obj->noise_sigmas != NULL) {
        for (int j = 0; j < o; j++) {
            room[j] = 1.0 / (obj->noise_sigmas[j] * obj->noise_sigmas[j]);
        }
        w.each = room;
    } else {
        w.common = 1.0 / (obj->noise_sigma * obj->noise_sigma);
    }
    return w;
}

/*
 * Constant noise: df = weight (f - y). Adds the squares (f - y)^2, each times its output's weight
 * where there is one for each, to *total; and without weights, unless by_output [o] is NULL, to
 * their output's sum.
 */
static void add_squares(const struct tile *t, const struct weights *w, double *total,
                        double *by_output)
{
    const double *each = w->each;
    double common = w->common;
    double squares = 0.0;
    for (int i = 0; i < t->rows; i++) {
        for (int j = 0; j < t->o; j++) {
            size_t c = (size_t)i * (size_t)t->o + (size_t)j;
            if (t->holes && isnan(t->y[c])) {
                t->df[c] = 0.0;
                continue;
            }
            double residual = t->f[c] - t->y[c];
            double weight = each != NULL ? each[j] : common;
            t->df[c] = weight * residual;
            if (by_output != NULL) {
                by_output[j] += residual * residual;
            }
            squares += each != NULL ? weight * residual * residual : residual * residual;
        }
    }
    *total += squares;
}

/* Predicted noise: rows of f are (f, u). Returns the negative log likelihood. */
static double add_predicted(const struct tile *t)
{
    int o = t->o;
    double value = 0.0;
    for (int i = 0; i < t->rows; i++) {
        const double *row = t->f + (size_t)i * 2 * (size_t)o;
        double *d_row = t->df + (size_t)i * 2 * (size_t)o;
        for (int j = 0; j < o; j++) {
            double y = t->y[(size_t)i * (size_t)o + (size_t)j];
            double residual = row[j] - y;
            if (t->holes && isnan(y)) {
                d_row[j] = d_row[o + j] = 0.0;
                continue;
            }
            double u = row[o + j];
            double variance = objective_variance(u);
            double by_variance = 0.5 / variance - 0.5 * residual * residual / (variance * variance);
            value += 0.5 * (LOG_TWO_PI + log(variance) + residual * residual / variance);
            d_row[j] = residual / variance;
            d_row[o + j] = u < OBJECTIVE_MAX_LOG ? by_variance * exp(u) : 0.0;
        }
    }
    return value;
}

/* ---- the whole ---- */

/* How many rows there are, and how many of them have each output. */
struct counts {
    int rows; /* with at least one output */
    bool holes;
    int each[ARCH_MAX_OUTPUTS]; /* [o], where there are holes */
};

static void count_rows(const struct data *rows, struct counts *counts)
{
    counts->holes = data_has_holes(rows);
    counts->rows = counts->holes ? data_count(rows, counts->each) : rows->n;
}

static double rows_with(const struct counts *counts, size_t j)
{
    return (double)(counts->holes ? counts->each[j] : counts->rows);
}

/* squares: the total that add_squares leaves after all rows. */
static double value_from_squares(const struct objective *obj, const struct data *data,
                                 const struct weights *w, double squares,
                                 const struct counts *counts)
{
    double rows = (double)counts->rows;
    if (obj->kind == OBJECTIVE_MSE) {
        return squares / ((double)data->n * data_outputs(data));
    }
    if (w->each == NULL) {
        return 0.5 * w->common * squares + 0.5 * rows * LOG_TWO_PI + rows * log(obj->noise_sigma);
    }
    double value = 0.5 * squares;
    for (size_t j = 0; j < (size_t)data->o; j++) {
        value += 0.5 * rows_with(counts, j) * (LOG_TWO_PI - log(w->each[j]));
    }
    return value;
}

/* grad <- the network's part of the gradient, from df of the first tile; or adds it to grad. */
static void add_gradient(struct objective_loss *self, bool is_first, double *grad)
{
    resnet_backward(self->tape, self->df, is_first ? grad : self->part, NULL);
    for (int k = 0; !is_first && k < self->net->n_params; k++) {
        grad[k] += self->part[k];
    }
}

double objective_loss_eval(struct objective_loss *self, const struct data *rows,
                           const double *params, double *grad)
{
    const struct objective *obj = &self->objective;
    const struct resnet *net = self->net;
    int n = rows->n;
    size_t o = (size_t)net->n_out;
    bool predicted = objective_predicts_noise(obj);
    size_t targets = predicted ? o / 2 : o;
    double squares = 0.0;
    double value = 0.0;
    double each[ARCH_MAX_OUTPUTS];
    struct weights w = {.common = 0.0};
    struct counts counts;
    count_rows(rows, &counts);
    if (!predicted) {
        w = weights_of(obj, net, rows, params, each);
    }
    /* The derivative with respect to log s_j is n_j - w_j times the sum of squares; the sums are
     * gathered in grad itself. */
    double *by_output = objective_learns_noise(obj) && grad != NULL ? grad + net->n_params : NULL;
    for (size_t j = 0; by_output != NULL && j < o; j++) {
        by_output[j] = 0.0;
    }
    resnet_set_params(self->tape, params);
    for (int first = 0; first < n; first += self->tile) {
        struct tile t = {.rows = n - first < self->tile ? n - first : self->tile,
                         .o = (int)targets,
                         .holes = counts.holes,
                         .f = self->f,
                         .y = rows->y + (size_t)first * targets,
                         .df = self->df};
        if (cancel_is_requested(obj->cancel)) {
            return NAN;
        }
        resnet_forward(self->tape, t.rows, rows->x + (size_t)first * (size_t)net->arch.inputs,
                       self->f);
        if (predicted) {
            value += add_predicted(&t);
        } else {
            add_squares(&t, &w, &squares, by_output);
        }
        if (grad != NULL) {
            add_gradient(self, first == 0, grad);
        }
    }
    for (size_t j = 0; by_output != NULL && j < o; j++) {
        by_output[j] = rows_with(&counts, j) - w.each[j] * by_output[j];
    }
    if (!predicted) {
        value = value_from_squares(obj, rows, &w, squares, &counts);
    }
    return obj->kind == OBJECTIVE_NLP ? value + objective_prior(obj, net, n, params, grad) : value;
}

/* ---- as a loss ---- */

static double train_loss(void *ctx, const struct data *rows, const double *params, double *grad,
                         struct rng *rng)
{
    (void)rng;
    return objective_loss_eval(ctx, rows, params, grad);
}

static double loss_value(void *ctx, const struct data *rows, const double *params)
{
    return objective_loss_eval(ctx, rows, params, NULL);
}

struct loss objective_loss_as_loss(struct objective_loss *self)
{
    return (struct loss){
        .ctx = self,
        .n_params = objective_n_params(&self->objective, self->net),
        .is_mean = self->objective.kind == OBJECTIVE_MSE,
        .train = train_loss,
        .value = loss_value,
        .objective = &self->objective,
        .net = self->net,
    };
}

/* ---- in shards ---- */

/* A par_fn: value and gradient of one of this rank's shards. */
static enum err_code run_shard(void *ctx, int worker, int task, struct err *err)
{
    struct shards *self = ctx;
    const struct data *rows = self->rows;
    int shard = self->sum.first + task;
    int first = (int)((int64_t)rows->n * shard / self->n);
    int end = (int)((int64_t)rows->n * (shard + 1) / self->n);
    size_t k = self->with_gradient ? (size_t)self->core.n_params : 0;
    double *part = self->parts + (size_t)task * (1 + k);
    struct data own = *rows;
    (void)err;
    own.n = end - first;
    own.x += (size_t)first * (size_t)rows->d;
    own.y += (size_t)first * (size_t)rows->o;
    if (own.n == 0) {
        memset(part, 0, (1 + k) * sizeof *part);
        return ERR_OK;
    }
    part[0] = objective_loss_eval(&self->losses[worker], &own, self->params,
                                  self->with_gradient ? part + 1 : NULL);
    double share = (double)own.n / (double)rows->n;
    for (size_t i = 0; self->core.is_mean && i <= k; i++) {
        part[i] *= share;
    }
    return ERR_OK;
}

/* The sum is in self->total. */
static double add_shards(struct shards *self, const struct data *rows, const double *params,
                         bool with_gradient)
{
    size_t length = 1 + (with_gradient ? (size_t)self->core.n_params : 0);
    self->rows = rows;
    self->params = params;
    self->with_gradient = with_gradient;
    if (self->err.code != ERR_OK ||
        par_run(self->n_threads, self->sum.n_own, run_shard, self, &self->err) != ERR_OK ||
        ranks_sum_run(&self->sum, self->parts, length, self->total, &self->err) != ERR_OK) {
        return NAN;
    }
    return self->total[0];
}

static double shards_train(void *ctx, const struct data *rows, const double *params, double *grad,
                           struct rng *rng)
{
    struct shards *self = ctx;
    double value = add_shards(self, rows, params, grad != NULL);
    (void)rng;
    if (grad != NULL) {
        memcpy(grad, self->total + 1, (size_t)self->core.n_params * sizeof *grad);
    }
    return value;
}

static double shards_value(void *ctx, const struct data *rows, const double *params)
{
    return add_shards(ctx, rows, params, false);
}

enum err_code shards_init(struct shards *self, const struct loss *loss, int n, int n_threads,
                          const struct checkpoint *checkpoint, struct err *err)
{
    size_t length = 1 + (size_t)loss->n_params;
    *self = (struct shards){.core = *loss, .n = n, .err = ERR_INIT};
    self->core.ctx = self;
    self->core.train = shards_train;
    self->core.value = shards_value;
    if (ranks_sum_init(&self->sum, checkpoint, n, length, err) != ERR_OK) {
        return err->code;
    }
    int most = self->sum.n_own > 1 ? self->sum.n_own : 1;
    self->n_threads = n_threads < 1 ? 1 : n_threads > most ? most : n_threads;
    self->losses = mem_zalloc_array((size_t)self->n_threads, sizeof *self->losses);
    self->parts = mem_alloc_array((size_t)most, length * sizeof *self->parts);
    self->total = mem_zalloc_array(length, sizeof *self->total);
    if (self->losses == NULL || self->parts == NULL || self->total == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d shards of %d parameters", n, loss->n_params);
    }
    for (int i = 0; i < self->n_threads && err->code == ERR_OK; i++) {
        err_kept(objective_loss_init(&self->losses[i], loss->objective, loss->net, err));
    }
    if (err->code != ERR_OK) {
        shards_release(self);
    }
    return err->code;
}

void shards_release(struct shards *self)
{
    for (int i = 0; i < self->n_threads && self->losses != NULL; i++) {
        objective_loss_release(&self->losses[i]);
    }
    mem_free(self->losses);
    mem_free(self->parts);
    mem_free(self->total);
    ranks_sum_release(&self->sum);
    *self = (struct shards){.n = 0};
}
