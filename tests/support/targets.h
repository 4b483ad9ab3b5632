/* SPDX-License-Identifier: Apache-2.0 */
/* Densities whose moments and quantiles are known, for the conformance of samplers. */
#ifndef TARGETS_H
#define TARGETS_H

#include "sample/target.h"

#define TARGETS_MAX 6 /* dimensions */

struct known_target {
    const char *name;
    struct target target;
    double mean[TARGETS_MAX];
    double variance[TARGETS_MAX];
    double median[TARGETS_MAX]; /* of each coordinate */
    /* A bijection between draws x of the target and independent standard normals z. */
    void (*colour)(const double *z, double *x);
    void (*whiten)(const double *x, double *z);
};

extern const struct known_target known_targets[];
extern const int n_known_targets;

#endif
