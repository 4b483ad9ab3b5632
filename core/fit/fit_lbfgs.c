/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full-batch fits by L-BFGS (core/fit/lbfgs). An "epoch" is one iteration. The fit succeeds when
 * the gradient is small, or when no step makes progress any more in double precision.
 *
 * An iteration may try dozens of steps, each of which is a pass over all rows, so that a checkpoint
 * may come between any two of them. It then holds the state at the start of the iteration, and what
 * was evaluated since (core/fit/replay.h).
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
    struct err failure; /* of a save within the function that is minimised */
};

static double loss_with_decay(const struct fit *fit, const double *params, double *grad)
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

/* lbfgs_save may come within an iteration: until the line search is over, what it saves is
 * unchanged. */
static enum err_code save_state(const struct minimisation *self, struct err *err)
{
    const struct fit_problem *p = self->fit->problem;
    struct bytes_writer w = {.data = NULL};
    fit_put_state(self->fit, false, self->rng, &w);
    lbfgs_save(&self->lbfgs, &w);
    replay_save(&self->replay, &w);
    return checkpoint_save(p->checkpoint, p->task, &w, err);
}

/*
 * What an iteration minimises: the values known from before an interruption, then new ones, which
 * are kept. After a failure every value is NaN, so that the line search ends.
 */
static double evaluate_with_replay(void *ctx, const double *params, double *grad)
{
    struct minimisation *self = ctx;
    const struct fit_problem *p = self->fit->problem;
    struct err *failure = &self->failure;
    double value = NAN;
    if (failure->code != ERR_OK || replay_tell(&self->replay, &value, grad)) {
        return value;
    }
    value = loss_with_decay(self->fit, params, grad);
    /* A value that was cancelled must not be kept. */
    if (p->checkpoint == NULL || cancel_is_requested(p->cancel)) {
        return value;
    }
    replay_keep(&self->replay, value, grad);
    if (checkpoint_due(p->checkpoint, p->task) && save_state(self, failure) == ERR_NOMEM) {
        err_clear(failure); /* the fit can go on, and a later save may find memory */
    }
    return value;
}

/* The function for the first point, which no iteration remembers. */
static double evaluate_start(void *ctx, const double *params, double *grad)
{
    const struct minimisation *self = ctx;
    return loss_with_decay(self->fit, params, grad);
}

/* A loss as a mean over rows. */
static double mean_by_row(const struct fit *fit, double value)
{
    const struct fit_problem *p = fit->problem;
    return p->loss.is_mean ? value : value / (double)p->train.n;
}

/* Continues from the checkpoint, or starts at params. */
static enum err_code resume_or_start(struct minimisation *self, const double *params, bool *stop,
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
    enum lbfgs_end end = lbfgs_start(lbfgs, params, evaluate_start, self);
    if (cancel_is_requested(fit->problem->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in epoch 1");
    }
    if (!isfinite(lbfgs->f)) {
        return err_set(err, ERR_NUMERIC, "the loss is not finite at the start");
    }
    /* The start is a minimum already, and so the best state. */
    if (end == LBFGS_CONVERGED) {
        err_kept(fit_epoch_done(fit, mean_by_row(fit, lbfgs->f), lbfgs->x, stop, err));
        *stop = true;
    }
    return err->code;
}

/* One iteration, or the rest of one that was interrupted. */
static enum err_code run_iteration(struct minimisation *self, bool *stop, struct err *err)
{
    struct fit *fit = self->fit;
    const struct fit_problem *p = fit->problem;
    enum lbfgs_end end = lbfgs_step(&self->lbfgs, evaluate_with_replay, self);
    replay_restart(&self->replay);
    if (self->failure.code != ERR_OK) {
        *err = self->failure;
        return err->code;
    }
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in epoch %d", fit->result->epochs + 1);
    }
    /* When the first iteration is stuck already, the start counts as its epoch. */
    if ((end != LBFGS_STUCK || fit->result->epochs == 0) &&
        fit_epoch_done(fit, mean_by_row(fit, self->lbfgs.f), self->lbfgs.x, stop, err) != ERR_OK) {
        return err->code;
    }
    *stop = *stop || end != LBFGS_GOING;
    return !*stop && checkpoint_due(p->checkpoint, p->task) ? save_state(self, err) : ERR_OK;
}

enum err_code fit_lbfgs(struct fit *fit, struct rng *rng, double *params, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_settings *s = fit->settings;
    struct minimisation self = {.fit = fit, .rng = rng, .failure = ERR_INIT};
    bool stop = false;
    replay_init(&self.replay, p->loss.n_params);
    if (lbfgs_init(&self.lbfgs, p->loss.n_params, s->optim.history, EPSILON, err) != ERR_OK ||
        resume_or_start(&self, params, &stop, err) != ERR_OK) {
        goto done;
    }
    while (fit->result->epochs < s->epochs && !stop) {
        if (run_iteration(&self, &stop, err) != ERR_OK) {
            goto done;
        }
    }
done:
    replay_release(&self.replay);
    lbfgs_release(&self.lbfgs);
    return err->code;
}
