/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/cross_entropy.h"

#include <math.h>

enum err_code cross_entropy_init(struct cross_entropy *self, const struct resnet *net,
                                 const double *prior_sigmas, int n_total,
                                 const struct cancel *cancel, struct err *err)
{
    const struct objective prior = {.kind = OBJECTIVE_NLP,
                                    .noise = NOISE_GIVEN,
                                    .prior_sigmas = prior_sigmas,
                                    .n_total = n_total,
                                    .cancel = cancel};
    return objective_loss_init(&self->inner, &prior, net, err);
}

void cross_entropy_release(struct cross_entropy *self)
{
    objective_loss_release(&self->inner);
}

double cross_entropy_probability(double f)
{
    double e = exp(-fabs(f));
    return f >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

/* log(1 + exp(f)) - y f of n rows; df <- its derivative. */
static double add_rows(int n, const double *f, const double *y, double *df)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += fmax(f[i], 0.0) - y[i] * f[i] + log1p(exp(-fabs(f[i])));
        df[i] = cross_entropy_probability(f[i]) - y[i];
    }
    return sum;
}

static double evaluate(struct objective_loss *loss, const struct data *rows, const double *params,
                       double *grad)
{
    const struct resnet *net = loss->net;
    double sum = 0.0;
    for (int k = 0; grad != NULL && k < net->n_params; k++) {
        grad[k] = 0.0;
    }
    resnet_set_params(loss->tape, params);
    for (int first = 0; first < rows->n; first += loss->tile) {
        int n = rows->n - first < loss->tile ? rows->n - first : loss->tile;
        if (cancel_is_requested(loss->objective.cancel)) {
            return NAN;
        }
        resnet_forward(loss->tape, n, rows->x + (size_t)first * (size_t)rows->d, loss->f);
        sum += add_rows(n, loss->f, rows->y + first, loss->df);
        if (grad == NULL) {
            continue;
        }
        resnet_backward(loss->tape, loss->df, loss->part, NULL);
        for (int k = 0; k < net->n_params; k++) {
            grad[k] += loss->part[k];
        }
    }
    return sum;
}

static double train(void *ctx, const struct data *rows, const double *params, double *grad,
                    struct rng *rng)
{
    struct objective_loss *loss = ctx;
    (void)rng;
    double sum = evaluate(loss, rows, params, grad);
    return sum + objective_prior(&loss->objective, loss->net, rows->n, params, grad);
}

static double value(void *ctx, const struct data *rows, const double *params)
{
    return evaluate(ctx, rows, params, NULL);
}

struct loss cross_entropy_as_loss(struct cross_entropy *self)
{
    return (struct loss){
        .ctx = &self->inner, .n_params = self->inner.net->n_params, .train = train, .value = value};
}
