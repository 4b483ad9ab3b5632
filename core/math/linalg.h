/* SPDX-License-Identifier: Apache-2.0 */
/* Dense symmetric algebra over LAPACK. Matrices are row-major [n x n]. What takes long with
 * thousands of rows is decompose.h's. */
#ifndef LINALG_H
#define LINALG_H

#include "base/compiler.h"

#include <stdbool.h>

/*
 * a <- L with a = L L', L lower, the upper triangle 0; reads the lower triangle. False, and `a`
 * spoilt, when `a` is not positive definite.
 */
bool linalg_cholesky(int n, double *a) MUST_CHECK;

/* log det(L L') */
double linalg_logdet(int n, const double *l);

/* a <- a' */
void linalg_transpose(int n, double *a);

#endif
