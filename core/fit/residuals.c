/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/residuals.h"

#include "base/mem.h"
#include "fit/objective.h"

#include <math.h>
#include <string.h>

enum err_code residual_squares(const struct resnet *net, const struct data *rows,
                               const double *params, const struct cancel *cancel, double *squares,
                               struct err *err)
{
    struct resnet_tape *tape = resnet_tape_new(net, OBJECTIVE_TILE);
    double *f = mem_alloc_array(OBJECTIVE_TILE * (size_t)net->n_out, sizeof *f);
    if (tape == NULL || f == NULL) {
        err_set(err, ERR_NOMEM, "no memory for residuals");
        goto done;
    }
    resnet_set_params(tape, params);
    memset(squares, 0, (size_t)rows->o * sizeof *squares);
    for (int first = 0; first < rows->n; first += OBJECTIVE_TILE) {
        int n = rows->n - first < OBJECTIVE_TILE ? rows->n - first : OBJECTIVE_TILE;
        const double *y = rows->y + (size_t)first * (size_t)rows->o;
        if (cancel_is_requested(cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled while residuals were computed");
            break;
        }
        resnet_forward(tape, n, rows->x + (size_t)first * (size_t)rows->d, f);
        for (int c = 0; c < n * rows->o; c++) {
            double residual = f[c] - y[c];
            if (data_has_holes(rows) && isnan(y[c])) {
                continue;
            }
            squares[c % rows->o] += residual * residual;
        }
    }
done:
    resnet_tape_free(tape);
    mem_free(f);
    return err->code;
}
