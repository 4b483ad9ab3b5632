/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factorisations of large symmetric matrices, over LAPACK in steps, between which they can be
 * cancelled: with thousands of rows they take seconds to minutes. Matrices are row-major [n x n],
 * of which the lower triangle is read. A step takes some tenths of a second at n = 8000 on one core
 * of 2020; only the eigenvectors of the tridiagonal matrix are found in one go (3 s at n = 4000).
 *
 * All: ERR_CANCELLED (cancel may be NULL), and the matrix is spoilt then.
 */
#ifndef DECOMPOSE_H
#define DECOMPOSE_H

#include "base/cancel.h"
#include "base/compiler.h"
#include "base/err.h"

/* a <- L with a = L L', L lower, the upper triangle 0. ERR_NUMERIC when `a` is not positive
 * definite. */
enum err_code decompose_cholesky(int n, double *a, const struct cancel *cancel,
                                 struct err *err) MUST_CHECK;

/* l <- L^-1 of a lower L without zeros on its diagonal; the upper triangle is left. */
enum err_code decompose_invert_lower(int n, double *l, const struct cancel *cancel,
                                     struct err *err) MUST_CHECK;

/*
 * Eigenvalues w [n], ascending, and a <- eigenvectors, one a row. ERR_NUMERIC when the matrix is
 * not finite or the iteration fails; ERR_NOMEM: it needs twice the matrix beside it.
 */
enum err_code decompose_eigen(int n, double *a, double *w, const struct cancel *cancel,
                              struct err *err) MUST_CHECK;

/* The eigenvalues alone, several times faster; `a` is spoilt, and nothing of its size needed. */
enum err_code decompose_eigenvalues(int n, double *a, double *w, const struct cancel *cancel,
                                    struct err *err) MUST_CHECK;

#endif
