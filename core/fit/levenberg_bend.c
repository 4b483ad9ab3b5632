/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Geodesic acceleration [1]. Along the step -d the outputs change by -J d + 1/2 f'' + .., where f''
 * is their second derivative along d. The step that the second order wants besides is -a / 2 with
 *
 *   (H + lambda I) a = J' L f''
 *
 * which costs four forward passes, a backward pass and two triangles, less than a tenth of H. Fits
 * to rows with little noise follow a narrow, bent valley, in which straight steps must be short:
 * with 1,000 rows of eight inputs forty bent steps come as far as three hundred straight ones.
 *
 * Where a is long beside d, in the metric of H + lambda I, the second order is not small and the
 * step cannot be trusted (the criterion of [1], with its constant): it counts as failed.
 *
 * f'' is a central difference, of which the rounding error is about eps / REACH^2 = 2e-14 of the
 * outputs, the error of the next order REACH^2 of it. Nothing but the speed depends on it: whether a
 * step is taken is decided by E.
 *
 * [1] M. K. Transtrum, J. P. Sethna, Improvements to the Levenberg-Marquardt algorithm for nonlinear
 *     least-squares minimization, arXiv:1201.5885, 2012.
 */
#include "fit/levenberg_priv.h"

#include "math/gemm.h"

#include <math.h>
#include <string.h>

#define REACH    0.1  /* of the difference, as a share of the step */
#define MAX_BEND 0.75 /* |a| / |d| */

/* bend [rows x o] <- f'' / s_j; 0 where a row misses an output. */
static enum err_code second_differences(struct levenberg *self, const struct data *rows,
                                        double *bend, struct err *err)
{
    static const double at[] = {-REACH, 0.0, REACH};
    static const double share[] = {1.0, -2.0, 1.0};
    size_t cells = (size_t)rows->n * (size_t)rows->o;
    memset(bend, 0, cells * sizeof *bend);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < self->problem->net->n_params; k++) {
            self->bent[k] = self->params[k] + at[i] * self->step[k];
        }
        residuals_set(&self->residuals, self->bent, self->problem->cancel);
        if (residuals_add_values(&self->residuals, rows, share[i], bend, err) != ERR_OK) {
            return err->code;
        }
    }
    for (size_t c = 0; c < cells; c++) {
        double scale = REACH * REACH * self->sigmas[c % (size_t)rows->o];
        bend[c] = isnan(rows->y[c]) ? 0.0 : bend[c] / scale;
    }
    return ERR_OK;
}

/* acceleration <- J' L f'', part of the rows by part. */
static enum err_code pull_of_bend(struct levenberg *self, struct err *err)
{
    const struct data *all = &self->problem->rows;
    size_t o = (size_t)all->o;
    size_t k = (size_t)self->problem->net->n_params;
    memset(self->acceleration, 0, k * sizeof *self->acceleration);
    for (int first = 0; first < all->n; first += LEVENBERG_BEND_ROWS) {
        struct data rows = *all;
        rows.x += (size_t)first * (size_t)all->d;
        rows.y += (size_t)first * o;
        rows.n = all->n - first < LEVENBERG_BEND_ROWS ? all->n - first : LEVENBERG_BEND_ROWS;
        if (second_differences(self, &rows, self->bend, err) != ERR_OK) {
            return err->code;
        }
        for (size_t c = 0; c < (size_t)rows.n * o; c++) {
            self->bend[c] /= self->sigmas[c % o];
        }
        residuals_set(&self->residuals, self->params, self->problem->cancel);
        if (residuals_add_pull(&self->residuals, &rows, self->bend, self->acceleration, err) !=
            ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* acceleration <- a in white coordinates, (C + lambda I)^1/2 a. */
static enum err_code accelerate(struct levenberg *self, struct err *err)
{
    int k = self->problem->net->n_params;
    if (self->few) {
        memset(self->acceleration, 0, (size_t)k * sizeof *self->acceleration);
        if (second_differences(self, &self->problem->rows, self->by_line, err) == ERR_OK) {
            levenberg_few_solve(self, self->acceleration);
        }
        return err->code;
    }
    if (pull_of_bend(self, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < k; i++) {
        self->acceleration[i] *= self->scale[i];
    }
    levenberg_many_solve(self, self->acceleration);
    return ERR_OK;
}

enum err_code levenberg_bend(struct levenberg *self, bool *trusted, struct err *err)
{
    double length = 0.0;
    double straight = 0.0;
    if (accelerate(self, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < self->problem->net->n_params; i++) {
        double d = self->step[i] / self->scale[i];
        length += self->acceleration[i] * self->acceleration[i];
        straight += d * d;
        self->trial[i] -= 0.5 * self->acceleration[i] * self->scale[i];
    }
    *trusted = length <= MAX_BEND * MAX_BEND * straight;
    return ERR_OK;
}
