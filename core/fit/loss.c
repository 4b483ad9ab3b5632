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
