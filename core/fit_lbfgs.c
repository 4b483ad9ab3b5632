/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full-batch fits by L-BFGS (core/lbfgs). One "epoch" is one iteration. It ends well when the
 * gradient is small, or no step makes progress any more at double precision.
 */
#include "fit_priv.h"

#include "lbfgs.h"

#include <math.h>

#define EPSILON 1e-9 /* of the gradient, relative to the parameters */

static double evaluate(void *ctx, const double *params, double *grad)
{
    const struct fit *fit = ctx;
    const struct fit_problem *p = fit->problem;
    double decay = fit->settings->optim.weight_decay;
    double value = p->loss.train(p->loss.ctx, &p->train, params, grad, NULL);
    for (int i = 0; decay > 0.0 && i < p->loss.n_params; i++) {
        value += 0.5 * decay * params[i] * params[i];
        grad[i] += decay * params[i];
    }
    return value;
}

static double by_row(const struct fit *fit, double value)
{
    const struct fit_problem *p = fit->problem;
    return p->loss.is_mean ? value : value / (double)p->train.n;
}

static enum err_code save(const struct fit *fit, const struct lbfgs *lbfgs, const struct rng *rng,
                          struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct bytes_writer w = {.data = NULL};
    fit_put_state(fit, false, rng, &w);
    lbfgs_save(lbfgs, &w);
    return checkpoint_save(p->checkpoint, p->task, &w, err);
}

/* The state of before, or a start at params. */
static enum err_code begin(struct fit *fit, struct lbfgs *lbfgs, struct rng *rng,
                           const double *params, bool *stop, struct err *err)
{
    struct fit_state state;
    bool resumed = false;
    if (fit_open_state(fit, rng, &state, stop, err) == ERR_OK && state.found) {
        lbfgs_load(lbfgs, &state.reader);
        resumed = true;
    }
    if (fit_close_state(&state, err) != ERR_OK || *stop || resumed) {
        return err->code;
    }
    enum lbfgs_end end = lbfgs_start(lbfgs, params, evaluate, fit);
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

enum err_code fit_lbfgs(struct fit *fit, struct rng *rng, double *params, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    const struct fit_settings *s = fit->settings;
    struct lbfgs lbfgs;
    bool stop = false;
    if (lbfgs_init(&lbfgs, p->loss.n_params, s->optim.history, EPSILON, err) != ERR_OK ||
        begin(fit, &lbfgs, rng, params, &stop, err) != ERR_OK) {
        goto done;
    }
    while (fit->result->epochs < s->epochs && !stop) {
        enum lbfgs_end end = lbfgs_step(&lbfgs, evaluate, fit);
        if (cancel_is_requested(p->cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled in epoch %d", fit->result->epochs + 1);
            goto done;
        }
        /* Stuck at once, it has not moved: the start counts as its first epoch. */
        if ((end != LBFGS_STUCK || fit->result->epochs == 0) &&
            fit_epoch_done(fit, by_row(fit, lbfgs.f), lbfgs.x, &stop, err) != ERR_OK) {
            goto done;
        }
        stop = stop || end != LBFGS_GOING;
        if (!stop && checkpoint_due(p->checkpoint, p->task) &&
            save(fit, &lbfgs, rng, err) != ERR_OK) {
            goto done;
        }
    }
done:
    lbfgs_release(&lbfgs);
    return err->code;
}
