/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Welford's update [1]: delta = x - mean; mean += delta / count; m2 += delta (x - mean). The naive
 * sum of squares loses all its digits when the mean is much larger than the spread.
 *
 * [1] B. P. Welford, Note on a method for calculating corrected sums of squares and products,
 *     Technometrics 4(3), 1962.
 */
#include "math/moments.h"

#include "math/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void moments_add(long count, size_t k, const double *restrict value, double *restrict mean,
                 double *restrict m2)
{
    if (count == 1) {
        memcpy(mean, value, k * sizeof *mean);
        memset(m2, 0, k * sizeof *m2);
        return;
    }
    double inverse = 1.0 / (double)count;
    for (size_t i = 0; i < k; i++) {
        double delta = value[i] - mean[i];
        mean[i] += delta * inverse;
        m2[i] += delta * (value[i] - mean[i]);
    }
}

void moments_add_covariance(const struct moments_covariance *sums, long count, const double *value)
{
    size_t n = sums->n;
    size_t o = sums->o;
    double *mean = sums->mean;
    double *co = sums->co;
    double *scratch = sums->scratch;
    if (count == 1) {
        memcpy(mean, value, n * o * sizeof *mean);
        memset(co, 0, n * o * o * sizeof *co);
        return;
    }
    double inverse = 1.0 / (double)count;
    for (size_t i = 0; i < n; i++) {
        for (size_t a = 0; a < o; a++) {
            scratch[a] = value[i * o + a] - mean[i * o + a];
            mean[i * o + a] += scratch[a] * inverse;
        }
        for (size_t a = 0; a < o; a++) {
            for (size_t b = 0; b <= a; b++) {
                co[(i * o + a) * o + b] += scratch[b] * (value[i * o + a] - mean[i * o + a]);
            }
        }
    }
}

static double divisor(long count)
{
    return count > 1 ? (double)(count - 1) : 1.0;
}

void moments_finish(long count, size_t k, double *m2)
{
    double by = divisor(count);
    for (size_t i = 0; i < k; i++) {
        m2[i] /= by;
    }
}

void moments_finish_covariance(long count, size_t n, size_t o, double *co)
{
    double by = divisor(count);
    for (size_t i = 0; i < n; i++) {
        double *c = co + i * o * o;
        for (size_t a = 0; a < o; a++) {
            for (size_t b = 0; b <= a; b++) {
                c[a * o + b] /= by;
                c[b * o + a] = c[a * o + b];
            }
        }
    }
}

void moments_row_covariance(const struct moments_draws *draws, double *cov, double *scratch)
{
    size_t n = draws->n;
    size_t o = draws->o;
    double by = divisor(draws->m);
    for (size_t a = 0; a < o; a++) {
        for (size_t j = 0; j < (size_t)draws->m; j++) {
            for (size_t i = 0; i < n; i++) {
                scratch[j * n + i] = draws->values[(j * n + i) * o + a] - draws->mean[i * o + a];
            }
        }
        double *c = cov + a * n * n;
        gemm_tn((int)n, (int)n, (int)draws->m, scratch, scratch, 0.0, c);
        for (size_t i = 0; i < n * n; i++) {
            c[i] /= by;
        }
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

void moments_quantiles(long m, double *values, int n_levels, const double *levels, double *out)
{
    qsort(values, (size_t)m, sizeof *values, compare);
    for (int k = 0; k < n_levels; k++) {
        double at = levels[k] * (double)(m - 1);
        double below = floor(at);
        size_t i = (size_t)below;
        double next = i + 1 < (size_t)m ? values[i + 1] : values[i];
        out[k] = values[i] + (at - below) * (next - values[i]);
    }
}
