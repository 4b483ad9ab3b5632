/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Full-batch L-BFGS through liblbfgs (N. Okazaki's port of J. Nocedal's code). One "epoch" is one
 * iteration. The library's own stopping rules count as success: the gradient is small, or no step
 * makes progress any more at double precision.
 */
#include "fit_priv.h"

#include <lbfgs.h>

struct driver {
    struct fit *fit;
    struct err *err;
};

static lbfgsfloatval_t evaluate(void *ctx, const lbfgsfloatval_t *params, lbfgsfloatval_t *grad,
                                const int n, const lbfgsfloatval_t step)
{
    const struct driver *driver = ctx;
    struct fit *fit = driver->fit;
    const struct fit_problem *p = fit->problem;
    double decay = fit->settings->optim.weight_decay;
    double value = p->loss.train(p->loss.ctx, &p->train, params, grad, NULL);
    for (int i = 0; decay > 0.0 && i < n; i++) {
        value += 0.5 * decay * params[i] * params[i];
        grad[i] += decay * params[i];
    }
    return value;
}

static int iterate(void *ctx, const lbfgsfloatval_t *params, const lbfgsfloatval_t *grad,
                   const lbfgsfloatval_t value, const lbfgsfloatval_t norm_params,
                   const lbfgsfloatval_t norm_grad, const lbfgsfloatval_t step, int n,
                   int iteration, int evaluations)
{
    struct driver *driver = ctx;
    bool stop = false;
    const struct fit_problem *p = driver->fit->problem;
    double by_row = p->loss.is_mean ? value : value / (double)p->train.n;
    if (fit_epoch_done(driver->fit, by_row, params, &stop, driver->err) != ERR_OK) {
        return 1;
    }
    return stop ? 1 : 0;
}

/* Ends that are no failure: convergence, our own stop, and no further descent at this precision. */
static bool is_an_end(int status)
{
    return status == LBFGS_SUCCESS || status == LBFGS_STOP || status == LBFGS_ALREADY_MINIMIZED ||
           status == LBFGSERR_MAXIMUMITERATION || status == LBFGSERR_ROUNDING_ERROR ||
           status == LBFGSERR_MAXIMUMLINESEARCH || status == LBFGSERR_MINIMUMSTEP ||
           status == LBFGSERR_MAXIMUMSTEP || status == LBFGSERR_WIDTHTOOSMALL || status == 1;
}

enum err_code fit_lbfgs(struct fit *fit, double *params, struct err *err)
{
    struct driver driver = {.fit = fit, .err = err};
    lbfgs_parameter_t parameters;
    lbfgs_parameter_init(&parameters);
    parameters.m = fit->settings->optim.history;
    parameters.max_iterations = fit->settings->epochs;
    parameters.epsilon = 1e-9;
    parameters.max_linesearch = 40;

    int status =
        lbfgs(fit->problem->loss.n_params, params, NULL, evaluate, iterate, &driver, &parameters);
    if (err->code != ERR_OK) {
        return err->code;
    }
    if (status == LBFGSERR_OUTOFMEMORY) {
        return err_set(err, ERR_NOMEM, "no memory for L-BFGS");
    }
    if (!is_an_end(status)) {
        return err_set(err, ERR_NUMERIC, "L-BFGS gave up with its status %d", status);
    }
    if (fit->result->epochs == 0) {
        /* The start is a minimum already: it is the best state. */
        bool stop;
        double value = evaluate(&driver, params, fit->grad, fit->problem->loss.n_params, 0.0);
        value /= fit->problem->loss.is_mean ? 1.0 : (double)fit->problem->train.n;
        return fit_epoch_done(fit, value, params, &stop, err);
    }
    return ERR_OK;
}
