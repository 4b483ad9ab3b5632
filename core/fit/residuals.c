/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/residuals.h"

#include "base/mem.h"
#include "fit/objective.h"

#include <math.h>
#include <string.h>

enum err_code residuals_init(struct residuals *self, const struct resnet *net, struct err *err)
{
    *self = (struct residuals){.net = net};
    self->tape = resnet_tape_new(net, OBJECTIVE_TILE);
    self->f = mem_alloc_array(OBJECTIVE_TILE * (size_t)net->n_out, sizeof *self->f);
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

enum err_code residuals_squares(struct residuals *self, const struct data *rows,
                                const double *params, const struct cancel *cancel, double *squares,
                                struct err *err)
{
    resnet_set_params(self->tape, params);
    memset(squares, 0, (size_t)rows->o * sizeof *squares);
    for (int first = 0; first < rows->n; first += OBJECTIVE_TILE) {
        int n = rows->n - first < OBJECTIVE_TILE ? rows->n - first : OBJECTIVE_TILE;
        const double *y = rows->y + (size_t)first * (size_t)rows->o;
        if (cancel_is_requested(cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled while residuals were computed");
        }
        resnet_forward(self->tape, n, rows->x + (size_t)first * (size_t)rows->d, self->f);
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
