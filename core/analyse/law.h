/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an input of a space is distributed, as a map from a uniform or a standard normal number to a
 * value. An input with bounds and without a distribution is uniform between them; an integer or a
 * category without one has each of its values with the same probability.
 */
#ifndef LAW_H
#define LAW_H

#include "base/err.h"
#include "model/space.h"

struct law {
    const struct space_input *input; /* borrowed; NULL: the input has a fixed value */
    double fixed;
    enum space_distribution_kind kind;
    double p[SPACE_MAX_PARAMETERS];
};

/* ERR_INVALID naming the input: it has neither a distribution nor bounds. */
enum err_code law_of_input(const struct space_input *input, struct law *out,
                           struct err *err) MUST_CHECK;

static inline struct law law_of_value(double value)
{
    return (struct law){.fixed = value};
}

static inline bool law_is_fixed(const struct law *law)
{
    return law->input == NULL;
}

/* Has it a density? Integers and members of categories have none. */
bool law_is_continuous(const struct law *law);

/*
 * Half the distance between the ends of the distribution, or else between its quantiles of 15.87 %
 * and 84.13 %: the standard deviation of a normal one.
 */
double law_half_width(const struct law *law);

/* The value below which the share u of (0, 1) lies. */
double law_quantile(const struct law *law, double u);

/* law_quantile of Phi(z), also where Phi(z) is 0 or 1 but for rounding. */
double law_from_normal(const struct law *law, double z);

/* d law_from_normal / dz; the law is continuous. */
double law_normal_slope(const struct law *law, double z);

/* Logarithm of the density at x, and its derivative by x in *slope unless that is NULL; -infinity
 * where there is none. The law is continuous. */
double law_log_density(const struct law *law, double x, double *slope);

/*
 * Up to max values of an input in ascending order, for plots: all that a category, an integer or a
 * discrete input has if they are no more, else equal steps between the ends (of 0.1 % and 99.9 %
 * where there are none). Returns how many.
 */
int law_grid(const struct law *law, int max, double *out);

#endif
