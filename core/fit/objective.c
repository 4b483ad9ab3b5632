/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/objective.h"

#include "base/names.h"

#include <math.h>
#include <string.h>

#define LOG_TWO_PI 1.837877066409345484

static const char *const noise_names[] = {"given", "estimated", "learned", "predicted"};

NAMES_DEFINE(noise_kind, enum noise_kind, noise_names)

static bool has_likelihood(const struct objective *obj)
{
    return obj->kind != OBJECTIVE_MSE;
}

int objective_n_targets(const struct objective *obj, const struct resnet *net)
{
    return obj->noise == NOISE_PREDICTED && has_likelihood(obj) ? net->n_out / 2 : net->n_out;
}

int objective_n_params(const struct objective *obj, const struct resnet *net)
{
    return net->n_params + (obj->noise == NOISE_LEARNED && has_likelihood(obj) ? net->n_out : 0);
}

double objective_variance(double u)
{
    return exp(fmin(u, OBJECTIVE_MAX_LOG)) + OBJECTIVE_VAR_FLOOR;
}

size_t objective_scratch(const struct resnet *net, int tile)
{
    return 2 * (size_t)tile * (size_t)net->n_out + (size_t)net->n_params;
}

/* ---- one tile: values f [rows x n_out] -> loss and df = its derivative by f ---- */

/* Constant noise: df = weight (f - y); squares [o] or [1] gather (f - y)^2. */
static void add_squares(const struct objective *obj, int rows, int o, double common,
                        const double *weights, const double *f, const double *y, double *df,
                        double *total, double *by_output)
{
    double squares = 0.0;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < o; j++) {
            size_t c = (size_t)i * (size_t)o + (size_t)j;
            double residual = f[c] - y[c];
            double weight = weights != NULL ? weights[j] : common;
            df[c] = weight * residual;
            if (by_output != NULL) {
                by_output[j] += residual * residual;
            }
            squares += weights != NULL ? weight * residual * residual : residual * residual;
        }
    }
    *total += squares;
}

/* Predicted noise: rows of f are (f, u). Returns the negative log likelihood. */
static double add_predicted(int rows, int o, const double *f, const double *y, double *df)
{
    double value = 0.0;
    for (int i = 0; i < rows; i++) {
        const double *row = f + (size_t)i * 2 * (size_t)o;
        double *d_row = df + (size_t)i * 2 * (size_t)o;
        for (int j = 0; j < o; j++) {
            double residual = row[j] - y[(size_t)i * (size_t)o + (size_t)j];
            double u = row[o + j];
            double variance = objective_variance(u);
            double by_variance = 0.5 / variance - 0.5 * residual * residual / (variance * variance);
            value += 0.5 * (LOG_TWO_PI + log(variance) + residual * residual / variance);
            d_row[j] = residual / variance;
            d_row[o + j] = u < OBJECTIVE_MAX_LOG ? by_variance * exp(u) : 0.0;
        }
    }
    return value;
}

/* ---- priors ---- */

/* Adds a Gaussian prior's share; returns its value, with constant. */
static double add_gaussian(double share, double dev, double sigma, double *grad)
{
    double variance = sigma * sigma;
    if (grad != NULL) {
        *grad += share * dev / variance;
    }
    return dev * dev / (2.0 * variance) + 0.5 * (LOG_TWO_PI + log(variance));
}

double objective_prior(const struct objective *obj, const struct resnet *net, int n,
                       const double *params, double *grad)
{
    double share = (double)n / (double)obj->n_total;
    int all = objective_n_params(obj, net);
    double value = 0.0;
    for (int k = 0; k < net->n_params; k++) {
        double sigma = obj->prior_sigmas != NULL ? obj->prior_sigmas[k] : obj->prior_sigma;
        if (sigma > 0.0) {
            double dev = params[k] - (obj->anchor != NULL ? obj->anchor[k] : 0.0);
            value += add_gaussian(share, dev, sigma, grad != NULL ? &grad[k] : NULL);
        }
    }
    for (int k = net->n_params; k < all; k++) {
        value += add_gaussian(share, params[k] - OBJECTIVE_LOG_S_MEAN, OBJECTIVE_LOG_S_SD,
                              grad != NULL ? &grad[k] : NULL);
    }
    return share * value;
}

/* ---- the whole ---- */

/* Factors of (f - y) in the derivative by f: one for all, or one an output. */
struct weights {
    double common;
    const double *each; /* [o] or NULL */
};

/* room: [o] */
static struct weights weights_of(const struct objective *obj, const struct resnet *net, int n,
                                 const double *params, double *room)
{
    int o = net->n_out;
    struct weights w = {.common = 0.0};
    if (!has_likelihood(obj)) {
        w.common = 2.0 / ((double)n * (double)o);
    } else if (obj->noise == NOISE_LEARNED) {
        for (int j = 0; j < o; j++) {
            room[j] = exp(-2.0 * params[net->n_params + j]);
        }
        w.each = room;
    } else if (obj->noise_sigmas != NULL) {
        for (int j = 0; j < o; j++) {
            room[j] = 1.0 / (obj->noise_sigmas[j] * obj->noise_sigmas[j]);
        }
        w.each = room;
    } else {
        w.common = 1.0 / (obj->noise_sigma * obj->noise_sigma);
    }
    return w;
}

/* squares: the sum of (f - y)^2, each times its output's weight where there are weights. */
static double value_from_squares(const struct objective *obj, const struct resnet *net,
                                 const struct weights *w, double squares, int n)
{
    double rows = (double)n;
    if (!has_likelihood(obj)) {
        return squares / (rows * (double)net->n_out);
    }
    if (w->each == NULL) {
        return 0.5 * w->common * squares + 0.5 * rows * LOG_TWO_PI + rows * log(obj->noise_sigma);
    }
    double value = 0.5 * squares;
    for (int j = 0; j < net->n_out; j++) {
        value += 0.5 * rows * (LOG_TWO_PI - log(w->each[j]));
    }
    return value;
}

double objective_eval(const struct objective *obj, const struct resnet *net,
                      struct resnet_tape *tape, int tile, int n, const double *x, const double *y,
                      const double *params, double *grad, double *scratch)
{
    size_t d = (size_t)net->arch.inputs;
    size_t o = (size_t)net->n_out;
    bool predicted = obj->noise == NOISE_PREDICTED && has_likelihood(obj);
    bool learned = obj->noise == NOISE_LEARNED && has_likelihood(obj);
    size_t targets = predicted ? o / 2 : o;
    double *f = scratch;
    double *df = f + (size_t)tile * o;
    double *part = df + (size_t)tile * o;
    double squares = 0.0;
    double value = 0.0;
    double each[ARCH_MAX_OUTPUTS];
    struct weights w = {.common = 0.0};
    if (!predicted) {
        w = weights_of(obj, net, n, params, each);
    }
    /* By log s_j: n - w_j sum of squares; the sums gather in grad itself. */
    double *by_output = learned && grad != NULL ? grad + net->n_params : NULL;
    for (size_t j = 0; by_output != NULL && j < o; j++) {
        by_output[j] = 0.0;
    }
    resnet_set_params(tape, params);
    for (int first = 0; first < n; first += tile) {
        int rows = n - first < tile ? n - first : tile;
        if (cancel_is_requested(obj->cancel)) {
            return NAN;
        }
        const double *target = y + (size_t)first * targets;
        resnet_forward(tape, rows, x + (size_t)first * d, f);
        if (predicted) {
            value += add_predicted(rows, (int)targets, f, target, df);
        } else {
            add_squares(obj, rows, (int)o, w.common, w.each, f, target, df, &squares, by_output);
        }
        if (grad == NULL) {
            continue;
        }
        resnet_backward(tape, df, first == 0 ? grad : part, NULL);
        for (int k = 0; first > 0 && k < net->n_params; k++) {
            grad[k] += part[k];
        }
    }
    for (size_t j = 0; by_output != NULL && j < o; j++) {
        by_output[j] = (double)n - w.each[j] * by_output[j];
    }
    if (!predicted) {
        value = value_from_squares(obj, net, &w, squares, n);
    }
    return obj->kind == OBJECTIVE_NLP ? value + objective_prior(obj, net, n, params, grad) : value;
}
