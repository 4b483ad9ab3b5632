/* SPDX-License-Identifier: Apache-2.0 */
/* The standard normal distribution. */
#ifndef NORMAL_H
#define NORMAL_H

/* Probability above z: 1 - Phi(z), accurate far out on the right. */
double normal_tail(double z);

/* exp(-z^2 / 2) / sqrt(2 pi) */
double normal_density(double z);

/* Inverse of the distribution function Phi, p in (0, 1); relative error about 1e-15. */
double normal_quantile(double p);

#endif
