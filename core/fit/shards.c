/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/shards.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* A par_fn: value and gradient of one of this rank's shards. */
static enum err_code run_shard(void *ctx, int worker, int task, struct err *err)
{
    struct shards *self = ctx;
    const struct data *rows = self->rows;
    int shard = self->sum.first + task;
    int first = (int)((int64_t)rows->n * shard / self->n);
    int end = (int)((int64_t)rows->n * (shard + 1) / self->n);
    size_t k = self->with_gradient ? (size_t)self->core.n_params : 0;
    double *part = self->parts + (size_t)task * (1 + k);
    const struct data own = data_part(rows, first, end - first);
    (void)err;
    if (own.n == 0) {
        memset(part, 0, (1 + k) * sizeof *part);
        return ERR_OK;
    }
    part[0] = objective_loss_eval(&self->losses[worker], &own, self->params,
                                  self->with_gradient ? part + 1 : NULL);
    double share = (double)own.n / (double)rows->n;
    for (size_t i = 0; self->core.is_mean && i <= k; i++) {
        part[i] *= share;
    }
    return ERR_OK;
}

/* The sum is in self->total. */
static double add_shards(struct shards *self, const struct data *rows, const double *params,
                         bool with_gradient)
{
    size_t length = 1 + (with_gradient ? (size_t)self->core.n_params : 0);
    self->rows = rows;
    self->params = params;
    self->with_gradient = with_gradient;
    if (self->err.code != ERR_OK ||
        par_run(self->n_threads, self->sum.n_own, run_shard, self, &self->err) != ERR_OK ||
        ranks_sum_run(&self->sum, self->parts, length, self->total, &self->err) != ERR_OK) {
        return NAN;
    }
    return self->total[0];
}

static double train_loss(void *ctx, const struct data *rows, const double *params, double *grad,
                         struct rng *rng)
{
    struct shards *self = ctx;
    double value = add_shards(self, rows, params, grad != NULL);
    (void)rng;
    if (grad != NULL) {
        memcpy(grad, self->total + 1, (size_t)self->core.n_params * sizeof *grad);
    }
    return value;
}

static double loss_value(void *ctx, const struct data *rows, const double *params)
{
    return add_shards(ctx, rows, params, false);
}

enum err_code shards_init(struct shards *self, const struct loss *loss, int n, int n_threads,
                          const struct checkpoint *checkpoint, struct err *err)
{
    size_t length = 1 + (size_t)loss->n_params;
    *self = (struct shards){.core = *loss, .n = n, .err = ERR_INIT};
    self->core.ctx = self;
    self->core.train = train_loss;
    self->core.value = loss_value;
    if (ranks_sum_init(&self->sum, checkpoint, n, length, err) != ERR_OK) {
        return err->code;
    }
    int most = self->sum.n_own > 1 ? self->sum.n_own : 1;
    self->n_threads = n_threads < 1 ? 1 : n_threads > most ? most : n_threads;
    self->losses = mem_zalloc_array((size_t)self->n_threads, sizeof *self->losses);
    self->parts = mem_alloc_array((size_t)most, length * sizeof *self->parts);
    self->total = mem_zalloc_array(length, sizeof *self->total);
    if (self->losses == NULL || self->parts == NULL || self->total == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d shards of %d parameters", n, loss->n_params);
    }
    for (int i = 0; i < self->n_threads && err->code == ERR_OK; i++) {
        err_kept(objective_loss_init(&self->losses[i], loss->objective, loss->net, err));
    }
    if (err->code != ERR_OK) {
        shards_release(self);
    }
    return err->code;
}

void shards_release(struct shards *self)
{
    for (int i = 0; i < self->n_threads && self->losses != NULL; i++) {
        objective_loss_release(&self->losses[i]);
    }
    mem_free(self->losses);
    mem_free(self->parts);
    mem_free(self->total);
    ranks_sum_release(&self->sum);
    *self = (struct shards){.n = 0};
}
