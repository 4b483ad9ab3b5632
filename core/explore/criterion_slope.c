/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With B [o x width] the rows of a point, C = B B' and N the noise of an observation there:
 *
 *   variance              sum |b_q|^2 / t_q^2         by B:  2 b_q / t_q^2
 *   integrated_variance   sum_rq c' V^-1 c / (n t_q^2), V = C + N, c = B a_rq; with u = V^-1 c
 *                         by B:  sum_rq 2 (u a_rq' - u u' B) / (n t_q^2)
 *   d_optimal             1/2 log det(I + N^-1 C)     by B:  (N + C)^-1 B
 *   thompson              of mean and B w             by B:  w
 *
 * t are the scales of the outputs. The others are functions of mean and s = |b|, with ds/db = b /
 * s.
 */
#include "explore/criterion.h"

#include <math.h>
#include <string.h>

static void add_scaled(size_t n, double by, const double *from, double *to)
{
    for (size_t k = 0; k < n; k++) {
        to[k] += by * from[k];
    }
}

/* v [o] <- L^-T v, and before it L^-1 v. */
static void solve(int o, const double *l, double *v)
{
    for (int a = 0; a < o; a++) {
        for (int b = 0; b < a; b++) {
            v[a] -= l[a * o + b] * v[b];
        }
        v[a] /= l[a * o + a];
    }
    for (int a = o - 1; a >= 0; a--) {
        for (int b = a + 1; b < o; b++) {
            v[a] -= l[b * o + a] * v[b];
        }
        v[a] /= l[a * o + a];
    }
}

static void slope_variance_taken(const struct scoring_rule *rule, const struct scored *at,
                                 double *by_row)
{
    const struct spread *spread = at->spread;
    size_t width = spread->width;
    int o = spread->o;
    double u[SUGGEST_MAX_OUTPUTS];
    double *sum = at->square + (size_t)o * (size_t)o; /* of u u' */
    memset(sum, 0, (size_t)o * (size_t)o * sizeof *sum);
    if (!criterion_observed(spread, at->point, at->square)) {
        return;
    }
    for (int r = rule->first_ref; r < rule->first_ref + rule->n_refs; r++) {
        for (int q = 0; q < o; q++) {
            const double *ref = spread_row(rule->refs, r, q);
            double by = 2.0 / (rule->n_refs * rule->scales[q] * rule->scales[q]);
            for (int a = 0; a < o; a++) {
                u[a] = spread_dot(ref, spread_row(spread, at->point, a), width);
            }
            solve(o, at->square, u);
            for (int a = 0; a < o; a++) {
                add_scaled(width, by * u[a], ref, by_row + (size_t)a * width);
                add_scaled((size_t)o, by * u[a], u, sum + (size_t)a * (size_t)o);
            }
        }
    }
    for (int a = 0; a < o; a++) {
        for (int b = 0; b < o; b++) {
            add_scaled(width, -sum[a * o + b], spread_row(spread, at->point, b),
                       by_row + (size_t)a * width);
        }
    }
}

static void slope_information(const struct scored *at, double *by_row)
{
    const struct spread *spread = at->spread;
    size_t width = spread->width;
    int o = spread->o;
    const double *noise = spread->noise + (size_t)at->point * (size_t)o;
    double v[SUGGEST_MAX_OUTPUTS];
    if (!criterion_informed(spread, at->point, at->square)) {
        return;
    }
    for (size_t c = 0; c < width; c++) {
        for (int a = 0; a < o; a++) {
            v[a] = spread_row(spread, at->point, a)[c] / sqrt(noise[a]);
        }
        solve(o, at->square, v);
        for (int a = 0; a < o; a++) {
            by_row[(size_t)a * width + c] = v[a] / sqrt(noise[a]);
        }
    }
}

static void slope_draw(const struct scoring_rule *rule, const struct scored *at,
                       const struct criterion_slope *slope)
{
    double sign = rule->spec->maximise ? 1.0 : -1.0;
    slope->by_mean[0] = sign;
    if (rule->weights != NULL) {
        add_scaled(at->spread->width, sign, rule->weights, slope->by_row);
    } else {
        slope->by_row[rule->draw] = sign * rule->column_scale;
    }
}

static void slope_moments(const struct scoring_rule *rule, const struct scored *at,
                          const struct criterion_slope *slope)
{
    const double *row = spread_row(at->spread, at->point, 0);
    size_t width = at->spread->width;
    double by_std;
    double std = sqrt(spread_dot(row, row, width));
    criterion_moments(rule, at, slope->by_mean, &by_std, slope->by_shift);
    add_scaled(width, std > 0.0 ? by_std / std : 0.0, row, slope->by_row);
}

double criterion_score_slope(const struct scoring_rule *rule, const struct scored *at,
                             const struct criterion_slope *slope)
{
    const struct spread *spread = at->spread;
    size_t o = (size_t)spread->o;
    memset(slope->by_mean, 0, o * sizeof(double));
    memset(slope->by_row, 0, o * spread->width * sizeof(double));
    memset(slope->by_shift, 0, OUTLOOK_FUTURES * sizeof(double));
    switch (rule->spec->criterion) {
    case CRITERION_VARIANCE:
        for (size_t q = 0; q < o; q++) {
            add_scaled(spread->width, 2.0 / (rule->scales[q] * rule->scales[q]),
                       spread_row(spread, at->point, (int)q), slope->by_row + q * spread->width);
        }
        break;
    case CRITERION_INTEGRATED_VARIANCE:
        slope_variance_taken(rule, at, slope->by_row);
        break;
    case CRITERION_D_OPTIMAL:
        slope_information(at, slope->by_row);
        break;
    case CRITERION_THOMPSON:
        slope_draw(rule, at, slope);
        break;
    case CRITERION_EXPECTED_IMPROVEMENT:
    case CRITERION_LOWER_CONFIDENCE:
    case CRITERION_LEVEL_SET:
    case CRITERION_FAILURE_BOUNDARY:
        slope_moments(rule, at, slope);
        break;
    }
    return criterion_score(rule, at);
}
