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
        validation_loss =
            objective_eval(&p->objective, p->net, fit->tape, fit->tile, p->validation.n,
                           p->validation.x, p->validation.y, params, NULL, fit->scratch);
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
    if (result->epochs == 1 || score < result->best_loss) {
        result->best_loss = score;
        result->best_epoch = result->epochs;
        fit->since_best = 0;
        memcpy(fit->best, params, (size_t)p->net->n_params * sizeof *params);
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
        double value = objective_eval(&p->objective, p->net, fit->tape, fit->tile, rows, mb->x,
                                      mb->y, params, fit->grad, fit->scratch);
        sum += p->objective.kind == OBJECTIVE_MSE ? value * rows : value;
        optim_step(&mb->optim, rate, fit->grad, params);
        if (cancel_is_requested(p->cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled in epoch %d", fit->result->epochs + 1);
        }
    }
    *loss = sum / (double)train->n;
    return ERR_OK;
}

static enum err_code fit_minibatch(struct fit *fit, struct rng *rng, double *params,
                                   struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_settings *s = fit->settings;
    int batch = s->batch_size > 0 && s->batch_size < p->train.n ? s->batch_size : p->train.n;
    struct minibatch mb = {.order = NULL};
    bool stop = false;
    if (optim_init(&mb.optim, &s->optim, p->net->n_params, err) != ERR_OK) {
        goto done;
    }
    mb.order = mem_alloc_array((size_t)p->train.n, sizeof *mb.order);
    mb.x = mem_alloc_array((size_t)batch * (size_t)p->train.d, sizeof *mb.x);
    mb.y = mem_alloc_array((size_t)batch * (size_t)p->train.o, sizeof *mb.y);
    if (mb.order == NULL || mb.x == NULL || mb.y == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a minibatch");
        goto done;
    }
    for (int epoch = 0; epoch < s->epochs && !stop; epoch++) {
        double loss = 0.0;
        double rate = optim_rate(&s->optim, epoch, s->epochs);
        if (run_epoch(fit, &mb, batch, rate, rng, params, &loss, err) != ERR_OK ||
            fit_epoch_done(fit, loss, params, &stop, err) != ERR_OK) {
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

enum err_code fit_run(const struct fit_problem *problem, const struct fit_settings *settings,
                      struct rng *rng, double *params, struct fit_result *result, struct err *err)
{
    struct fit_problem p = *problem;
    struct fit fit = {
        .problem = &p, .settings = settings, .result = result, .tile = OBJECTIVE_TILE};
    size_t n_params = (size_t)p.net->n_params;
    p.objective.n_total = p.train.n;
    result->best_loss = INFINITY;
    result->best_epoch = 0;
    result->epochs = 0;
    if (p.train.n < 1) {
        return err_set(err, ERR_INVALID, "no rows to train on");
    }
    fit.tape = resnet_tape_new(p.net, fit.tile);
    fit.grad = mem_alloc_array(n_params, sizeof *fit.grad);
    fit.best = mem_alloc_array(n_params, sizeof *fit.best);
    fit.scratch = mem_alloc_array(objective_scratch(p.net, fit.tile), sizeof *fit.scratch);
    if (fit.tape == NULL || fit.grad == NULL || fit.best == NULL || fit.scratch == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a training run");
        goto done;
    }
    enum err_code code = settings->optim.kind == OPTIM_LBFGS
                             ? fit_lbfgs(&fit, params, err)
                             : fit_minibatch(&fit, rng, params, err);
    if (code == ERR_OK) {
        memcpy(params, fit.best, n_params * sizeof *params);
    }
done:
    resnet_tape_free(fit.tape);
    mem_free(fit.grad);
    mem_free(fit.best);
    mem_free(fit.scratch);
    return err->code;
}
