/* SPDX-License-Identifier: Apache-2.0 */
/* A density to draw from, known up to a constant. */
#ifndef TARGET_H
#define TARGET_H

/*
 * The log density at theta [n] and, unless grad is NULL, its gradient [n]. NaN and -infinity both
 * mean that theta is impossible; the gradient does not matter then. ctx belongs to one thread.
 */
typedef double target_fn(void *ctx, const double *theta, double *grad);

struct target {
    int n;
    target_fn *logp;
    void *ctx;
};

#endif
