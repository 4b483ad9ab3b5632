/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/logpost.h"

#include "base/mem.h"

#include <string.h>

enum err_code logpost_init(struct logpost *logpost, const struct objective *objective,
                           const struct resnet *net, const struct data *rows, struct err *err)
{
    size_t n = (size_t)objective_n_params(objective, net);
    *logpost = (struct logpost){.rows = *rows, .n = (int)n};
    if (objective_loss_init(&logpost->loss, objective, net, err) != ERR_OK) {
        return err->code;
    }
    logpost->params = mem_zalloc_array(2 * n, sizeof *logpost->params);
    if (logpost->params == NULL) {
        logpost_release(logpost);
        return err_set(err, ERR_NOMEM, "no memory for a posterior of %zu parameters", n);
    }
    logpost->grad = logpost->params + n;
    return ERR_OK;
}

void logpost_release(struct logpost *logpost)
{
    objective_loss_release(&logpost->loss);
    mem_free(logpost->params);
    *logpost = (struct logpost){.n = 0};
}

void logpost_restrict(struct logpost *logpost, const double *params, int first, int n)
{
    size_t all = (size_t)objective_n_params(&logpost->loss.objective, logpost->loss.net);
    memcpy(logpost->params, params, all * sizeof *params);
    logpost->first = first;
    logpost->n = n;
}

static double logp(void *ctx, const double *theta, double *grad)
{
    struct logpost *p = ctx;
    memcpy(p->params + p->first, theta, (size_t)p->n * sizeof *theta);
    double value =
        objective_loss_eval(&p->loss, &p->rows, p->params, grad != NULL ? p->grad : NULL);
    for (int k = 0; grad != NULL && k < p->n; k++) {
        grad[k] = -p->grad[p->first + k];
    }
    return -value;
}

struct target logpost_target(struct logpost *logpost)
{
    return (struct target){.n = logpost->n, .logp = logp, .ctx = logpost};
}
