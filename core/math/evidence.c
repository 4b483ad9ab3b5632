/* SPDX-License-Identifier: Apache-2.0 */
#include "math/evidence.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#define LOG_TWO_PI 1.837877066409345484
#define GRID_STEPS 96 /* a quarter of a decade each */
#define RANGE      1e24
#define BISECTIONS 60

static double eigenvalue(const struct evidence *e, int i)
{
    return fmax(e->eigenvalues[i], 0.0);
}

double evidence_min_rho(int n, const double *eigenvalues)
{
    double max = 0.0;
    for (int i = 0; i < n; i++) {
        max = fmax(max, eigenvalues[i]);
    }
    /* Rounding makes each eigenvalue uncertain by about n eps times the largest. When all are 0,
     * any scale will do. */
    return max > 0.0 ? max * DBL_EPSILON * (double)(n > 8 ? n : 8) : DBL_EPSILON;
}

/* S(rho); *slope is its derivative with respect to rho, |parameters|^2. */
static double squares(const struct evidence *e, double rho, double *slope)
{
    double sum = e->s0;
    if (e->c == NULL) {
        *slope = e->penalty;
        return sum + rho * e->penalty;
    }
    *slope = 0.0;
    for (int i = 0; i < e->n_params; i++) {
        double l = eigenvalue(e, i);
        double w = e->c[i] / (l + rho);
        sum += e->c[i] * (rho - e->rho0) / (l + e->rho0) * w;
        *slope += w * w;
    }
    return sum;
}

static double best_beta(const struct evidence *e, double s)
{
    if (e->precision > 0.0) {
        return e->precision;
    }
    return s * e->max_precision > e->n_rows ? e->n_rows / s : e->max_precision;
}

static double gamma_at(const struct evidence *e, double rho)
{
    double gamma = 0.0;
    for (int i = 0; i < e->n_params; i++) {
        double l = eigenvalue(e, i);
        gamma += l / (l + rho);
    }
    return gamma;
}

struct evidence_point evidence_at(const struct evidence *e, double rho)
{
    double slope;
    double s = squares(e, rho, &slope);
    double beta = best_beta(e, s);
    double value = 0.5 * e->n_rows * (log(beta) - LOG_TWO_PI) - 0.5 * beta * s;
    for (int i = 0; i < e->n_params; i++) {
        value -= 0.5 * log1p(eigenvalue(e, i) / rho);
    }
    return (struct evidence_point){
        .alpha = rho * beta,
        .beta = beta,
        .gamma = gamma_at(e, rho),
        .log_evidence = value,
    };
}

/* Twice the derivative of the log evidence with respect to log rho. */
static double derivative(const struct evidence *e, double rho)
{
    double slope;
    double s = squares(e, rho, &slope);
    return gamma_at(e, rho) - best_beta(e, s) * rho * slope;
}

struct evidence_point evidence_maximise(const struct evidence *e)
{
    double from = log(e->rho0);
    double step = log(RANGE) / GRID_STEPS;
    int best = 0;
    double max = -INFINITY;
    for (int i = 0; i <= GRID_STEPS; i++) {
        double value = evidence_at(e, exp(from + i * step)).log_evidence;
        if (value > max) {
            max = value;
            best = i;
        }
    }
    double low = from + (best > 0 ? best - 1 : 0) * step;
    double high = from + (best < GRID_STEPS ? best + 1 : GRID_STEPS) * step;
    bool falls_at_low = derivative(e, exp(low)) <= 0.0;
    bool rises_at_high = derivative(e, exp(high)) >= 0.0;
    if ((best == 0 && falls_at_low) || (best == GRID_STEPS && rises_at_high)) {
        struct evidence_point end = evidence_at(e, exp(best == 0 ? low : high));
        end.at_bound = true;
        return end;
    }
    for (int k = 0; k < BISECTIONS; k++) {
        double middle = 0.5 * (low + high);
        if (derivative(e, exp(middle)) > 0.0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return evidence_at(e, exp(0.5 * (low + high)));
}
