/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/loss.h"

#include "base/mem.h"

enum err_code objective_loss_init(struct objective_loss *self, const struct objective *objective,
                                  const struct resnet *net, struct err *err)
{
    *self = (struct objective_loss){.objective = *objective, .net = net, .tile = OBJECTIVE_TILE};
    self->tape = resnet_tape_new(net, self->tile);
    self->scratch = mem_alloc_array(objective_scratch(net, self->tile), sizeof *self->scratch);
    if (self->tape == NULL || self->scratch == NULL) {
        objective_loss_release(self);
        return err_set(err, ERR_NOMEM, "no memory for the loss of %d parameters", net->n_params);
    }
    return ERR_OK;
}

void objective_loss_release(struct objective_loss *self)
{
    resnet_tape_free(self->tape);
    mem_free(self->scratch);
    *self = (struct objective_loss){.net = NULL};
}

double objective_loss_eval(struct objective_loss *self, const struct data *rows,
                           const double *params, double *grad)
{
    return objective_eval(&self->objective, self->net, self->tape, self->tile, rows->n, rows->x,
                          rows->y, params, grad, self->scratch);
}

static double train(void *ctx, const struct data *rows, const double *params, double *grad,
                    struct rng *rng)
{
    (void)rng;
    return objective_loss_eval(ctx, rows, params, grad);
}

static double value(void *ctx, const struct data *rows, const double *params)
{
    return objective_loss_eval(ctx, rows, params, NULL);
}

struct loss objective_loss_as_loss(struct objective_loss *self)
{
    return (struct loss){
        .ctx = self,
        .n_params = objective_n_params(&self->objective, self->net),
        .is_mean = self->objective.kind == OBJECTIVE_MSE,
        .train = train,
        .value = value,
    };
}
