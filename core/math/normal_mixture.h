/* SPDX-License-Identifier: Apache-2.0 */
/* Mixtures of normal distributions with equal weights, of one number. */
#ifndef NORMAL_MIXTURE_H
#define NORMAL_MIXTURE_H

#include <stddef.h>

/*
 * Component i has the mean mean[i * stride] and the variance var[i * var_stride] + more_var, which
 * may be 0: then all of it is at its mean.
 */
struct normal_mixture {
    size_t m;
    const double *mean;
    size_t stride;
    const double *var; /* NULL: 0 */
    size_t var_stride;
    double more_var;
};

/* Is the variance of every component 0? */
int normal_mixture_is_discrete(const struct normal_mixture *mix);

/* The probability of being at most `at`. */
double normal_mixture_below(const struct normal_mixture *mix, double at);

/*
 * The smallest number whose normal_mixture_below is the level, in (0, 1), or more. z is the level's
 * quantile of the standard normal.
 */
double normal_mixture_quantile(const struct normal_mixture *mix, double level, double z);

#endif
