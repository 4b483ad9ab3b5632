/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/criterion.h"

#include "math/linalg.h"
#include "math/normal.h"

#include <math.h>

#define LOWER_K    2.0
#define STRADDLE_K 1.96

static const char *const names[] = {
#define CRITERION(NAME, name, one) name,
#include "explore/criterion.def"
#undef CRITERION
};
NAMES_DEFINE(criterion, enum criterion, names)

bool criterion_is_of_one(enum criterion criterion)
{
    static const bool is_of_one[] = {
#define CRITERION(NAME, name, one) one,
#include "explore/criterion.def"
#undef CRITERION
    };
    return is_of_one[criterion];
}

bool criterion_needs_threshold(enum criterion criterion)
{
    return criterion == CRITERION_LEVEL_SET || criterion == CRITERION_FAILURE_BOUNDARY;
}

bool criterion_is_signed(enum criterion criterion)
{
    return criterion == CRITERION_LOWER_CONFIDENCE || criterion == CRITERION_THOMPSON ||
           criterion == CRITERION_LEVEL_SET;
}

bool criterion_has_slopes(const struct suggest_spec *spec)
{
    return spec->n_outputs == 1 && spec->criterion != CRITERION_INTEGRATED_VARIANCE &&
           spec->criterion != CRITERION_D_OPTIMAL && spec->criterion != CRITERION_THOMPSON;
}

/* ---- of mean and standard deviation ---- */

static double improvement(double gap, double std, double *by_gap, double *by_std)
{
    if (!(std > 0.0)) {
        *by_gap = gap > 0.0 ? 1.0 : 0.0;
        *by_std = 0.0;
        return gap > 0.0 ? gap : 0.0;
    }
    double z = gap / std;
    *by_gap = normal_tail(-z);
    *by_std = normal_density(z);
    double value = gap * *by_gap + std * *by_std;
    return value > 0.0 ? value : 0.0; /* both terms cancel far below the best */
}

static double boundary(double gap, double std, double *by_gap, double *by_std)
{
    if (!(std > 0.0)) {
        *by_gap = 0.0;
        *by_std = 0.0;
        return gap == 0.0 ? 0.5 : 0.0;
    }
    double density = normal_density(gap / std);
    *by_gap = -density / std;
    *by_std = density * gap / (std * std);
    return normal_tail(gap / std);
}

double criterion_slopes(const struct scoring_rule *rule, double mean, double std, double *by_mean,
                        double *by_std)
{
    const struct suggest_spec *spec = rule->spec;
    double sign = spec->maximise ? -1.0 : 1.0;
    double gap = fabs(mean - spec->threshold);
    double side = mean < spec->threshold ? -1.0 : 1.0;
    double k;
    double score;
    switch (spec->criterion) {
    case CRITERION_EXPECTED_IMPROVEMENT:
        score = improvement(sign * (rule->best - mean), std, by_mean, by_std);
        *by_mean *= -sign;
        return score;
    case CRITERION_LOWER_CONFIDENCE:
        k = isnan(spec->k) ? LOWER_K : spec->k;
        *by_mean = -sign;
        *by_std = k;
        return -sign * mean + k * std;
    case CRITERION_LEVEL_SET:
        k = isnan(spec->k) ? STRADDLE_K : spec->k;
        *by_mean = -side;
        *by_std = k;
        return k * std - gap;
    case CRITERION_FAILURE_BOUNDARY:
        score = boundary(gap, std, by_mean, by_std);
        *by_mean *= side;
        return score;
    case CRITERION_VARIANCE:
    case CRITERION_INTEGRATED_VARIANCE:
    case CRITERION_D_OPTIMAL:
    case CRITERION_THOMPSON:
        break;
    }
    double scale = rule->scales[0] * rule->scales[0];
    *by_mean = 0.0;
    *by_std = 2.0 * std / scale;
    return std * std / scale;
}

/* ---- of more than that ---- */

static double sum_variance(const struct scoring_rule *rule, const struct spread *spread, int point)
{
    double sum = 0.0;
    for (int q = 0; q < spread->o; q++) {
        double scale = rule->scales[q] * rule->scales[q];
        sum += spread_covariance(spread, point, q, point, q) / scale;
    }
    return sum;
}

/*
 * What observing all outputs at the point takes from the variance of the references: with the
 * covariance of the observations C + noise = L L', |L^-1 cov|^2 for each output of a reference.
 */
static double variance_taken(const struct scoring_rule *rule, const struct spread *spread,
                             int point, double *c)
{
    int o = spread->o;
    double cov[SUGGEST_MAX_OUTPUTS];
    double sum = 0.0;
    for (int a = 0; a < o; a++) {
        for (int b = 0; b <= a; b++) {
            c[a * o + b] = spread_covariance(spread, point, a, point, b);
        }
        double variance = c[a * o + a];
        c[a * o + a] += fmax(spread->noise[(size_t)point * (size_t)o + (size_t)a],
                             SPREAD_NOISE_FLOOR * variance);
        if (!(c[a * o + a] > 0.0)) {
            c[a * o + a] = 1.0; /* an output that is known exactly tells nothing */
        }
    }
    if (!linalg_cholesky(o, c)) {
        return 0.0;
    }
    for (int r = rule->first_ref; r < rule->first_ref + rule->n_refs; r++) {
        for (int q = 0; q < o; q++) {
            double scale = rule->scales[q] * rule->scales[q];
            for (int a = 0; a < o; a++) {
                cov[a] = spread_dot(spread_row(rule->refs, r, q), spread_row(spread, point, a),
                                    spread->width);
                for (int b = 0; b < a; b++) {
                    cov[a] -= c[a * o + b] * cov[b];
                }
                cov[a] /= c[a * o + a];
                sum += cov[a] * cov[a] / scale;
            }
        }
    }
    return sum / rule->n_refs;
}

/* 1/2 log det(I + D^-1/2 C D^-1/2), D the noise. */
static double information(const struct spread *spread, int point, double *c)
{
    int o = spread->o;
    const double *noise = spread->noise + (size_t)point * (size_t)o;
    for (int a = 0; a < o; a++) {
        for (int b = 0; b <= a; b++) {
            double cov = spread_covariance(spread, point, a, point, b);
            c[a * o + b] = cov / sqrt(noise[a] * noise[b]) + (a == b ? 1.0 : 0.0);
        }
    }
    return linalg_cholesky(o, c) ? 0.5 * linalg_logdet(o, c) : 0.0;
}

static double drawn_value(const struct scoring_rule *rule, const struct spread *spread, int point)
{
    const double *row = spread_row(spread, point, 0);
    double deviation = rule->weights != NULL ? spread_dot(row, rule->weights, spread->width)
                                             : rule->column_scale * row[rule->draw];
    double value = spread->mean[(size_t)point * (size_t)spread->o] + deviation;
    return rule->spec->maximise ? value : -value;
}

double criterion_score(const struct scoring_rule *rule, const struct spread *spread, int point,
                       double *square)
{
    double by_mean;
    double by_std;
    if (rule->spec->criterion == CRITERION_INTEGRATED_VARIANCE) {
        return variance_taken(rule, spread, point, square);
    }
    if (rule->spec->criterion == CRITERION_D_OPTIMAL) {
        return information(spread, point, square);
    }
    if (rule->spec->criterion == CRITERION_THOMPSON) {
        return drawn_value(rule, spread, point);
    }
    if (rule->spec->criterion == CRITERION_VARIANCE) {
        return sum_variance(rule, spread, point);
    }
    double variance = spread_covariance(spread, point, 0, point, 0);
    return criterion_slopes(rule, spread->mean[(size_t)point * (size_t)spread->o], sqrt(variance),
                            &by_mean, &by_std);
}
