/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quantile starts from a rational approximation [1, 26.2.23] and takes three Newton steps on
 * the probability of the nearer tail, so that a small p keeps its digits.
 *
 * [1] M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 1964.
 */
#include "math/normal.h"

#include <math.h>

double normal_density(double z)
{
    return exp(-0.5 * z * z) * (M_2_SQRTPI * 0.5 * M_SQRT1_2);
}

double normal_tail(double z)
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

double normal_quantile(double p)
{
    double tail = p < 0.5 ? p : 1.0 - p;
    double t = sqrt(-2.0 * log(tail));
    double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int k = 0; k < 3; k++) {
        x += (normal_tail(x) - tail) / normal_density(x);
    }
    return p < 0.5 ? -x : x;
}
