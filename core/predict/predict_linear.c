/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of Gaussian posteriors in closed form. Near the mean theta_i of member i the network
 * is nearly linear in its parameters,
 *
 *   f(x; theta) ~ f_i(x) + J_i(x) (theta - theta_i),     J_i = df/dtheta at theta_i,
 *
 * and a linear function of a normal vector is normal [1, 2]: its mean is f_i and its covariance
 * J_i S_i J_i', S_i = diag(std^2) + F F'. With W = [J diag(std), J F] the covariance is W W', which
 * is never negative, and S, which is K x K, is not formed. J contains all that lies between the
 * parameters and the user: the network, its final map and the output's scaler. So a logarithmic
 * output is normal in the user's units here, not log-normal as its draws would be.
 *
 * M members are a mixture with equal weights: mean f = sum f_i / M, covariance
 * sum (W_i W_i' + (f_i - f)(f_i - f)') / M. Its quantiles are those of math/normal_mixture.h; for
 * one member that is f + s z.
 *
 * Samples are f_i + J_i (theta_j - theta_i) for the model's own draws theta_j, so that the values
 * of one sample at several rows belong to one draw. A predicted noise is taken at the members'
 * means.
 *
 * Where we differ: QUiNN predicts its Laplace posteriors through draws only. Far from the mode,
 * where f is not linear in theta, such predictions underfit (section 3 of [2]).
 *
 * The Jacobian by the inputs is exact. With u = S J' held fixed, the variance V = J S J' of an
 * output has dV/dx = 2 d(J u)/dx. J u is the derivative of f along u, and one pass of forward over
 * reverse mode gives its gradient by x (core/network/resnet_tangent).
 *
 * The rows of a tile lie side by side along the vectors (core/network/resnet_columns.c), and W' =
 * F' J' is made by kernels whose bits of a row do not depend on the rows beside it. Of a Cholesky
 * factor, an upper triangle, half of the products are left out.
 *
 * A model that is served in float32 has its variances from F and J in float, summed in double. In
 * the products large numbers cancel, the more so the less noise there is: with entries of F up to 1
 * and standard deviations of 1e-5, these are off by 1e-4 to 4e-3 of themselves. Means are in
 * double, and so is all that needs W itself.
 *
 * [1] D. MacKay, A practical Bayesian framework for backpropagation networks, Neural Computation 4,
 *     1992.
 * [2] A. Immer, M. Korzepa, M. Bauer, Improving predictions of Bayesian neural nets via local
 *     linearization, AISTATS 2021.
 */
#include "predict/predict_linear_priv.h"

#include "base/mem.h"
#include "math/gemm.h"
#include "math/normal.h"
#include "predict/predict_interval.h"
#include "predict/predict_observation.h"

#include <math.h>
#include <string.h>

#define ANY_QUANTILES (PREDICT_QUANTILES | PREDICT_TOTAL_QUANTILES)

struct predict_linear_extent predict_linear_extent(const struct gauss_mixture *mixture)
{
    struct predict_linear_extent max = {.n = 0};
    for (int i = 0; i < mixture->n_members; i++) {
        const struct gauss *g = &mixture->members[i];
        max.n = (size_t)g->n > max.n ? (size_t)g->n : max.n;
        max.width = predict_linear_width(g) > max.width ? predict_linear_width(g) : max.width;
    }
    return max;
}

size_t predict_linear_values(const struct model *model, int n)
{
    return (size_t)model->gaussian.n_members * (size_t)n * (size_t)model->o *
           (predict_linear_extent(&model->gaussian).width + 1);
}

enum err_code predict_linear_check(const struct model *model, const struct predict_request *req,
                                   struct err *err)
{
    const struct gauss_mixture *mixture = &model->gaussian;
    struct predict_linear_extent max = predict_linear_extent(mixture);
    size_t o = (size_t)model->o;
    size_t cells = (size_t)req->n * o;
    for (int k = 0; (req->want & PREDICT_QUANTILES) && k < req->n_levels; k++) {
        if (!(req->levels[k] > 0.0 && req->levels[k] < 1.0)) {
            return err_set(err, ERR_INVALID,
                           "quantile level %g is not finite for this model, whose predictions are "
                           "normal; levels must be above 0 and below 1",
                           req->levels[k]);
        }
    }
    size_t by_input = req->want & PREDICT_JACOBIAN ? (size_t)model->d : 1;
    size_t whole = req->want & PREDICT_COVARIANCE_OUTPUTS ? o : 1;
    size_t tile = (size_t)predict_linear_rows(model);
    bool small = predict_fits(tile, whole, max.width, 1) &&
                 predict_fits(tile, (size_t)model->net.n_params, 1, 1) &&
                 predict_fits(tile * (size_t)mixture->n_members, o, by_input, 1);
    if ((req->want & PREDICT_COVARIANCE_ROWS) &&
        !predict_fits(cells, max.width + 1, (size_t)mixture->n_members, 1)) {
        small = false;
    }
    return small ? ERR_OK
                 : err_set(err, ERR_LIMIT,
                           "more than %zu numbers would have to be held; ask for fewer rows at a "
                           "time",
                           PREDICT_MAX_VALUES);
}

double predict_linear_work(const struct model *model, unsigned want)
{
    double work = 0.0;
    /* A Jacobian is another backward pass, and both passes along a direction. */
    double passes = want & PREDICT_JACOBIAN ? 11.0 : 3.0;
    double cost = model->plan.precision == PRECISION_FLOAT32 ? 0.5 : 1.0;
    for (int i = 0; i < model->gaussian.n_members; i++) {
        const struct gauss *g = &model->gaussian.members[i];
        double shares = (g->upper ? 0.5 : 1.0) + (want & PREDICT_JACOBIAN ? 1.0 : 0.0);
        double products = cost * (double)g->n * shares * (g->rank + 1.0);
        /* A forward pass; for each output a backward pass, and the product with F. */
        double spread = passes * (double)model->net.pack_size + products;
        bool with = predict_linear_needs_variance(want) || (want & PREDICT_SAMPLES);
        work += (double)model->net.pack_size + (with ? model->o * spread : 0.0);
    }
    return work;
}

enum err_code predict_linear_begin(struct predict_call *call, struct arena *arena, struct err *err)
{
    const struct predict_request *req = call->req;
    if (!(req->want & PREDICT_QUANTILES)) {
        return ERR_OK;
    }
    call->z = arena_alloc_array(arena, (size_t)req->n_levels, sizeof *call->z);
    if (call->z == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the quantiles");
    }
    for (int k = 0; k < req->n_levels; k++) {
        call->z[k] = normal_quantile(req->levels[k]);
    }
    return ERR_OK;
}

/* ---- one tile ---- */

/* The outputs whose W is held at a time. */
static size_t white_outputs(const struct predict_call *call)
{
    return call->req->want & PREDICT_COVARIANCE_OUTPUTS ? (size_t)call->model->o : 1;
}

static enum err_code tile_init(struct linear_tile *tile, const struct predict_call *call,
                               struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    struct predict_linear_extent max = predict_linear_extent(&model->gaussian);
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t n_out = (size_t)model->net.n_out;
    size_t k = (size_t)model->net.n_params;
    size_t cells = (size_t)model->gaussian.n_members * tile->rows * o;
    bool ok = true;
    tile->z = predict_scratch(arena, tile->rows * (size_t)model->net.arch.inputs, &ok);
    tile->f = predict_scratch(arena, cells, &ok);
    tile->var = predict_scratch(arena, cells, &ok);
    tile->y = predict_scratch(arena, tile->rows * n_out, &ok);
    tile->dy = predict_scratch(arena, tile->rows * n_out, &ok);
    size_t room = (size_t)predict_linear_rows(model);
    tile->grad = predict_scratch(arena, room * k, &ok);
    tile->white = predict_scratch(arena, room * white_outputs(call) * max.width, &ok);
    tile->sums = predict_scratch(arena, room, &ok);
    if (predict_linear_is_single(call)) {
        tile->single_stride =
            (tile->rows + KERNELS_PAD_F32 - 1) / KERNELS_PAD_F32 * KERNELS_PAD_F32;
        tile->single = arena_alloc_array(arena, max.n * tile->single_stride, sizeof(float));
        tile->block = arena_alloc_array(arena, KERNELS_OUT * tile->single_stride, sizeof(float));
        ok = ok && tile->single != NULL && tile->block != NULL;
    }
    if (call->sample_of != NULL) {
        tile->gap = predict_scratch(arena, max.n, &ok);
    }
    if (predict_observation_needs_noise(call)) {
        tile->noise = predict_scratch(arena, cells, &ok);
        tile->total = predict_scratch(arena, (size_t)model->gaussian.n_members, &ok);
    }
    tile->tape = resnet_tape_new(&model->net, (int)tile->rows);
    ok = ok && tile->tape != NULL;
    if (call->req->want & PREDICT_JACOBIAN) {
        tile->df = predict_scratch(arena, cells * d, &ok);
        tile->jac = predict_scratch(arena, max.n, &ok);
        tile->jf = predict_scratch(arena, max.width, &ok);
        tile->v = predict_scratch(arena, k, &ok);
        tile->input_jac = predict_scratch(arena, n_out * d, &ok);
        tile->change = predict_scratch(arena, d, &ok);
        tile->scratch = predict_scratch(arena, n_out + d, &ok);
        tile->one = resnet_tape_new(&model->net, 1);
        tile->tangent = resnet_tangent_new(&model->net, 1);
        ok = ok && tile->one != NULL && tile->tangent != NULL;
    }
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a prediction");
}

static void tile_release(struct linear_tile *tile)
{
    resnet_tape_free(tile->tape);
    resnet_tape_free(tile->one);
    resnet_tangent_free(tile->tangent);
}

/* ---- the mixture ---- */

static void tile_moments(const struct predict_call *call, const struct linear_tile *tile)
{
    size_t m = (size_t)call->model->gaussian.n_members;
    size_t o = (size_t)call->model->o;
    size_t cells = tile->rows * o;
    double *mean = call->out->mean + tile->first * o;
    double *variance = call->out->variance + tile->first * o;
    for (size_t c = 0; c < cells; c++) {
        double sum = 0.0;
        for (size_t i = 0; i < m; i++) {
            sum += tile->f[i * cells + c];
        }
        /* The mean of equal numbers may differ from them by rounding. */
        bool equal = m == 1 || scaler_is_constant(&call->scalers[c % o]);
        mean[c] = equal ? tile->f[c] : sum / (double)m;
        sum = 0.0;
        for (size_t i = 0; i < m; i++) {
            double gap = tile->f[i * cells + c] - mean[c];
            sum += tile->var[i * cells + c] + gap * gap;
        }
        variance[c] = sum / (double)m;
    }
}

static void tile_covariance(const struct predict_call *call, const struct linear_tile *tile)
{
    size_t m = (size_t)call->model->gaussian.n_members;
    size_t o = (size_t)call->model->o;
    for (size_t row = 0; row < tile->rows; row++) {
        const double *mean = call->out->mean + (tile->first + row) * o;
        double *cov = call->out->covariance + (tile->first + row) * o * o;
        for (size_t c = 0; c < o * o; c++) {
            for (size_t i = 0; i < m; i++) {
                const double *f = tile->f + (i * tile->rows + row) * o;
                cov[c] += (f[c / o] - mean[c / o]) * (f[c % o] - mean[c % o]);
            }
            cov[c] /= (double)m;
        }
        for (size_t a = 0; a < o; a++) {
            cov[a * o + a] = call->out->variance[(tile->first + row) * o + a];
        }
    }
}

/*
 * On entry part two of the Jacobian holds the sum of the members' dV_i/dx. The deviations f_i - f
 * sum to 0, so of the mixture
 *
 *   dV/dx = sum (dV_i/dx + 2 (f_i - f) df_i/dx) / M,     dstd/dx = dV/dx / (2 std)
 */
static void tile_jacobian(const struct predict_call *call, const struct linear_tile *tile)
{
    size_t m = (size_t)call->model->gaussian.n_members;
    size_t o = (size_t)call->model->o;
    size_t d = (size_t)call->model->d;
    size_t cells = tile->rows * o;
    double *jacobian_std = predict_jacobian_std(call);
    for (size_t c = 0; c < cells; c++) {
        size_t at = tile->first * o + c;
        double std = sqrt(call->out->variance[at]);
        for (size_t b = 0; b < d; b++) {
            double mean_slope = 0.0;
            double variance_slope = jacobian_std[at * d + b];
            for (size_t i = 0; i < m; i++) {
                double slope = tile->df[(i * cells + c) * d + b];
                mean_slope += slope;
                variance_slope += 2.0 * (tile->f[i * cells + c] - call->out->mean[at]) * slope;
            }
            call->out->jacobian[at * d + b] = mean_slope / (double)m;
            jacobian_std[at * d + b] = std > 0.0 ? variance_slope / (2.0 * (double)m * std) : 0.0;
        }
    }
}

/* Intervals of a calibration by folds; each fold is the mixture of its own members. */
static void tile_folds(const struct predict_call *call, const struct linear_tile *tile,
                       struct predict_folds *folds)
{
    int n_folds = call->model->conformal.n_folds;
    int each = call->model->gaussian.n_members / n_folds;
    for (int k = 0; k < n_folds; k++) {
        size_t at = (size_t)(k * each) * folds->cells;
        predict_folds_set(folds, k, each, tile->f + at, tile->var + at);
    }
    predict_folds_finish(folds, call, tile->first);
}

/* Quantiles of cell c of the tile, without noise and with it. */
static void cell_quantiles(const struct predict_call *call, const struct linear_tile *tile,
                           size_t c)
{
    const struct predict_request *req = call->req;
    size_t o = (size_t)call->model->o;
    struct normal_mixture mix = {.m = (size_t)call->model->gaussian.n_members,
                                 .mean = tile->f + c,
                                 .stride = tile->rows * o,
                                 .var = tile->var + c,
                                 .var_stride = tile->rows * o};
    for (int k = 0; (req->want & PREDICT_QUANTILES) && k < req->n_levels; k++) {
        call->out->quantiles[((size_t)k * (size_t)req->n + tile->first) * o + c] =
            normal_mixture_quantile(&mix, req->levels[k], call->z[k]);
    }
    if (req->want & PREDICT_TOTAL_QUANTILES) {
        for (size_t i = 0; tile->noise != NULL && i < mix.m; i++) {
            tile->total[i] = mix.var[i * mix.var_stride] + tile->noise[i * mix.stride + c];
        }
        if (tile->noise != NULL) {
            mix.var = tile->total;
            mix.var_stride = 1;
        } else {
            mix.more_var =
                predict_observation_noise(call, c % o, call->out->mean[tile->first * o + c]);
        }
        predict_observation_quantiles(call, tile->first * o + c, &mix);
    }
}

static void tile_finish(const struct predict_call *call, const struct linear_tile *tile)
{
    const struct predict_request *req = call->req;
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    size_t cells = tile->rows * o;
    tile_moments(call, tile);
    if (req->want & PREDICT_COVARIANCE_OUTPUTS) {
        tile_covariance(call, tile);
    }
    if (req->want & PREDICT_JACOBIAN) {
        tile_jacobian(call, tile);
    }
    for (size_t c = 0; (req->want & ANY_QUANTILES) && c < cells; c++) {
        cell_quantiles(call, tile, c);
    }
}

enum err_code predict_linear_tile(const struct predict_call *call, int index, struct arena *scratch,
                                  struct err *err)
{
    const struct model *model = call->model;
    struct predict_span span = predict_tile_span(call, index);
    size_t first = span.first;
    struct linear_tile tile = {.first = first, .rows = span.rows, .kernels = kernels_get()};
    struct predict_folds folds;
    if (!predict_folds_init(&folds, call, tile.rows, scratch)) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    const struct scaler_rows inputs = {.n = tile.rows,
                                       .k = model->d,
                                       .v = call->req->x + first * (size_t)model->d,
                                       .first_row = first,
                                       .names = model->input_names};
    if (tile_init(&tile, call, scratch, err) == ERR_OK &&
        model_scale_inputs(model, &inputs, tile.z, err) == ERR_OK) {
        for (int i = 0; i < model->gaussian.n_members; i++) {
            predict_linear_member(call, &tile, i);
        }
        if (!call->req->samples_alone) {
            tile_finish(call, &tile);
        }
        if (folds.mean != NULL) {
            tile_folds(call, &tile, &folds);
        }
        predict_noise_finish(call, first, tile.rows, model->gaussian.n_members);
    }
    tile_release(&tile);
    return err->code;
}

void predict_linear_row_covariance(const struct predict_call *call)
{
    const struct gauss_mixture *mixture = &call->model->gaussian;
    size_t n = (size_t)call->req->n;
    size_t o = (size_t)call->model->o;
    size_t room = predict_linear_extent(mixture).width + 1;
    for (int i = 0; i < mixture->n_members; i++) {
        for (size_t a = 0; a < o; a++) {
            double *w = call->values + ((size_t)i * o + a) * n * room;
            for (size_t row = 0; row < n; row++) {
                w[row * room + room - 1] -= call->out->mean[row * o + a];
            }
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)room,
                        1.0 / (double)mixture->n_members, w, (int)room, w, (int)room,
                        i == 0 ? 0.0 : 1.0, call->out->covariance_rows + a * n * n, (int)n);
        }
    }
}
