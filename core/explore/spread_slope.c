/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/spread_slope.h"

#include "fit/cross_entropy.h"
#include "network/resnet_tangent.h"
#include "predict/predict_linear_priv.h"

#include <math.h>
#include <string.h>

enum err_code spread_slope_init(struct spread_slope *slope, const struct model *model,
                                struct arena *arena, struct err *err)
{
    size_t d = (size_t)model->d;
    size_t n_out = (size_t)model->net.n_out;
    *slope = (struct spread_slope){.model = model};
    slope->z = arena_alloc_array(arena, 4 * d + 4 * n_out + n_out * d, sizeof *slope->z);
    slope->v = arena_alloc_array(arena, (size_t)model->net.n_params, sizeof *slope->v);
    slope->order = arena_alloc_array(arena, (size_t)model->m, sizeof *slope->order);
    slope->tape = resnet_tape_new(&model->net, 1);
    bool ok = slope->z != NULL && slope->v != NULL && slope->order != NULL && slope->tape != NULL;
    if (ok && predict_is_linear(model)) {
        slope->tangent = resnet_tangent_new(&model->net, 1);
        ok = slope->tangent != NULL;
    }
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory for derivatives");
    }
    predict_order_draws(model->m, SPREAD_DRAWS_SEED, slope->order);
    slope->in = slope->z + d;
    slope->by_z = slope->in + d;
    slope->scratch = slope->by_z + d;
    slope->y = slope->scratch + d + n_out;
    slope->dy = slope->y + n_out;
    slope->along = slope->dy + n_out;
    slope->jacobian = slope->along + n_out;
    return ERR_OK;
}

void spread_slope_release(struct spread_slope *slope)
{
    resnet_tape_free(slope->tape);
    resnet_tangent_free(slope->tangent);
    slope->tape = NULL;
    slope->tangent = NULL;
}

static enum err_code scale_inputs(struct spread_slope *slope, const double *x, double *gradient,
                                  struct err *err)
{
    const struct model *model = slope->model;
    const struct scaler_rows inputs = {.n = 1, .k = model->d, .v = x, .names = model->input_names};
    memset(gradient, 0, (size_t)model->d * sizeof *gradient);
    for (int b = 0; b < model->d; b++) {
        slope->in[b] = scaler_slope(&model->in[b], x[b]);
    }
    return model_scale_inputs(model, &inputs, slope->z, err);
}

/* Runs the network with these parameters; f [o] of the user's units in the place of y's first. */
static void run_network(struct spread_slope *slope, const double *params)
{
    resnet_set_params(slope->tape, params);
    resnet_forward(slope->tape, 1, slope->z, slope->y);
    scaler_invert(slope->model->out, 1, slope->model->o, slope->y);
}

/* Adds the derivatives of the network's outputs with the weights dy. */
static void add_network(struct spread_slope *slope, double *gradient)
{
    resnet_backward(slope->tape, slope->dy, NULL, slope->by_z);
    for (int b = 0; b < slope->model->d; b++) {
        gradient[b] += slope->in[b] * slope->by_z[b];
    }
}

static double mean_of(const double *v, size_t n, size_t stride)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++) {
        sum += v[k * stride];
    }
    return n > 0 ? sum / (double)n : 0.0;
}

/* ---- from draws ---- */

static void add_draws(struct spread_slope *slope, const struct spread_adjoint *by, double *gradient)
{
    const struct model *model = slope->model;
    size_t m = (size_t)model->m;
    double scale = m > 1 ? 1.0 / sqrt((double)m - 1.0) : 0.0;
    double *average = slope->along; /* of each row */
    for (int q = 0; q < by->n_outputs; q++) {
        average[q] = mean_of(by->by_row + (size_t)q * m, m, 1);
    }
    for (size_t j = 0; j < m; j++) {
        size_t draw = (size_t)slope->order[j];
        run_network(slope, model->draws + draw * (size_t)model->net.n_params);
        memset(slope->dy, 0, (size_t)model->net.n_out * sizeof *slope->dy);
        for (int q = 0; q < by->n_outputs; q++) {
            int a = by->outputs[q];
            double gap = by->by_row[(size_t)q * m + j] - average[q];
            double weight = by->by_mean[q] / (double)m + scale * gap;
            slope->dy[a] = weight * scaler_slope_back(&model->out[a], slope->y[a]);
        }
        add_network(slope, gradient);
    }
}

/* ---- in closed form ---- */

/* v [K] <- the direction of the parameters that belongs to derivatives by a member's W. */
static void direction_of(const struct model *model, const struct gauss *g, const double *by_white,
                         double scale, double *v)
{
    size_t rank = (size_t)g->rank;
    const double *by_factor = by_white + (g->std != NULL ? g->n : 0);
    memset(v, 0, (size_t)model->net.n_params * sizeof *v);
    for (size_t k = 0; k < (size_t)g->n; k++) {
        double sum = g->std != NULL ? g->std[k] * by_white[k] : 0.0;
        for (size_t c = 0; c < rank; c++) {
            sum += g->factor[k * rank + c] * by_factor[c];
        }
        v[(size_t)g->first + k] = scale * sum;
    }
}

/* Adds the derivatives of output a of a member: weight times its mean, and along v. In the user's
 * units f = s(y), so d(df/dtheta v)/dx = s' d(dy/dtheta v)/dx + s'' (dy/dtheta v) dy/dx. */
static void add_output(struct spread_slope *slope, int a, double weight, double *gradient)
{
    const struct model *model = slope->model;
    const struct scaler *s = &model->out[a];
    double back = scaler_slope_back(s, slope->y[a]);
    double curve = s->kind == SCALER_LOG ? back * s->scale : 0.0;
    const double *of_mean = slope->jacobian + (size_t)a * (size_t)model->d;
    memset(slope->dy, 0, (size_t)model->net.n_out * sizeof *slope->dy);
    slope->dy[a] = 1.0;
    resnet_tangent_adjoint(slope->tape, slope->dy);
    resnet_tangent_forward(slope->tangent, slope->tape, slope->v, NULL, slope->along);
    slope->dy[a] = 0.0;
    resnet_tangent_backward(slope->tangent, slope->dy, NULL, slope->by_z);
    for (int b = 0; b < model->d; b++) {
        double mean_part = weight * back * of_mean[b];
        double row_part = back * slope->by_z[b] + curve * slope->along[a] * of_mean[b];
        gradient[b] += slope->in[b] * (mean_part + row_part);
    }
}

static void add_members(struct spread_slope *slope, const struct spread_adjoint *by,
                        double *gradient)
{
    const struct model *model = slope->model;
    size_t members = (size_t)model->gaussian.n_members;
    size_t white = predict_linear_extent(&model->gaussian).width;
    size_t each = white + (members > 1 ? 1 : 0); /* the last one: the member's mean */
    double scale = 1.0 / sqrt((double)members);
    for (size_t i = 0; i < members; i++) {
        const struct gauss *g = &model->gaussian.members[i];
        run_network(slope, g->mean);
        resnet_input_jacobian(slope->tape, slope->jacobian, slope->scratch);
        for (int q = 0; q < by->n_outputs; q++) {
            const double *row = by->by_row + (size_t)q * members * each;
            double weight = by->by_mean[q] / (double)members;
            if (members > 1) {
                weight += scale * (row[i * each + white] - mean_of(row + white, members, each));
            }
            direction_of(model, g, row + i * each, scale, slope->v);
            add_output(slope, by->outputs[q], weight, gradient);
        }
    }
}

enum err_code spread_slope_find(struct spread_slope *slope, const double *x,
                                const struct spread_adjoint *by, double *gradient, struct err *err)
{
    if (scale_inputs(slope, x, gradient, err) == ERR_OK) {
        if (slope->tangent != NULL) {
            add_members(slope, by, gradient);
        } else {
            add_draws(slope, by, gradient);
        }
    }
    return err->code;
}

enum err_code spread_slope_feasible(struct spread_slope *slope, const double *x, double *p,
                                    double *gradient, struct err *err)
{
    const struct model *model = slope->model;
    *p = 0.0;
    if (scale_inputs(slope, x, gradient, err) != ERR_OK) {
        return err->code;
    }
    for (size_t j = 0; j < (size_t)model->m; j++) {
        run_network(slope, model->draws + j * (size_t)model->net.n_params);
        double here = cross_entropy_probability(slope->y[0]);
        *p += here / model->m;
        slope->dy[0] = here * (1.0 - here) / model->m;
        add_network(slope, gradient);
    }
    return ERR_OK;
}
