/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/paired.h"

#include "predict/evaluation.h"

#include <math.h>

static double count_present(const double *y, size_t o)
{
    size_t n = 0;
    for (size_t j = 0; j < o; j++) {
        n += isnan(y[j]) ? 0 : 1;
    }
    return (double)n;
}

void paired_losses(const struct paired_rule *rule, const struct predict_result *f, const double *y,
                   int n, double *losses)
{
    const double *variance = rule->noise ? f->total_variance : f->variance;
    size_t o = (size_t)rule->o;
    for (size_t i = 0; i < (size_t)n; i++) {
        double *loss = losses + i * PAIRED_N;
        double present = count_present(y + i * o, o);
        double start = present > 0.0 ? 0.0 : (double)NAN;
        loss[PAIRED_SQUARE] = loss[PAIRED_NLL] = loss[PAIRED_CRPS] = start;
        for (size_t j = 0; j < o; j++) {
            if (isnan(y[i * o + j])) {
                continue;
            }
            double span = rule->range[2 * j + 1] - rule->range[2 * j];
            double unit = span > 0.0 ? span : 1.0;
            double residual = y[i * o + j] - f->mean[i * o + j];
            double std = variance[i * o + j] > 0.0 ? sqrt(variance[i * o + j]) : (double)NAN;
            loss[PAIRED_SQUARE] += residual / unit * (residual / unit) / present;
            loss[PAIRED_NLL] += evaluation_nll(residual, std) / present;
            loss[PAIRED_CRPS] += evaluation_crps(residual, std) / unit / present;
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
