/* SPDX-License-Identifier: Apache-2.0 */
/* One member of a Gaussian posterior at the rows of a tile; predict_linear.c says what and why. */
#include "predict/predict_linear_priv.h"

#include "fit/objective.h"
#include "math/gemm.h"
#include "predict/predict_observation.h"

#include <math.h>
#include <string.h>

/* tile->f at the member's mean; a predicted noise is added to call->noise. */
static void eval_rows(const struct predict_call *call, struct linear_tile *tile, int member)
{
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    double *f = tile->f + (size_t)member * tile->rows * o;
    resnet_set_params(tile->tape, model->gaussian.members[member].mean);
    resnet_forward(tile->tape, (int)tile->rows, tile->z, tile->y);
    for (size_t row = 0; row < tile->rows; row++) {
        const double *y = tile->y + row * n_out;
        for (size_t a = 0; call->noise != NULL && a < o; a++) {
            call->noise[(tile->first + row) * o + a] += objective_variance(y[o + a]);
        }
        for (size_t a = 0; tile->noise != NULL && a < o; a++) {
            double scale = predict_noise_scale(call, a);
            tile->noise[((size_t)member * tile->rows + row) * o + a] =
                objective_variance(y[o + a]) * scale * scale;
        }
        memcpy(f + row * o, y, o * sizeof *f);
    }
    scaler_invert(call->scalers, tile->rows, model->o, f);
}

/* tile->jac, by a backward pass for each output. */
static void eval_jacobian(const struct predict_call *call, struct linear_tile *tile, int member)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t n = (size_t)g->n;
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    size_t k = (size_t)model->net.n_params;
    const double *f = tile->f + (size_t)member * tile->rows * o;
    for (size_t a = 0; a < o; a++) {
        memset(tile->dy, 0, tile->rows * n_out * sizeof *tile->dy);
        for (size_t row = 0; row < tile->rows; row++) {
            tile->dy[row * n_out + a] = 1.0;
        }
        resnet_row_gradients(tile->tape, tile->dy, tile->grad, k);
        for (size_t row = 0; row < tile->rows; row++) {
            double by = scaler_slope_back(&call->scalers[a], f[row * o + a]);
            double *to = tile->jac + (row * o + a) * n;
            const double *from = tile->grad + row * k + g->first;
            for (size_t q = 0; q < n; q++) {
                to[q] = by * from[q];
            }
        }
    }
}

/* Sets tile->white, which is W of a row, and tile->jf. jac: [o x n] */
static void row_whiten(const struct gauss *g, size_t o, const double *jac, struct linear_tile *tile)
{
    size_t n = (size_t)g->n;
    size_t rank = (size_t)g->rank;
    size_t width = predict_linear_width(g);
    if (rank > 0) {
        gemm_nn((int)o, g->rank, g->n, jac, g->factor, 0.0, tile->jf);
    }
    for (size_t a = 0; a < o; a++) {
        double *w = tile->white + a * width;
        for (size_t k = 0; g->std != NULL && k < n; k++) {
            w[k] = jac[a * n + k] * g->std[k];
        }
        if (rank > 0) {
            memcpy(w + width - rank, tile->jf + a * rank, rank * sizeof *w);
        }
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* Adds W W' to out->covariance of a row. */
static void add_covariance(const struct predict_call *call, const struct linear_tile *tile,
                           int member, size_t row)
{
    size_t o = (size_t)call->model->o;
    size_t width = predict_linear_width(&call->model->gaussian.members[member]);
    double *cov = call->out->covariance + (tile->first + row) * o * o;
    for (size_t a = 0; a < o; a++) {
        for (size_t b = 0; b < o; b++) {
            double part = dot(tile->white + a * width, tile->white + b * width, width);
            cov[a * o + b] = member == 0 ? part : cov[a * o + b] + part;
        }
    }
}

/* call->values [M x o x n x (width + 1)] of a row: W, zeros up to the width, and the mean. */
static void keep_row(const struct predict_call *call, const struct linear_tile *tile, int member,
                     size_t row)
{
    size_t o = (size_t)call->model->o;
    size_t n = (size_t)call->req->n;
    size_t width = predict_linear_width(&call->model->gaussian.members[member]);
    size_t room = predict_linear_extent(&call->model->gaussian).width + 1;
    for (size_t a = 0; a < o; a++) {
        double *to = call->values + (((size_t)member * o + a) * n + tile->first + row) * room;
        memset(to, 0, room * sizeof *to);
        memcpy(to, tile->white + a * width, width * sizeof *to);
        to[room - 1] = tile->f[((size_t)member * tile->rows + row) * o + a];
    }
}

/* Samples at a row from those draws of the member that were chosen. */
static void row_samples(const struct predict_call *call, const struct linear_tile *tile, int member,
                        size_t row, const double *jac)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t o = (size_t)model->o;
    int first = member * model->gaussian.n_draws;
    const double *f = tile->f + ((size_t)member * tile->rows + row) * o;
    for (int j = first; j < first + model->gaussian.n_draws; j++) {
        if (call->sample_of[j] < 0) {
            continue;
        }
        const double *theta = model->draws + (size_t)j * (size_t)model->net.n_params + g->first;
        double *to = call->out->samples +
                     ((size_t)call->sample_of[j] * (size_t)call->req->n + tile->first + row) * o;
        for (size_t a = 0; a < o; a++) {
            double sum = 0.0;
            for (size_t k = 0; k < (size_t)g->n; k++) {
                sum += jac[a * (size_t)g->n + k] * (theta[k] - g->mean[(size_t)g->first + k]);
            }
            to[a] = f[a] + sum;
        }
        if (call->req->of_observations) {
            const double *noise =
                tile->noise != NULL ? tile->noise + ((size_t)member * tile->rows + row) * o : NULL;
            predict_observation_add_noise(call, call->sample_of[j], tile->first + row, noise, to);
        }
    }
}

/* v <- S J' of an output at a row; 0 for parameters that are not uncertain. */
static void covariance_times(const struct gauss *g, size_t n_params, const double *jac,
                             const double *jf, double *v)
{
    size_t n = (size_t)g->n;
    size_t rank = (size_t)g->rank;
    memset(v, 0, n_params * sizeof *v);
    for (size_t k = 0; k < n; k++) {
        double sum = g->std != NULL ? g->std[k] * g->std[k] * jac[k] : 0.0;
        for (size_t c = 0; c < rank; c++) {
            sum += g->factor[k * rank + c] * jf[c];
        }
        v[(size_t)g->first + k] = sum;
    }
}

/*
 * Sets df, the derivatives of f by the inputs, and adds those of V = J S J' to part two of the
 * Jacobian. In the user's units f = s(y), J = s'(y) dy/dtheta, so with v = S J'
 *
 *   dV/dx = 2 (s'(y) d(dy/dtheta v)/dx + s''(y) (dy/dtheta v) dy/dx)
 */
static void row_jacobian(const struct predict_call *call, struct linear_tile *tile, int member,
                         size_t row, const double *jac)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t n_out = (size_t)model->net.n_out;
    const double *x = call->req->x + (tile->first + row) * d;
    const double *f = tile->f + ((size_t)member * tile->rows + row) * o;
    double *df = tile->df + ((size_t)member * tile->rows + row) * o * d;
    double *jacobian_std = predict_jacobian_std(call);
    double *along = tile->scratch; /* [n_out] */
    resnet_forward(tile->one, 1, tile->z + row * d, tile->y);
    resnet_input_jacobian(tile->one, tile->input_jac, tile->scratch);
    for (size_t a = 0; a < o; a++) {
        const struct scaler *s = &call->scalers[a];
        double slope = scaler_slope_back(s, f[a]);
        double curve = s->kind == SCALER_LOG ? slope * s->scale : 0.0;
        double *dv = jacobian_std + ((tile->first + row) * o + a) * d;
        covariance_times(g, (size_t)model->net.n_params, jac + a * (size_t)g->n,
                         tile->jf + a * (size_t)g->rank, tile->v);
        memset(tile->dy, 0, n_out * sizeof *tile->dy);
        tile->dy[a] = 1.0;
        resnet_tangent_adjoint(tile->one, tile->dy);
        resnet_tangent_forward(tile->tangent, tile->one, tile->v, NULL, along);
        tile->dy[a] = 0.0;
        resnet_tangent_backward(tile->tangent, tile->dy, NULL, tile->change);
        for (size_t b = 0; b < d; b++) {
            double in = scaler_slope(&model->in[b], x[b]);
            double dy = tile->input_jac[a * d + b];
            double part = 2.0 * in * (slope * tile->change[b] + curve * along[a] * dy);
            df[a * d + b] = slope * in * dy;
            dv[b] = member == 0 ? part : dv[b] + part;
        }
    }
}

/* Makes the samples and nothing else. */
static void member_samples(const struct predict_call *call, struct linear_tile *tile, int member)
{
    const struct gauss_mixture *mixture = &call->model->gaussian;
    size_t jacobian_size = (size_t)call->model->o * (size_t)mixture->members[member].n;
    int n_chosen = 0;
    for (int j = member * mixture->n_draws; j < (member + 1) * mixture->n_draws; j++) {
        n_chosen += call->sample_of[j] >= 0;
    }
    if (n_chosen > 0) {
        eval_rows(call, tile, member);
        eval_jacobian(call, tile, member);
        for (size_t row = 0; row < tile->rows; row++) {
            row_samples(call, tile, member, row, tile->jac + row * jacobian_size);
        }
    }
}

void predict_linear_member(const struct predict_call *call, struct linear_tile *tile, int member)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t o = (size_t)model->o;
    size_t width = predict_linear_width(g);
    if (call->req->samples_alone) {
        member_samples(call, tile, member);
        return;
    }
    eval_rows(call, tile, member);
    eval_jacobian(call, tile, member);
    if (tile->one != NULL) {
        resnet_set_params(tile->one, g->mean);
    }
    for (size_t row = 0; row < tile->rows; row++) {
        const double *jac = tile->jac + row * o * (size_t)g->n;
        double *var = tile->var + ((size_t)member * tile->rows + row) * o;
        row_whiten(g, o, jac, tile);
        for (size_t a = 0; a < o; a++) {
            const double *w = tile->white + a * width;
            var[a] = dot(w, w, width);
        }
        if (call->req->want & PREDICT_COVARIANCE_OUTPUTS) {
            add_covariance(call, tile, member, row);
        }
        if (call->values != NULL) {
            keep_row(call, tile, member, row);
        }
        if (call->sample_of != NULL) {
            row_samples(call, tile, member, row, jac);
        }
        if (tile->one != NULL) {
            row_jacobian(call, tile, member, row, jac);
        }
    }
}
