/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/paired.h"

#include "fit/scaler.h"
#include "predict/evaluation.h"

#include <math.h>

/* What output j of a row adds to its losses; f and std in units of 2^exponent. */
static void output_losses(const struct paired_rule *rule, size_t j, double residual, double std,
                          double *loss)
{
    int exponent = rule->exponents != NULL ? rule->exponents[j] : 0;
    double low = rule->range[2 * j];
    double high = rule->range[2 * j + 1];
    /* Rounding is no range: values that are the same but for that are measured by their size. */
    double span = !(high > low) ? 0.0
                  : scaler_range_is_constant(low, high)
                      ? ldexp(fmax(fabs(low), fabs(high)), -exponent)
                      : ldexp(high - low, -exponent);
    double unit = span > 0.0 ? span : 1.0;
    double nll = evaluation_nll(residual, std);
    loss[PAIRED_SQUARE] = residual / unit * (residual / unit);
    loss[PAIRED_NLL] = exponent != 0 ? nll + exponent * M_LN2 : nll;
    loss[PAIRED_CRPS] = evaluation_crps(residual, std) / unit;
}

/* Of the outputs that a row has. */
struct counts {
    double present, dense; /* those that are not constant */
};

static struct counts count_outputs(const struct paired_rule *rule, const double *y)
{
    struct counts counts = {0.0, 0.0};
    for (size_t j = 0; j < (size_t)rule->o; j++) {
        bool there = !isnan(y[j]);
        counts.present += there;
        counts.dense += there && !(rule->constant != NULL && rule->constant[j]);
    }
    return counts;
}

void paired_losses(const struct paired_rule *rule, const struct predict_result *f, const double *y,
                   int n, double *losses)
{
    const double *variance = rule->noise ? f->total_variance : f->variance;
    size_t o = (size_t)rule->o;
    for (size_t i = 0; i < (size_t)n; i++) {
        double *loss = losses + i * PAIRED_N;
        const struct counts counts = count_outputs(rule, y + i * o);
        loss[PAIRED_SQUARE] = counts.present > 0.0 ? 0.0 : (double)NAN;
        loss[PAIRED_NLL] = loss[PAIRED_CRPS] = counts.dense > 0.0 ? 0.0 : (double)NAN;
        for (size_t j = 0; j < o; j++) {
            double of_output[PAIRED_N];
            size_t c = i * o + j;
            if (isnan(y[c])) {
                continue;
            }
            int exponent = rule->exponents != NULL ? rule->exponents[j] : 0;
            double residual = ldexp(y[c], -exponent) - f->mean[c];
            double std = variance[c] > 0.0 ? sqrt(variance[c]) : (double)NAN;
            output_losses(rule, j, residual, std, of_output);
            loss[PAIRED_SQUARE] += of_output[PAIRED_SQUARE] / counts.present;
            if (rule->constant == NULL || !rule->constant[j]) {
                loss[PAIRED_NLL] += of_output[PAIRED_NLL] / counts.dense;
                loss[PAIRED_CRPS] += of_output[PAIRED_CRPS] / counts.dense;
            }
        }
    }
}

void paired_add(struct paired *paired, const double *first, const double *other, int n)
{
    for (size_t i = 0; i < (size_t)n; i++) {
        /* Predictions are finite, so only a row without outputs has no squared error. */
        if (isnan(first[i * PAIRED_N + PAIRED_SQUARE])) {
            continue;
        }
        paired->n++;
        for (size_t k = 0; k < PAIRED_N; k++) {
            double difference = other[i * PAIRED_N + k] - first[i * PAIRED_N + k];
            double from = difference - paired->mean[k];
            paired->mean[k] += from / (double)paired->n;
            paired->m2[k] += from * (difference - paired->mean[k]);
            paired->better[k] += difference < 0.0;
        }
    }
}

double paired_standard_error(const struct paired *paired, enum paired_loss loss)
{
    double n = (double)paired->n;
    return paired->n > 1 ? sqrt(paired->m2[loss] / (n - 1.0) / n) : (double)NAN;
}
