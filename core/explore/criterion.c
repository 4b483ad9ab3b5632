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

bool criterion_needs_noise(enum criterion criterion)
{
    return criterion == CRITERION_INTEGRATED_VARIANCE || criterion == CRITERION_D_OPTIMAL;
}

/* The mean of lower_confidence over futures is that of the present mean, in which it is linear. */
bool criterion_needs_outlook(enum criterion criterion)
{
    return criterion == CRITERION_EXPECTED_IMPROVEMENT || criterion == CRITERION_LEVEL_SET ||
           criterion == CRITERION_FAILURE_BOUNDARY;
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

/* With a mean, and the best value so far; and derivatives. */
static double of_moments(const struct scoring_rule *rule, double best, const double moments[2],
                         double *by_mean, double *by_std)
{
    const struct suggest_spec *spec = rule->spec;
    double mean = moments[0];
    double std = moments[1];
    double sign = spec->maximise ? -1.0 : 1.0;
    double gap = fabs(mean - spec->threshold);
    double side = mean < spec->threshold ? -1.0 : 1.0;
    double k = spec->k;
    double score;
    if (spec->criterion == CRITERION_EXPECTED_IMPROVEMENT) {
        score = improvement(sign * (best - mean), std, by_mean, by_std);
        *by_mean *= -sign;
        return score;
    }
    if (spec->criterion == CRITERION_FAILURE_BOUNDARY) {
        score = boundary(gap, std, by_mean, by_std);
        *by_mean *= side;
        return score;
    }
    if (spec->criterion == CRITERION_LEVEL_SET) {
        *by_std = isnan(k) ? STRADDLE_K : k;
        *by_mean = -side;
        return *by_std * std - gap;
    }
    *by_std = isnan(k) ? LOWER_K : k;
    *by_mean = -sign;
    return -sign * mean + *by_std * std;
}

double criterion_moments(const struct scoring_rule *rule, const struct scored *at, double *by_mean,
                         double *by_std, double *by_shift)
{
    bool looks_ahead = at->shift != NULL && criterion_needs_outlook(rule->spec->criterion);
    int n = looks_ahead ? outlook_n_futures(rule->outlook) : 1;
    const double *row = spread_row(at->spread, at->point, 0);
    double mean = at->spread->mean[at->point];
    double std = sqrt(spread_dot(row, row, at->spread->width));
    double sum = 0.0;
    *by_mean = *by_std = 0.0;
    for (int s = 0; s < n; s++) {
        double here = 0.0;
        double by_this_std = 0.0;
        const double moments[2] = {mean + (n > 1 ? at->shift[s] : 0.0), std};
        sum += of_moments(rule, rule->outlook->best[s], moments, &here, &by_this_std);
        *by_mean += here / n;
        *by_std += by_this_std / n;
        if (by_shift != NULL && n > 1) {
            by_shift[s] = here / n;
        }
    }
    return sum / n;
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

bool criterion_observed(const struct spread *spread, int point, double *square)
{
    int o = spread->o;
    for (int a = 0; a < o; a++) {
        for (int b = 0; b <= a; b++) {
            square[a * o + b] = spread_covariance(spread, point, a, point, b);
        }
        double variance = square[a * o + a];
        square[a * o + a] += fmax(spread->noise[(size_t)point * (size_t)o + (size_t)a],
                                  SPREAD_NOISE_FLOOR * variance);
        if (!(square[a * o + a] > 0.0)) {
            square[a * o + a] = 1.0; /* an output that is known exactly tells nothing */
        }
    }
    return linalg_cholesky(o, square);
}

/*
 * What observing all outputs at the point takes from the variance of the references: with the
 * covariance of the observations C + noise = L L', |L^-1 cov|^2 for each output of a reference.
 */
static double variance_taken(const struct scoring_rule *rule, const struct scored *at)
{
    const struct spread *spread = at->spread;
    int o = spread->o;
    double cov[SUGGEST_MAX_OUTPUTS];
    double sum = 0.0;
    if (!criterion_observed(spread, at->point, at->square)) {
        return 0.0;
    }
    for (int r = rule->first_ref; r < rule->first_ref + rule->n_refs; r++) {
        for (int q = 0; q < o; q++) {
            double scale = rule->scales[q] * rule->scales[q];
            for (int a = 0; a < o; a++) {
                cov[a] = spread_dot(spread_row(rule->refs, r, q), spread_row(spread, at->point, a),
                                    spread->width);
                for (int b = 0; b < a; b++) {
                    cov[a] -= at->square[a * o + b] * cov[b];
                }
                cov[a] /= at->square[a * o + a];
                sum += cov[a] * cov[a] / scale;
            }
        }
    }
    return sum / rule->n_refs;
}

bool criterion_informed(const struct spread *spread, int point, double *square)
{
    int o = spread->o;
    const double *noise = spread->noise + (size_t)point * (size_t)o;
    for (int a = 0; a < o; a++) {
        for (int b = 0; b <= a; b++) {
            double cov = spread_covariance(spread, point, a, point, b);
            square[a * o + b] = cov / sqrt(noise[a] * noise[b]) + (a == b ? 1.0 : 0.0);
        }
    }
    return linalg_cholesky(o, square);
}

/* 1/2 log det(I + D^-1/2 C D^-1/2), D the noise. */
static double information(const struct scored *at)
{
    return criterion_informed(at->spread, at->point, at->square)
               ? 0.5 * linalg_logdet(at->spread->o, at->square)
               : 0.0;
}

static double drawn_value(const struct scoring_rule *rule, const struct spread *spread, int point)
{
    const double *row = spread_row(spread, point, 0);
    double deviation = rule->weights != NULL ? spread_dot(row, rule->weights, spread->width)
                                             : rule->column_scale * row[rule->draw];
    double value = spread->mean[(size_t)point * (size_t)spread->o] + deviation;
    return rule->spec->maximise ? value : -value;
}

double criterion_score(const struct scoring_rule *rule, const struct scored *at)
{
    double by_mean;
    double by_std;
    switch (rule->spec->criterion) {
    case CRITERION_INTEGRATED_VARIANCE:
        return variance_taken(rule, at);
    case CRITERION_D_OPTIMAL:
        return information(at);
    case CRITERION_THOMPSON:
        return drawn_value(rule, at->spread, at->point);
    case CRITERION_VARIANCE:
        return sum_variance(rule, at->spread, at->point);
    case CRITERION_EXPECTED_IMPROVEMENT:
    case CRITERION_LOWER_CONFIDENCE:
    case CRITERION_LEVEL_SET:
    case CRITERION_FAILURE_BOUNDARY:
        break;
    }
    return criterion_moments(rule, at, &by_mean, &by_std, NULL);
}
