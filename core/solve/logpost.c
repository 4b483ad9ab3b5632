/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/logpost.h"

enum err_code logpost_init(struct logpost *logpost, const struct objective *objective,
                           const struct resnet *net, const struct data *rows, struct err *err)
{
    *logpost = (struct logpost){.rows = *rows};
    return objective_loss_init(&logpost->loss, objective, net, err);
}

void logpost_release(struct logpost *logpost)
{
    objective_loss_release(&logpost->loss);
}

static double log_posterior(void *ctx, const double *theta, double *grad)
{
    struct logpost *p = ctx;
    int n = objective_n_params(&p->loss.objective, p->loss.net);
    double value = objective_loss_eval(&p->loss, &p->rows, theta, grad);
    for (int k = 0; grad != NULL && k < n; k++) {
        grad[k] = -grad[k];
    }
    return -value;
}

struct target logpost_target(struct logpost *logpost)
{
    return (struct target){.n = objective_n_params(&logpost->loss.objective, logpost->loss.net),
                           .logp = log_posterior,
                           .ctx = logpost};
}
