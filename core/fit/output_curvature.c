/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constant noise: F = w (f - y)^2 / 2 with w = 1 / s^2, or w = 2 / (n o) for the mean squared
 * error. So F_f = w (f - y) and F_ff = w.
 *
 * Predicted noise: with e = exp(u), v = e + OBJECTIVE_VAR_FLOOR and q = f - y,
 *
 *   F    = (log v + q^2 / v) / 2                     and its expectation (E q = 0, E q^2 = v)
 *   F_f  = q / v                                     0
 *   F_u  = e (1 / v - q^2 / v^2) / 2                 0
 *   F_ff = 1 / v                                     1 / v
 *   F_fu = -q e / v^2                                0
 *   F_uu = F_u + e^2 (q^2 / v - 1 / 2) / v^2         e^2 / (2 v^2)
 *
 * Where u is beyond OBJECTIVE_MAX_LOG, v is constant, and every derivative by u is 0.
 */
#include "fit/output_curvature.h"

#include <math.h>

static void predicted_noise(const struct output_tile *tile, size_t o, bool expected,
                            const struct output_curvature *out)
{
    for (size_t i = 0; i < (size_t)tile->rows; i++) {
        for (size_t j = 0; j < o; j++) {
            size_t at = 2 * i * o + j;
            double q = tile->f[at] - tile->y[i * o + j];
            double u = tile->f[at + o];
            double v = objective_variance(u);
            double e = u < OBJECTIVE_MAX_LOG ? exp(u) : 0.0;
            double by_u = 0.5 * e * (1.0 / v - q * q / (v * v));
            out->first[at] = q / v;
            out->first[at + o] = by_u;
            out->second[at] = 1.0 / v;
            out->second[at + o] =
                expected ? 0.5 * e * e / (v * v) : by_u + e * e * (q * q / v - 0.5) / (v * v);
            if (out->cross != NULL) {
                out->cross[i * o + j] = expected ? 0.0 : -q * e / (v * v);
            }
        }
    }
}

/* 1 / s_j^2, or the mean squared error's factor. */
static double weight(const struct curvature_problem *problem, int j)
{
    const struct objective *obj = problem->objective;
    const struct resnet *net = problem->net;
    if (obj->kind == OBJECTIVE_MSE) {
        return 2.0 / ((double)problem->rows.n * data_outputs(&problem->rows));
    }
    if (obj->noise == NOISE_LEARNED) {
        return exp(-2.0 * problem->params[net->n_params + j]);
    }
    double s = obj->noise_sigmas != NULL ? obj->noise_sigmas[j] : obj->noise_sigma;
    return 1.0 / (s * s);
}

/* Nothing is known at what rows miss; `heads`: an output has a u, o places behind it. */
static void clear_missing(const struct output_tile *tile, size_t o, bool heads,
                          const struct output_curvature *out)
{
    size_t width = heads ? 2 * o : o;
    for (size_t c = 0; c < (size_t)tile->rows * o; c++) {
        size_t at = c / o * width + c % o;
        if (!isnan(tile->y[c])) {
            continue;
        }
        out->first[at] = out->second[at] = 0.0;
        if (heads) {
            out->first[at + o] = out->second[at + o] = 0.0;
        }
        if (heads && out->cross != NULL) {
            out->cross[c] = 0.0;
        }
    }
}

static void constant_noise(const struct curvature_problem *problem, const struct output_tile *tile,
                           const struct output_curvature *out)
{
    size_t o = (size_t)problem->net->n_out;
    for (size_t j = 0; j < o; j++) {
        double w = weight(problem, (int)j);
        for (size_t c = j; c < (size_t)tile->rows * o; c += o) {
            out->first[c] = w * (tile->f[c] - tile->y[c]);
            out->second[c] = w;
        }
    }
}

void output_curvature(const struct curvature_problem *problem, const struct output_tile *tile,
                      bool expected, const struct output_curvature *out)
{
    size_t o = (size_t)problem->net->n_out;
    bool heads = objective_predicts_noise(problem->objective);
    if (heads) {
        predicted_noise(tile, o / 2, expected, out);
    } else {
        constant_noise(problem, tile, out);
    }
    if (data_has_holes(&problem->rows)) {
        clear_missing(tile, heads ? o / 2 : o, heads, out);
    }
}
