/* SPDX-License-Identifier: Apache-2.0 */
/* One member of a Gaussian posterior at the rows of a tile; predict_linear.c says what and why. */
#include "predict/predict_linear_priv.h"

#include "losses/objective.h"
#include "predict/predict_observation.h"

#include <math.h>
#include <string.h>

#define COLUMNS 8 /* of the factor, which are multiplied together: a cache line of its rows */

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
    tile->stride = resnet_tape_stride(tile->tape);
}

/* tile->grad <- the derivatives of output a, in the user's units, by a backward pass. */
static void eval_gradients(const struct predict_call *call, struct linear_tile *tile, int member,
                           size_t a)
{
    size_t o = (size_t)call->model->o;
    size_t n_out = (size_t)call->model->net.n_out;
    const double *f = tile->f + (size_t)member * tile->rows * o;
    memset(tile->dy, 0, tile->rows * n_out * sizeof *tile->dy);
    for (size_t row = 0; row < tile->rows; row++) {
        tile->dy[row * n_out + a] = scaler_slope_back(&call->scalers[a], f[row * o + a]);
    }
    resnet_column_gradients(tile->tape, tile->dy, tile->grad);
}

/* J of the member: its part of tile->grad, [n x stride]. */
static const double *uncertain_part(const struct gauss *g, const struct linear_tile *tile)
{
    return tile->grad + (size_t)g->first * tile->stride;
}

/* white [width x stride] <- W' of the tile's rows, for the output whose derivatives grad holds. */
static void whiten(const struct gauss *g, const struct linear_tile *tile, double *white)
{
    size_t n = (size_t)g->n;
    size_t stride = tile->stride;
    const double *jac = uncertain_part(g, tile);
    for (size_t k = 0; g->std != NULL && k < n; k++) {
        for (size_t i = 0; i < stride; i++) {
            white[k * stride + i] = g->std[k] * jac[k * stride + i];
        }
    }
    white += g->std != NULL ? n * stride : 0;
    for (int c = 0; c < g->rank; c += COLUMNS) {
        int columns = g->rank - c < COLUMNS ? g->rank - c : COLUMNS;
        const struct kernels_product p = {.n_out = columns,
                                          .n_in = gauss_reach(g, c, columns),
                                          .ld = stride,
                                          .w = g->factor + c,
                                          .by_out = 1,
                                          .by_in = (size_t)g->rank,
                                          .z = jac,
                                          .out = white + (size_t)c * stride};
        tile->kernels->product(&p);
    }
}

/* tile->sums [stride] <- the sum over the columns of W of products of two outputs' W. */
static void sum_products(const struct linear_tile *tile, size_t width, const double *a,
                         const double *b)
{
    size_t stride = tile->stride;
    double *sums = tile->sums;
    memset(sums, 0, stride * sizeof *sums);
    for (size_t k = 0; k < width; k++, a += stride, b += stride) {
        for (size_t i = 0; i < stride; i++) {
            sums[i] += a[i] * b[i];
        }
    }
}

/*
 * tile->single <- J of the network's own output, in float: its size does not depend on the user's
 * unit. Overwrites tile->sums.
 */
static void round_jacobian(const struct predict_call *call, const struct gauss *g,
                           struct linear_tile *tile, size_t a)
{
    const double *jac = uncertain_part(g, tile);
    double *to_network = tile->sums;
    float *to = tile->single;
    for (size_t i = 0; i < tile->rows; i++) {
        double slope = tile->dy[i * (size_t)call->model->net.n_out + a];
        to_network[i] = fpclassify(slope) != FP_ZERO ? 1.0 / slope : 0.0;
    }
    for (size_t k = 0; k < (size_t)g->n; k++, jac += tile->stride, to += tile->single_stride) {
        for (size_t i = 0; i < tile->rows; i++) {
            to[i] = (float)(jac[i] * to_network[i]);
        }
        for (size_t i = tile->rows; i < tile->single_stride; i++) {
            to[i] = 0.0F;
        }
    }
}

/* sums [rows] <- sums + the squares of the n columns of W that are at `white` [n x ld]. */
static void add_squares(const struct linear_tile *tile, size_t n, const float *white)
{
    for (size_t k = 0; k < n; k++, white += tile->single_stride) {
        for (size_t i = 0; i < tile->rows; i++) {
            double w = white[i];
            tile->sums[i] += w * w;
        }
    }
}

/* var, one every o, <- the variances of output a, of products in float. False where one is not
 * finite. */
static bool single_variances(const struct predict_call *call, const struct gauss *g,
                             struct linear_tile *tile, size_t a, double *var)
{
    size_t ld = tile->single_stride;
    const float *factor = g->rounded;
    bool finite = true;
    round_jacobian(call, g, tile, a);
    memset(tile->sums, 0, tile->stride * sizeof *tile->sums);
    for (int c = 0; c < g->rank; c += KERNELS_OUT) {
        int columns = g->rank - c < KERNELS_OUT ? g->rank - c : KERNELS_OUT;
        int reach = gauss_reach(g, c, columns);
        tile->kernels->columns_f32(columns, reach, ld, factor, NULL, tile->single, tile->block);
        factor += (size_t)reach * (size_t)columns;
        add_squares(tile, (size_t)columns, tile->block);
    }
    for (size_t k = 0; g->std != NULL && k < (size_t)g->n; k++) {
        for (size_t i = 0; i < tile->rows; i++) {
            double w = g->std[k] * (double)tile->single[k * ld + i];
            tile->sums[i] += w * w;
        }
    }
    for (size_t i = 0; i < tile->rows; i++) {
        double slope = tile->dy[i * (size_t)call->model->net.n_out + a];
        double *to = var + i * (size_t)call->model->o;
        *to = tile->sums[i] * (slope * slope);
        finite = finite && isfinite(*to);
    }
    return finite;
}

/* Adds W W' to out->covariance of the tile's rows; white: [o][width x stride]. */
static void add_covariance(const struct predict_call *call, const struct linear_tile *tile,
                           int member)
{
    size_t o = (size_t)call->model->o;
    size_t width = predict_linear_width(&call->model->gaussian.members[member]);
    double *cov = call->out->covariance + tile->first * o * o;
    for (size_t c = 0; c < o * o; c++) {
        sum_products(tile, width, tile->white + c / o * width * tile->stride,
                     tile->white + c % o * width * tile->stride);
        for (size_t row = 0; row < tile->rows; row++) {
            double *to = cov + row * o * o + c;
            *to = member == 0 ? tile->sums[row] : *to + tile->sums[row];
        }
    }
}

/* call->values [M x o x n x (width + 1)] of output a at the tile's rows: W, zeros up to the width,
 * and the mean. */
static void keep_rows(const struct predict_call *call, const struct linear_tile *tile, int member,
                      size_t a, const double *white)
{
    size_t o = (size_t)call->model->o;
    size_t n = (size_t)call->req->n;
    size_t width = predict_linear_width(&call->model->gaussian.members[member]);
    size_t room = predict_linear_extent(&call->model->gaussian).width + 1;
    for (size_t row = 0; row < tile->rows; row++) {
        double *to = call->values + (((size_t)member * o + a) * n + tile->first + row) * room;
        memset(to, 0, room * sizeof *to);
        for (size_t k = 0; k < width; k++) {
            to[k] = white[k * tile->stride + row];
        }
        to[room - 1] = tile->f[((size_t)member * tile->rows + row) * o + a];
    }
}

/* Where draw j's sample at a row of the tile is. */
static double *sample_at(const struct predict_call *call, const struct linear_tile *tile, int j,
                         size_t row)
{
    size_t at = (size_t)call->sample_of[j] * (size_t)call->req->n + tile->first + row;
    return call->out->samples + at * (size_t)call->model->o;
}

/* Samples of output a from those draws of the member that were chosen. */
static void make_samples(const struct predict_call *call, const struct linear_tile *tile,
                         int member, size_t a)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t o = (size_t)model->o;
    int first = member * model->gaussian.n_draws;
    const struct kernels_product p = {.n_out = 1,
                                      .n_in = g->n,
                                      .ld = tile->stride,
                                      .w = tile->gap,
                                      .by_out = 0,
                                      .by_in = 1,
                                      .z = uncertain_part(g, tile),
                                      .out = tile->sums};
    for (int j = first; j < first + model->gaussian.n_draws; j++) {
        if (call->sample_of[j] < 0) {
            continue;
        }
        const double *theta = model->draws + (size_t)j * (size_t)model->net.n_params + g->first;
        for (size_t k = 0; k < (size_t)g->n; k++) {
            tile->gap[k] = theta[k] - g->mean[(size_t)g->first + k];
        }
        tile->kernels->product(&p);
        for (size_t row = 0; row < tile->rows; row++) {
            sample_at(call, tile, j, row)[a] =
                tile->f[((size_t)member * tile->rows + row) * o + a] + tile->sums[row];
        }
    }
}

/* Adds noise to the member's samples, when they are to be of observations. */
static void add_noise(const struct predict_call *call, const struct linear_tile *tile, int member)
{
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    int first = member * model->gaussian.n_draws;
    for (int j = first; call->req->of_observations && j < first + model->gaussian.n_draws; j++) {
        for (size_t row = 0; call->sample_of[j] >= 0 && row < tile->rows; row++) {
            const double *noise =
                tile->noise != NULL ? tile->noise + ((size_t)member * tile->rows + row) * o : NULL;
            predict_observation_add_noise(call, call->sample_of[j], tile->first + row, noise,
                                          sample_at(call, tile, j, row));
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
 * Sets df of an output, the derivatives of f by the inputs, and adds those of V = J S J' to part
 * two of the Jacobian. tile->jac [n] and tile->jf [rank] are J and J F. In the user's units f =
 * s(y), J = s'(y) dy/dtheta, so with v = S J'
 *
 *   dV/dx = 2 (s'(y) d(dy/dtheta v)/dx + s''(y) (dy/dtheta v) dy/dx)
 */
static void row_jacobian(const struct predict_call *call, struct linear_tile *tile, int member,
                         size_t row, size_t a)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t n_out = (size_t)model->net.n_out;
    const double *x = call->req->x + (tile->first + row) * d;
    const double *f = tile->f + ((size_t)member * tile->rows + row) * o;
    double *df = tile->df + ((size_t)member * tile->rows + row) * o * d;
    double *dv = predict_jacobian_std(call) + ((tile->first + row) * o + a) * d;
    double *along = tile->scratch; /* [n_out] */
    const struct scaler *s = &call->scalers[a];
    double slope = scaler_slope_back(s, f[a]);
    double curve = s->kind == SCALER_LOG ? slope * s->scale : 0.0;
    resnet_forward(tile->one, 1, tile->z + row * d, tile->y);
    resnet_input_jacobian(tile->one, tile->input_jac, tile->scratch);
    covariance_times(g, (size_t)model->net.n_params, tile->jac, tile->jf, tile->v);
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

/* row_jacobian of output a at every row of the tile. */
static void jacobians(const struct predict_call *call, struct linear_tile *tile, int member,
                      size_t a, const double *white)
{
    const struct gauss *g = &call->model->gaussian.members[member];
    const double *jac = uncertain_part(g, tile);
    const double *jf = white + (predict_linear_width(g) - (size_t)g->rank) * tile->stride;
    for (size_t row = 0; row < tile->rows; row++) {
        for (size_t k = 0; k < (size_t)g->n; k++) {
            tile->jac[k] = jac[k * tile->stride + row];
        }
        for (size_t c = 0; c < (size_t)g->rank; c++) {
            tile->jf[c] = jf[c * tile->stride + row];
        }
        row_jacobian(call, tile, member, row, a);
    }
}

static bool has_samples(const struct predict_call *call, int member)
{
    int n_draws = call->model->gaussian.n_draws;
    for (int j = member * n_draws; call->sample_of != NULL && j < (member + 1) * n_draws; j++) {
        if (call->sample_of[j] >= 0) {
            return true;
        }
    }
    return false;
}

/* All that follows from the derivatives of output a. */
static void member_output(const struct predict_call *call, struct linear_tile *tile, int member,
                          size_t a)
{
    const struct gauss *g = &call->model->gaussian.members[member];
    size_t o = (size_t)call->model->o;
    size_t width = predict_linear_width(g);
    bool keep = call->req->want & PREDICT_COVARIANCE_OUTPUTS;
    double *white = tile->white + (keep ? a * width * tile->stride : 0);
    double *var = tile->var + (size_t)member * tile->rows * o + a;
    bool single = tile->single != NULL && g->rounded != NULL;
    if (!single || !single_variances(call, g, tile, a, var)) {
        whiten(g, tile, white);
        sum_products(tile, width, white, white);
        for (size_t row = 0; row < tile->rows; row++) {
            double *to = var + row * o;
            *to = single && isfinite(*to) ? *to : tile->sums[row];
        }
    }
    if (call->values != NULL) {
        keep_rows(call, tile, member, a, white);
    }
    if (tile->one != NULL) {
        jacobians(call, tile, member, a, white);
    }
}

void predict_linear_member(const struct predict_call *call, struct linear_tile *tile, int member)
{
    const struct model *model = call->model;
    bool samples = has_samples(call, member);
    if (call->req->samples_alone && !samples) {
        return;
    }
    eval_rows(call, tile, member);
    if (tile->one != NULL) {
        resnet_set_params(tile->one, model->gaussian.members[member].mean);
    }
    bool variance = !call->req->samples_alone && predict_linear_needs_variance(call->req->want);
    for (size_t a = 0; a < (size_t)model->o && (samples || variance); a++) {
        eval_gradients(call, tile, member, a);
        if (samples) {
            make_samples(call, tile, member, a);
        }
        if (variance) {
            member_output(call, tile, member, a);
        }
    }
    if (!variance) {
        size_t cells = tile->rows * (size_t)model->o;
        memset(tile->var + (size_t)member * cells, 0, cells * sizeof *tile->var);
    }
    if (samples) {
        add_noise(call, tile, member);
    }
    if (!call->req->samples_alone && (call->req->want & PREDICT_COVARIANCE_OUTPUTS)) {
        add_covariance(call, tile, member);
    }
}
