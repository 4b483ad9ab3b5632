/* SPDX-License-Identifier: Apache-2.0 */
#include "fit.h"

#include "fit_priv.h"
#include "mem.h"

#include <math.h>
#include <string.h>

#define MAX_EPOCHS 1000000

struct fit_settings fit_defaults(void)
{
    return (struct fit_settings){.epochs = 600, .batch_size = 64, .optim = optim_defaults()};
}

enum err_code fit_validate(const struct fit_settings *s, struct err *err)
{
    if (s->epochs < 1 || s->epochs > MAX_EPOCHS) {
        return err_set(err, ERR_INVALID, "epochs is %d, 1 to %d is needed", s->epochs, MAX_EPOCHS);
    }
    if (s->batch_size < 0) {
        return err_set(err, ERR_INVALID, "batch_size is %d, at least 0 (all rows) is needed",
                       s->batch_size);
    }
    if (s->patience < 0) {
        return err_set(err, ERR_INVALID, "patience is %d, at least 0 (never stop early) is needed",
                       s->patience);
    }
    return optim_validate(&s->optim, err);
}

static void fill_uniform(struct rng *rng, double bound, int n, double *out)
{
    for (int i = 0; i < n; i++) {
        out[i] = bound * (2.0 * rng_uniform(rng) - 1.0);
    }
}

void fit_init_params(const struct resnet *net, double factor, struct rng *rng, double *params)
{
    const struct arch *a = &net->arch;
    const struct arch_offsets *off = &net->off;
    double by_inputs = factor / sqrt((double)a->inputs);
    double by_width = factor / sqrt((double)a->width);
    if (off->weight_pre >= 0) {
        fill_uniform(rng, by_inputs, a->width * a->inputs, params + off->weight_pre);
        fill_uniform(rng, by_inputs, a->width, params + off->bias_pre);
    }
    /* Everything after the pre layer has fan-in r: post layer, coefficients, their biases. */
    int first = off->weight_post >= 0 ? off->weight_post : off->ww;
    fill_uniform(rng, by_width, off->n_params - first, params + first);
}

enum err_code fit_epoch_done(struct fit *fit, double train_loss, const double *params, bool *stop,
                             struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct fit_result *result = fit->result;
    double validation_loss = NAN;
    if (p->validation.n > 0) {
        validation_loss = p->loss.value(p->loss.ctx, &p->validation, params);
        validation_loss /= p->loss.is_mean ? 1.0 : (double)p->validation.n;
    }
    double score = p->validation.n > 0 ? validation_loss : train_loss;
    if (!isfinite(train_loss) || !isfinite(score)) {
        return err_set(err, ERR_NUMERIC,
                       "the loss is not finite after epoch %d; a smaller learning_rate may help",
                       result->epochs + 1);
    }
    if (result->train_loss != NULL && result->epochs < fit->settings->epochs) {
        result->train_loss[result->epochs] = train_loss;
        result->validation_loss[result->epochs] = validation_loss;
    }
    result->epochs++;
    fit->since_best++;
    /* Of a random loss the last state, unless kept rows are to end the fit early. */
    bool last = p->loss.is_random && (p->validation.n == 0 || fit->settings->patience == 0);
    if (result->epochs == 1 || last || score < result->best_loss) {
        result->best_loss = score;
        result->best_epoch = result->epochs;
        fit->since_best = 0;
        memcpy(fit->best, params, (size_t)p->loss.n_params * sizeof *params);
    }
    if (p->progress != NULL) {
        double part = (double)result->epochs / (double)fit->settings->epochs;
        p->progress(p->progress_ctx,
                    &(struct progress){
                        .member = p->member,
                        .n_members = p->n_members,
                        .step = result->epochs,
                        .n_steps = fit->settings->epochs,
                        .loss = train_loss,
                        .validation_loss = validation_loss,
                        .fraction = p->fraction_from + part * (p->fraction_to - p->fraction_from),
                    });
    }
    *stop = fit->settings->patience > 0 && fit->since_best >= fit->settings->patience;
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled after epoch %d", result->epochs);
    }
    return ERR_OK;
}

struct minibatch {
    struct optim optim;
    int *order; /* [n] */
    double *x;  /* [batch x d] */
    double *y;  /* [batch x o] */
};

/* One pass over the shuffled rows; the mean of the batches' losses by row in *loss. */
static enum err_code run_epoch(struct fit *fit, struct minibatch *mb, int batch, double rate,
                               struct rng *rng, double *params, double *loss, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct data *train = &p->train;
    double sum = 0.0;
    rng_permutation(rng, train->n, mb->order);
    for (int first = 0; first < train->n; first += batch) {
        int rows = train->n - first < batch ? train->n - first : batch;
        data_gather(train->x, train->d, mb->order + first, rows, mb->x);
        data_gather(train->y, train->o, mb->order + first, rows, mb->y);
        struct data chosen = {.n = rows, .d = train->d, .o = train->o, .x = mb->x, .y = mb->y};
        double value = p->loss.train(p->loss.ctx, &chosen, params, fit->grad, rng);
        sum += p->loss.is_mean ? value * rows : value;
        optim_step(&mb->optim, rate, fit->grad, params);
        if (cancel_is_requested(p->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in epoch %d", fit->result->epochs + 1);
        }
    }
    *loss = sum / (double)train->n;
    return ERR_OK;
}

/* ---- checkpoints: the state between two epochs ---- */

static void put_rng(struct bytes_writer *w, const struct rng *rng)
{
    bytes_put(w, rng, sizeof *rng);
}

static void get_rng(struct bytes_reader *r, struct rng *rng)
{
    const void *bytes = bytes_get(r, sizeof *rng);
    if (bytes != NULL) {
        memcpy(rng, bytes, sizeof *rng);
    }
}

/* optim: NULL once the fit has ended. */
static enum err_code save(const struct fit *fit, const struct optim *optim, const struct rng *rng,
                          const double *params, bool ended, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_result *result = fit->result;
    size_t n = (size_t)p->loss.n_params;
    struct bytes_writer w = {.data = NULL};
    if (p->checkpoint == NULL) {
        return ERR_OK;
    }
    bytes_put_u32(&w, ended);
    bytes_put_f64(&w, &result->best_loss, 1);
    bytes_put_u32(&w, (uint32_t)result->best_epoch);
    bytes_put_u32(&w, (uint32_t)result->epochs);
    bytes_put_u32(&w, (uint32_t)fit->since_best);
    put_rng(&w, rng);
    bytes_put_f64(&w, fit->best, n);
    if (result->train_loss != NULL) {
        bytes_put_f64(&w, result->train_loss, (size_t)result->epochs);
        bytes_put_f64(&w, result->validation_loss, (size_t)result->epochs);
    }
    if (!ended) {
        bytes_put_f64(&w, params, n);
        bytes_put_i64(&w, optim->t);
        bytes_put_f64(&w, optim->m, n);
        if (optim->v != NULL) {
            bytes_put_f64(&w, optim->v, n);
        }
    }
    return checkpoint_save(p->checkpoint, p->task, &w, err);
}

/* *ended: nothing is left to do, fit->best is the result; also when patience had run out before the
 * interruption. */
static enum err_code resume(struct fit *fit, struct optim *optim, struct rng *rng, double *params,
                            bool *ended, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct fit_result *result = fit->result;
    size_t n = (size_t)p->loss.n_params;
    struct bytes_reader r;
    void *bytes = NULL;
    bool found;
    *ended = false;
    if (checkpoint_load(p->checkpoint, p->task, &bytes, &r, &found, err) != ERR_OK || !found) {
        return err->code;
    }
    *ended = bytes_get_int(&r, 1) == 1;
    bytes_get_f64(&r, &result->best_loss, 1);
    result->best_epoch = bytes_get_int(&r, fit->settings->epochs);
    result->epochs = bytes_get_int(&r, fit->settings->epochs);
    fit->since_best = bytes_get_int(&r, fit->settings->epochs);
    get_rng(&r, rng);
    bytes_get_f64(&r, fit->best, n);
    if (result->train_loss != NULL) {
        bytes_get_f64(&r, result->train_loss, (size_t)result->epochs);
        bytes_get_f64(&r, result->validation_loss, (size_t)result->epochs);
    }
    if (!*ended) {
        bytes_get_f64(&r, params, n);
        optim->t = (long)bytes_get_i64(&r);
        bytes_get_f64(&r, optim->m, n);
        if (optim->v != NULL) {
            bytes_get_f64(&r, optim->v, n);
        }
    }
    *ended = *ended || (fit->settings->patience > 0 && fit->since_best >= fit->settings->patience);
    err_kept(checkpoint_check(&r, err));
    mem_free(bytes);
    return err->code;
}

static enum err_code fit_minibatch(struct fit *fit, struct rng *rng, double *params,
                                   struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_settings *s = fit->settings;
    int batch = s->batch_size > 0 && s->batch_size < p->train.n ? s->batch_size : p->train.n;
    struct minibatch mb = {.order = NULL};
    bool stop = false;
    if (optim_init(&mb.optim, &s->optim, p->loss.n_params, err) != ERR_OK ||
        resume(fit, &mb.optim, rng, params, &stop, err) != ERR_OK) {
        goto done;
    }
    mb.order = mem_alloc_array((size_t)p->train.n, sizeof *mb.order);
    mb.x = mem_alloc_array((size_t)batch * (size_t)p->train.d, sizeof *mb.x);
    mb.y = mem_alloc_array((size_t)batch * (size_t)p->train.o, sizeof *mb.y);
    if (mb.order == NULL || mb.x == NULL || mb.y == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a minibatch");
        goto done;
    }
    while (fit->result->epochs < s->epochs && !stop) {
        double loss = 0.0;
        double rate = optim_rate(&s->optim, fit->result->epochs, s->epochs);
        if (run_epoch(fit, &mb, batch, rate, rng, params, &loss, err) != ERR_OK ||
            fit_epoch_done(fit, loss, params, &stop, err) != ERR_OK) {
            goto done;
        }
        if (checkpoint_due(p->checkpoint, p->task) &&
            save(fit, &mb.optim, rng, params, false, err) != ERR_OK) {
            goto done;
        }
    }
done:
    optim_release(&mb.optim);
    mem_free(mb.order);
    mem_free(mb.x);
    mem_free(mb.y);
    return err->code;
}

/* L-BFGS keeps its history to itself: only its end can be resumed. */
static enum err_code fit_full_batch(struct fit *fit, struct rng *rng, double *params,
                                    struct err *err)
{
    struct optim none = {.m = NULL};
    bool ended;
    if (resume(fit, &none, rng, params, &ended, err) != ERR_OK || ended) {
        return err->code;
    }
    return fit_lbfgs(fit, params, err);
}

enum err_code fit_run(const struct fit_problem *problem, const struct fit_settings *settings,
                      struct rng *rng, double *params, struct fit_result *result, struct err *err)
{
    struct fit fit = {.problem = problem, .settings = settings, .result = result};
    size_t n_params = (size_t)problem->loss.n_params;
    result->best_loss = INFINITY;
    result->best_epoch = 0;
    result->epochs = 0;
    if (problem->train.n < 1) {
        return err_set(err, ERR_INVALID, "no rows to train on");
    }
    fit.grad = mem_alloc_array(n_params, sizeof *fit.grad);
    fit.best = mem_alloc_array(n_params, sizeof *fit.best);
    if (fit.grad == NULL || fit.best == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a training run");
        goto done;
    }
    enum err_code code = settings->optim.kind == OPTIM_LBFGS
                             ? fit_full_batch(&fit, rng, params, err)
                             : fit_minibatch(&fit, rng, params, err);
    if (code == ERR_OK && save(&fit, NULL, rng, params, true, err) == ERR_OK) {
        memcpy(params, fit.best, n_params * sizeof *params);
    }
done:
    mem_free(fit.grad);
    mem_free(fit.best);
    return err->code;
}
