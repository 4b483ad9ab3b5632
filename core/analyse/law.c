/* SPDX-License-Identifier: Apache-2.0 */
#include "analyse/law.h"

#include "math/normal.h"

#include <math.h>

#define ONE_SIGMA  0.8413447460685429
#define GRID_SHARE 1e-3 /* what a grid leaves out on a side without an end */

/* ---- the distribution of an input ---- */

static bool has_low_high(enum space_distribution_kind kind)
{
    return kind == SPACE_UNIFORM || kind == SPACE_LOGUNIFORM || kind == SPACE_TRIANGULAR ||
           kind == SPACE_TRUNCATED_NORMAL || kind == SPACE_TRUNCATED_LOGNORMAL;
}

enum err_code law_of_input(const struct space_input *input, struct law *out, struct err *err)
{
    struct law law = {.input = input, .kind = input->distribution.kind};
    for (int k = 0; k < SPACE_MAX_PARAMETERS; k++) {
        law.p[k] = input->distribution.p[k];
    }
    if (law.kind == SPACE_NONE) {
        if (input->type != SPACE_CATEGORY && !input->has_bounds) {
            return err_set(err, ERR_INVALID,
                           "input \"%.60s\" has neither a distribution nor bounds in its space",
                           input->name);
        }
        law.kind = SPACE_UNIFORM;
        law.p[0] = input->type == SPACE_CATEGORY ? 0.0 : input->bounds[0];
        law.p[1] = input->type == SPACE_CATEGORY ? input->n_values - 1 : input->bounds[1];
    }
    *out = law;
    return ERR_OK;
}

bool law_is_continuous(const struct law *law)
{
    return !law_is_fixed(law) && law->input->type == SPACE_REAL && law->kind != SPACE_DISCRETE;
}

/* ---- quantiles ---- */

static double discrete_quantile(const struct law *law, double u)
{
    const struct space_distribution *d = &law->input->distribution;
    double sum = 0.0;
    int last = d->n - 1;
    for (int i = 0; i < last; i++) {
        sum += d->probabilities[i];
        if (u < sum) {
            last = i;
        }
    }
    return d->values != NULL ? d->values[last] : last;
}

static double triangular_quantile(const double p[3], double u)
{
    double width = p[1] - p[0];
    double left = p[2] - p[0];
    if (width <= 0.0) {
        return p[0];
    }
    return u * width < left ? p[0] + sqrt(u * width * left)
                            : p[1] - sqrt((1.0 - u) * width * (p[1] - p[2]));
}

/* Standard normal z at which the share u of [a, b] lies; from the side on which digits are left. */
static double truncated_z(double a, double b, double u)
{
    if (a > 0.0) {
        double high = normal_tail(a);
        double low = normal_tail(b);
        return -normal_quantile(fmax(high - u * (high - low), 1e-320));
    }
    double low = normal_tail(-a);
    double high = normal_tail(-b);
    double share = low + u * (high - low);
    return normal_quantile(fmin(fmax(share, 1e-320), 1.0 - 1e-16));
}

static double truncated_quantile(const struct law *law, double u)
{
    bool is_log = law->kind == SPACE_TRUNCATED_LOGNORMAL;
    double low = is_log ? (law->p[0] > 0.0 ? log(law->p[0]) : -INFINITY) : law->p[0];
    double high = is_log ? log(law->p[1]) : law->p[1];
    double mean = law->p[2];
    double std = law->p[3];
    double v = mean + std * truncated_z((low - mean) / std, (high - mean) / std, u);
    double x = is_log ? exp(v) : v;
    return fmin(fmax(x, law->p[0]), law->p[1]);
}

/* A continuous number between the ends of equally probable integers becomes one of them. */
static double uniform_quantile(const struct law *law, double u)
{
    if (law->input->type == SPACE_REAL) {
        return law->p[0] + u * (law->p[1] - law->p[0]);
    }
    double first = ceil(law->p[0]);
    double n = floor(law->p[1]) - first + 1.0;
    return first + fmin(floor(u * n), n - 1.0);
}

static double rounded(const struct law *law, double x)
{
    return law->input->type == SPACE_REAL ? x : nearbyint(x);
}

double law_quantile(const struct law *law, double u)
{
    const double *p = law->p;
    if (law_is_fixed(law)) {
        return law->fixed;
    }
    switch (law->kind) {
    case SPACE_NONE:
    case SPACE_UNIFORM:
        return uniform_quantile(law, u);
    case SPACE_LOGUNIFORM:
        return rounded(law, exp(log(p[0]) + u * (log(p[1]) - log(p[0]))));
    case SPACE_NORMAL:
        return rounded(law, p[0] + p[1] * normal_quantile(u));
    case SPACE_LOGNORMAL:
        return rounded(law, exp(p[0] + p[1] * normal_quantile(u)));
    case SPACE_TRUNCATED_NORMAL:
    case SPACE_TRUNCATED_LOGNORMAL:
        return rounded(law, truncated_quantile(law, u));
    case SPACE_TRIANGULAR:
        return rounded(law, triangular_quantile(p, u));
    case SPACE_DISCRETE:
        return discrete_quantile(law, u);
    }
    return p[0];
}

double law_from_normal(const struct law *law, double z)
{
    if (!law_is_fixed(law) && law->kind == SPACE_NORMAL) {
        return rounded(law, law->p[0] + law->p[1] * z);
    }
    if (!law_is_fixed(law) && law->kind == SPACE_LOGNORMAL) {
        return rounded(law, exp(law->p[0] + law->p[1] * z));
    }
    double u = z > 0.0 ? 1.0 - normal_tail(z) : normal_tail(-z);
    return law_quantile(law, fmin(fmax(u, 1e-300), 1.0 - 1e-16));
}

double law_half_width(const struct law *law)
{
    if (has_low_high(law->kind)) {
        return 0.5 * (law->p[1] - law->p[0]);
    }
    double end = law->kind == SPACE_DISCRETE ? 1e-12 : 1.0 - ONE_SIGMA;
    return 0.5 * (law_quantile(law, 1.0 - end) - law_quantile(law, end));
}

/* ---- densities ---- */

static double normal_log_density(double x, double mean, double std, double *slope)
{
    double z = (x - mean) / std;
    *slope = -z / std;
    return -0.5 * z * z - log(std) - 0.5 * log(2.0 * M_PI);
}

static double triangular_log_density(const double p[3], double x, double *slope)
{
    double width = p[1] - p[0];
    double rise = x < p[2] ? x - p[0] : p[1] - x;
    double side = x < p[2] ? p[2] - p[0] : p[1] - p[2];
    *slope = (x < p[2] ? 1.0 : -1.0) / rise;
    return log(2.0 * rise / (width * side));
}

/* Logarithm of the share of a normal distribution between two values. */
static double log_share(double a, double b)
{
    return log(a > 0.0 ? normal_tail(a) - normal_tail(b) : normal_tail(-b) - normal_tail(-a));
}

static double lognormal_log_density(const struct law *law, double x, double *slope)
{
    bool cut = law->kind == SPACE_TRUNCATED_LOGNORMAL;
    double mu = law->p[cut ? 2 : 0];
    double sigma = law->p[cut ? 3 : 1];
    double of_log = normal_log_density(log(x), mu, sigma, slope);
    *slope = (*slope - 1.0) / x;
    double a = cut && law->p[0] > 0.0 ? (log(law->p[0]) - mu) / sigma : -INFINITY;
    return of_log - log(x) - (cut ? log_share(a, (log(law->p[1]) - mu) / sigma) : 0.0);
}

double law_log_density(const struct law *law, double x, double *slope)
{
    const double *p = law->p;
    double unused = 0.0;
    double *s = slope != NULL ? slope : &unused;
    bool positive = law->kind == SPACE_LOGNORMAL || law->kind == SPACE_TRUNCATED_LOGNORMAL;
    *s = 0.0;
    if ((has_low_high(law->kind) && (x < p[0] || x > p[1])) || (positive && x <= 0.0)) {
        return -INFINITY;
    }
    switch (law->kind) {
    case SPACE_LOGUNIFORM:
        *s = -1.0 / x;
        return -log(x) - log(log(p[1]) - log(p[0]));
    case SPACE_NORMAL:
        return normal_log_density(x, p[0], p[1], s);
    case SPACE_LOGNORMAL:
    case SPACE_TRUNCATED_LOGNORMAL:
        return lognormal_log_density(law, x, s);
    case SPACE_TRUNCATED_NORMAL:
        return normal_log_density(x, p[2], p[3], s) -
               log_share((p[0] - p[2]) / p[3], (p[1] - p[2]) / p[3]);
    case SPACE_TRIANGULAR:
        return triangular_log_density(p, x, s);
    case SPACE_NONE:
    case SPACE_UNIFORM:
    case SPACE_DISCRETE:
        break;
    }
    return -log(p[1] - p[0]);
}

double law_normal_slope(const struct law *law, double z)
{
    if (law->kind == SPACE_NORMAL) {
        return law->p[1];
    }
    double x = law_from_normal(law, z);
    if (law->kind == SPACE_LOGNORMAL) {
        return law->p[1] * x;
    }
    return normal_density(z) / exp(law_log_density(law, x, NULL));
}

/* ---- grids ---- */

static int steps(double low, double high, int n, double *out)
{
    for (int i = 0; i < n; i++) {
        out[i] = n > 1 ? low + (high - low) * i / (n - 1) : 0.5 * (low + high);
    }
    return n;
}

/* Values of a discrete input, each once; of too many those at equal steps of probability. */
static int steps_of_values(const struct law *law, int max, double *out)
{
    int n = 0;
    int tries = max < 2 ? 2 : max;
    if (law->kind == SPACE_DISCRETE && law->input->distribution.n <= max) {
        const struct space_distribution *d = &law->input->distribution;
        for (int i = 0; i < d->n; i++) {
            out[i] = d->values != NULL ? d->values[i] : i;
        }
        return d->n;
    }
    for (int i = 0; i < tries; i++) {
        double x = law_quantile(law, (i + 0.5) / tries);
        if (n < max && (n == 0 || x > out[n - 1])) {
            out[n++] = x;
        }
    }
    return n;
}

int law_grid(const struct law *law, int max, double *out)
{
    if (law_is_fixed(law)) {
        out[0] = law->fixed;
        return 1;
    }
    if (law_is_continuous(law)) {
        bool ends = has_low_high(law->kind);
        return steps(ends ? law->p[0] : law_quantile(law, GRID_SHARE),
                     ends ? law->p[1] : law_quantile(law, 1.0 - GRID_SHARE), max, out);
    }
    if (law->kind == SPACE_UNIFORM && floor(law->p[1]) - ceil(law->p[0]) < max) {
        int n = (int)(floor(law->p[1]) - ceil(law->p[0])) + 1;
        return steps(ceil(law->p[0]), floor(law->p[1]), n, out);
    }
    return steps_of_values(law, max, out);
}
