/* SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"

#include <math.h>
#include <stddef.h>

#define BEND 0.7

/* Independent, of different scales. */
static double independent(void *ctx, const double *x, double *grad)
{
    static const double scale[5] = {0.1, 0.5, 1.0, 3.0, 10.0};
    double sum = 0.0;
    (void)ctx;
    for (int i = 0; i < 5; i++) {
        double z = (x[i] - 1.0) / scale[i];
        sum -= 0.5 * z * z;
        if (grad != NULL) {
            grad[i] = -z / scale[i];
        }
    }
    return sum;
}

/* x = L z + 2 with L = [[1, 0, 0], [0.9, 0.5, 0], [-0.8, 0.3, 0.4]]. */
static double correlated(void *ctx, const double *x, double *grad)
{
    (void)ctx;
    double a = x[0] - 2.0;
    double z0 = a;
    double z1 = (x[1] - 2.0 - 0.9 * z0) / 0.5;
    double z2 = (x[2] - 2.0 + 0.8 * z0 - 0.3 * z1) / 0.4;
    if (grad != NULL) {
        /* dz2/dx = [(0.8 + 0.3 0.9/0.5)/0.4, -0.3/0.5/0.4, 1/0.4], dz1/dx = [-1.8, 2, 0]. */
        grad[0] = -(z0 - 1.8 * z1 + (0.8 + 0.54) / 0.4 * z2);
        grad[1] = -(2.0 * z1 - 1.5 * z2);
        grad[2] = -2.5 * z2;
    }
    return -0.5 * (z0 * z0 + z1 * z1 + z2 * z2);
}

/* x1 ~ N(0, 1), x2 = BEND (x1^2 - 1) + N(0, 1). */
static double banana(void *ctx, const double *x, double *grad)
{
    (void)ctx;
    double e = x[1] - BEND * (x[0] * x[0] - 1.0);
    if (grad != NULL) {
        grad[0] = -x[0] + 2.0 * BEND * x[0] * e;
        grad[1] = -e;
    }
    return -0.5 * (x[0] * x[0] + e * e);
}

/* v ~ N(0, 1), x_i ~ N(0, e^v): Neal's funnel with a gentle neck. */
static double funnel(void *ctx, const double *x, double *grad)
{
    double sum = -0.5 * x[0] * x[0];
    double g = -x[0];
    double inverse = exp(-x[0]);
    (void)ctx;
    for (int i = 1; i < 4; i++) {
        sum += -0.5 * x[i] * x[i] * inverse - 0.5 * x[0];
        g += 0.5 * x[i] * x[i] * inverse - 0.5;
        if (grad != NULL) {
            grad[i] = -x[i] * inverse;
        }
    }
    if (grad != NULL) {
        grad[0] = g;
    }
    return sum;
}

#define ROOT_E 1.6487212707001282

const struct known_target known_targets[] = {
    {"independent",
     {5, independent, NULL},
     {1, 1, 1, 1, 1},
     {0.01, 0.25, 1, 9, 100},
     {1, 1, 1, 1, 1}},
    {"correlated", {3, correlated, NULL}, {2, 2, 2}, {1, 1.06, 0.89}, {2, 2, 2}},
    {"banana", {2, banana, NULL}, {0, 0}, {1, 1 + 2 * BEND *BEND}, {0, NAN}},
    {"funnel", {4, funnel, NULL}, {0, 0, 0, 0}, {1, ROOT_E, ROOT_E, ROOT_E}, {0, 0, 0, 0}},
};
const int n_known_targets = (int)(sizeof known_targets / sizeof *known_targets);
