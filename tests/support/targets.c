/* SPDX-License-Identifier: Apache-2.0 */
#include "targets.h"

#include <math.h>
#include <stddef.h>

#define BEND 0.7

/* Independent, of different scales. */
static const double scale[5] = {0.1, 0.5, 1.0, 3.0, 10.0};

static double independent(void *ctx, const double *x, double *grad)
{
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

static void independent_colour(const double *z, double *x)
{
    for (int i = 0; i < 5; i++) {
        x[i] = 1.0 + scale[i] * z[i];
    }
}

static void independent_whiten(const double *x, double *z)
{
    for (int i = 0; i < 5; i++) {
        z[i] = (x[i] - 1.0) / scale[i];
    }
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

static void correlated_colour(const double *z, double *x)
{
    x[0] = 2.0 + z[0];
    x[1] = 2.0 + 0.9 * z[0] + 0.5 * z[1];
    x[2] = 2.0 - 0.8 * z[0] + 0.3 * z[1] + 0.4 * z[2];
}

static void correlated_whiten(const double *x, double *z)
{
    z[0] = x[0] - 2.0;
    z[1] = (x[1] - 2.0 - 0.9 * z[0]) / 0.5;
    z[2] = (x[2] - 2.0 + 0.8 * z[0] - 0.3 * z[1]) / 0.4;
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

static void banana_colour(const double *z, double *x)
{
    x[0] = z[0];
    x[1] = z[1] + BEND * (z[0] * z[0] - 1.0);
}

static void banana_whiten(const double *x, double *z)
{
    z[0] = x[0];
    z[1] = x[1] - BEND * (x[0] * x[0] - 1.0);
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

static void funnel_colour(const double *z, double *x)
{
    x[0] = z[0];
    for (int i = 1; i < 4; i++) {
        x[i] = z[i] * exp(0.5 * z[0]);
    }
}

static void funnel_whiten(const double *x, double *z)
{
    z[0] = x[0];
    for (int i = 1; i < 4; i++) {
        z[i] = x[i] * exp(-0.5 * x[0]);
    }
}

#define ROOT_E 1.6487212707001282

const struct known_target known_targets[] = {
    {"independent",
     {5, independent, NULL},
     {1, 1, 1, 1, 1},
     {0.01, 0.25, 1, 9, 100},
     {1, 1, 1, 1, 1},
     independent_colour,
     independent_whiten},
    {"correlated",
     {3, correlated, NULL},
     {2, 2, 2},
     {1, 1.06, 0.89},
     {2, 2, 2},
     correlated_colour,
     correlated_whiten},
    {"banana",
     {2, banana, NULL},
     {0, 0},
     {1, 1 + 2 * BEND *BEND},
     {0, NAN},
     banana_colour,
     banana_whiten},
    {"funnel",
     {4, funnel, NULL},
     {0, 0, 0, 0},
     {1, ROOT_E, ROOT_E, ROOT_E},
     {0, 0, 0, 0},
     funnel_colour,
     funnel_whiten},
};
const int n_known_targets = (int)(sizeof known_targets / sizeof *known_targets);
