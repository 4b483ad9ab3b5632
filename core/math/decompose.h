/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factorisations of large symmetric matrices by LAPACK, in steps between which they can be
 * cancelled: with thousands of rows they take seconds to minutes. Matrices are row-major [n x n],
 * and only their lower triangle is read. A step takes a few tenths of a second at n = 8000 on one
 * core of 2020; only the eigenvectors of the tridiagonal matrix are found in one step (3 s at
 * n = 4000).
 *
 * Each returns ERR_CANCELLED, with the matrix overwritten, when `cancel` (which may be NULL) is
 * requested.
 */
#ifndef DECOMPOSE_H
#define DECOMPOSE_H

#include "base/cancel.h"
#include "base/compiler.h"
#include "base/err.h"

/* a <- L, lower with zeros above, where a = L L'. ERR_NUMERIC when `a` is not positive definite. */
enum err_code decompose_cholesky(int n, double *a, const struct cancel *cancel,
                                 struct err *err) MUST_CHECK;

/* l <- L^-1 of a lower L without zeros on its diagonal; the upper triangle stays as it is. */
enum err_code decompose_invert_lower(int n, double *l, const struct cancel *cancel,
                                     struct err *err) MUST_CHECK;

/*
 * w [n] <- the eigenvalues, ascending, and a <- the eigenvectors, one in each row. ERR_NUMERIC when
 * the matrix is not finite or the iteration does not converge; ERR_NOMEM: it needs memory for two
 * more such matrices.
 */
enum err_code decompose_eigen(int n, double *a, double *w, const struct cancel *cancel,
                              struct err *err) MUST_CHECK;

/* The eigenvalues alone, several times faster; overwrites `a` and needs no second matrix. */
enum err_code decompose_eigenvalues(int n, double *a, double *w, const struct cancel *cancel,
                                    struct err *err) MUST_CHECK;

#endif
