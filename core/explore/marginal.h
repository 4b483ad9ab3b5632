/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distribution of one input between two limits: its distribution function and quantiles, by
 * which a number of (0, 1) becomes a value and back.
 *
 * A real input has its distribution, truncated to the limits, or is uniform between them. An
 * integer is uniform on the whole numbers between them, or the nearest one to a real value of its
 * distribution. A category, and a discrete distribution, has its values with their probabilities.
 */
#ifndef MARGINAL_H
#define MARGINAL_H

#include "model/space.h"

struct marginal {
    const struct space_input *input;
    double limits[2];
    double below;  /* probability of the distribution below the lower limit .. */
    double within; /* .. and between the limits */
    int n_values;  /* of a category or a discrete distribution; else 0 */
};

/*
 * limits: finite, or infinite where the distribution has no end; values outside of them have no
 * probability. ERR_INVALID naming the input: no limits and no distribution, or nothing between the
 * limits.
 */
enum err_code marginal_init(struct marginal *marginal, const struct space_input *input,
                            const double limits[2], struct err *err) MUST_CHECK;

/* The value at u in [0, 1]; 0 and 1 are moved inside where the distribution has no end. */
double marginal_value(const struct marginal *marginal, double u);

/* The number u of a value; of whole numbers, and of values, the middle of what belongs to it. */
double marginal_unit(const struct marginal *marginal, double value);

/* The logarithm of the density of a real input at a value within its limits, but for a constant; 0
 * of others. */
double marginal_log_density(const struct marginal *marginal, double value);

/* Is its value a step function of u? */
bool marginal_is_discrete(const struct marginal *marginal);

/* How many values a discrete one has; 0: not a number that an int holds. */
int marginal_n_values(const struct marginal *marginal);

#endif
