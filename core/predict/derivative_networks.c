/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A result F is a function of the values f_1 .. f_m of m networks at a row: those of the draws, or
 * of the means of Gaussians that are predicted in closed form, whose mean is the average of these
 * values too. With c_j = dF/df_j, a dot for the derivative along v, and the chain rule,
 *
 *   s'J = sum_j c_j df_j/dx        d(s'J v)/dx = sum_j (c_j. df_j/dx + c_j d(df_j/dx v)/dx)
 *
 * where s is part of c_j. For an output (k counts all networks, a bar marks their mean):
 *
 *   mean        c_j = s / m                             c_j. = 0
 *   variance    c_j = 2 s (f_j - f_) / (m - 1)          c_j. = 2 s (f_j. - f_.) / (m - 1)
 *   std         c_j = s (f_j - f_) / ((m - 1) S)        c_j. = s ((f_j. - f_.) - (f_j - f_) S./S)
 *                                                              / ((m - 1) S)
 *               with the standard deviation S, and S. = sum_k (f_k - f_) f_k. / ((m - 1) S)
 *   quantile    c_j = s times the share of f_j in the interpolation of sorted values; c_j. = 0
 *   sample      c_j = s for its draw j, else 0          c_j. = 0
 *
 * So a first pass over the networks finds f and f. (forward mode), where c needs them, and a second
 * one adds up reverse mode with the weights c, and forward over reverse with the weights c. [1]. A
 * network's value is seen through the scalers: f = s(y), y = network(z), z = t(x), of which only
 * the logarithmic ones are curved. Where S is 0 it has no derivative, and 0 is answered.
 *
 * [1] B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.
 */
#include "predict/derivative_priv.h"

#include "predict/predict_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- the first pass ---- */

static const double *params_of(const struct derivation *work, int j)
{
    const struct model *model = work->model;
    return predict_is_linear(model) ? model->gaussian.members[j].mean
                                    : model->draws + (size_t)j * (size_t)model->net.n_params;
}

/* f [o] of network j, whose tape then holds the row. */
static void evaluate(struct derivation *work, int j, double *f)
{
    size_t o = (size_t)work->model->o;
    resnet_set_params(work->tape, params_of(work, j));
    resnet_forward(work->tape, 1, work->z, work->y);
    memcpy(f, work->y, o * sizeof *f);
    scaler_invert(work->out, 1, work->model->o, f);
}

/* f [n x o] of draws first .. first + n - 1, with work->by_y as scratch, which is cleared. */
static void evaluate_group(struct derivation *work, int first, int n, double *f)
{
    const struct model *model = work->model;
    size_t o = (size_t)model->o;
    size_t n_out = (size_t)model->net.n_out;
    const struct plan_gradient of = {&model->plan, first, n, work->scratch};
    plan_gradient_forward(&of, work->z, work->by_y);
    for (size_t j = 0; j < (size_t)n; j++) {
        memcpy(f + j * o, work->by_y + j * n_out, o * sizeof *f);
    }
    memset(work->by_y, 0, (size_t)n * n_out * sizeof *work->by_y);
    scaler_invert(work->out, (size_t)n, model->o, f);
}

static void find_values(struct derivation *work)
{
    size_t o = (size_t)work->model->o;
    for (int first = 0; work->group > 0 && first < work->m; first += work->group) {
        int left = work->m - first;
        evaluate_group(work, first, left < work->group ? left : work->group,
                       work->f + (size_t)first * o);
    }
    if (work->group > 0) {
        return;
    }
    for (int j = 0; j < work->m; j++) {
        double *f = work->f + (size_t)j * o;
        evaluate(work, j, f);
        if (work->df != NULL) {
            resnet_tangent_forward(work->tangent, work->tape, NULL, work->dz, work->dy);
            for (size_t a = 0; a < o; a++) {
                work->df[(size_t)j * o + a] = scaler_slope_back(&work->out[a], f[a]) * work->dy[a];
            }
        }
    }
}

static void find_moments(struct derivation *work)
{
    size_t o = (size_t)work->model->o;
    double m = (double)work->m;
    for (size_t a = 0; a < o; a++) {
        double sum = 0.0;
        double change = 0.0;
        for (size_t j = 0; j < (size_t)work->m; j++) {
            sum += work->f[j * o + a];
            change += work->df != NULL ? work->df[j * o + a] : 0.0;
        }
        work->mean[a] = sum / m;
        work->dmean[a] = change / m;
        double squares = 0.0;
        double products = 0.0;
        for (size_t j = 0; j < (size_t)work->m; j++) {
            double gap = work->f[j * o + a] - work->mean[a];
            squares += gap * gap;
            products += work->df != NULL ? gap * work->df[j * o + a] : 0.0;
        }
        bool varies = work->m > 1 && squares > 0.0 && !scaler_is_constant(&work->out[a]);
        work->std[a] = varies ? sqrt(squares / (m - 1.0)) : 0.0;
        work->dstd[a] = varies ? products / ((m - 1.0) * work->std[a]) : 0.0;
    }
}

struct ranked {
    double value;
    int network;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *p = a;
    const struct ranked *q = b;
    if (p->value != q->value) {
        return p->value < q->value ? -1 : 1;
    }
    return p->network - q->network;
}

static enum err_code find_quantiles(struct derivation *work, struct arena *arena, struct err *err)
{
    size_t o = (size_t)work->model->o;
    struct ranked *ranked = arena_alloc_array(arena, (size_t)work->m, sizeof *ranked);
    if (ranked == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a derivative");
    }
    for (size_t a = 0; a < o; a++) {
        for (int j = 0; j < work->m; j++) {
            ranked[j] = (struct ranked){work->f[(size_t)j * o + a], j};
        }
        qsort(ranked, (size_t)work->m, sizeof *ranked, compare_ranked);
        for (int k = 0; k < work->req->n_levels; k++) {
            double position = work->req->levels[k] * (double)(work->m - 1);
            int low = (int)position < work->m - 1 ? (int)position : work->m - 1;
            int high = low < work->m - 1 ? low + 1 : low;
            work->between[(size_t)k * o + a] = (struct derivative_between){
                ranked[low].network, ranked[high].network, position - (double)low};
        }
    }
    return ERR_OK;
}

static enum err_code find_sample(struct derivation *work, struct arena *arena, struct err *err)
{
    int *order = arena_alloc_array(arena, (size_t)work->m, sizeof *order);
    if (order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a derivative");
    }
    predict_order_draws(work->m, work->req->seed, order);
    work->sample = order[work->req->first_sample];
    return ERR_OK;
}

/* ---- J v ---- */

static double value_along(const struct derivation *work, size_t value)
{
    size_t o = (size_t)work->model->o;
    size_t a = value % o;
    const struct derivative_between *between = &work->between[value];
    switch (work->what->of) {
    case DERIVATIVE_OF_VARIANCE:
        return 2.0 * work->std[a] * work->dstd[a];
    case DERIVATIVE_OF_STD:
        return work->dstd[a];
    case DERIVATIVE_OF_QUANTILES:
        return (1.0 - between->share) * work->df[(size_t)between->low * o + a] +
               between->share * work->df[(size_t)between->high * o + a];
    case DERIVATIVE_OF_SAMPLE:
        return work->df[(size_t)work->sample * o + a];
    case DERIVATIVE_OF_MEAN:
        break;
    }
    return work->dmean[a];
}

static void jacobian_along(const struct derivation *work)
{
    for (size_t k = 0; k < work->n_values; k++) {
        work->what->out[k] = value_along(work, k) * derivative_unit(work, k);
    }
}

/* ---- the second pass ---- */

/* Sets c and c. of output a for network j. */
static void weigh(struct derivation *work, int j, size_t a)
{
    size_t o = (size_t)work->model->o;
    double m = (double)work->m;
    double s = work->sens[a];
    double gap = work->f != NULL ? work->f[(size_t)j * o + a] - work->mean[a] : 0.0;
    double change = work->df != NULL ? work->df[(size_t)j * o + a] - work->dmean[a] : 0.0;
    double std = work->std[a];
    double c = 0.0;
    double dc = 0.0;
    switch (work->what->of) {
    case DERIVATIVE_OF_VARIANCE:
        c = std > 0.0 ? 2.0 * s * gap / (m - 1.0) : 0.0;
        dc = std > 0.0 ? 2.0 * s * change / (m - 1.0) : 0.0;
        break;
    case DERIVATIVE_OF_STD:
        c = std > 0.0 ? s * gap / ((m - 1.0) * std) : 0.0;
        dc = std > 0.0 ? s * (change - gap * work->dstd[a] / std) / ((m - 1.0) * std) : 0.0;
        break;
    case DERIVATIVE_OF_QUANTILES:
        for (size_t k = a; k < work->n_values; k += o) {
            const struct derivative_between *between = &work->between[k];
            c += between->low == j ? work->sens[k] * (1.0 - between->share) : 0.0;
            c += between->high == j ? work->sens[k] * between->share : 0.0;
        }
        break;
    case DERIVATIVE_OF_SAMPLE:
        c = j == work->sample ? s : 0.0;
        break;
    case DERIVATIVE_OF_MEAN:
        c = s / m;
        break;
    }
    work->c[a] = c;
    work->dc[a] = dc;
}

/* Adds what network j gives to the gradient, or to the Hessian's product. */
static void add_network(struct derivation *work, int j)
{
    const struct model *model = work->model;
    size_t o = (size_t)model->o;
    bool any = false;
    for (size_t a = 0; a < o; a++) {
        weigh(work, j, a);
        any = any || work->c[a] != 0.0 || work->dc[a] != 0.0;
    }
    if (!any) {
        return;
    }
    double *f = work->w; /* becomes the weights by y */
    evaluate(work, j, f);
    bool second = work->what->kind == DERIVATIVE_HESSIAN;
    if (second) {
        resnet_tangent_forward(work->tangent, work->tape, NULL, work->dz, work->dy);
    }
    for (size_t a = 0; a < o; a++) {
        const struct scaler *s = &work->out[a];
        double slope = scaler_slope_back(s, f[a]);
        double bend = s->kind == SCALER_LOG ? slope * s->scale : 0.0;
        work->dw[a] = work->dc[a] * slope + work->c[a] * bend * work->dy[a];
        work->w[a] = work->c[a] * slope;
    }
    resnet_backward(work->tape, work->w, NULL, work->g);
    if (second) {
        resnet_tangent_adjoint(work->tape, work->w);
        resnet_tangent_backward(work->tangent, work->dw, NULL, work->dg);
    }
    for (int b = 0; b < model->d; b++) {
        work->what->out[b] +=
            second ? work->slope[b] * work->dg[b] + work->curve[b] * work->what->vec[b] * work->g[b]
                   : work->slope[b] * work->g[b];
    }
}

/* Adds what a group of draws gives to the gradient. */
static void add_group(struct derivation *work, int first, int n)
{
    const struct model *model = work->model;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t n_out = (size_t)model->net.n_out;
    double *f = work->values;
    evaluate_group(work, first, n, f);
    for (size_t j = 0; j < (size_t)n; j++) {
        for (size_t a = 0; a < o; a++) {
            weigh(work, first + (int)j, a);
            work->by_y[j * n_out + a] = work->c[a] * scaler_slope_back(&work->out[a], f[j * o + a]);
        }
    }
    const struct plan_gradient of = {&model->plan, first, n, work->scratch};
    plan_gradient_backward(&of, work->by_y, work->by_z);
    for (size_t j = 0; j < (size_t)n; j++) {
        for (size_t b = 0; b < d; b++) {
            work->what->out[b] += work->slope[b] * work->by_z[j * d + b];
        }
    }
    memset(work->by_y, 0, (size_t)n * n_out * sizeof *work->by_y);
}

/* A gradient by the plan. One of a sample alone needs no other draw. */
static void add_groups(struct derivation *work)
{
    bool alone = work->what->of == DERIVATIVE_OF_SAMPLE;
    int end = alone ? work->sample + 1 : work->m;
    for (int first = alone ? work->sample : 0; first < end; first += work->group) {
        add_group(work, first, end - first < work->group ? end - first : work->group);
    }
}

enum err_code derivative_sum_networks(struct derivation *work, struct arena *scratch,
                                      struct err *err)
{
    if (work->what->of == DERIVATIVE_OF_SAMPLE && find_sample(work, scratch, err) != ERR_OK) {
        return err->code;
    }
    if (work->f != NULL) {
        find_values(work);
        find_moments(work);
    }
    if (work->what->of == DERIVATIVE_OF_QUANTILES && find_quantiles(work, scratch, err) != ERR_OK) {
        return err->code;
    }
    if (work->what->kind == DERIVATIVE_JACOBIAN) {
        jacobian_along(work);
        return ERR_OK;
    }
    if (work->group > 0) {
        add_groups(work);
        return ERR_OK;
    }
    for (int j = 0; j < work->m; j++) {
        add_network(work, j);
    }
    return ERR_OK;
}
