/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense symmetric algebra by LAPACK on row-major [n x n] matrices. Factorisations that take long,
 * with thousands of rows, are in decompose.h.
 */
#ifndef LINALG_H
#define LINALG_H

#include "base/compiler.h"

#include <stdbool.h>

/*
 * a <- L, lower with zeros above, where a = L L'; only the lower triangle of `a` is read. False,
 * with `a` overwritten, when it is not positive definite.
 */
bool linalg_cholesky(int n, double *a) MUST_CHECK;

/* log det(L L') */
double linalg_logdet(int n, const double *l);

/* a <- a' */
void linalg_transpose(int n, double *a);

#endif
