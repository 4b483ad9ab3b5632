/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Jacobian J = df/dx of each draw comes from its plan, one backward pass for each output, with
 * several draws side by side, or the rows where there are enough. Over draws d mean/dx is streamed
 * and, in part two of the result, the co-moment of f and J,
 *
 *   co = sum (f - mean) (J - mean J),     d std/dx = co / ((m - 1) std)
 */
#include "predict/predict_jacobian.h"

#include "network/plan_gradient.h"
#include "network/plan_gradient_rows.h"
#include "predict/predict_priv.h"

#include <math.h>
#include <string.h>

#define HELD 32768 /* numbers of Jacobians that are held at a time, beyond those of one draw */

bool predict_jacobians_init(struct predict_jacobians *jac, const struct predict_call *call,
                            size_t first, size_t rows, struct arena *arena)
{
    const struct model *model = call->model;
    size_t d = (size_t)model->d;
    size_t n_out = (size_t)model->net.n_out;
    size_t each = rows * (size_t)model->o * d;
    bool ok = true;
    *jac = (struct predict_jacobians){.first = first, .rows = rows};
    if ((call->req->want & PREDICT_JACOBIAN) == 0) {
        return true;
    }
    jac->by_rows = rows >= (size_t)plan_gradient_rows_from(&model->plan);
    size_t group = jac->by_rows ? 1 : (size_t)plan_gradient_group(&model->plan);
    group = each * group > HELD ? HELD / each : group;
    group = group > 1 ? group : 1;
    size_t together = group;
    if (jac->by_rows) {
        together = (size_t)plan_gradient_rows_group(&model->plan, (int)rows);
    }
    jac->rows_together = (int)together;
    jac->group = (int)group;
    jac->all = predict_scratch(arena, group * each, &ok);
    jac->scratch =
        predict_scratch(arena,
                        jac->by_rows ? plan_gradient_rows_scratch(&model->plan, (int)together)
                                     : plan_gradient_scratch(&model->plan, (int)group),
                        &ok);
    jac->y = predict_scratch(arena, together * n_out, &ok);
    jac->dy = arena_zalloc_array(arena, together * n_out, sizeof *jac->dy);
    jac->dx = predict_scratch(arena, together * d, &ok);
    jac->slope = predict_scratch(arena, rows * d, &ok);
    if (!ok || jac->dy == NULL) {
        return false;
    }
    const double *x = call->req->x + first * d;
    for (size_t i = 0; i < rows * d; i++) {
        jac->slope[i] = scaler_slope(&model->in[i % d], x[i]);
    }
    return true;
}

/* dy [n x n_out] <- the unit vector of output a, or 0 again. */
static void choose_output(struct predict_jacobians *jac, size_t n, size_t n_out, size_t a,
                          double value)
{
    for (size_t j = 0; j < n; j++) {
        jac->dy[j * n_out + a] = value;
    }
}

/* jac->all <- the Jacobians of a draw at all rows, of the means alone: not of outputs for noise. */
static void differentiate_rows(struct predict_jacobians *jac, const struct model *model, int draw,
                               const double *z)
{
    size_t d = (size_t)model->d;
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    for (size_t first = 0; first < jac->rows; first += (size_t)jac->rows_together) {
        size_t left = jac->rows - first;
        size_t n = left < (size_t)jac->rows_together ? left : (size_t)jac->rows_together;
        const struct plan_gradient_rows of = {&model->plan, draw, (int)n, jac->scratch};
        plan_gradient_rows_forward(&of, z + first * d, jac->y);
        for (size_t a = 0; a < o; a++) {
            choose_output(jac, n, n_out, a, 1.0);
            plan_gradient_rows_backward(&of, jac->dy, jac->dx);
            choose_output(jac, n, n_out, a, 0.0);
            for (size_t i = 0; i < n; i++) {
                memcpy(jac->all + ((first + i) * o + a) * d, jac->dx + i * d, d * sizeof *jac->dx);
            }
        }
    }
    jac->begin = draw;
    jac->end = draw + 1;
}

/* The same of several draws from `first` on, a row at a time. */
static void differentiate_draws(struct predict_jacobians *jac, const struct model *model, int first,
                                const double *z)
{
    size_t d = (size_t)model->d;
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    int left = model->m - first;
    int n = left < jac->group ? left : jac->group;
    const struct plan_gradient of = {&model->plan, first, n, jac->scratch};
    for (size_t i = 0; i < jac->rows; i++) {
        plan_gradient_forward(&of, z + i * d, jac->y);
        for (size_t a = 0; a < o; a++) {
            choose_output(jac, (size_t)n, n_out, a, 1.0);
            plan_gradient_backward(&of, jac->dy, jac->dx);
            choose_output(jac, (size_t)n, n_out, a, 0.0);
            for (size_t j = 0; j < (size_t)n; j++) {
                memcpy(jac->all + ((j * jac->rows + i) * o + a) * d, jac->dx + j * d,
                       d * sizeof *jac->dx);
            }
        }
    }
    jac->begin = first;
    jac->end = first + n;
}

void predict_jacobians_add(struct predict_jacobians *jac, const struct predict_call *call, int draw,
                           const double *z, const double *f)
{
    const struct model *model = call->model;
    size_t d = (size_t)model->d;
    size_t o = (size_t)model->o;
    size_t cells = jac->rows * o;
    double *mean_jac = call->out->jacobian + jac->first * o * d;
    double *co = predict_jacobian_std(call) + jac->first * o * d;
    const double *mean = call->out->mean + jac->first * o;
    if (draw == jac->end) {
        (jac->by_rows ? differentiate_rows : differentiate_draws)(jac, model, draw, z);
    }
    const double *of_draw = jac->all + (size_t)(draw - jac->begin) * cells * d;
    double share = 1.0 / (double)(draw + 1);
    for (size_t c = 0; c < cells; c++) {
        double by = scaler_slope_back(&call->scalers[c % o], f[c]);
        double gap = f[c] - mean[c];
        const double *slope = jac->slope + c / o * d;
        for (size_t b = 0; b < d; b++) {
            size_t at = c * d + b;
            double value = of_draw[at] * (by * slope[b]);
            double delta = value - (draw == 0 ? 0.0 : mean_jac[at]);
            mean_jac[at] = draw == 0 ? value : mean_jac[at] + delta * share;
            co[at] = draw == 0 ? 0.0 : co[at] + gap * delta;
        }
    }
}

void predict_jacobians_finish(const struct predict_jacobians *jac, const struct predict_call *call)
{
    const struct model *model = call->model;
    size_t d = (size_t)model->d;
    size_t first = jac->first * (size_t)model->o;
    double *jacobian_std = predict_jacobian_std(call);
    for (size_t c = first; c < first + jac->rows * (size_t)model->o; c++) {
        double std = sqrt(call->out->variance[c]);
        for (size_t b = 0; b < d; b++) {
            double *value = &jacobian_std[c * d + b];
            *value = std > 0.0 ? *value / ((double)(model->m - 1) * std) : 0.0;
        }
    }
}
