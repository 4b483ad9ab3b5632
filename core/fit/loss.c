/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objective of core/losses/objective.h over rows, in tiles that a tape takes. In each tile the
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
    if (objective->terms == NULL) {
        return ERR_OK;
    }
    self->factors = mem_alloc_array(cells, sizeof *self->factors);
    if (self->factors == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the terms of a loss");
    } else {
        err_kept(loss_terms_work_init(&self->work, net, OBJECTIVE_TILE, err));
    }
    if (err->code != ERR_OK) {
        objective_loss_release(self);
    }
    return err->code;
}

void objective_loss_release(struct objective_loss *self)
{
    resnet_tape_free(self->tape);
    mem_free(self->memory);
    mem_free(self->factors);
    loss_terms_work_release(&self->work);
    *self = (struct objective_loss){.net = NULL};
}

/* ---- one tile: values f -> loss, and df = its derivative with respect to f ---- */

struct tile {
    int rows;
    int o;                 /* targets of a row */
    bool holes;            /* NaN in y: an output that the row misses, whose df is 0 */
    const double *f;       /* [rows x n_out] */
    const double *y;       /* [rows x o] */
    double *df;            /* [rows x n_out] */
    const double *weights; /* [rows] or NULL */
    const double *sigmas;  /* [rows x o] or NULL */
};

/* Row i's weight. */
static double weight_of(const struct tile *t, int i)
{
    return t->weights != NULL ? t->weights[i] : 1.0;
}

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
        w.common = 2.0 / ((double)rows->n * data_outputs(rows) * data_mean_weight(rows));
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

/* What add_squares and its like gather over the rows. */
struct sums {
    double squares;
    double logs;       /* of the standard deviations that rows have of their own, times weights */
    double *by_output; /* [o] or NULL */
};

/*
 * The same for rows with weights, or with noise of their own, of which sums->logs has the
 * constants. What a row adds is what it adds alone, times its weight.
 */
static void add_weighted(const struct tile *t, const struct weights *w, struct sums *sums)
{
    for (int i = 0; i < t->rows; i++) {
        double row = weight_of(t, i);
        for (int j = 0; j < t->o; j++) {
            size_t c = (size_t)i * (size_t)t->o + (size_t)j;
            if (t->holes && isnan(t->y[c])) {
                t->df[c] = 0.0;
                continue;
            }
            double residual = t->f[c] - t->y[c];
            double square = row * residual * residual;
            double weight = w->each != NULL ? w->each[j] : w->common;
            if (t->sigmas != NULL) {
                weight = 1.0 / (t->sigmas[c] * t->sigmas[c]);
                sums->logs += row * log(t->sigmas[c]);
            }
            t->df[c] = row * weight * residual;
            if (sums->by_output != NULL) {
                sums->by_output[j] += square;
            }
            sums->squares += w->each != NULL || t->sigmas != NULL ? weight * square : square;
        }
    }
}

/* The logarithmic loss: residuals of logarithms (loss_terms.h). */
static void add_logs(const struct tile *t, const struct loss_terms *terms, double common,
                     struct sums *sums)
{
    for (int i = 0; i < t->rows; i++) {
        double row = weight_of(t, i);
        for (int j = 0; j < t->o; j++) {
            size_t c = (size_t)i * (size_t)t->o + (size_t)j;
            double slope = 0.0;
            double residual = 0.0;
            if (!(t->holes && isnan(t->y[c]))) {
                residual = loss_terms_log(terms, j, t->f[c], t->y[c], &slope);
            }
            t->df[c] = common * row * residual * slope;
            sums->squares += row * residual * residual;
        }
    }
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
            double weight = weight_of(t, i);
            value += weight * 0.5 * (LOG_TWO_PI + log(variance) + residual * residual / variance);
            d_row[j] = weight * residual / variance;
            d_row[o + j] = u < OBJECTIVE_MAX_LOG ? weight * by_variance * exp(u) : 0.0;
        }
    }
    return value;
}

/* ---- the whole ---- */

/* How many rows there are, and how many of them have each output; with weights, their sums. */
struct counts {
    double rows; /* with at least one output */
    bool by_output;
    double each[ARCH_MAX_OUTPUTS]; /* [o], where there are holes or weights */
};

static void count_rows(const struct data *rows, struct counts *counts)
{
    int each[ARCH_MAX_OUTPUTS];
    counts->by_output = data_has_holes(rows) || rows->weights != NULL;
    counts->rows = (double)rows->n;
    if (rows->weights == NULL) {
        counts->rows = data_has_holes(rows) ? (double)data_count(rows, each) : counts->rows;
        for (int j = 0; counts->by_output && j < rows->o; j++) {
            counts->each[j] = (double)each[j];
        }
        return;
    }
    counts->rows = 0.0;
    memset(counts->each, 0, (size_t)rows->o * sizeof *counts->each);
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        bool some = false;
        for (size_t j = 0; j < (size_t)rows->o; j++) {
            bool here = !isnan(rows->y[i * (size_t)rows->o + j]);
            counts->each[j] += here ? rows->weights[i] : 0.0;
            some = some || here;
        }
        counts->rows += some ? rows->weights[i] : 0.0;
    }
}

static double rows_with(const struct counts *counts, size_t j)
{
    return counts->by_output ? counts->each[j] : counts->rows;
}

/* sums: what is left after all rows. */
static double value_from_sums(const struct objective *obj, const struct data *data,
                              const struct weights *w, const struct sums *sums,
                              const struct counts *counts)
{
    double squares = sums->squares;
    double rows = counts->rows;
    if (obj->kind == OBJECTIVE_MSE) {
        return squares / ((double)data->n * data_outputs(data) * data_mean_weight(data));
    }
    if (data->sigmas != NULL) {
        double value = 0.5 * squares + sums->logs;
        for (size_t j = 0; j < (size_t)data->o; j++) {
            value += 0.5 * rows_with(counts, j) * LOG_TWO_PI;
        }
        return value;
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

/* What the terms of a cell are multiplied with, as its squared residual is: loss_terms.h. */
static void fill_factors(const struct objective *obj, const struct tile *t, const struct weights *w,
                         double *factors)
{
    bool fixed =
        obj->kind != OBJECTIVE_MSE && obj->noise != NOISE_GIVEN && obj->noise != NOISE_ESTIMATED;
    for (int c = 0; c < t->rows * t->o; c++) {
        double factor = w->each != NULL ? w->each[c % t->o] : w->common;
        if (fixed) {
            factor = LOSS_TERMS_PRECISION;
        } else if (t->sigmas != NULL && !isnan(t->sigmas[c])) {
            factor = 1.0 / (t->sigmas[c] * t->sigmas[c]);
        }
        factors[c] = weight_of(t, c / t->o) * factor;
    }
}

/* An evaluation: what is gathered over the tiles. */
struct pass {
    struct weights w;
    struct sums sums;
    double value; /* what is not in the sums */
    double *grad; /* or NULL */
};

/* One tile, whose values are in self->f and whose rows are `part`. */
static void add_tile(struct objective_loss *self, const struct tile *t, const struct data *part,
                     struct pass *pass, bool is_first)
{
    const struct objective *obj = &self->objective;
    const struct loss_terms *terms = obj->terms;
    const struct loss_terms_tile place = {.n = t->rows,
                                          .x = part->x,
                                          .f = t->f,
                                          .df = t->df,
                                          .jacobian = part->jacobian,
                                          .factors = self->factors};
    if (objective_predicts_noise(obj)) {
        pass->value += add_predicted(t);
    } else if (terms != NULL && terms->log_shifts != NULL) {
        add_logs(t, terms, pass->w.common, &pass->sums);
    } else if (t->weights != NULL || t->sigmas != NULL) {
        add_weighted(t, &pass->w, &pass->sums);
    } else {
        add_squares(t, &pass->w, &pass->sums.squares, pass->sums.by_output);
    }
    if (terms != NULL) {
        fill_factors(obj, t, &pass->w, self->factors);
        pass->value += loss_terms_add_values(terms, self->net, &place);
    }
    if (pass->grad != NULL) {
        add_gradient(self, is_first, pass->grad);
    }
    if (terms != NULL) {
        pass->value += loss_terms_add_slopes(terms, self->tape, &self->work, &place, pass->grad);
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
    double each[ARCH_MAX_OUTPUTS];
    struct counts counts;
    struct pass pass = {.value = 0.0, .grad = grad};
    count_rows(rows, &counts);
    if (!predicted) {
        pass.w = weights_of(obj, net, rows, params, each);
    }
    /* The derivative with respect to log s_j is n_j - w_j times the sum of squares; the sums are
     * gathered in grad itself. */
    double *by_output = objective_learns_noise(obj) && grad != NULL ? grad + net->n_params : NULL;
    for (size_t j = 0; by_output != NULL && j < o; j++) {
        by_output[j] = 0.0;
    }
    pass.sums.by_output = by_output;
    resnet_set_params(self->tape, params);
    for (int first = 0; first < n; first += self->tile) {
        const struct data part =
            data_part(rows, first, n - first < self->tile ? n - first : self->tile);
        struct tile t = {.rows = part.n,
                         .o = (int)(predicted ? o / 2 : o),
                         .holes = data_has_holes(rows),
                         .f = self->f,
                         .y = part.y,
                         .df = self->df,
                         .weights = part.weights,
                         .sigmas = obj->kind != OBJECTIVE_MSE ? part.sigmas : NULL};
        if (cancel_is_requested(obj->cancel)) {
            return NAN;
        }
        resnet_forward(self->tape, t.rows, part.x, self->f);
        add_tile(self, &t, &part, &pass, first == 0);
    }
    for (size_t j = 0; by_output != NULL && j < o; j++) {
        by_output[j] = rows_with(&counts, j) - pass.w.each[j] * by_output[j];
    }
    double value = pass.value;
    if (!predicted) {
        value += value_from_sums(obj, rows, &pass.w, &pass.sums, &counts);
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
    const struct data own = data_part(rows, first, end - first);
    (void)err;
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
