/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Means over chains against expected ones. The error is that of the means of batches, which owes
 * nothing to core/sample/chain; batches must be long against the correlation of draws.
 */
#ifndef BATCH_MEANS_H
#define BATCH_MEANS_H

#include <check.h>
#include <math.h>

#define CHAINS  4
#define BATCHES 25 /* of a chain */

/* Is the mean of values [CHAINS x n] `expected`, within z errors? */
static inline void check_mean(const char *what, const double *values, int n, double expected,
                              double z)
{
    int length = n / BATCHES;
    double mean = 0.0;
    double square = 0.0;
    for (int b = 0; b < CHAINS * BATCHES; b++) {
        double batch = 0.0;
        for (int i = 0; i < length; i++) {
            batch += values[b / BATCHES * n + b % BATCHES * length + i] / length;
        }
        double delta = batch - mean;
        mean += delta / (b + 1);
        square += delta * (batch - mean);
    }
    double error = sqrt(square / (CHAINS * BATCHES) / (CHAINS * BATCHES - 1));
    ck_assert_msg(fabs(mean - expected) <= z * error, "%s: %g, %g is expected (error %g)", what,
                  mean, expected, error);
}

#endif
