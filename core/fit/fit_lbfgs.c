/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full-batch fits by L-BFGS (core/fit/lbfgs). One "epoch" is one iteration. It ends well when the
 * gradient is small, or no step makes progress any more at double precision.
 *
 * An iteration may try dozens of steps, each of them a pass over all rows, so a checkpoint may fall
 * between any two: it has the state at the iteration's beginning and what was tried since
 * (core/fit/replay.h).
 */
#include "fit/fit_priv.h"

#include "fit/lbfgs.h"
#include "fit/replay.h"

#include <math.h>

#define EPSILON 1e-9 /* of the gradient, relative to the parameters */

struct minimisation {
    struct fit *fit;
    struct rng *rng;
    struct lbfgs lbfgs;
    struct replay replay;
    struct err failure; /* of keeping or saving, inside the function */
};

static double evaluate(const struct fit *fit, const double *params, double *grad)
{
    const struct fit_problem *p = fit->problem;
    double decay = fit->settings->optim.weight_decay;
    double value = p->loss.train(p->loss.ctx, &p->train, params, grad, NULL);
    for (int i = 0; decay > 0.0 && i < p->loss.n_params; i++) {
        value += 0.5 * decay * params[i] * params[i];
        grad[i] += decay * params[i];
    }
    return value;
}

/* Of lbfgs, all that is saved is as at the beginning of the iteration until its line search is
 * over. */
static enum err_code save(const struct minimisation *self, struct err *err)
{
    const struct fit_problem *p = self->fit->problem;
    struct bytes_writer w = {.data = NULL};
    fit_put_state(self->fit, false, self->rng, &w);
    lbfgs_save(&self->lbfgs, &w);
    replay_save(&self->replay, &w);
    return checkpoint_save(p->checkpoint, p->task, &w, err);
}

/* What is minimised, within an iteration. Once something has failed every point is impossible, so
 * that the line search comes to its end. */
static double remembered(void *ctx, const double *params, double *grad)
{
    struct minimisation *self = ctx;
    const struct fit_problem *p = self->fit->problem;
    struct err *failure = &self->failure;
    double value = NAN;
    if (failure->code != ERR_OK || replay_tell(&self->replay, &value, grad)) {
        return value;
    }
    value = evaluate(self->fit, params, grad);
    /* One that was told to stop is nothing to be kept. */
    if (p->checkpoint == NULL || cancel_is_requested(p->cancel)) {
        return value;
    }
    replay_keep(&self->replay, value, grad);
    if (checkpoint_due(p->checkpoint, p->task) && save(self, failure) == ERR_NOMEM) {
        err_clear(failure); /* the next one may find some; the work needs none of it */
    }
    return value;
}

static double at_start(void *ctx, const double *params, double *grad)
{
    const struct minimisation *self = ctx;
    return evaluate(self->fit, params, grad);
}

static double by_row(const struct fit *fit, double value)
{
    const struct fit_problem *p = fit->problem;
    return p->loss.is_mean ? value : value / (double)p->train.n;
}

/* The state of before, or a start at params. */
static enum err_code begin(struct minimisation *self, const double *params, bool *stop,
                           struct err *err)
{
    struct fit *fit = self->fit;
    struct lbfgs *lbfgs = &self->lbfgs;
    struct fit_state state;
    bool resumed = false;
    if (fit_open_state(fit, self->rng, &state, stop, err) == ERR_OK && state.found) {
        lbfgs_load(lbfgs, &state.reader);
        err_kept(replay_load(&self->replay, &state.reader, err));
        resumed = true;
    }
    if (fit_close_state(&state, err) != ERR_OK || *stop || resumed) {
        return err->code;
    }
    enum lbfgs_end end = lbfgs_start(lbfgs, params, at_start, self);
    if (cancel_is_requested(fit->problem->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in epoch 1");
    }
    if (!isfinite(lbfgs->f)) {
        return err_set(err, ERR_NUMERIC, "the loss is not finite at the start");
    }
    /* The start is a minimum already: it is the best state. */
    if (end == LBFGS_CONVERGED) {
        err_kept(fit_epoch_done(fit, by_row(fit, lbfgs->f), lbfgs->x, stop, err));
        *stop = true;
    }
    return err->code;
}

/* An iteration, or the rest of one that was interrupted. */
static enum err_code iterate(struct minimisation *self, bool *stop, struct err *err)
{
    struct fit *fit = self->fit;
    const struct fit_problem *p = fit->problem;
    enum lbfgs_end end = lbfgs_step(&self->lbfgs, remembered, self);
    replay_restart(&self->replay);
    if (self->failure.code != ERR_OK) {
        *err = self->failure;
        return err->code;
    }
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in epoch %d", fit->result->epochs + 1);
    }
    /* Stuck at once, it has not moved: the start counts as its first epoch. */
    if ((end != LBFGS_STUCK || fit->result->epochs == 0) &&
        fit_epoch_done(fit, by_row(fit, self->lbfgs.f), self->lbfgs.x, stop, err) != ERR_OK) {
        return err->code;
    }
    *stop = *stop || end != LBFGS_GOING;
    return !*stop && checkpoint_due(p->checkpoint, p->task) ? save(self, err) : ERR_OK;
}

enum err_code fit_lbfgs(struct fit *fit, struct rng *rng, double *params, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_settings *s = fit->settings;
    struct minimisation self = {.fit = fit, .rng = rng, .failure = ERR_INIT};
    bool stop = false;
    replay_init(&self.replay, p->loss.n_params);
    if (lbfgs_init(&self.lbfgs, p->loss.n_params, s->optim.history, EPSILON, err) != ERR_OK ||
        begin(&self, params, &stop, err) != ERR_OK) {
        goto done;
    }
    while (fit->result->epochs < s->epochs && !stop) {
        if (iterate(&self, &stop, err) != ERR_OK) {
            goto done;
        }
    }
done:
    replay_release(&self.replay);
    lbfgs_release(&self.lbfgs);
    return err->code;
}
