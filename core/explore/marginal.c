/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/marginal.h"

#include "math/normal.h"

#include <limits.h>
#include <math.h>

#define EDGE 0x1p-40 /* how far from 0 and 1 a distribution without an end is asked */

/* ---- distribution functions ---- */

static double normal_cdf(double z)
{
    return z < 0.0 ? normal_tail(-z) : 1.0 - normal_tail(z);
}

static double triangular_cdf(const double *p, double x)
{
    double low = p[0];
    double high = p[1];
    double mode = p[2];
    double width = high - low;
    if (x <= low || x >= high) {
        return x <= low ? 0.0 : 1.0;
    }
    return x < mode ? (x - low) * (x - low) / (width * (mode - low))
                    : 1.0 - (high - x) * (high - x) / (width * (high - mode));
}

static double triangular_quantile(const double *p, double u)
{
    double width = p[1] - p[0];
    double at_mode = (p[2] - p[0]) / width;
    return u < at_mode ? p[0] + sqrt(u * width * (p[2] - p[0]))
                       : p[1] - sqrt((1.0 - u) * width * (p[1] - p[2]));
}

/* Location and scale of the normal distributions, whose parameters differ in their places. */
static const double *normal_parameters(const struct space_distribution *dist)
{
    bool truncated =
        dist->kind == SPACE_TRUNCATED_NORMAL || dist->kind == SPACE_TRUNCATED_LOGNORMAL;
    return truncated ? dist->p + 2 : dist->p;
}

static bool is_log(enum space_distribution_kind kind)
{
    return kind == SPACE_LOGUNIFORM || kind == SPACE_LOGNORMAL || kind == SPACE_TRUNCATED_LOGNORMAL;
}

static bool is_flat(enum space_distribution_kind kind)
{
    return kind == SPACE_NONE || kind == SPACE_UNIFORM || kind == SPACE_LOGUNIFORM;
}

/* The distribution function, without truncation, of a distribution that is not flat. */
static double full_cdf(const struct space_distribution *dist, double x)
{
    const double *p = normal_parameters(dist);
    if (dist->kind == SPACE_TRIANGULAR) {
        return triangular_cdf(dist->p, x);
    }
    if (is_log(dist->kind)) {
        return x > 0.0 ? normal_cdf((log(x) - p[0]) / p[1]) : 0.0;
    }
    return normal_cdf((x - p[0]) / p[1]);
}

static double full_quantile(const struct space_distribution *dist, double u)
{
    const double *p = normal_parameters(dist);
    if (dist->kind == SPACE_TRIANGULAR) {
        return triangular_quantile(dist->p, u);
    }
    double z = p[0] + p[1] * normal_quantile(u);
    return is_log(dist->kind) ? exp(z) : z;
}

/* ---- lists of values ---- */

static double value_at(const struct marginal *marginal, int k)
{
    const struct space_distribution *dist = &marginal->input->distribution;
    return dist->values != NULL && marginal->input->type != SPACE_CATEGORY ? dist->values[k] : k;
}

/* The probability of a value, not divided by that of all within the limits. */
static double weight_of(const struct marginal *marginal, int k)
{
    const struct space_distribution *dist = &marginal->input->distribution;
    double value = value_at(marginal, k);
    if (value < marginal->limits[0] || value > marginal->limits[1]) {
        return 0.0;
    }
    return dist->kind == SPACE_DISCRETE ? dist->probabilities[k] : 1.0 / marginal->n_values;
}

static double list_value(const struct marginal *marginal, double u)
{
    double sum = 0.0;
    double found = NAN;
    for (int k = 0; k < marginal->n_values; k++) {
        double weight = weight_of(marginal, k) / marginal->within;
        if (weight > 0.0) {
            found = value_at(marginal, k);
            sum += weight;
            if (u < sum) {
                break;
            }
        }
    }
    return found;
}

static double list_unit(const struct marginal *marginal, double value)
{
    double sum = 0.0;
    for (int k = 0; k < marginal->n_values; k++) {
        double weight = weight_of(marginal, k) / marginal->within;
        if (value <= value_at(marginal, k)) {
            return sum + 0.5 * weight;
        }
        sum += weight;
    }
    return 1.0;
}

/* ---- all of them ---- */

static enum err_code check_within(const struct marginal *marginal, struct err *err)
{
    return marginal->within > 0.0
               ? ERR_OK
               : err_set(err, ERR_INVALID, "input \"%s\" has no possible value from %g to %g",
                         marginal->input->name, marginal->limits[0], marginal->limits[1]);
}

static enum err_code init_list(struct marginal *marginal, struct err *err)
{
    for (int k = 0; k < marginal->n_values; k++) {
        marginal->within += weight_of(marginal, k);
    }
    return check_within(marginal, err);
}

enum err_code marginal_init(struct marginal *marginal, const struct space_input *input,
                            const double limits[2], struct err *err)
{
    const struct space_distribution *dist = &input->distribution;
    *marginal = (struct marginal){.input = input, .limits = {limits[0], limits[1]}};
    if (input->type == SPACE_CATEGORY || dist->kind == SPACE_DISCRETE) {
        marginal->n_values = input->type == SPACE_CATEGORY ? input->n_values : dist->n;
        return init_list(marginal, err);
    }
    if (is_flat(dist->kind)) {
        if (!isfinite(limits[0]) || !isfinite(limits[1])) {
            return err_set(err, ERR_INVALID,
                           "input \"%s\" has neither bounds nor a distribution in the space of the "
                           "model; give it one, or name its bounds in the request",
                           input->name);
        }
        if (input->type == SPACE_INTEGER) {
            marginal->limits[0] = ceil(limits[0]);
            marginal->limits[1] = floor(limits[1]);
        }
        marginal->within = marginal->limits[0] <= marginal->limits[1] ? 1.0 : 0.0;
        return check_within(marginal, err);
    }
    marginal->below = full_cdf(dist, limits[0]);
    marginal->within = full_cdf(dist, limits[1]) - marginal->below;
    return check_within(marginal, err);
}

static double clamp(double x, const double limits[2])
{
    return x < limits[0] ? limits[0] : (x > limits[1] ? limits[1] : x);
}

double marginal_value(const struct marginal *marginal, double u)
{
    const struct space_distribution *dist = &marginal->input->distribution;
    const double *limits = marginal->limits;
    double x;
    if (marginal->n_values > 0) {
        return list_value(marginal, u);
    }
    if (is_flat(dist->kind) && marginal->input->type == SPACE_INTEGER) {
        return clamp(limits[0] + floor(u * (limits[1] - limits[0] + 1.0)), limits);
    }
    if (dist->kind == SPACE_LOGUNIFORM) {
        x = limits[0] * exp(u * log(limits[1] / limits[0]));
    } else if (is_flat(dist->kind)) {
        x = limits[0] + u * (limits[1] - limits[0]);
    } else {
        double p = marginal->below + u * marginal->within;
        p = p < EDGE ? EDGE : (p > 1.0 - EDGE ? 1.0 - EDGE : p);
        x = full_quantile(dist, p);
    }
    x = marginal->input->type == SPACE_INTEGER ? nearbyint(x) : x;
    return clamp(x, limits);
}

double marginal_unit(const struct marginal *marginal, double value)
{
    static const double cube[2] = {0.0, 1.0};
    const struct space_distribution *dist = &marginal->input->distribution;
    const double *limits = marginal->limits;
    double u;
    if (marginal->n_values > 0) {
        return list_unit(marginal, value);
    }
    if (is_flat(dist->kind) && marginal->input->type == SPACE_INTEGER) {
        u = (value - limits[0] + 0.5) / (limits[1] - limits[0] + 1.0);
    } else if (!is_flat(dist->kind)) {
        u = (full_cdf(dist, value) - marginal->below) / marginal->within;
    } else if (limits[1] <= limits[0]) {
        u = 0.5;
    } else if (dist->kind == SPACE_LOGUNIFORM) {
        u = value > 0.0 ? log(value / limits[0]) / log(limits[1] / limits[0]) : 0.0;
    } else {
        u = (value - limits[0]) / (limits[1] - limits[0]);
    }
    return clamp(u, cube);
}

double marginal_log_density(const struct marginal *marginal, double value)
{
    const struct space_distribution *dist = &marginal->input->distribution;
    const double *p = normal_parameters(dist);
    double z;
    if (marginal_is_discrete(marginal)) {
        return 0.0;
    }
    switch (dist->kind) {
    case SPACE_LOGUNIFORM:
        return -log(value);
    case SPACE_NORMAL:
    case SPACE_TRUNCATED_NORMAL:
        z = (value - p[0]) / p[1];
        return -0.5 * z * z;
    case SPACE_LOGNORMAL:
    case SPACE_TRUNCATED_LOGNORMAL:
        z = (log(value) - p[0]) / p[1];
        return -0.5 * z * z - log(value);
    case SPACE_TRIANGULAR:
        p = dist->p;
        return value < p[2] ? log((value - p[0]) / (p[2] - p[0]))
                            : log((p[1] - value) / (p[1] - p[2]));
    case SPACE_NONE:
    case SPACE_UNIFORM:
    case SPACE_DISCRETE:
        break;
    }
    return 0.0;
}

bool marginal_is_discrete(const struct marginal *marginal)
{
    return marginal->n_values > 0 || marginal->input->type == SPACE_INTEGER;
}

int marginal_n_values(const struct marginal *marginal)
{
    double span = marginal->limits[1] - marginal->limits[0] + 1.0;
    if (marginal->n_values > 0) {
        return marginal->n_values;
    }
    return span < (double)INT_MAX ? (int)span : 0;
}
