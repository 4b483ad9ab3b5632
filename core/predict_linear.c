/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions of Gaussian posteriors in closed form. Near the mean theta_i of member i the network
 * is nearly linear in its parameters,
 *
 *   f(x; theta) ~ f_i(x) + J_i(x) (theta - theta_i),     J_i = df/dtheta at theta_i,
 *
 * and of a linear function of a normal vector everything is known [1, 2]: it is normal with mean
 * f_i and covariance J_i S_i J_i', S_i = diag(std^2) + F F'. With W = [J diag(std), J F] this is
 * W W', never negative, and S, which is K x K, is not formed. J contains all that lies between the
 * parameters and the user: the network, its final map and the output's scaler, so a logarithmic
 * output is normal in the user's units here, not log-normal as its draws would be.
 *
 * M members are a mixture with equal weights: mean f = sum f_i / M, covariance
 * sum (W_i W_i' + (f_i - f)(f_i - f)') / M. Its quantiles solve sum Phi((q - f_i) / s_i) / M =
 * level by bisection; for one member that is f + s z.
 *
 * Samples are f_i + J_i (theta_j - theta_i) of the model's own draws theta_j, so that those of one
 * draw at several rows belong together. A predicted noise is taken at the means of the members.
 *
 * Where we differ: QUiNN predicts its Laplace posteriors through draws only, which far from the
 * mode of a network with curved f underfits (section 3 of [2]).
 *
 * A row is computed by itself with products of fixed shapes: its bits do not depend on the rows
 * beside it.
 *
 * [1] D. MacKay, A practical Bayesian framework for backpropagation networks, Neural Computation 4,
 *     1992.
 * [2] A. Immer, M. Korzepa, M. Bauer, Improving predictions of Bayesian neural nets via local
 *     linearization, AISTATS 2021.
 */
#include "predict_priv.h"

#include "chain.h"
#include "gemm.h"
#include "mem.h"
#include "objective.h"
#include "predict_interval.h"

#include <math.h>
#include <string.h>

#define MOST_BISECTIONS 200

/* Columns of W. */
static size_t width_of(const struct gauss *g)
{
    return (g->std != NULL ? (size_t)g->n : 0) + (size_t)g->rank;
}

/* The most over members. */
struct extent {
    size_t n;     /* uncertain parameters */
    size_t width; /* columns of W */
};

static struct extent extent_of(const struct gauss_mixture *mixture)
{
    struct extent most = {.n = 0};
    for (int i = 0; i < mixture->n_members; i++) {
        const struct gauss *g = &mixture->members[i];
        most.n = (size_t)g->n > most.n ? (size_t)g->n : most.n;
        most.width = width_of(g) > most.width ? width_of(g) : most.width;
    }
    return most;
}

static bool fits(size_t a, size_t b, size_t c)
{
    size_t total;
    return size_mul(a, b, &total) && size_mul(total, c, &total) && total <= PREDICT_MAX_VALUES;
}

size_t predict_linear_values(const struct model *model, int n)
{
    return (size_t)model->gaussian.n_members * (size_t)n * (size_t)model->o *
           (extent_of(&model->gaussian).width + 1);
}

enum err_code predict_linear_check(const struct model *model, const struct predict_request *req,
                                   struct err *err)
{
    const struct gauss_mixture *mixture = &model->gaussian;
    struct extent most = extent_of(mixture);
    size_t o = (size_t)model->o;
    size_t cells = (size_t)req->n * o;
    if (req->want & PREDICT_JACOBIAN) {
        return err_set(err, ERR_UNSUPPORTED,
                       "this model is predicted in closed form, where the Jacobian of the standard "
                       "deviation is not known; the Jacobian cannot be returned");
    }
    for (int k = 0; (req->want & PREDICT_QUANTILES) && k < req->n_levels; k++) {
        if (!(req->levels[k] > 0.0 && req->levels[k] < 1.0)) {
            return err_set(err, ERR_INVALID,
                           "quantile level %g is not finite for this model, whose predictions are "
                           "normal; levels must be above 0 and below 1",
                           req->levels[k]);
        }
    }
    bool small = fits(o, most.n + most.width, 1) && fits(o, (size_t)model->net.n_params, 1) &&
                 fits(PREDICT_LINEAR_TILE, o, (size_t)mixture->n_members);
    if ((req->want & PREDICT_COVARIANCE_ROWS) &&
        !fits(cells, most.width + 1, (size_t)mixture->n_members)) {
        small = false;
    }
    return small ? ERR_OK
                 : err_set(err, ERR_LIMIT,
                           "more than %zu numbers would have to be held; ask for fewer rows at a "
                           "time",
                           PREDICT_MAX_VALUES);
}

double predict_linear_work(const struct model *model)
{
    double work = 0.0;
    for (int i = 0; i < model->gaussian.n_members; i++) {
        const struct gauss *g = &model->gaussian.members[i];
        /* A forward pass; for each output a backward pass, and the product with F. */
        work += (1.0 + 3.0 * model->o) * (double)model->net.pack_size +
                (double)model->o * (double)g->n * (double)(g->rank + 1);
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
        call->z[k] = chain_normal_quantile(req->levels[k]);
    }
    return ERR_OK;
}

/* ---- one tile ---- */

struct tile {
    size_t first; /* row */
    size_t rows;
    double *z;     /* [rows x d] scaled inputs */
    double *f;     /* [M x rows x o] members' means, user's units */
    double *var;   /* [M x rows x o] their variances */
    double *y;     /* [n_out] of one row, as are all that follow */
    double *dy;    /* [n_out] */
    double *grad;  /* [K] */
    double *jac;   /* [o x n] by the uncertain parameters, user's units */
    double *jf;    /* [o x rank] */
    double *white; /* [o x width] W */
    struct resnet_tape *tape;
    struct predict_folds folds; /* for conformal intervals */
};

static double *scratch_get(struct arena *arena, size_t count, bool *ok)
{
    double *block = arena_alloc_array(arena, count, sizeof *block);
    *ok = *ok && block != NULL;
    return block;
}

static enum err_code tile_init(struct tile *tile, const struct predict_call *call,
                               struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    struct extent most = extent_of(&model->gaussian);
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    size_t cells = (size_t)model->gaussian.n_members * tile->rows * o;
    bool ok = true;
    tile->z = scratch_get(arena, tile->rows * (size_t)model->d, &ok);
    tile->f = scratch_get(arena, cells, &ok);
    tile->var = scratch_get(arena, cells, &ok);
    tile->y = scratch_get(arena, n_out, &ok);
    tile->dy = scratch_get(arena, n_out, &ok);
    tile->grad = scratch_get(arena, (size_t)model->net.n_params, &ok);
    tile->jac = scratch_get(arena, o * most.n, &ok);
    tile->jf = scratch_get(arena, o * most.width, &ok);
    tile->white = scratch_get(arena, o * most.width, &ok);
    tile->tape = resnet_tape_new(&model->net, 1);
    ok = ok && predict_folds_init(&tile->folds, call, tile->rows, arena);
    return ok && tile->tape != NULL ? ERR_OK
                                    : err_set(err, ERR_NOMEM, "no memory for a prediction");
}

/* y and J of a row at the parameters of the tape, in the user's units. */
static void row_eval(const struct model *model, const struct gauss *g, struct tile *tile,
                     size_t row, double *noise)
{
    size_t n = (size_t)g->n;
    size_t o = (size_t)model->o;
    resnet_forward(tile->tape, 1, tile->z + row * (size_t)model->d, tile->y);
    for (size_t a = 0; noise != NULL && a < o; a++) {
        noise[a] += objective_variance(tile->y[o + a]);
    }
    scaler_invert(model->out, 1, model->o, tile->y);
    memset(tile->dy, 0, (size_t)model->net.n_out * sizeof *tile->dy);
    for (size_t a = 0; a < o; a++) {
        double by = 1.0 / scaler_slope(&model->out[a], tile->y[a]);
        tile->dy[a] = 1.0;
        resnet_backward(tile->tape, tile->dy, tile->grad, NULL);
        tile->dy[a] = 0.0;
        for (size_t k = 0; k < n; k++) {
            tile->jac[a * n + k] = by * tile->grad[(size_t)g->first + k];
        }
    }
}

/* W of the row whose J is there. */
static void row_whiten(const struct gauss *g, size_t o, struct tile *tile)
{
    size_t n = (size_t)g->n;
    size_t rank = (size_t)g->rank;
    size_t width = width_of(g);
    if (rank > 0) {
        gemm_nn((int)o, g->rank, g->n, tile->jac, g->factor, 0.0, tile->jf);
    }
    for (size_t a = 0; a < o; a++) {
        double *w = tile->white + a * width;
        for (size_t k = 0; g->std != NULL && k < n; k++) {
            w[k] = tile->jac[a * n + k] * g->std[k];
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

/* out->covariance of a row's outputs gathers W W'. */
static void add_covariance(const struct predict_call *call, const struct tile *tile, int member,
                           size_t row)
{
    size_t o = (size_t)call->model->o;
    size_t width = width_of(&call->model->gaussian.members[member]);
    double *cov = call->out->covariance + (tile->first + row) * o * o;
    for (size_t a = 0; a < o; a++) {
        for (size_t b = 0; b < o; b++) {
            double part = dot(tile->white + a * width, tile->white + b * width, width);
            cov[a * o + b] = member == 0 ? part : cov[a * o + b] + part;
        }
    }
}

/* call->values [M x o x n x (width + 1)]: W with zeros behind it, and the mean. */
static void keep_row(const struct predict_call *call, const struct tile *tile, int member,
                     size_t row)
{
    size_t o = (size_t)call->model->o;
    size_t n = (size_t)call->req->n;
    size_t width = width_of(&call->model->gaussian.members[member]);
    size_t room = extent_of(&call->model->gaussian).width + 1;
    for (size_t a = 0; a < o; a++) {
        double *to = call->values + (((size_t)member * o + a) * n + tile->first + row) * room;
        memset(to, 0, room * sizeof *to);
        memcpy(to, tile->white + a * width, width * sizeof *to);
        to[room - 1] = tile->f[((size_t)member * tile->rows + row) * o + a];
    }
}

/* The chosen draws of a member. */
static void row_samples(const struct predict_call *call, const struct tile *tile, int member,
                        size_t row)
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
                sum += tile->jac[a * (size_t)g->n + k] * (theta[k] - g->mean[(size_t)g->first + k]);
            }
            to[a] = f[a] + sum;
        }
    }
}

static void member_add(const struct predict_call *call, struct tile *tile, int member)
{
    const struct model *model = call->model;
    const struct gauss *g = &model->gaussian.members[member];
    size_t o = (size_t)model->o;
    size_t width = width_of(g);
    resnet_set_params(tile->tape, g->mean);
    for (size_t row = 0; row < tile->rows; row++) {
        size_t at = ((size_t)member * tile->rows + row) * o;
        double *noise = call->noise != NULL ? call->noise + (tile->first + row) * o : NULL;
        row_eval(model, g, tile, row, noise);
        row_whiten(g, o, tile);
        memcpy(tile->f + at, tile->y, o * sizeof *tile->f);
        for (size_t a = 0; a < o; a++) {
            const double *w = tile->white + a * width;
            tile->var[at + a] = dot(w, w, width);
        }
        if (call->req->want & PREDICT_COVARIANCE_OUTPUTS) {
            add_covariance(call, tile, member, row);
        }
        if (call->values != NULL) {
            keep_row(call, tile, member, row);
        }
        if (call->sample_of != NULL) {
            row_samples(call, tile, member, row);
        }
    }
}

/* ---- the mixture ---- */

/* f and var of member i stand at f[i * stride], var[i * stride]. */
struct mixture {
    const double *f;
    const double *var;
    size_t stride;
    size_t m;
};

static double distribution(const struct mixture *mix, double at)
{
    double sum = 0.0;
    for (size_t i = 0; i < mix->m; i++) {
        double s = sqrt(mix->var[i * mix->stride]);
        double gap = at - mix->f[i * mix->stride];
        sum += s > 0.0 ? 0.5 * erfc(-gap / s * M_SQRT1_2) : (gap >= 0.0 ? 1.0 : 0.0);
    }
    return sum / (double)mix->m;
}

/* z: the standard normal's quantile. Halves until no double lies between. */
static double mixture_quantile(const struct mixture *mix, double level, double z)
{
    double low = INFINITY;
    double high = -INFINITY;
    for (size_t i = 0; i < mix->m; i++) {
        double q = mix->f[i * mix->stride] + z * sqrt(mix->var[i * mix->stride]);
        low = fmin(low, q);
        high = fmax(high, q);
    }
    if (distribution(mix, low) >= level) {
        return low;
    }
    for (int k = 0; k < MOST_BISECTIONS; k++) {
        double middle = 0.5 * low + 0.5 * high;
        if (!(middle > low && middle < high)) {
            break;
        }
        if (distribution(mix, middle) < level) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

static void tile_moments(const struct predict_call *call, const struct tile *tile)
{
    size_t m = (size_t)call->model->gaussian.n_members;
    size_t o = (size_t)call->model->o;
    size_t cells = tile->rows * o;
    double *mean = call->out->mean + tile->first * o;
    double *variance = call->m2 + tile->first * o;
    for (size_t c = 0; c < cells; c++) {
        double sum = 0.0;
        for (size_t i = 0; i < m; i++) {
            sum += tile->f[i * cells + c];
        }
        mean[c] = m == 1 ? tile->f[c] : sum / (double)m;
        sum = 0.0;
        for (size_t i = 0; i < m; i++) {
            double gap = tile->f[i * cells + c] - mean[c];
            sum += tile->var[i * cells + c] + gap * gap;
        }
        variance[c] = sum / (double)m;
    }
}

static void tile_covariance(const struct predict_call *call, const struct tile *tile)
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
            cov[a * o + a] = call->m2[(tile->first + row) * o + a];
        }
    }
}

static void tile_finish(const struct predict_call *call, struct tile *tile)
{
    const struct predict_request *req = call->req;
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    size_t cells = tile->rows * o;
    tile_moments(call, tile);
    if (req->want & PREDICT_COVARIANCE_OUTPUTS) {
        tile_covariance(call, tile);
    }
    if (tile->folds.mean != NULL) {
        int n_folds = model->conformal.n_folds;
        int each = model->gaussian.n_members / n_folds;
        for (int k = 0; k < n_folds; k++) {
            size_t at = (size_t)(k * each) * cells;
            predict_folds_set(&tile->folds, k, each, tile->f + at, tile->var + at);
        }
        predict_folds_finish(&tile->folds, call, tile->first);
    }
    for (size_t c = 0; (req->want & PREDICT_QUANTILES) && c < cells; c++) {
        const struct mixture mix = {.f = tile->f + c,
                                    .var = tile->var + c,
                                    .stride = cells,
                                    .m = (size_t)model->gaussian.n_members};
        for (int k = 0; k < req->n_levels; k++) {
            call->out->quantiles[((size_t)k * (size_t)req->n + tile->first) * o + c] =
                mixture_quantile(&mix, req->levels[k], call->z[k]);
        }
    }
}

enum err_code predict_linear_tile(const struct predict_call *call, int index, struct arena *scratch,
                                  struct err *err)
{
    const struct model *model = call->model;
    size_t first = (size_t)index * PREDICT_LINEAR_TILE;
    size_t left = (size_t)call->req->n - first;
    struct tile tile = {.first = first,
                        .rows = left < PREDICT_LINEAR_TILE ? left : PREDICT_LINEAR_TILE};
    if (tile_init(&tile, call, scratch, err) == ERR_OK &&
        scaler_apply(model->in, tile.rows, model->d, call->req->x + first * (size_t)model->d,
                     tile.z, first, err) == ERR_OK) {
        for (int i = 0; i < model->gaussian.n_members; i++) {
            member_add(call, &tile, i);
        }
        tile_finish(call, &tile);
        predict_noise_finish(call, first, tile.rows, model->gaussian.n_members);
    }
    resnet_tape_free(tile.tape);
    return err->code;
}

void predict_linear_row_covariance(const struct predict_call *call)
{
    const struct gauss_mixture *mixture = &call->model->gaussian;
    size_t n = (size_t)call->req->n;
    size_t o = (size_t)call->model->o;
    size_t room = extent_of(mixture).width + 1;
    for (int i = 0; i < mixture->n_members; i++) {
        for (size_t a = 0; a < o; a++) {
            double *w = call->values + ((size_t)i * o + a) * n * room;
            for (size_t row = 0; row < n; row++) {
                w[row * room + room - 1] -= call->out->mean[row * o + a];
            }
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)room,
                        1.0 / (double)mixture->n_members, w, (int)room, w, (int)room,
                        i == 0 ? 0.0 : 1.0, call->out->covariance + a * n * n, (int)n);
        }
    }
}
