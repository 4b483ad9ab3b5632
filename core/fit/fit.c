/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/fit.h"

#include "base/mem.h"
#include "fit/fit_priv.h"

#include <math.h>
#include <string.h>

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
        fill_uniform(rng, by_inputs, off->bias_pre >= 0 ? a->width : 0,
                     params + off->weight_pre + a->width * a->inputs);
    }
    /* All parameters behind the pre layer have fan-in r: post layer, coefficients, their biases. */
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
    /* This comes first: a loss that was cancelled is NaN. */
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in epoch %d", result->epochs + 1);
    }
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
    optim_plateau_step(&fit->plateau, &fit->settings->optim, score);
    /* A random loss keeps the last state, unless validation rows may end the fit early. */
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

/* fit_run with the loss as it is. */
static enum err_code run_fit(const struct fit_problem *problem, const struct fit_settings *settings,
                             struct rng *rng, double *params, struct fit_result *result,
                             struct err *err)
{
    struct fit fit = {.problem = problem, .settings = settings, .result = result};
    size_t n_params = (size_t)problem->loss.n_params;
    optim_plateau_init(&fit.plateau);
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
    enum err_code code = settings->optim.kind == OPTIM_LBFGS ? fit_lbfgs(&fit, rng, params, err)
                         : settings->optim.kind == OPTIM_LEVENBERG
                             ? fit_levenberg(&fit, rng, params, err)
                             : fit_minibatch(&fit, rng, params, err);
    if (code == ERR_OK && (fit.was_ended || fit_save_end(&fit, rng, err) == ERR_OK)) {
        memcpy(params, fit.best, n_params * sizeof *params);
    }
done:
    mem_free(fit.grad);
    mem_free(fit.best);
    return err->code;
}

enum err_code fit_run(const struct fit_problem *problem, const struct fit_settings *settings,
                      struct rng *rng, double *params, struct fit_result *result, struct err *err)
{
    struct fit_problem own = *problem;
    struct shards shards = {.n = 0};
    if (settings->shards == 0 || problem->loss.objective == NULL) {
        return run_fit(problem, settings, rng, params, result, err);
    }
    if (shards_init(&shards, &problem->loss, settings->shards, problem->n_threads,
                    problem->checkpoint, err) == ERR_OK) {
        own.loss = shards.core;
        err_kept(run_fit(&own, settings, rng, params, result, err));
    }
    if (shards.err.code != ERR_OK) {
        *err = shards.err; /* of which a loss that is no number was the consequence */
    }
    shards_release(&shards);
    return err->code;
}

/* ---- the state of a fit in a checkpoint ---- */

void fit_put_state(const struct fit *fit, bool ended, const struct rng *rng,
                   struct bytes_writer *writer)
{
    const struct fit_result *result = fit->result;
    bytes_put_u32(writer, ended);
    bytes_put_f64(writer, &result->best_loss, 1);
    bytes_put_u32(writer, (uint32_t)result->best_epoch);
    bytes_put_u32(writer, (uint32_t)result->epochs);
    bytes_put_u32(writer, (uint32_t)fit->since_best);
    if (fit->settings->optim.schedule == SCHEDULE_PLATEAU) {
        const double numbers[] = {fit->plateau.best, fit->plateau.factor};
        bytes_put_f64(writer, numbers, 2);
        bytes_put_u32(writer, (uint32_t)fit->plateau.bad);
        bytes_put_u32(writer, (uint32_t)fit->plateau.cooldown);
    }
    rng_save(rng, writer);
    bytes_put_f64(writer, fit->best, (size_t)fit->problem->loss.n_params);
    if (result->train_loss != NULL) {
        bytes_put_f64(writer, result->train_loss, (size_t)result->epochs);
        bytes_put_f64(writer, result->validation_loss, (size_t)result->epochs);
    }
}

enum err_code fit_save_end(const struct fit *fit, const struct rng *rng, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct bytes_writer writer = {.data = NULL};
    if (p->checkpoint == NULL) {
        return ERR_OK;
    }
    fit_put_state(fit, true, rng, &writer);
    return checkpoint_save(p->checkpoint, p->task, &writer, err);
}

enum err_code fit_open_state(struct fit *fit, struct rng *rng, struct fit_state *state, bool *ended,
                             struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct fit_result *result = fit->result;
    struct bytes_reader *r = &state->reader;
    *state = (struct fit_state){.bytes = NULL};
    *ended = false;
    if (checkpoint_load(p->checkpoint, p->task, &state->bytes, r, &state->found, err) != ERR_OK ||
        !state->found) {
        return err->code;
    }
    fit->was_ended = bytes_get_int(r, 1) == 1;
    bytes_get_f64(r, &result->best_loss, 1);
    result->best_epoch = bytes_get_int(r, fit->settings->epochs);
    result->epochs = bytes_get_int(r, fit->settings->epochs);
    fit->since_best = bytes_get_int(r, fit->settings->epochs);
    if (fit->settings->optim.schedule == SCHEDULE_PLATEAU) {
        double numbers[2] = {INFINITY, 1.0};
        bytes_get_f64(r, numbers, 2);
        fit->plateau.best = numbers[0];
        fit->plateau.factor = numbers[1];
        fit->plateau.bad = bytes_get_int(r, fit->settings->epochs);
        fit->plateau.cooldown = bytes_get_int(r, fit->settings->optim.plateau_cooldown);
    }
    rng_load(rng, r);
    bytes_get_f64(r, fit->best, (size_t)p->loss.n_params);
    if (result->train_loss != NULL) {
        bytes_get_f64(r, result->train_loss, (size_t)result->epochs);
        bytes_get_f64(r, result->validation_loss, (size_t)result->epochs);
    }
    state->found = !fit->was_ended;
    int patience = fit->settings->patience;
    *ended = fit->was_ended || (patience > 0 && fit->since_best >= patience);
    return ERR_OK;
}

enum err_code fit_close_state(struct fit_state *state, struct err *err)
{
    if (state->bytes != NULL && err->code == ERR_OK) {
        err_kept(checkpoint_check(&state->reader, err));
    }
    mem_free(state->bytes);
    state->bytes = NULL;
    return err->code;
}
