/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to second derivatives share. */
#ifndef CURVATURE_PRIV_H
#define CURVATURE_PRIV_H

#include "curvature.h"

/* Threads that will run: within what core/par allows, at least 1. */
int curvature_threads(const struct curvature_problem *problem);

/* Adds the prior's second derivatives to a diagonal whose elements are `stride` apart. */
void curvature_add_prior(const struct curvature_problem *problem, size_t stride, double *diagonal);

/* ERR_NUMERIC when a number of v [n] is not finite. */
enum err_code curvature_check(const double *v, size_t n, struct err *err) MUST_CHECK;

#endif
