/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relu and sin have closed forms. With m, v the moments of the Gaussian, s = sqrt(v), a = m / s, P
 * and p the standard normal distribution function and density at a, Q = 1 - P:
 *
 *   relu   E = m P + s p                            E act' = P
 *          Var = v (P - a e - e^2), e = p - a Q     for a > 0, where E = s (a + e)
 *          Var = v ((a^2 + 1) P + a p) - E^2        otherwise
 *   sin    E = e^(-v/2) sin m                       E act' = e^(-v/2) cos m
 *          Var = (1 - e^(-2v)) / 2 + sin(m)^2 e^(-v) (e^(-v) - 1)
 *
 * The others go by the rule of pbp_tanh.c, with its derivatives; their largest measured errors over
 * means in [-3, 3] are
 *
 *   sigma          0.5      1        1.5      2        3        5
 *   E silu         5e-9     2e-8     5e-8     7e-8     2e-7     7e-5
 *   Var silu       2e-8     1e-7     2e-7     2e-7     2e-6     9e-4
 *   E gelu         1e-8     3e-8     5e-8     7e-8     2e-7     5e-4
 *   Var gelu       3e-8     1e-7     2e-7     2e-7     3e-5     8e-3
 */
#include "math/pbp_activation.h"

#include "math/kernels.h"

#include <math.h>
#include <string.h>

#define NODES            32
#define SMALL            1e-6 /* variance, as in pbp_tanh.c */
#define INVERSE_SQRT_2PI 0.39894228040143267794

_Static_assert(NODES == PBP_NODES, "the rule of pbp_tanh.c");

size_t pbp_activation_scratch(enum activation act, int n)
{
    size_t rule = (3 * NODES + 1) * (size_t)n + 2 * NODES;
    size_t tanh = pbp_tanh_scratch(n);
    return act == ACT_TANH ? tanh : rule;
}

static void relu_point(double m, int j, const struct pbp_tanh *out)
{
    out->mean[j] = m > 0.0 ? m : 0.0;
    out->slope[j] = out->mean_m[j] = out->variance_v[j] = m > 0.0 ? 1.0 : 0.0;
    out->variance[j] = out->variance_m[j] = out->slope_m[j] = 0.0;
    out->mean_v[j] = out->slope_v[j] = 0.0;
}

static void relu_moments(int n, struct pbp_normal in, const struct pbp_tanh *out)
{
    for (int j = 0; j < n; j++) {
        double m = in.mean[j];
        double v = in.variance[j];
        double s = sqrt(v);
        if (!(s > 1e-150)) { /* its square is no number that one can divide by */
            relu_point(m, j, out);
            continue;
        }
        double a = m / s;
        double below = 0.5 * erfc(-a * M_SQRT1_2);
        double above = 0.5 * erfc(a * M_SQRT1_2);
        double density = INVERSE_SQRT_2PI * exp(-0.5 * a * a);
        double e = density - a * above;
        double mean = a > 0.0 ? s * (a + e) : s * (density + a * below);
        double variance = a > 0.0 ? below - a * e - e * e
                                  : (a * a + 1.0) * below + a * density - (mean / s) * (mean / s);
        out->mean[j] = mean;
        out->variance[j] = variance > 0.0 ? v * variance : 0.0;
        out->slope[j] = below;
        out->mean_m[j] = below;
        out->variance_m[j] = 2.0 * mean * above;
        out->slope_m[j] = density / s;
        out->mean_v[j] = 0.5 * density / s;
        out->variance_v[j] = below - mean * density / s;
        out->slope_v[j] = -0.5 * a * density / v;
    }
}

static void sin_moments(int n, struct pbp_normal in, const struct pbp_tanh *out)
{
    for (int j = 0; j < n; j++) {
        double m = in.mean[j];
        double v = in.variance[j];
        double fade = exp(-0.5 * v);
        double sine = sin(m);
        double rest = exp(-v) * expm1(-v);
        double mean = fade * sine;
        double slope = fade * cos(m);
        double variance = -0.5 * expm1(-2.0 * v) + sine * sine * rest;
        out->mean[j] = mean;
        out->variance[j] = variance > 0.0 ? variance : 0.0;
        out->slope[j] = slope;
        out->mean_m[j] = slope;
        out->variance_m[j] = sin(2.0 * m) * rest;
        out->slope_m[j] = -mean;
        out->mean_v[j] = -0.5 * mean;
        out->variance_v[j] = exp(-2.0 * v) + sine * sine * (exp(-v) - 2.0 * exp(-2.0 * v));
        out->slope_v[j] = -0.5 * slope;
    }
}

/* act'''(u) of silu and gelu. */
static double third(enum activation act, double u)
{
    if (act == ACT_GELU) {
        return INVERSE_SQRT_2PI * exp(-0.5 * u * u) * u * (u * u - 4.0);
    }
    double s = 1.0 / (1.0 + exp(-u));
    double d1 = s * (1.0 - s);
    double d2 = d1 * (1.0 - 2.0 * s);
    double d3 = d2 * (1.0 - 2.0 * s) - 2.0 * d1 * d1;
    return 3.0 * d2 + u * d3;
}

/* Values and derivatives at the rule's points, each [NODES x n]. */
struct at_nodes {
    enum activation act;
    int n;
    const double *nodes, *weights; /* [NODES] */
    const double *f, *d1, *d2;
};

/* Derivatives with respect to the variance of unit j, which is small: Price's theorem. */
static void by_small_variance(const struct at_nodes *at, int j, double m,
                              const struct pbp_tanh *out)
{
    double mean = 0.0;
    double variance = 0.0;
    for (int q = 0; q < NODES; q++) {
        size_t i = (size_t)q * (size_t)at->n + (size_t)j;
        double w = at->weights[q];
        mean += 0.5 * w * at->d2[i];
        variance += w * (at->d1[i] * at->d1[i] + (at->f[i] - out->mean[j]) * at->d2[i]);
    }
    out->mean_v[j] = mean;
    out->variance_v[j] = variance;
    out->slope_v[j] = 0.5 * third(at->act, m); /* to a relative error of about the variance */
}

/* Adds node q's share to everything but the mean. */
static void add_node(const struct at_nodes *at, int q, const struct pbp_tanh *out)
{
    double x = at->nodes[q];
    double w = at->weights[q];
    for (int j = 0; j < at->n; j++) {
        size_t i = (size_t)q * (size_t)at->n + (size_t)j;
        double dev = at->f[i] - out->mean[j];
        double d1 = w * at->d1[i];
        double d2 = w * at->d2[i];
        out->variance[j] += w * dev * dev;
        out->slope[j] += d1;
        out->slope_m[j] += d2;
        out->variance_m[j] += 2.0 * dev * d1;
        out->mean_v[j] += x * d1;
        out->variance_v[j] += 2.0 * x * dev * d1;
        out->slope_v[j] += x * d2;
    }
}

/* scratch: nodes, weights, sd, and three arrays [NODES x n]. */
static void rule_moments(enum activation act, int n, struct pbp_normal in,
                         const struct pbp_tanh *out, double *scratch)
{
    const struct kernels_sweeps_f64 *sweeps = &kernels_get()->sweeps_f64[act];
    size_t width = (size_t)n;
    size_t bytes = width * sizeof(double);
    double *nodes = scratch;
    double *weights = nodes + NODES;
    double *sd = weights + NODES;
    double *d1 = sd + width;
    double *f = d1 + NODES * width;
    double *d2 = f + NODES * width;
    const struct at_nodes at = {act, n, nodes, weights, f, d1, d2};
    double *const sums[] = {out->mean,   out->variance,   out->slope,   out->variance_m,
                            out->mean_v, out->variance_v, out->slope_v, out->slope_m};
    pbp_rule(nodes, weights);
    for (size_t k = 0; k < sizeof sums / sizeof *sums; k++) {
        memset(sums[k], 0, bytes);
    }
    for (size_t j = 0; j < width; j++) {
        sd[j] = sqrt(in.variance[j]);
    }
    for (size_t q = 0; q < NODES; q++) {
        for (size_t j = 0; j < width; j++) {
            d1[q * width + j] = d2[q * width + j] = in.mean[j] + sd[j] * nodes[q];
        }
    }
    sweeps->slopes(NODES * width, d1, f);
    sweeps->bends(NODES * width, d2);
    for (size_t q = 0; q < NODES; q++) {
        for (size_t j = 0; j < width; j++) {
            out->mean[j] += weights[q] * f[q * width + j];
        }
    }
    for (int q = 0; q < NODES; q++) {
        add_node(&at, q, out);
    }
    memcpy(out->mean_m, out->slope, bytes);
    for (int j = 0; j < n; j++) {
        if (in.variance[j] < SMALL) {
            by_small_variance(&at, j, in.mean[j], out);
        } else {
            double by = 0.5 / sd[j];
            out->mean_v[j] *= by;
            out->variance_v[j] *= by;
            out->slope_v[j] *= by;
        }
    }
}

void pbp_activation_eval(enum activation act, int n, struct pbp_normal in,
                         const struct pbp_tanh *out, double *scratch)
{
    switch (act) {
    case ACT_TANH:
        pbp_tanh_eval(n, in.mean, in.variance, out, scratch);
        break;
    case ACT_RELU:
        relu_moments(n, in, out);
        break;
    case ACT_SIN:
        sin_moments(n, in, out);
        break;
    case ACT_SILU:
    case ACT_GELU:
        rule_moments(act, n, in, out, scratch);
        break;
    case ACT_IDENTITY:
    case ACT_COUNT:
        break;
    }
}
