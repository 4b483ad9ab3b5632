/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/residuals.h"

#include "base/mem.h"
#include "losses/objective.h"

#include <math.h>
#include <string.h>

enum err_code residuals_init(struct residuals *self, const struct resnet *net, struct err *err)
{
    *self = (struct residuals){.net = net};
    self->tape = resnet_tape_new(net, OBJECTIVE_TILE);
    size_t values = OBJECTIVE_TILE * (size_t)net->n_out;
    self->f = mem_alloc_array(values + (size_t)net->n_params, sizeof *self->f);
    self->grad = self->f != NULL ? self->f + values : NULL;
    return self->tape != NULL && self->f != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for residuals");
}

void residuals_release(struct residuals *self)
{
    resnet_tape_free(self->tape);
    mem_free(self->f);
    *self = (struct residuals){.tape = NULL};
}

/* self->f <- the network at a tile of rows from `first` on; *n: how many. */
static enum err_code eval_tile(struct residuals *self, const struct data *rows, int first, int *n,
                               struct err *err)
{
    *n = rows->n - first < OBJECTIVE_TILE ? rows->n - first : OBJECTIVE_TILE;
    if (cancel_is_requested(self->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled while residuals were computed");
    }
    resnet_forward(self->tape, *n, rows->x + (size_t)first * (size_t)rows->d, self->f);
    return ERR_OK;
}

void residuals_set(struct residuals *self, const double *params, const struct cancel *cancel)
{
    resnet_set_params(self->tape, params);
    self->cancel = cancel;
}

enum err_code residuals_squares(struct residuals *self, const struct data *rows,
                                const double *params, const struct cancel *cancel, double *squares,
                                struct err *err)
{
    int n;
    residuals_set(self, params, cancel);
    memset(squares, 0, (size_t)rows->o * sizeof *squares);
    for (int first = 0; first < rows->n; first += OBJECTIVE_TILE) {
        const double *y = rows->y + (size_t)first * (size_t)rows->o;
        if (eval_tile(self, rows, first, &n, err) != ERR_OK) {
            return err->code;
        }
        for (int c = 0; c < n * rows->o; c++) {
            double residual = self->f[c] - y[c];
            if (data_has_holes(rows) && isnan(y[c])) {
                continue;
            }
            squares[c % rows->o] += residual * residual;
        }
    }
    return ERR_OK;
}

enum err_code residuals_add_values(struct residuals *self, const struct data *rows, double share,
                                   double *sums, struct err *err)
{
    int n;
    for (int first = 0; first < rows->n; first += OBJECTIVE_TILE) {
        double *to = sums + (size_t)first * (size_t)rows->o;
        if (eval_tile(self, rows, first, &n, err) != ERR_OK) {
            return err->code;
        }
        for (size_t c = 0; c < (size_t)n * (size_t)rows->o; c++) {
            to[c] += share * self->f[c];
        }
    }
    return ERR_OK;
}

enum err_code residuals_add_pull(struct residuals *self, const struct data *rows,
                                 const double *pull, double *sums, struct err *err)
{
    int n;
    for (int first = 0; first < rows->n; first += OBJECTIVE_TILE) {
        if (eval_tile(self, rows, first, &n, err) != ERR_OK) {
            return err->code;
        }
        resnet_backward(self->tape, pull + (size_t)first * (size_t)rows->o, self->grad, NULL);
        for (size_t k = 0; k < (size_t)self->net->n_params; k++) {
            sums[k] += self->grad[k];
        }
    }
    return ERR_OK;
}

enum err_code residual_squares(const struct resnet *net, const struct data *rows,
                               const double *params, const struct cancel *cancel, double *squares,
                               struct err *err)
{
    struct residuals scratch;
    if (residuals_init(&scratch, net, err) == ERR_OK) {
        err_kept(residuals_squares(&scratch, rows, params, cancel, squares, err));
    }
    residuals_release(&scratch);
    return err->code;
}
