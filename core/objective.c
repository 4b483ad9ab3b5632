/* SPDX-License-Identifier: Apache-2.0 */
#include "objective.h"

#include <math.h>
#include <string.h>

#define LOG_TWO_PI 1.837877066409345484

size_t objective_scratch(const struct resnet *net, int tile)
{
    return 2 * (size_t)tile * (size_t)net->n_out + (size_t)net->n_params;
}

/* Factor of (f - y) in the gradient by f. */
static double residual_weight(const struct objective *obj, int n, int o)
{
    if (obj->kind == OBJECTIVE_MSE) {
        return 2.0 / ((double)n * (double)o);
    }
    return 1.0 / (obj->noise_sigma * obj->noise_sigma);
}

static double value_from_squares(const struct objective *obj, double squares, int n, int o)
{
    double rows = (double)n;
    if (obj->kind == OBJECTIVE_MSE) {
        return squares / (rows * (double)o);
    }
    double s = obj->noise_sigma;
    return squares / (2.0 * s * s) + 0.5 * rows * LOG_TWO_PI + rows * log(s);
}

/* Adds the prior's share for n of N rows to the gradient; returns its value. */
static double add_prior(const struct objective *obj, int n, int n_params, const double *params,
                        double *grad)
{
    double share = (double)n / (double)obj->n_total;
    double variance = obj->prior_sigma * obj->prior_sigma;
    double squares = 0.0;
    for (int k = 0; k < n_params; k++) {
        double dev = params[k] - (obj->anchor != NULL ? obj->anchor[k] : 0.0);
        squares += dev * dev;
        if (grad != NULL) {
            grad[k] += share * dev / variance;
        }
    }
    return share *
           (squares / (2.0 * variance) + 0.5 * (double)n_params * (LOG_TWO_PI + log(variance)));
}

double objective_eval(const struct objective *obj, const struct resnet *net,
                      struct resnet_tape *tape, int tile, int n, const double *x, const double *y,
                      const double *params, double *grad, double *scratch)
{
    size_t d = (size_t)net->arch.inputs;
    size_t o = (size_t)net->n_out;
    double weight = residual_weight(obj, n, net->n_out);
    double *f = scratch;
    double *df = f + (size_t)tile * o;
    double *part = df + (size_t)tile * o;
    double squares = 0.0;

    resnet_set_params(tape, params);
    for (int first = 0; first < n; first += tile) {
        int rows = n - first < tile ? n - first : tile;
        const double *target = y + (size_t)first * o;
        resnet_forward(tape, rows, x + (size_t)first * d, f);
        for (size_t i = 0; i < (size_t)rows * o; i++) {
            double residual = f[i] - target[i];
            squares += residual * residual;
            df[i] = weight * residual;
        }
        if (grad == NULL) {
            continue;
        }
        resnet_backward(tape, df, first == 0 ? grad : part, NULL);
        for (int k = 0; first > 0 && k < net->n_params; k++) {
            grad[k] += part[k];
        }
    }
    double value = value_from_squares(obj, squares, n, net->n_out);
    if (obj->kind == OBJECTIVE_NLP) {
        value += add_prior(obj, n, net->n_params, params, grad);
    }
    return value;
}
