/* SPDX-License-Identifier: Apache-2.0 */
#include "losses/objective.h"

#include "base/names.h"

#include <math.h>

#define LOG_TWO_PI 1.837877066409345484

static const char *const noise_names[] = {"given", "estimated", "learned", "predicted"};

NAMES_DEFINE(noise_kind, enum noise_kind, noise_names)

bool objective_learns_noise(const struct objective *obj)
{
    return obj->kind != OBJECTIVE_MSE && obj->noise == NOISE_LEARNED;
}

bool objective_predicts_noise(const struct objective *obj)
{
    return obj->kind != OBJECTIVE_MSE && obj->noise == NOISE_PREDICTED;
}

int objective_n_params(const struct objective *obj, const struct resnet *net)
{
    return net->n_params + (objective_learns_noise(obj) ? net->n_out : 0);
}

double objective_variance(double u)
{
    return exp(fmin(u, OBJECTIVE_MAX_LOG)) + OBJECTIVE_VAR_FLOOR;
}

/* Adds a share of a Gaussian prior's derivative to *grad; returns the prior's value. */
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
